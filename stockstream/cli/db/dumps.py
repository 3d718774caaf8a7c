"""`stockstream db backup|restore`, by PostgreSQL's own programs."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import Annotated

import trio
from cyclopts import Parameter
from rich.progress import DownloadColumn, TimeElapsedColumn

from stockstream.cli.db.backups import from_folder, into_folder, noted
from stockstream.cli.db.common import Json, Yes, print_json, progress, visiting
from stockstream.cli.db.outputs import told_on, written
from stockstream.database import dumps, migrations
from stockstream.database.backups.manifest import Kind  # noqa: TC001 - cyclopts reads it
from stockstream.database.dumps import DumpFailed
from stockstream.database.migrations import MigrationFailed
from stockstream.database.own_tables import FindSchemas
from stockstream.database.pooling import lends_by_transaction
from stockstream.errors import StartError, UsageError
from stockstream.times import now_ms


async def backup(
    target: Path | None = None,
    *,
    kind: Kind = "dump",
    to: Path | None = None,
    as_json: Json = False,
) -> int:
    """Back up: all that is ours to a file, by pg_dump; or a whole backup into a folder of backups.

    In a folder it has a manifest with the checksum of each file; `stockstream db backups` lists
    and checks them, `stockstream db drill` proves that one can be restored.

    Parameters
    ----------
    target
        A file for a dump, which is there whole or not at all; or a pipe or device, which is
        written into.
    kind
        In a folder: `full` copies all files of the server, `incremental` what was changed since
        the last of these, `dump` writes our tables, as for a database of others.
    to
        The folder of backups, else BACKUP_DIRECTORY.
    as_json
        Print JSON.
    """
    if target is None:
        return await into_folder(kind, to, as_json=as_json)
    if kind != "dump" or to is not None:
        raise UsageError("name a file for a dump, or a folder by --to, not both")
    async with visiting() as visit:
        schemas = await visit.ask(FindSchemas())
        if len(schemas) != 1:
            raise StartError(f"DATABASE_URL: the tables stand in {' and '.join(schemas)}, not one")
        if await lends_by_transaction(visit.ask):
            raise StartError(
                "DATABASE_URL: a pooler lends its connections for a transaction each, and pg_dump "
                "leaves settings on them that others would find; name the server itself, or a "
                "pool by session, for this command"
            )
        with (
            written(target, 0o600) as file,
            progress(DownloadColumn(), TimeElapsedColumn()) as bars,
        ):
            bar = bars.add_task("backup", total=None)

            def show(size: int) -> None:
                bars.update(bar, completed=size)

            try:
                size = await dumps.back_up(visit.server.address(), schemas[0], file, show)
            except DumpFailed as error:
                raise StartError(f"no backup was made: {error}") from error
        await noted(visit.settings, visit.ask, made=now_ms())
    out = told_on(target)
    if as_json:
        print_json({"file": str(target), "bytes": size}, out)
    else:
        out.write(f"{target}: {size / 1e6:,.1f} MB\n")
    return 0


async def restore(
    source: Path,
    *,
    at: str | None = None,
    to: Annotated[Path | None, Parameter(name="--from")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Replace what is in the database by a backup, all of it or nothing.

    Of a dump our tables are restored: tables of others in the same database stay, and a view of
    theirs over ours stops it, and is named. Of a full or incremental backup the whole embedded
    server is, and the one that was there is kept beside it.

    Stop the servers that use it first: they would wait, and record on top of what was restored.

    Parameters
    ----------
    source
        A file that `backup` wrote, or the name of a backup in the folder of backups; `newest` is
        the last one, or with --at the last one before that time.
    at
        Go on from a full or incremental backup by the archived log, up to this time (UTC unless
        it has a zone), or to the `latest` that was archived.
    to
        The folder of backups, else BACKUP_DIRECTORY.
    yes
        Do it; what is there now is replaced.
    as_json
        Print JSON.
    """
    if to is not None or at is not None or not await trio.Path(source).is_file():
        found = await from_folder(str(source), to, at, yes=yes, as_json=as_json)
        if isinstance(found, int):
            return found
        source = found
    file = trio.Path(source)
    if not yes:
        raise UsageError(
            "this replaces all of our tables in the database; `stockstream db backup` keeps them, "
            "then say --yes"
        )
    async with visiting(migrate=False) as visit:
        with progress(DownloadColumn(), TimeElapsedColumn()) as bars:
            bar = bars.add_task("restore", total=(await file.stat()).st_size)
            try:
                await dumps.restore(
                    visit.server.address(), source, lambda size: bars.update(bar, completed=size)
                )
            except DumpFailed as error:
                raise StartError(f"nothing was restored: {error}") from error
            except OSError as error:
                raise StartError(f"{source}: {error.strerror}") from error
            try:
                done = await migrations.migrate(visit.server.address())
            except MigrationFailed as error:
                raise StartError(
                    f"{source} is restored, but its schema is old and could not be moved: {error}"
                ) from error
        await noted(visit.settings, visit.ask, restored=now_ms())
    if as_json:
        print_json({"file": str(source), "migrations": done})
    else:
        sys.stdout.write(f"{source} restored\n")
    return 0
