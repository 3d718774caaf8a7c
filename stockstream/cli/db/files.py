"""`stockstream db export|import`: ticks to a file and from one, page by page."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated

import trio
from cyclopts import Parameter
from rich.progress import DownloadColumn, MofNCompleteColumn, TimeRemainingColumn

from stockstream.cli.db.common import Json, moment, print_json, progress, visiting
from stockstream.cli.db.left_out import LeftOut
from stockstream.cli.db.outputs import told_on, written
from stockstream.cli.db.sources import Choice, Source, reading
from stockstream.errors import UsageError
from stockstream.history import tick_lines, transfer
from stockstream.history.queries import Cursor, FetchTicks
from stockstream.history.tick_lines import Format
from stockstream.quotes import InvalidSymbol, parse_symbol
from stockstream.times import EARLIEST, LATEST, now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import BinaryIO, TextIO

    from stockstream.history.candles import Tick

PAGE = 5_000
"""Ticks held at once."""

Form = Annotated[Format | None, Parameter(name="--format")]


async def export(
    *,
    symbol: tuple[str, ...] = (),
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    form: Form = None,
    output: Path | None = None,
    read_from: Choice = "auto",
    as_json: Json = False,
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
        A file, which is there whole or not at all, or a pipe or device, which is written into;
        else standard output.
    read_from
        `auto`: the replica that DATABASE_READ_URL names, once it has what the primary has; the
        primary, with a word on standard error, where it is not there or stays behind. `replica`
        and `primary`: that one only.
    as_json
        Print JSON about it, with --output.
    """
    symbols = [_symbol(text) for text in symbol] or None
    start = EARLIEST if begin is None else moment("--from", begin)
    until = LATEST if end is None else moment("--to", end)
    if start >= until:
        raise UsageError("--from: it is not before --to")
    if as_json and output is None:
        raise UsageError("--json: the ticks themselves go to standard output; name an --output")
    chosen = form or _format_of(output)
    count = 0
    with _output(output) as file:
        async with reading(read_from) as source:
            counts = await source.ask(transfer.CountTicks(symbols, start, until))
            with progress(MofNCompleteColumn(), TimeRemainingColumn()) as bars:
                bar = bars.add_task("export", total=sum(counts.values()))
                file.write(tick_lines.write_lines([], chosen, header=True))
                for name in counts:
                    async for page in _pages(source, name, start, until):
                        file.write(tick_lines.write_lines(page, chosen, header=False))
                        count += len(page)
                        bars.advance(bar, len(page))
    if as_json:
        done = {"file": str(output), "ticks": count, "read_from": source.name}
        print_json(done, None if output is None else told_on(output))
    elif output is not None:
        told_on(output).write(f"{output}: {count:,} ticks\n")
    return 0


async def _pages(source: Source, symbol: str, start: int, end: int) -> AsyncIterator[list[Tick]]:
    cursor = None
    while page := await source.ask(FetchTicks(symbol, start, end, PAGE, cursor)):
        yield page
        cursor = Cursor.after(page, cursor)


async def import_ticks(source: Path, *, form: Form = None, as_json: Json = False) -> int:
    """Take in what `export` wrote; what is there already is left alone, so it may be repeated.

    A tick is there already where all of its columns are the same. What was left out is told, by
    line.

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
    known, repeated = LeftOut(), LeftOut()
    with _input(source) as file:
        async with visiting() as visit:
            with progress(DownloadColumn(), TimeRemainingColumn()) as bars:
                bar = bars.add_task("import", total=_size_of(source))
                lines = tick_lines.Lines(file)
                pages = tick_lines.pages(tick_lines.read_lines(lines, chosen, now_ms()), PAGE)
                # In a thread: standard input may wait for somebody who types.
                following = partial(trio.to_thread.run_sync, abandon_on_cancel=True)
                try:
                    while page := await following(partial(next, pages, None)):
                        taken = await visit.ask(transfer.ImportTicks([tick for _, tick in page]))
                        new += taken.new
                        read += len(page)
                        known.add(page[place].line for place in taken.known)
                        repeated.add(page[place].line for place in taken.repeated)
                        bars.update(bar, completed=lines.bytes)
                except tick_lines.BadLine as error:
                    raise UsageError(
                        f"{source}: {error}; {read:,} ticks before it were taken in"
                    ) from error
    reasons = {"there already": known, "the same as a line before": repeated}
    if as_json:
        left_out = {why: lines.ranges for why, lines in reasons.items() if lines.count}
        print_json({"read": read, "new": new, "left_out": left_out})
        return 0
    sys.stdout.write(f"{read:,} ticks read, {new:,} of them new\n")
    for why, left in reasons.items():
        if left.count:
            sys.stdout.write(f"{left.count:,} left out, {why}: line {left}\n")
    return 0


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with written(path) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        yield text


@contextmanager
def _input(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    with file:
        yield file


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _format_of(path: Path | None) -> Format:
    return "ndjson" if path is not None and path.suffix in {".ndjson", ".jsonl"} else "csv"


def _symbol(text: str) -> str:
    try:
        return parse_symbol(text)
    except InvalidSymbol as error:
        raise UsageError(f"--symbol: {error}") from error
