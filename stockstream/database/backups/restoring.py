"""Puts a backup together again, as a cluster that a server can be started on."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from stockstream.database.backups import manifest as manifests
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.keeping import position
from stockstream.database.backups.log_files import files_of, folders_of, histories_of
from stockstream.database.backups.making import Target, in_thread
from stockstream.database.backups.manifest import DATA, Manifest
from stockstream.database.backups.tools import run_tool
from stockstream.database.embedded.programs import MAJOR_VERSION
from stockstream.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from stockstream.database.embedded.files import Layout

LATEST = "latest"
TABLESPACES = "pg_tblspc"
FOLDERS = (
    *("base", "global", "pg_commit_ts", "pg_dynshmem", "pg_logical/mappings"),
    *("pg_logical/snapshots", "pg_multixact/members", "pg_multixact/offsets", "pg_notify"),
    *("pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans"),
    *(TABLESPACES, "pg_twophase", "pg_wal/archive_status", "pg_wal/summaries", "pg_xact"),
)
"""Of every cluster. Most of them are empty in a backup, and a copy of it that has been in an object
store has no empty folder: no checksum tells of that, and no server starts without them."""
END = "end"
"""The end of the backup itself, on a timeline of its own: its archived log is not written into."""


def as_told(moment: int) -> str:
    """A moment in ms since 1970 as PostgreSQL reads it where it recovers."""
    return f"{to_datetime(moment):%Y-%m-%d %H:%M:%S.%f+00}"


def chosen(target: Target, name: str | None, at: int | None = None) -> Manifest:
    """The backup of that name; without one the newest that ended by the moment `at`.

    Raises:
        BackupFailed: there is none.
    """
    backups = manifests.good(target.directory)
    if name is not None:
        for one in backups:
            if one.name == name:
                return one
        folder = target.directory / name
        if folder.is_dir():
            manifests.read(folder)  # says what is wrong with it
        raise BackupFailed(f"{target.directory} has no backup {name!r}; `db backups` lists them")
    if at is not None:
        backups = [one for one in backups if one.kind != "dump" and one.ended <= at]
    if not backups:
        by = "" if at is None else f" that ended by {to_datetime(at):%Y-%m-%dT%H:%M:%SZ}"
        raise BackupFailed(f"{target.directory} has no good backup{by}")
    return backups[-1]


async def checked_chain(target: Target, manifest: Manifest) -> list[Manifest]:
    """The backup and those that it needs, with all of their files as they were written.

    Raises:
        BackupFailed: one is missing or damaged, or is of another version of PostgreSQL.
    """
    backups = await in_thread(partial(manifests.good, target.directory))
    found = manifests.chain(backups, manifest.name)
    for one in found:
        if one.kind != "dump" and one.major != MAJOR_VERSION:
            raise BackupFailed(
                f"{one.name} is of PostgreSQL {one.major}, and {MAJOR_VERSION} is here: "
                "a physical backup is restored by the same one"
            )
        wrong = await in_thread(partial(manifests.verify, target.directory, one))
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise BackupFailed(f"{one.name} is damaged: {wrong[0]}{more}")
    return found


async def materialize(
    target: Target, links: list[Manifest], layout: Layout, at: str | None
) -> Mapping[str, str]:
    """Put the cluster together at `layout.data`. Returns the settings that its server needs to
    recover: to the backup's own end, or by the archived log up to `at`.

    `at` is a time as PostgreSQL reads it, `latest`, or `end`.

    Raises:
        BackupFailed: it cannot be done.
    """
    try:
        layout.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders = [target.directory / one.name / DATA for one in links]
        if len(folders) == 1:
            await in_thread(partial(shutil.copytree, folders[0], layout.data, symlinks=True))
        else:
            await in_thread(partial(_with_folders, folders[-1], [TABLESPACES]))
            await run_tool("pg_combinebackup", f"--output={layout.data}", *map(str, folders))
        layout.data.chmod(0o700)
        await in_thread(partial(_with_folders, layout.data, FOLDERS))
        if at is None:
            return {}
        await in_thread(partial(_add_log, target, links[-1], layout.data / "pg_wal", at))
        (layout.data / "recovery.signal").touch()
    except OSError as error:
        raise BackupFailed(f"{error.filename or layout.home}: {error.strerror}") from error
    # The log stands in the cluster already: another user's server might not reach the archive.
    found = {"restore_command": "exit 1", "recovery_target_timeline": "latest"}
    if at == END:
        return found | {
            "recovery_target_timeline": "current",
            "recovery_target": "immediate",
            "recovery_target_action": "promote",
        }
    if at != LATEST:
        found |= {"recovery_target_time": at, "recovery_target_action": "promote"}
    return found


def _with_folders(data: Path, folders: Iterable[str]) -> None:
    for name in folders:
        (data / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def _add_log(target: Target, last: Manifest, log: Path, at: str) -> None:
    """Put the archived log into the cluster, and which timelines there are: a new one is begun."""
    folders = [] if last.system is None else folders_of(target.directory, last.system)
    if at != END and not folders:
        raise BackupFailed(f"{target.directory} has no archived log of that server")
    first = last.first_log
    for folder in folders:
        for file in histories_of(folder):
            shutil.copyfile(file, log / file.name)
        if at == END:
            # So that it takes another one than any that was.
            timeline = folder.name.rpartition("-")[2]
            history = log / f"{timeline}.history"
            if int(timeline, 16) > 1 and not history.exists():
                history.touch()
            continue
        for file in files_of(folder):
            place = log / file.name.removesuffix(".partial")
            if (first is None or position(file.name) >= position(first)) and not place.exists():
                shutil.copyfile(file, place)
