"""The job `backups`: makes a backup on a schedule, and removes those that are not needed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import structlog

from stockstream.database import backup_notes
from stockstream.database.backups import manifest as manifests
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.folder_lock import FolderLock
from stockstream.database.backups.keeping import first_log_needed, may_go, position
from stockstream.database.backups.log_files import FetchTimeline, files_of, folders_of
from stockstream.database.backups.making import Target, in_thread, make, newest_physical, take
from stockstream.database.query import NotYet, ask
from stockstream.jobs.job import Done, JobFailed, JobSpec
from stockstream.times import DAY_MS, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from stockstream.database.backups.keeping import Keep
    from stockstream.database.backups.manifest import Kind, Manifest
    from stockstream.database.query import Query
    from stockstream.database.visit import Asking
    from stockstream.jobs.schedule import Schedule
    from supervision import ActorRef

R = TypeVar("R")

ASK_SECONDS = 130.0
DEADLINE_SECONDS = 12 * 3_600.0
RETRY_SECONDS = 900.0
JITTER_SECONDS = 30.0
FULL_EVERY_MS = 7 * DAY_MS
"""An incremental backup needs all since the last full one: the fewer, the better."""

_NO_SUMMARY = "WAL summaries are required"
"""What the server says when it does not know any more what was changed since."""

_log: BoundLogger = structlog.get_logger("backups")


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """When, where and what; `address` is the database's. When one was made is noted in `notes`."""

    schedule: Schedule
    directory: Path
    kind: Literal["full", "incremental", "dump"]
    keep: Keep
    address: Callable[[], str]
    notes: Path


class BackingUp:
    """The work of the job."""

    def __init__(self, settings: BackupSettings) -> None:
        self._settings = settings
        self._target = Target(settings.directory)

    async def __call__(self, database: ActorRef) -> Done:
        """Make one, then remove what is not needed any more.

        Raises:
            JobFailed: it was not made.
        """

        async def asking(query: Query[R]) -> R:
            return await ask(database, query, timeout=ASK_SECONDS)

        settings, target = self._settings, self._target
        try:
            url, kind = settings.address(), await self._kind(asking)
            try:
                made = await make(asking, url, kind, target)
            except BackupFailed as error:
                if kind != "incremental" or _NO_SUMMARY not in str(error):
                    raise
                _log.warning("an incremental backup is not possible", reason=str(error))
                made = await make(asking, url, "full", target)
            what = f"{made.name}, {made.bytes / 1e6:,.1f} MB"
        except (BackupFailed, NotYet) as error:
            raise JobFailed(str(error)) from error
        return Done(what + await self.tidied(made))

    async def tidied(self, made: Manifest) -> str:
        """Note the backup, and remove what is not needed; what is to be told of that.

        There is a backup now. A run that failed here would have the next one made soon, and again.
        """
        told = ""
        try:
            gone = await in_thread(self.prune)
            if gone:
                _log.info("old backups removed", backups=gone)
                told = f"; {len(gone)} old ones removed"
            await in_thread(partial(backup_notes.note, self._settings.notes, made=made.ended))
        except (BackupFailed, OSError) as error:
            why = str(self._target.failed(error) if isinstance(error, OSError) else error)
            _log.warning("old backups are not removed, or the new one is not noted", reason=why)
            told += f"; but then: {why}"
        return told

    async def _kind(self, asking: Asking) -> Kind:
        """A full one where there is none of this week to go on from."""
        kind, directory = self._settings.kind, self._settings.directory
        if kind != "incremental":
            return kind
        place = await asking(FetchTimeline())

        def choose() -> Kind:
            parent = newest_physical(directory, place) if directory.is_dir() else None
            if parent is None:
                return "full"
            links = manifests.chain(manifests.good(directory), parent.name)
            # One that began after now was made by a clock that was ahead: its age is not known.
            this_week = 0 <= now_ms() - links[0].began <= FULL_EVERY_MS
            return "incremental" if this_week else "full"

        return await in_thread(choose)

    def prune(self) -> list[str]:
        """Remove what may go: what needs another one before that one. Their names.

        A link to a backup that somebody has put elsewhere is left alone.

        Raises:
            BackupFailed: the folder cannot be read, or somebody makes a backup there.
            OSError: one cannot be removed.
        """
        directory = self._settings.directory
        lock = FolderLock(directory)
        try:
            take(lock, self._target)
            backups = manifests.good(directory)
            old = may_go(backups, self._settings.keep, now_ms())
            gone = [one for one in old if not (directory / one.name).is_symlink()]
            for one in gone:
                # By that name it is no backup any more, however far the removal comes, and what is
                # left of it goes when the next one is made.
                draft = directory / f"{manifests.DRAFT}{one.name}"
                (directory / one.name).rename(draft)
                shutil.rmtree(draft)
            names = {one.name for one in gone}
            _prune_log(directory, [one for one in backups if one.name not in names])
        finally:
            lock.release()
        return sorted(names)


def _prune_log(directory: Path, left: list[Manifest]) -> None:
    for system in {one.system for one in left if one.system is not None}:
        first = first_log_needed([one for one in left if one.system == system])
        if first is None:
            continue
        for folder in folders_of(directory, system):
            for file in files_of(folder):
                if position(file.name) < position(first):
                    file.unlink()


def backup_job(settings: BackupSettings) -> JobSpec:
    """The job."""
    return JobSpec(
        name="backups",
        about="makes backups, removes old ones",
        schedule=settings.schedule,
        work=BackingUp(settings),
        deadline=DEADLINE_SECONDS,
        retry=RETRY_SECONDS,
        jitter=JITTER_SECONDS,
    )
