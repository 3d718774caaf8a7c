"""`stockstream db`: the database's schema, what is in it, and ways out and in."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from stockstream import logs
from stockstream.environment import load
from stockstream.errors import StartError, UsageError
from stockstream.history import dumps, migrations, overview, transfer, visit
from stockstream.history.candles import DAY_MS, Tick
from stockstream.history.database import MAINTENANCE_SECONDS
from stockstream.history.dumps import DumpFailed
from stockstream.history.migrations import MigrationFailed
from stockstream.history.queries import Cursor, FetchTicks
from stockstream.history.query import DatabaseError, ask
from stockstream.history.times import now_ms, to_ms
from stockstream.history.upkeep import Rebuild, Retain, RollUp
from stockstream.messages import InvalidSymbol, parse_symbol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import TextIO

    from stockstream.config import Settings
    from stockstream.history.query import Query
    from stockstream.history.servers import Server
    from supervision import ActorRef

R = TypeVar("R")

db = App(
    name="db",
    help="""Look after the database: the one that DATABASE_URL names, else the embedded one.

The embedded server is used where `stockstream serve` runs it in this directory, else started for \
the command and stopped again. Results go to standard output, progress to standard error.

For example:

- `stockstream db status` shows the schema's version and what is stored
- `stockstream db export --symbol AAPL --from 2026-11-01 --output aapl.csv`
- `stockstream db import aapl.csv` takes in what is not there yet
- `stockstream db backup prices.dump` and `stockstream db restore prices.dump --yes`
""",
    help_format="markdown",
)
SCHEMA_VERSION = 1
PAGE = 5_000
WAIT_SECONDS = MAINTENANCE_SECONDS + 10

Json = Annotated[bool, Parameter(name="--json", negative=())]
Yes = Annotated[bool, Parameter(name="--yes", negative=())]


@db.command
async def status(*, as_json: Json = False) -> int:
    """Show the schema's version, the server's, and how much is stored.

    Parameters
    ----------
    as_json
        Print JSON.
    """
    async with _visiting(migrate=False) as (database, _, _):
        found = await _asked(database, overview.Look())
    newest = migrations.versions()[-1]
    if as_json:
        _print_json({**msgspec.to_builtins(found), "newest_schema": newest})
        return 0
    table = Table("table", "rows (estimate)", "size", box=None, header_style="bold")
    for size in found.tables:
        table.add_row(size.name, f"{size.rows:,}", f"{size.bytes / 1e6:,.1f} MB")
    console = Console(highlight=False, soft_wrap=True)
    behind = "" if found.schema == newest else f"; newest is {newest}: stockstream db migrate"
    console.print(f"schema   {found.schema or 'none'}{behind}")
    console.print(f"server   PostgreSQL {found.server}, {found.bytes / 1e6:,.1f} MB")
    console.print(f"ticks    {found.first_tick or 'none'} to {found.last_tick or 'none'}")
    console.print(table)
    return 0


@db.command
async def migrate(*, to: str = "head", as_json: Json = False) -> int:
    """Bring the schema up to date; `stockstream serve` does so at its start too.

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
    return await _move(to, as_json=as_json)


@db.command
async def rollback(*, to: str = "-1", yes: Yes = False, as_json: Json = False) -> int:
    """Take the schema back by one version, or to one; what only newer ones hold is lost.

    Parameters
    ----------
    to
        A version, such as 0001, or `base` for an empty database.
    yes
        Do it; without this it is only said what would be lost.
    as_json
        Print JSON.
    """
    known = migrations.versions()
    if to not in {*known, "-1", "base"}:
        raise UsageError(f"--to: no version {to!r}; there are {', '.join(known)} and base")
    if not yes:
        raise UsageError("this drops tables and what is in them; say --yes to do it")
    return await _move(to, as_json=as_json)


async def _move(to: str, *, as_json: bool) -> int:
    async with _visiting(migrate=False) as (_, server, _):
        try:
            done = await migrations.migrate(server.address(), to)
        except MigrationFailed as error:
            raise StartError(f"the schema could not be moved: {error}") from error
    if as_json:
        _print_json({"done": done})
    else:
        sys.stdout.write("".join(f"{line}\n" for line in done or ["nothing to do"]))
    return 0


@db.command
async def export(
    *,
    symbol: tuple[str, ...] = (),
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    form: Annotated[Literal["csv", "ndjson"] | None, Parameter(name="--format")] = None,
    output: Path | None = None,
) -> int:
    """Write ticks as CSV or NDJSON, ordered by symbol and time.

    Parameters
    ----------
    symbol
        Whose ticks; may be given several times. All symbols without it.
    begin
        From this time of the price on (UTC unless it has a zone).
    end
        Up to this time, not included.
    form
        Else what the output's name says, else CSV.
    output
        A file, which is there whole or not at all; else standard output.
    """
    symbols = [_symbol(text) for text in symbol] or None
    start = 0 if begin is None else _moment("--from", begin)
    until = now_ms() + DAY_MS if end is None else _moment("--to", end)
    chosen = form or _format_of(output)
    async with _visiting() as (database, _, _):
        counts = await _asked(database, transfer.CountTicks(symbols, start, until))
        with _output(output) as file, _progress(MofNCompleteColumn()) as progress:
            bar = progress.add_task("export", total=sum(counts.values()))
            file.write(transfer.write_lines([], chosen, header=True))
            for name in counts:
                async for page in _pages(database, name, start, until):
                    file.write(transfer.write_lines(page, chosen, header=False))
                    progress.advance(bar, len(page))
    return 0


async def _pages(
    database: ActorRef, symbol: str, start: int, end: int
) -> AsyncIterator[list[Tick]]:
    cursor = None
    while page := await _asked(database, FetchTicks(symbol, start, end, PAGE, cursor)):
        yield page
        cursor = Cursor(page[-1].ts, page[-1].epoch, page[-1].seq)


@db.command(name="import")
async def import_ticks(
    source: Path,
    *,
    form: Annotated[Literal["csv", "ndjson"] | None, Parameter(name="--format")] = None,
    as_json: Json = False,
) -> int:
    """Take in what `export` wrote; what is there already is left alone, so it may be repeated.

    Parameters
    ----------
    source
        The file, or `-` for standard input.
    form
        Else what the file's name says, else CSV.
    as_json
        Print JSON.
    """
    chosen = form or _format_of(source)
    read = new = 0
    async with _visiting() as (database, _, _):
        with _input(source) as file, _progress(DownloadColumn()) as progress:
            bar = progress.add_task("import", total=_size_of(source))
            seen = 0

            def lines() -> Iterator[str]:
                nonlocal seen
                for line in file:
                    seen += len(line.encode())
                    yield line

            try:
                page: list[Tick] = []
                for tick in transfer.read_lines(lines(), chosen):
                    page.append(tick)
                    if len(page) == PAGE:
                        new += await _asked(database, transfer.ImportTicks(page))
                        read += len(page)
                        page = []
                        progress.update(bar, completed=seen)
            except transfer.BadLine as error:
                raise UsageError(f"{source}: {error}; {read} ticks before it were read") from error
            if page:
                new += await _asked(database, transfer.ImportTicks(page))
                read += len(page)
            progress.update(bar, completed=seen)
    if as_json:
        _print_json({"read": read, "new": new})
    else:
        sys.stdout.write(f"{read} ticks read, {new} of them new\n")
    return 0


@db.command
async def backup(target: Path, *, as_json: Json = False) -> int:
    """Write the whole database to a file, by pg_dump, in its custom format.

    Parameters
    ----------
    target
        The file, which is there whole or not at all.
    as_json
        Print JSON.
    """
    async with _visiting() as (_, server, _):
        with _progress(DownloadColumn()) as progress:
            bar = progress.add_task("backup", total=None)
            try:
                size = await dumps.back_up(
                    server.address(), target, lambda size: progress.update(bar, completed=size)
                )
            except (DumpFailed, OSError) as error:
                raise StartError(f"no backup: {error}") from error
    if as_json:
        _print_json({"file": str(target), "bytes": size})
    else:
        sys.stdout.write(f"{target}: {size / 1e6:.1f} MB\n")
    return 0


@db.command
async def restore(source: Path, *, yes: Yes = False, as_json: Json = False) -> int:
    """Replace what is in the database by a backup, all of it or nothing.

    Stop the servers that use it first: they would wait, and record on top of what was restored.

    Parameters
    ----------
    source
        A file that `backup` wrote.
    yes
        Do it; what is in the database now is lost.
    as_json
        Print JSON.
    """
    if _size_of(source) is None:
        raise UsageError(f"{source}: no such file")
    if not yes:
        raise UsageError("this replaces all that is in the database; say --yes to do it")
    async with _visiting(migrate=False) as (_, server, _):
        with _progress(TimeElapsedColumn()) as progress:
            progress.add_task("restore", total=None)
            try:
                await dumps.restore(server.address(), source, lambda _size: None)
                done = await migrations.migrate(server.address())
            except (DumpFailed, MigrationFailed) as error:
                raise StartError(f"nothing was restored: {error}") from error
    if as_json:
        _print_json({"file": str(source), "migrations": done})
    else:
        sys.stdout.write(f"{source} restored\n")
    return 0


@db.command
async def retention(*, dry_run: bool = False, as_json: Json = False) -> int:
    """Drop now what is too old by RETAIN_TICKS and RETAIN_CANDLES, and roll candles up.

    Parameters
    ----------
    dry_run
        Only tell what would be dropped.
    as_json
        Print JSON.
    """
    async with _visiting() as (database, _, settings):
        days = {"ticks": settings.retain_ticks, "candles_1m": settings.retain_candles}
        deleted = rolled = 0
        with _progress(TimeElapsedColumn()) as progress:
            progress.add_task("retention", total=None)
            dropped: tuple[str, ...] = ()
            while not dry_run:
                # Before their minutes go, hours and days are put together.
                hours = await _asked(database, RollUp(now_ms()))
                rolled += hours
                if not hours:
                    break
            while True:
                done = await _asked(database, Retain(now_ms(), days, dry_run))
                dropped += done.dropped
                deleted += done.deleted
                if not done.deleted:
                    break
    if as_json:
        _print_json(
            {"dropped": dropped, "deleted": deleted, "rolled_up": rolled, "dry_run": dry_run}
        )
        return 0
    verb = "would be dropped" if dry_run else "dropped"
    sys.stdout.write(f"{', '.join(dropped) or 'nothing'} {verb}; {rolled} hours rolled up\n")
    return 0


@db.command
async def rebuild(
    *,
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    as_json: Json = False,
) -> int:
    """Make all candles anew from the ticks that are still there.

    Parameters
    ----------
    begin
        From this day on, else from the first tick that is kept.
    as_json
        Print JSON.
    """
    async with _visiting() as (database, _, settings):
        kept = int(now_ms() - settings.retain_ticks * DAY_MS)
        # The first day may have lost its first ticks, and its candles know of them.
        first = kept // DAY_MS + 1 if begin is None else _moment("--from", begin) // DAY_MS
        days = range(first, now_ms() // DAY_MS + 1)
        made = 0
        with _progress(MofNCompleteColumn()) as progress:
            for day in progress.track(days, description="rebuild"):
                made += await _asked(database, Rebuild(day))
    if as_json:
        _print_json({"candles": made})
    else:
        sys.stdout.write(f"{made} 1-minute candles made, and those rolled up from them\n")
    return 0


# What the commands share.


@asynccontextmanager
async def _visiting(*, migrate: bool = True) -> AsyncIterator[tuple[ActorRef, Server, Settings]]:
    settings = load().settings
    logs.configure("error", settings.log_format)
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    try:
        async with visit.visiting(url, settings.data_directory, migrate=migrate) as (
            database,
            server,
        ):
            yield database, server, settings
    except DatabaseError as error:
        raise StartError(str(error)) from error


async def _asked(database: ActorRef, query: Query[R]) -> R:
    return await ask(database, query, timeout=WAIT_SECONDS)


def _progress(*columns: ProgressColumn) -> Progress:
    return Progress(
        "{task.description}", BarColumn(), *columns, console=Console(stderr=True), transient=True
    )


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that takes its name when all of it is written."""
    if path is None:
        yield sys.stdout
        return
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _input(path: Path) -> Iterator[TextIO]:
    if str(path) == "-":
        yield sys.stdin
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _format_of(path: Path | None) -> Literal["csv", "ndjson"]:
    return "ndjson" if path is not None and path.suffix in {".ndjson", ".jsonl"} else "csv"


def _symbol(text: str) -> str:
    try:
        return parse_symbol(text)
    except InvalidSymbol as error:
        raise UsageError(f"--symbol: {error}") from error


def _moment(option: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: {text!r} is no time, such as 2026-11-22T10:00") from None


def _print_json(document: dict[str, object]) -> None:
    text = msgspec.json.format(msgspec.json.encode({"schema_version": SCHEMA_VERSION, **document}))
    sys.stdout.write(text.decode() + "\n")
