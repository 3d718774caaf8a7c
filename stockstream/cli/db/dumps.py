"""`stockstream db backup|restore`, by PostgreSQL's own programs."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING

import trio
from rich.progress import DownloadColumn, TimeElapsedColumn

from stockstream.cli.db.common import Json, Yes, print_json, progress, visiting
from stockstream.cli.db.outputs import told_on, written
from stockstream.database import backup_notes, dumps, migrations
from stockstream.database.dumps import DumpFailed
from stockstream.database.migrations import MigrationFailed
from stockstream.database.own_tables import FindSchemas
from stockstream.database.pooling import lends_by_transaction
from stockstream.errors import StartError, UsageError
from stockstream.times import now_ms

if TYPE_CHECKING:
    from stockstream.config import Settings


async def backup(target: Path, *, as_json: Json = False) -> int:
    """Write all that is ours in the database to a file, by pg_dump, in its custom format.

    Parameters
    ----------
    target
        The file, which is there whole or not at all; or a pipe or device, which is written into.
    as_json
        Print JSON.
    """
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
        _note(visit.settings, made=now_ms())
    out = told_on(target)
    if as_json:
        print_json({"file": str(target), "bytes": size}, out)
    else:
        out.write(f"{target}: {size / 1e6:,.1f} MB\n")
    return 0


async def restore(source: Path, *, yes: Yes = False, as_json: Json = False) -> int:
    """Replace what is ours in the database by a backup, all of it or nothing.

    Tables of others in the same database stay. A view of theirs over ours stops it, and is named.

    Stop the servers that use it first: they would wait, and record on top of what was restored.

    Parameters
    ----------
    source
        A file that `backup` wrote.
    yes
        Do it; what is in our tables now is lost.
    as_json
        Print JSON.
    """
    file = trio.Path(source)
    if not await file.is_file():
        raise UsageError(f"{source}: no such file")
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
        _note(visit.settings, restored=now_ms())
    if as_json:
        print_json({"file": str(source), "migrations": done})
    else:
        sys.stdout.write(f"{source} restored\n")
    return 0


def _note(settings: Settings, *, made: int | None = None, restored: int | None = None) -> None:
    """Keep when it was, for `stockstream doctor`. What was done is done, also if this cannot be."""
    try:
        backup_notes.note(settings.data_directory, made=made, restored=restored)
    except OSError as error:
        sys.stderr.write(
            f"stockstream: done; that cannot be noted in {settings.data_directory}: "
            f"{error.strerror}\n"
        )
