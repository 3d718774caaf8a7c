"""The actor that stores the operators' audit: entries that wait in the inbox, when it can.

While the database is away they wait, in the order in which they came; a killed keeper's successor
goes on with them. An entry that was stored without an answer is stored once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.database.query import DatabaseError, Rejected, ask
from stockstream.pauses import Pauses
from stockstream.users.operator_audit import WriteEntries, entries_lost
from supervision import Actor, Backoff, Conflate, MailboxPolicy, handles

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from stockstream.audit_inbox import AuditEntry, AuditInbox
    from supervision import ExitReason

AT_ONCE = 100
LOOK_SECONDS = 5.0
"""How often it looks without a hint: a hint to a killed keeper is lost."""
FLUSH_SECONDS = 2.0
TOLD_AFTER = 4
"""Attempts: a server that has just begun is not connected yet, and that is no news."""
RETRIES = Backoff(first=0.2, longest=5.0)

_log: BoundLogger = structlog.get_logger("users")


@dataclass(frozen=True, slots=True)
class EntriesWait:
    """Entries wait in the inbox: look now."""


class AuditKeeper(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True
    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(
        bound=100,
        overflow=Conflate(lambda message: EntriesWait if message == EntriesWait() else None),
    )

    def __init__(self, inbox: AuditInbox, node: str) -> None:
        self._inbox = inbox
        self._node = node
        self._news = trio.Event()
        self._working = trio.CancelScope()
        self._rested = trio.Event()

    async def init(self) -> None:
        """Begin with what waits."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)

    async def terminate(self, _reason: ExitReason) -> None:
        """Store what waits, if that is quick."""
        self._working.cancel()
        await self._rested.wait()
        with trio.move_on_after(FLUSH_SECONDS), suppress(DatabaseError):
            await self._store()
        left = self._inbox.statistics().waiting
        if left:
            _log.error("entries of the audit are not stored; they are in the log", entries=left)

    @handles(EntriesWait)
    def _on_news(self, _message: EntriesWait) -> None:
        self._news.set()

    async def _run(self) -> None:
        pauses, failures = Pauses(RETRIES), 0
        try:
            with self._working:
                while True:
                    self._news = trio.Event()
                    try:
                        await self._store()
                    except DatabaseError as error:
                        failures += 1
                        if failures == TOLD_AFTER:
                            _log.warning("the audit waits for the database", reason=str(error))
                        await trio.sleep(pauses.take())
                        continue
                    pauses.reset()
                    failures = 0
                    with trio.move_on_after(LOOK_SECONDS):
                        await self._news.wait()
        finally:
            self._rested.set()

    async def _store(self) -> None:
        """Store all that wait.

        Raises:
            DatabaseError: not all are stored; what is left waits on.
        """
        inbox = self._inbox
        while entries := inbox.waiting(AT_ONCE):
            try:
                await ask(self._database, WriteEntries(tuple(entries)))
            except Rejected:
                await self._store_singly(entries)
            else:
                inbox.acknowledge(entries)
        untold = inbox.untold
        if untold:
            await ask(self._database, WriteEntries((entries_lost(untold, self._node),)))
            inbox.tell_lost(untold)

    async def _store_singly(self, entries: list[AuditEntry]) -> None:
        """The database refuses one of them, and that one must not hold up the others."""
        for entry in entries:
            refused = 0
            try:
                await ask(self._database, WriteEntries((entry,)))
            except Rejected as error:
                refused = 1
                _log.error("an entry of the audit is refused", key=entry.key, reason=str(error))
            self._inbox.acknowledge([entry], refused=refused)
