"""`stockstream db status|migrate|rollback`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from stockstream.cli.db.common import Json, Visit, Yes, print_json, visiting
from stockstream.database import migrations
from stockstream.database.migrations import MigrationFailed
from stockstream.errors import StartError, UsageError
from stockstream.history import overview
from stockstream.program import program_name

if TYPE_CHECKING:
    from stockstream.history.overview import Overview


async def status(*, as_json: Json = False) -> int:
    """Show the schema's version, the server's, and how much is stored.

    Parameters
    ----------
    as_json
        Print JSON.
    """
    async with visiting(migrate=False) as visit:
        found = await visit.ask(overview.Look())
    newest = migrations.versions()[-1]
    if as_json:
        print_json({**msgspec.to_builtins(found), "newest_schema": newest})
    else:
        _show(found, newest)
    return 0


def _show(found: Overview, newest: str) -> None:
    table = Table("table", "partitions", "rows (about)", "size", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in dict.fromkeys(size.table for size in found.tables):
        parts = [size for size in found.tables if size.table == name]
        table.add_row(
            name,
            f"{len(parts)}" if parts[0].name != name else "",
            f"{sum(size.rows for size in parts):,}",
            _size(sum(size.bytes for size in parts)),
        )
    behind = "" if found.schema == newest else f"; newest is {newest}: {program_name()} db migrate"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"schema   {found.schema or 'none'}{behind}")
    console.print(f"server   PostgreSQL {found.server}, {_size(found.bytes)}")
    console.print(f"ticks    {found.first_tick or 'none'} to {found.last_tick or 'none'}")
    console.print(f"roll-up  {_waiting(found.hours_to_roll_up)}")
    if found.tables:
        console.print(table)


def _waiting(hours: int) -> str:
    if hours == 0:
        return "up to date: each full hour of ticks is in the candles"
    return f"{hours} full {'hour' if hours == 1 else 'hours'} of ticks wait to become candles"


def _size(count: int) -> str:
    """A number of bytes in the unit that fits it."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.0f} kB"


async def migrate(*, to: str = "head", as_json: Json = False) -> int:
    """Bring the schema up to date; each start of the server does so too.

    Parameters
    ----------
    to
        A version, such as 0001, instead of the newest.
    as_json
        Print JSON.
    """
    known = migrations.versions()
    if to not in {*known, "head"}:
        raise UsageError(f"--to: no version {to!r}; there are {', '.join(known)}")
    async with visiting(migrate=False) as visit:
        now = await _version(visit)
        if now is not None and to < now:
            raise UsageError(
                f"--to: the schema is at {now}, above {to}; `stockstream db rollback` goes back"
            )
        done = await _moved(visit, to)
    return _told(done, as_json=as_json)


async def rollback(*, to: str | None = None, yes: Yes = False, as_json: Json = False) -> int:
    """Take the schema back by one version, or to one; what only newer ones hold is lost.

    Parameters
    ----------
    to
        A version, such as 0001, or `base` for an empty database.
    yes
        Do it; what is lost cannot be brought back but from a backup.
    as_json
        Print JSON.
    """
    known = migrations.versions()
    if to is not None and to not in {*known, "base"}:
        raise UsageError(f"--to: no version {to!r}; there are {', '.join(known)} and base")
    if not yes:
        raise UsageError(
            "this drops tables and what is in them; `stockstream db backup` keeps it, "
            "then say --yes"
        )
    async with visiting(migrate=False) as visit:
        now = await _version(visit)
        if now is None:
            done = []
        elif to in known and to > now:
            raise UsageError(f"--to: the schema is at {now}, below {to}; `stockstream db migrate`")
        else:
            done = [] if to == now else await _moved(visit, to or "-1")
    return _told(done, as_json=as_json)


async def _version(visit: Visit) -> str | None:
    now = (await visit.ask(overview.Look())).schema
    known = migrations.versions()
    if now is not None and now not in known:
        raise StartError(
            f"DATABASE_URL: the schema is at {now}, and this program knows {known[-1]} at most; "
            "use the program that made it"
        )
    return now


async def _moved(visit: Visit, to: str) -> list[str]:
    try:
        return await migrations.migrate(visit.server.address(), to)
    except MigrationFailed as error:
        setting = visit.server.setting
        raise StartError(f"{setting}: the schema could not be moved: {error}") from error


def _told(done: list[str], *, as_json: bool) -> int:
    if as_json:
        print_json({"done": done})
    else:
        sys.stdout.write("".join(f"{line}\n" for line in done or ["nothing to do"]))
    return 0
