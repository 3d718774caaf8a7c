"""The actor `log_archive`: keeps the server's write-ahead log in the folder of backups, as it is
written, by `pg_receivewal`. With it a backup can be restored to any moment after it.

Of several nodes on one folder, one does it. A slot on the server has it keep what could not be
fetched yet, up to a limit; what was lost beyond that is told, and the archive begins anew.
"""

from __future__ import annotations

import signal
import tempfile
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.folder_lock import FolderLock
from stockstream.database.backups.log_files import FetchTimeline
from stockstream.database.backups.making import Target, in_thread
from stockstream.database.backups.manifest import LOG
from stockstream.database.backups.tools import run_tool, start_tool, told
from stockstream.database.query import DatabaseError, ask
from stockstream.database.url import InvalidDatabaseUrl, read_database_url
from stockstream.pauses import Pauses
from stockstream.statuses import LogArchiveStatus
from supervision import Actor, Backoff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from supervision import Slot

SLOT = "stockstream"
RETRIES = Backoff(first=0.2, longest=10.0)
STANDBY_SECONDS = 5.0
WELL_SECONDS = 1.0
"""It has begun when it has run for so long: it says nothing itself."""
KILLED_SECONDS = 5.0

_log: BoundLogger = structlog.get_logger("backups")


class LogArchive(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self, directory: Path, address: Callable[[], str], status: Slot[LogArchiveStatus]
    ) -> None:
        self._target = Target(directory)
        self._archive = directory / LOG
        self._address = address
        self._status = status

    async def init(self) -> None:
        """Begin."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        pauses = Pauses(RETRIES)
        while True:
            begun = trio.current_time()
            try:
                await self._receive()
            except DatabaseError as error:
                self._tell(str(error), calm=True)  # the gateway has said so
            except (BackupFailed, InvalidDatabaseUrl) as error:
                self._tell(str(error))
            except OSError as error:
                self._tell(str(self._target.failed(error)))
            if trio.current_time() - begun > 10 * WELL_SECONDS:
                pauses.reset()
            await trio.sleep(pauses.take())

    def _tell(self, reason: str | None, *, calm: bool = False) -> None:
        before = self._status.value
        if before is not None and before.reason == reason:
            return
        self._status.put(LogArchiveStatus(reason))
        if reason is not None:
            (_log.debug if calm else _log.warning)("the log is not archived", reason=reason)
        else:
            _log.info("the log is archived")

    async def _receive(self) -> None:
        """Fetch the log until that fails.

        Raises:
            BackupFailed: it did.
        """
        await in_thread(lambda: self._archive.mkdir(mode=0o700, parents=True, exist_ok=True))
        lock = FolderLock(self._archive)
        try:
            while not await in_thread(lock.take):  # noqa: ASYNC110 - who has it tells nobody
                await trio.sleep(STANDBY_SECONDS)
            folder = self._archive / await ask(self._database, FetchTimeline())
            await in_thread(lambda: folder.mkdir(mode=0o700, exist_ok=True))
            address, environment = read_database_url(self._address()).for_programs()
            there = [f"--dbname={address}", f"--slot={SLOT}", "--no-password"]
            create = [*there, "--create-slot", "--if-not-exists"]
            await run_tool("pg_receivewal", *create, environment=environment)
            said = await self._follow([*there, f"--directory={folder}"], environment)
            if _is_gone(said):
                await run_tool("pg_receivewal", *there, "--drop-slot", environment=environment)
                await in_thread(partial(_remove_partial, folder))
            raise BackupFailed(f"pg_receivewal: {told(said) or 'it ended'}")
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + KILLED_SECONDS):
                await in_thread(lock.release)

    async def _follow(self, arguments: list[str], environment: dict[str, str]) -> str:
        """Run it to its end; what it said."""
        with tempfile.TemporaryFile() as output:
            process = start_tool(
                "pg_receivewal", *arguments, "--no-loop", output=output, environment=environment
            )
            try:
                with trio.move_on_after(WELL_SECONDS) as begun:
                    await process.wait()
                if begun.cancelled_caught:
                    self._tell(None)
                    await process.wait()
            finally:
                process.send_signal(signal.SIGKILL)
                with trio.move_on_after(KILLED_SECONDS, shield=True):
                    await process.wait()
                process.close()
            output.seek(0)
            return output.read().decode(errors="replace")


def _remove_partial(folder: Path) -> None:
    for file in folder.glob("*.partial"):
        file.unlink()


def _is_gone(said: str) -> bool:
    """Whether the server has thrown away what the archive would go on from."""
    return "has already been removed" in said or "invalidated" in said or "no longer" in said
