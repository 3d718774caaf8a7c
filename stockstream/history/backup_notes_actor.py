"""The actor `backup_notes`: has it known when the last backup was made that is noted anywhere.

What is noted here, in the data directory, is known also while the database is away; what other
nodes and commands have noted there is not. A disk that hangs holds up nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.database.backup_notes import read_notes
from stockstream.database.query import DatabaseError, ask
from stockstream.jobs.successes import BACKUPS, FetchSuccesses
from stockstream.times import now_ms
from supervision import Actor

if TYPE_CHECKING:
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from supervision import Slot

LOOK_SECONDS = 60.0
NOTES_SECONDS = 2.0

_log: BoundLogger = structlog.get_logger("backup_notes")


class BackupNotesReader(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, directory: Path, backed_up: Slot[int]) -> None:
        self._directory = directory
        self._backed_up = backed_up
        self._limiter = trio.CapacityLimiter(1)
        self._told = ""

    async def init(self) -> None:
        """Begin."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        while True:
            with trio.move_on_after(NOTES_SECONDS):
                self._keep(await self._noted_here())
            self._keep(await self._noted_by_all())
            await trio.sleep(LOOK_SECONDS)

    def _keep(self, made: int | None) -> None:
        # One of a clock that was ahead says nothing of today's.
        if made is not None and (self._backed_up.value or 0) < made <= now_ms():
            self._backed_up.put(made)

    async def _noted_here(self) -> int | None:
        try:
            notes = await trio.to_thread.run_sync(
                read_notes, self._directory, abandon_on_cancel=True, limiter=self._limiter
            )
        except OSError as error:
            if str(error) != self._told:
                _log.warning("the notes of backups cannot be read", reason=str(error))
            self._told = str(error)
            return None
        self._told = ""
        return notes.made

    async def _noted_by_all(self) -> int | None:
        """By other nodes and by commands elsewhere; while the database is away it is not known."""
        try:
            return (await ask(self._database, FetchSuccesses((BACKUPS,)))).get(BACKUPS)
        except DatabaseError as error:
            _log.debug("the database tells of no backups", reason=str(error))
            return None
