"""What operators did, until it is stored: the entries of the audit, and the memory that keeps them.

An action must not wait for the database, which may be what it is about: chaos works with a database
that is away. So its entry is kept here, and an actor stores it when it can.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from supervision import Ownership

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_WAITING = 10_000
"""Some 10 MB. Operators do a few things a minute, and a drill does five a second."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One action, and how it ended. `at` in ms since 1970; `before` and `after` are JSON.

    `key` is the entry's own, so that storing it again changes nothing. `credential` is what let
    `who` in, and `account_id` the account where there is one.
    """

    key: str
    at: int
    who: str
    account_id: int | None
    credential: str
    address: str
    node: str
    action: str
    target: str | None
    before: str | None
    after: str | None
    outcome: str
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class InboxStatistics:
    """Entries that wait, that were stored, and that were lost; counted since the process began."""

    waiting: int
    stored: int
    lost: int


class AuditInbox:
    """Entries until they are stored: `web` appends, the keeper acknowledges.

    When more than `limit` wait, the newest is lost, and counted: who fills it does not get rid of
    what is in it already. The log has a line of each.
    """

    def __init__(self, *, writer: str, reader: str, limit: int = MOST_WAITING) -> None:
        self._appends = Ownership("audit_inbox", writer)
        self._acknowledges = Ownership("audit_inbox", reader)
        self._waiting: deque[AuditEntry] = deque()
        self._limit = limit
        self._stored = 0
        self._lost = 0
        self._told = 0

    def append(self, entry: AuditEntry) -> bool:
        """Keep an entry; False when there is no room for it."""
        self._appends.check()
        if len(self._waiting) >= self._limit:
            self._lost += 1
            return False
        self._waiting.append(entry)
        return True

    def waiting(self, most: int) -> list[AuditEntry]:
        """The oldest that wait."""
        return [self._waiting[index] for index in range(min(most, len(self._waiting)))]

    def acknowledge(self, entries: Sequence[AuditEntry], *, refused: int = 0) -> None:
        """Forget the oldest, which these are: they are stored, but for those that were refused."""
        self._acknowledges.check()
        for entry in entries:
            assert self._waiting[0] is entry  # noqa: S101 - only the reader takes away
            self._waiting.popleft()
        self._stored += len(entries) - refused
        self._lost += refused

    @property
    def untold(self) -> int:
        """How many were lost that the audit does not tell of yet."""
        return self._lost - self._told

    def tell_lost(self, entries: int) -> None:
        """The audit tells of so many that were lost."""
        self._acknowledges.check()
        self._told += entries

    def statistics(self) -> InboxStatistics:
        """Counts, for operators."""
        return InboxStatistics(len(self._waiting), self._stored, self._lost)
