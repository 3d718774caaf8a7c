"""Makes a backup in a folder. The server keeps running, and recording, meanwhile.

It is made under a name that begins with `.partial-`, and gets its own when all of it is on disk. So
what was interrupted is never taken for a backup; it is removed when the next one is made.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio

from stockstream.database import dumps
from stockstream.database.backups import manifest as manifests
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.folder_lock import FolderLock
from stockstream.database.backups.holdings import FetchHoldings, Holdings
from stockstream.database.backups.keeping import position
from stockstream.database.backups.log_files import FetchTimeline
from stockstream.database.backups.manifest import DATA, DRAFT, DUMP, Kind, Manifest
from stockstream.database.backups.tools import run_tool
from stockstream.database.dumps import DumpFailed
from stockstream.database.own_tables import FindSchemas
from stockstream.database.pooling import lends_by_transaction
from stockstream.database.url import InvalidDatabaseUrl, read_database_url
from stockstream.times import now_ms
from stockstream.version import program_version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from stockstream.database.visit import Asking

T = TypeVar("T")

SPARE_BYTES = 64_000_000
"""Room that must be left besides: for the log that is written meanwhile, and for the manifest."""
CLEAN_UP_SECONDS = 10.0
_disk = trio.CapacityLimiter(1)
"""A thread of its own: a disk that hangs must not block the threads of others."""


@dataclass(frozen=True, slots=True)
class Target:
    """A folder of backups; `setting` is what an operator would change."""

    directory: Path
    setting: str = "BACKUP_DIRECTORY"

    def failed(self, error: OSError) -> BackupFailed:
        """What an error of the file system means here."""
        return BackupFailed(f"{self.setting}: {error.filename or self.directory}: {error.strerror}")


async def make(ask: Asking, url: str, kind: Kind, target: Target) -> Manifest:
    """Make a backup of the database at `url`, which `ask` asks.

    Raises:
        BackupFailed: it was not made; the text names the setting, the file or the program.
        DatabaseError: the database does not answer.
    """
    try:
        await in_thread(partial(prepare, target))
        async with locked(target):
            return await _make(ask, url, kind, target)
    except OSError as error:
        raise target.failed(error) from error


async def in_thread(work: Callable[[], T]) -> T:
    """Do what may wait for the disk of backups."""
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=_disk)


def prepare(target: Target) -> None:
    """See that the folder is there and can be written.

    Raises:
        OSError: it cannot.
    """
    target.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=target.directory) as file:
        file.write(b"x")


@asynccontextmanager
async def locked(target: Target) -> AsyncIterator[None]:
    """Nobody else makes or removes backups here, for the time of a `with`.

    Raises:
        BackupFailed: somebody does.
    """
    lock = FolderLock(target.directory)
    try:
        await in_thread(partial(take, lock, target))
        yield
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEAN_UP_SECONDS):
            await in_thread(lock.release)


def take(lock: FolderLock, target: Target) -> None:
    """Take the lock on a folder of backups.

    Raises:
        BackupFailed: somebody else has it.
    """
    if not lock.take():
        raise BackupFailed(
            f"{target.setting}: another process makes a backup in {target.directory}"
        )


async def _make(ask: Asking, url: str, kind: Kind, target: Target) -> Manifest:
    directory = target.directory
    await in_thread(partial(remove_drafts, directory))
    parent = None
    if kind == "incremental":
        place = await ask(FetchTimeline())
        parent = await in_thread(partial(newest_physical, directory, place))
        if parent is None:
            raise BackupFailed(
                f"{directory} has no full backup of this server to go on from (none, or none "
                "since it was restored): make one first"
            )
    before = await ask(FetchHoldings())
    await in_thread(partial(check_room, target, needed(kind, before)))
    began = now_ms()
    name = await in_thread(partial(free_name, directory, began, kind))
    draft = directory / f"{DRAFT}{name}"
    try:
        data = draft / DATA
        await in_thread(partial(draft.mkdir, mode=0o700))
        await in_thread(partial(data.mkdir, mode=0o700))
        if kind == "dump":
            await _dump(ask, url, data)
        else:
            await _copy(url, data, None if parent is None else directory / parent.name / DATA)
        after = await ask(FetchHoldings())
        files = await in_thread(partial(manifests.entries, data))
        system = first_log = None
        if kind != "dump":
            system = await in_thread(partial(system_of, data))
            first_log = await in_thread(partial(first_log_of, data))
        made = Manifest(
            name=name,
            kind=kind,
            parent=None if parent is None else parent.name,
            began=began,
            ended=now_ms(),
            program=program_version(),
            server=before.server,
            major=before.major,
            schema=before.schema,
            system=system,
            first_log=first_log,
            last_tick=before.last_tick,
            rows={t: (n, after.rows.get(t, n)) for t, n in before.rows.items()},
            bytes=sum(entry.bytes for entry in files.values()),
            files=files,
        )
        await in_thread(partial(_publish, draft, directory / name, made))
    except BaseException:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEAN_UP_SECONDS):
            await in_thread(partial(shutil.rmtree, draft, ignore_errors=True))
        raise
    return made


def remove_drafts(directory: Path) -> None:
    """Remove what was interrupted.

    Raises:
        OSError: it cannot be removed.
    """
    for folder in directory.glob(f"{DRAFT}*"):
        # Ours are folders; a file or a link of that name is somebody else's.
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)


def newest_physical(directory: Path, place: str) -> Manifest | None:
    """The newest backup that an incremental one may go on from; None where there is none.

    It is of the same server and timeline, which `place` names: the server has no summary of what
    was written before it was restored. The newest is the last one in the log: a clock may have been
    wrong.

    Raises:
        BackupFailed: the folder cannot be read.
    """
    backups = manifests.good(directory)
    here = [
        (position(one.first_log), number, one)
        for number, one in enumerate(backups)
        if one.first_log is not None and place == f"{one.system}-{one.first_log[:8]}"
    ]
    for _, _, one in sorted(here, reverse=True):
        try:
            manifests.chain(backups, one.name)
        except BackupFailed:
            continue
        return one
    return None


def needed(kind: Kind, holds: Holdings) -> int:
    """The room that a backup may take, in bytes: a guess. A dump is compressed, an incremental one
    has what was changed, which nobody knows before.
    """
    share = {"full": 1.1, "dump": 0.2, "incremental": 0.05}[kind]
    return round((holds.own_bytes if kind == "dump" else holds.bytes) * share) + SPARE_BYTES


def check_room(target: Target, bytes_needed: int) -> None:
    """See that the disk has room.

    Raises:
        BackupFailed: it has too little.
    """
    free = shutil.disk_usage(target.directory).free
    if free < bytes_needed:
        raise BackupFailed(
            f"{target.setting}: {target.directory} has {free / 1e6:,.0f} MB free, and the backup "
            f"may take {bytes_needed / 1e6:,.0f} MB: make room, or have fewer kept"
        )


def free_name(directory: Path, began: int, kind: Kind) -> str:
    """A name that is not there yet: when it began, and its kind."""
    moment = datetime.fromtimestamp(began // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    name, number = f"{moment}-{kind}", 1
    while (directory / name).exists():
        number += 1
        name = f"{moment}-{number}-{kind}"
    return name


async def _copy(url: str, data: Path, parent: Path | None) -> None:
    try:
        address, environment = read_database_url(url).for_programs()
    except InvalidDatabaseUrl as error:
        raise BackupFailed(str(error)) from error
    options = [
        f"--dbname={address}",
        f"--pgdata={data}",
        "--checkpoint=fast",
        "--wal-method=stream",
        "--manifest-checksums=SHA256",
        "--no-password",
        "--label=stockstream",
    ]
    if parent is not None:
        options.append(f"--incremental={parent / 'backup_manifest'}")
    await run_tool("pg_basebackup", *options, environment=environment)


async def _dump(ask: Asking, url: str, data: Path) -> None:
    schemas = await ask(FindSchemas())
    if len(schemas) != 1:
        raise BackupFailed(f"DATABASE_URL: the tables stand in {' and '.join(schemas)}, not one")
    if await lends_by_transaction(ask):
        raise BackupFailed(
            "DATABASE_URL: a pooler lends its connections for a transaction each, and pg_dump "
            "leaves settings on them that others would find; name the server itself"
        )
    try:
        with await in_thread(lambda: (data / DUMP).open("wb")) as file:
            await dumps.back_up(url, schemas[0], file, lambda _size: None)
            await in_thread(partial(_to_disk, file.fileno()))
    except DumpFailed as error:
        raise BackupFailed(str(error)) from error


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)


def _publish(draft: Path, final: Path, made: Manifest) -> None:
    manifests.write(draft, made)
    _sync_folder(draft)
    draft.rename(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Told(msgspec.Struct):
    """What is read of PostgreSQL's own manifest."""

    system: int | None = msgspec.field(name="System-Identifier", default=None)


def system_of(data: Path) -> str | None:
    """The identifier of the cluster that a physical backup is of."""
    told = msgspec.json.decode((data / "backup_manifest").read_bytes(), type=_Told)
    return None if told.system is None else str(told.system)


def first_log_of(data: Path) -> str | None:
    """The first file of the log that is needed with a physical backup."""
    for line in (data / "backup_label").read_text(encoding="utf-8").splitlines():
        if line.startswith("START WAL LOCATION:") and "(file " in line:
            return line.partition("(file ")[2].rstrip(")")
    return None
