"""The actor `backup_notes`: has it known when the last backup was made that is noted here.

Also while the database is away; a disk that hangs holds up nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream.database.backup_notes import read_notes
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
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        while True:
            with trio.move_on_after(NOTES_SECONDS):
                await self._look()
            await trio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        try:
            notes = await trio.to_thread.run_sync(
                read_notes, self._directory, abandon_on_cancel=True, limiter=self._limiter
            )
        except OSError as error:
            if str(error) != self._told:
                _log.warning("the notes of backups cannot be read", reason=str(error))
            self._told = str(error)
            return
        self._told = ""
        if notes.made is not None and notes.made != self._backed_up.value:
            self._backed_up.put(notes.made)
