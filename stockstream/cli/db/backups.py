"""`stockstream db backups`, and what `backup` and `restore` do with a folder of backups."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from stockstream.cli.db.common import Json, moment, print_json, visiting
from stockstream.database import backup_notes
from stockstream.database.backups import manifest as manifests
from stockstream.database.backups import restoring
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.making import Target, check_room, in_thread, make
from stockstream.database.backups.scratch import scratch_server
from stockstream.database.embedded import files
from stockstream.database.embedded.exchange import exchange, forget, left_by, settle
from stockstream.database.embedded.files import Layout
from stockstream.database.embedded.programs import EmbeddedFailed
from stockstream.database.query import DatabaseError
from stockstream.environment import load
from stockstream.errors import StartError, UsageError
from stockstream.jobs.successes import BACKUPS, RESTORES, NoteSuccess
from stockstream.quotes import iso_utc
from stockstream.times import now_ms, to_datetime

if TYPE_CHECKING:
    from stockstream.config import Settings
    from stockstream.database.backups.manifest import Kind, Manifest
    from stockstream.database.visit import Asking

Folder = Annotated["Path | None", Parameter(name="--from")]
STOP_SECONDS = 10.0
RECOVERY_BYTES = 100_000_000
"""What a server writes while it recovers, besides the backup."""
NEWEST = "newest"


def target_of(given: Path | None, settings: Settings) -> Target:
    """The folder of backups.

    Raises:
        UsageError: none is named.
    """
    if given is not None:
        return Target(given.absolute(), "the folder of backups")
    if settings.backup_directory is None:
        raise UsageError("name the folder of backups: BACKUP_DIRECTORY, or the option for it")
    return Target(settings.backup_directory.absolute())


async def backups(*, folder: Folder = None, verify: bool = False, as_json: Json = False) -> int:
    """List the backups of a folder; with --verify read each file, and compare its checksum.

    Exit codes: 0 all are whole, 1 one is not, 2 usage.

    Parameters
    ----------
    folder
        The folder of backups, else BACKUP_DIRECTORY.
    verify
        Read all of it: as long as a copy takes.
    as_json
        Print JSON.
    """
    target = target_of(folder, load().settings)
    rows = []
    try:
        found = await in_thread(partial(manifests.listed, target.directory))
        whole = [one.manifest for one in found if one.manifest is not None]
        for one in found:
            trouble, manifest = one.trouble, one.manifest
            if manifest is not None:
                trouble = await _trouble(target, whole, manifest, verify=verify)
            rows.append((one.name, manifest, trouble))
    except BackupFailed as error:
        raise StartError(str(error)) from error
    if as_json:
        print_json({"directory": str(target.directory), "backups": [_row(*row) for row in rows]})
    else:
        _show(rows)
    return int(any(trouble is not None for _, _, trouble in rows))


async def _trouble(
    target: Target, whole: list[Manifest], manifest: Manifest, *, verify: bool
) -> str | None:
    try:
        manifests.chain(whole, manifest.name)
    except BackupFailed as error:
        return str(error)
    wrong = []
    if verify:
        wrong = await in_thread(partial(manifests.verify, target.directory, manifest))
    return wrong[0] if wrong else None


def _row(name: str, manifest: Manifest | None, trouble: str | None) -> dict[str, object]:
    row: dict[str, object] = {"name": name, "ok": trouble is None, "trouble": trouble}
    if manifest is not None:
        last = manifest.last_tick
        row |= {
            "kind": manifest.kind,
            "parent": manifest.parent,
            "began": iso_utc(manifest.began),
            "ended": iso_utc(manifest.ended),
            "bytes": manifest.bytes,
            "server": manifest.server,
            "schema": manifest.schema,
            "program": manifest.program,
            "last_tick": None if last is None else iso_utc(last),
            "rows": {table: ends[0] for table, ends in manifest.rows.items()},
        }
    return row


def _show(rows: list[tuple[str, Manifest | None, str | None]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("backup", "ended", "size", "ticks", "needs", "state"):
        table.add_column(heading, overflow="fold")
    for name, manifest, trouble in rows:
        if manifest is None:
            table.add_row(name, "", "", "", "", trouble)
            continue
        ticks = manifest.rows.get("ticks", (0, 0))[0]
        table.add_row(
            name,
            f"{to_datetime(manifest.ended):%Y-%m-%d %H:%M:%SZ}",
            f"{manifest.bytes / 1e6:,.1f} MB",
            f"{ticks:,}",
            manifest.parent or "",
            trouble or "good",
        )
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(table if rows else "no backups")


async def into_folder(kind: Kind, to: Path | None, *, as_json: bool) -> int:
    """Make a backup in a folder."""
    target = target_of(to, load().settings)
    async with visiting() as visit:
        try:
            made = await make(visit.ask, visit.server.address(), kind, target)
        except BackupFailed as error:
            raise StartError(f"no backup was made: {error}") from error
        await noted(visit.settings, visit.ask, made=now_ms())
    if as_json:
        print_json({"directory": str(target.directory), **_row(made.name, made, None)})
    else:
        sys.stdout.write(f"{target.directory / made.name}: {made.bytes / 1e6:,.1f} MB\n")
    return 0


def until_of(at: str | None) -> tuple[str | None, int | None]:
    """Up to where the log is followed, as PostgreSQL reads it, and by when a backup has ended.

    Raises:
        UsageError: it is no time.
    """
    if at is None or at == restoring.LATEST:
        return at, None
    by = moment("--at", at)
    return restoring.as_told(by), by


async def from_folder(
    source: str, folder: Path | None, at: str | None, *, yes: bool, as_json: bool
) -> int | Path:
    """Restore a backup of a folder; of a dump only the file is told, which was checked."""
    settings = load().settings
    given = Path(source)
    if folder is None and len(given.parts) > 1:
        folder, source = given.parent, given.name
    if folder is None and settings.backup_directory is None:
        raise UsageError(f"{source}: no such file, and no folder of backups is named (--from)")
    target = target_of(folder, settings)
    until, by = until_of(at)
    try:
        chosen = restoring.chosen(target, None if source == NEWEST else source, by)
        if chosen.kind == "dump":
            if at is not None:
                raise UsageError(f"--at: {chosen.name} is a dump, which has no log to go on by")
            await restoring.checked_chain(target, chosen)
            return target.directory / chosen.name / manifests.DATA / manifests.DUMP
        if settings.database_url is not None:
            raise UsageError(
                "DATABASE_URL: full and incremental backups are restored as the embedded server; "
                "unset it to have that, and export from there"
            )
        if not yes:
            raise UsageError(
                f"this replaces the embedded server in {settings.data_directory} by {chosen.name}; "
                "the one that is there is kept beside; then say --yes"
            )
        kept = await _restored(target, chosen, settings, until)
    except BackupFailed as error:
        raise StartError(f"nothing was restored: {error}") from error
    await noted(settings, restored=now_ms())
    if as_json:
        print_json(
            {"backup": chosen.name, "at": until, "kept": None if kept is None else str(kept)}
        )
    else:
        sys.stdout.write(f"{chosen.name} restored\n")
        if kept is not None:
            sys.stdout.write(f"what was there before is kept in {kept}\n")
    return 0


async def _restored(
    target: Target, chosen: Manifest, settings: Settings, at: str | None
) -> Path | None:
    """Do it; where the server that was there is kept."""
    layout = Layout(settings.data_directory.absolute())
    layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = files.take_lock(layout)
    if lock is None:
        raise BackupFailed(f"DATA_DIRECTORY: a server uses {layout.directory}: stop it first")
    try:
        await files.end_stray(layout, STOP_SECONDS)
        told = settle(layout)
        if told is not None:
            sys.stderr.write(f"stockstream: {told}\n")
        forget(layout)
        links = await restoring.checked_chain(target, chosen)
        room = Target(layout.directory, "DATA_DIRECTORY")
        check_room(room, sum(one.bytes for one in links) + RECOVERY_BYTES)
        aside = Layout(layout.home / "restoring")
        shutil.rmtree(aside.directory, ignore_errors=True)
        try:
            recovery = await restoring.materialize(target, links, aside, at or restoring.END)
            async with scratch_server(aside, recovery):
                pass  # it has recovered, and writes all of that to disk at its end
            try:
                return exchange(layout, aside.data)
            except OSError as error:
                if (left := left_by(layout, aside.data)) is not None:
                    raise StartError(f"{left}: {error}") from error
                raise
        finally:
            shutil.rmtree(aside.directory, ignore_errors=True)
    except (EmbeddedFailed, OSError) as error:
        raise BackupFailed(str(error)) from error
    finally:
        os.close(lock)


async def noted(
    settings: Settings,
    ask: Asking | None = None,
    *,
    made: int | None = None,
    restored: int | None = None,
) -> None:
    """Keep when it was, for `stockstream doctor`: here, and in the database that one may `ask`, for
    all nodes. What was done is done, also if this cannot be.
    """
    trouble = None
    try:
        backup_notes.note(settings.data_directory, made=made, restored=restored)
    except OSError as error:
        trouble = f"in {settings.data_directory}: {error.strerror}"
    if ask is not None:
        try:
            await ask(NoteSuccess(BACKUPS if made is not None else RESTORES))
        except DatabaseError as error:
            trouble = f"in the database: {error}"
    if trouble is not None:
        sys.stderr.write(f"stockstream: done; that cannot be noted {trouble}\n")
