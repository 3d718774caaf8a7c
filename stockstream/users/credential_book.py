"""What the doorkeeper knows and wants to know: a sync core, without a clock, actor or database.

Its rows stand in a table that outlives it. There is one question to the database at a time; those
who come meanwhile wait for the next one, so nobody is answered by what was true before they came.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stockstream.database.query import Exhausted
from stockstream.users.credentials import NEVER, TOUCH_SECONDS, Known
from stockstream.users.roles import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stockstream.credential_keys import CredentialKey
    from stockstream.database.query import DatabaseError
    from stockstream.times import Moment
    from stockstream.users.credentials import Credential, Found, Held

CONFIRMED_SECONDS = 10.0
"""How long a credential is good without another question: what was ended elsewhere, and told nobody
here, is honoured for no longer."""
AWAY_SECONDS = 60.0
"""The same while the database is away."""
WATCHING = frozenset({Scope.METRICS_READ})
"""Who may do no more than this is believed for as long as the database is away: else the alert that
it is away could never be raised by what asks with such a token."""
USED_SECONDS = 60.0
"""What was used within this time is confirmed without a request that waits for it."""
MOST_KNOWN = 65_536
MOST_WAITING = 10_000
DIGESTS_AT_ONCE = 1_000
"""In one question, which then takes some 10 ms."""


class Rows(Protocol):
    """The table `credentials`."""

    @property
    def rows(self) -> Mapping[bytes, Known]:
        """What is there."""

    def put(self, key: bytes, value: Known) -> None:
        """Set a row."""

    def delete(self, key: bytes) -> None:
        """Drop a row."""


class Waiting(NamedTuple):
    """Somebody who waits to be told which of the digests are credentials."""

    digests: frozenset[bytes]
    reply: Callable[[Mapping[bytes, Credential] | DatabaseError], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What the database is asked at a moment, for whom."""

    digests: tuple[bytes, ...]
    asked: Moment
    callers: tuple[Waiting, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What an answer brought: credentials that are gone, that allow something else now, and those
    whose use is to be written down.
    """

    ended: list[CredentialKey] = field(default_factory=list)
    changed: list[CredentialKey] = field(default_factory=list)
    used: list[CredentialKey] = field(default_factory=list)


class _Kept(NamedTuple):
    """When it was asked and answered, and which digests somebody waits for."""

    asked: Moment
    now: Moment
    wanted: frozenset[bytes]


def is_good(row: Known | None, now: Moment, seconds: float = CONFIRMED_SECONDS) -> bool:
    """Whether a credential may be believed by its row alone, `seconds` after it was confirmed."""
    return row is not None and not row.doubt and now < row.ends and now - row.confirmed < seconds


def is_good_without(row: Known | None, now: Moment) -> bool:
    """The same while the database is away."""
    watches = row is not None and row.credential.scopes <= WATCHING
    return is_good(row, now, math.inf if watches else AWAY_SECONDS)


class CredentialBook:
    """See the module."""

    def __init__(self, rows: Rows, held: Mapping[int, Held]) -> None:
        """`held` is what open sockets were let in by."""
        self._table = rows
        self._held = held
        self._digests = {row.credential.key: digest for digest, row in rows.rows.items()}
        self._waiting: deque[Waiting] = deque()
        self._due: dict[bytes, None] = {}
        self._in_flight = False
        self._ended_meanwhile: set[CredentialKey] = set()
        self._changed_meanwhile: set[int] = set()
        self.trouble: DatabaseError | None = None
        """Why the last question had no answer."""

    def want(self, waiting: Waiting, now: Moment) -> None:
        """Somebody came with these digests: answered at once, or by the next question."""
        for digest in waiting.digests:
            row = self._table.rows.get(digest)
            if row is not None:
                self._table.delete(digest)  # it goes to the end: the longest unused is forgotten
                self._table.put(digest, row._replace(used=now))
        believe = is_good if self.trouble is None else is_good_without
        good = self._good(waiting.digests, now, believe)
        if good is not None:
            waiting.reply(good)
            if self.trouble is not None:
                self._due.update(dict.fromkeys(waiting.digests))
        elif len(self._waiting) >= MOST_WAITING:
            waiting.reply(Exhausted("too many wait for their credentials to be confirmed"))
        else:
            self._waiting.append(waiting)

    def round(self, now: Moment) -> None:
        """Have all be confirmed that sockets hold or that were used lately; forget what nobody
        would believe any more.
        """
        held = {row.digest for row in self._held.values()}
        self._due = dict.fromkeys(held)
        for digest, row in list(self._table.rows.items()):
            if now - row.used < USED_SECONDS:
                self._due[digest] = None
            elif digest not in held and not is_good_without(row, now):
                self._forget(digest)

    def question(self, now: Moment) -> Question | None:
        """What to ask next; None where there is nothing. Then `answered` or `failed` comes."""
        digests: dict[bytes, None] = {}
        callers: list[Waiting] = []
        while self._waiting:
            new = self._waiting[0].digests
            if callers and len(digests) + len(new) > DIGESTS_AT_ONCE:
                break
            digests.update(dict.fromkeys(new))
            callers.append(self._waiting.popleft())
        while self._due and len(digests) < DIGESTS_AT_ONCE:
            digest = next(iter(self._due))
            del self._due[digest]
            digests[digest] = None
        if not digests:
            for waiting in callers:
                waiting.reply({})
            return None
        self._in_flight = True
        return Question(tuple(digests), now, tuple(callers))

    def answered(self, question: Question, found: Mapping[bytes, Found], now: Moment) -> Outcome:
        """The database has answered: keep it, tell who waits, and say what is new."""
        self.trouble = None
        outcome = Outcome()
        living: dict[bytes, Credential] = {}
        wanted = frozenset[bytes]().union(*(caller.digests for caller in question.callers))
        kept = _Kept(question.asked, now, wanted)
        for digest in question.digests:
            one = found.get(digest)
            # What ended after it was asked may have been alive then.
            if one is None or one.credential.key in self._ended_meanwhile:
                self._gone(digest, outcome)
            else:
                living[digest] = one.credential
                self._keep(digest, one, kept, outcome)
        for caller in question.callers:
            caller.reply({digest: living[digest] for digest in caller.digests if digest in living})
        self._landed()
        return outcome

    def failed(self, question: Question, trouble: DatabaseError, now: Moment) -> None:
        """There is no answer: who is known goes on for a while, others are told."""
        self.trouble = trouble
        for caller in question.callers:
            caller.reply(self._good(caller.digests, now, is_good_without) or trouble)
        self._landed()

    def end(self, keys: Iterable[CredentialKey]) -> None:
        """These have ended, whatever a question asked before says."""
        for key in keys:
            if self._in_flight:
                self._ended_meanwhile.add(key)
            digest = self._digests.get(key)
            if digest is not None:
                self._forget(digest)

    def doubt(self, account_id: int) -> None:
        """An account was changed: what is known of its credentials is asked anew before use."""
        if self._in_flight:
            self._changed_meanwhile.add(account_id)
        for digest, row in list(self._table.rows.items()):
            if row.credential.account_id == account_id:
                self._table.put(digest, row._replace(doubt=True))
                self._due[digest] = None
        for held in self._held.values():
            if held.key not in self._digests:
                self._due[held.digest] = None

    def _good(
        self, digests: Iterable[bytes], now: Moment, believe: Callable[[Known, Moment], bool]
    ) -> dict[bytes, Credential] | None:
        """All of them, where each may be believed without a question."""
        rows = {digest: self._table.rows.get(digest) for digest in digests}
        good = {
            digest: row.credential
            for digest, row in rows.items()
            if row is not None and believe(row, now)
        }
        return good if good and len(good) == len(rows) else None

    def _keep(self, digest: bytes, found: Found, kept: _Kept, outcome: Outcome) -> None:
        credential, key = found.credential, found.credential.key
        before = self._table.rows.get(digest)
        if before is None:
            used, touched = kept.asked if digest in kept.wanted else NEVER, NEVER
        else:
            used, touched = before.used, before.touched
        if used > touched and kept.now - touched >= TOUCH_SECONDS:
            touched = kept.now
            outcome.used.append(key)
        if before is None and len(self._table.rows) >= MOST_KNOWN:
            self._forget(next(iter(self._table.rows)))
        doubt = credential.account_id in self._changed_meanwhile
        ends = kept.asked.after(found.seconds)
        self._table.put(digest, Known(credential, kept.asked, ends, used, touched, doubt))
        self._digests[key] = digest
        if doubt:
            self._due[digest] = None
        if before is not None and not credential.allows_as(before.credential):
            outcome.changed.append(key)

    def _gone(self, digest: bytes, outcome: Outcome) -> None:
        row = self._table.rows.get(digest)
        if row is not None:
            outcome.ended.append(row.credential.key)
            self._forget(digest)
        else:
            outcome.ended += {held.key for held in self._held.values() if held.digest == digest}

    def _forget(self, digest: bytes) -> None:
        row = self._table.rows.get(digest)
        if row is not None:
            self._table.delete(digest)
            self._digests.pop(row.credential.key, None)

    def _landed(self) -> None:
        self._in_flight = False
        self._ended_meanwhile.clear()
        self._changed_meanwhile.clear()
