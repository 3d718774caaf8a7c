"""Ticks out to files and in again: lines of CSV or NDJSON, and the query that takes them in."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from stockstream.history import partitions
from stockstream.history.candles import DAY_MS, HOUR_MS, MINUTE_MS, Tick
from stockstream.history.query import Lane, Query
from stockstream.history.recording import IMPORT, IMPORT_LOCK, MARK_HOURS, copy_ticks
from stockstream.messages import InvalidSymbol, iso_utc, parse_symbol
from stockstream.times import to_datetime, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from stockstream.history.query import Connection

Format = Literal["csv", "ndjson"]
COLUMNS = ("symbol", "exchange", "price", "ts", "received", "epoch", "seq")
LONGEST_LINE = 10_000


class BadLine(ValueError):
    """A line that is no tick; the text tells its number and what is wrong."""


class Lines:
    """The lines of a file as text, one by one; `bytes` of it were read so far.

    Raises:
        BadLine: a line is no UTF-8, or longer than any tick's could be.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self.bytes = 0

    def __iter__(self) -> Iterator[str]:
        """All that are left."""
        while raw := self._file.readline(LONGEST_LINE):
            self._number += 1
            self.bytes += len(raw)
            if len(raw) == LONGEST_LINE:
                raise BadLine(f"line {self._number}: longer than {LONGEST_LINE} bytes")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                raise BadLine(f"line {self._number}: not UTF-8: {error.reason}") from error


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    exchange: str | None
    price: float
    ts: str
    received: str
    epoch: int
    seq: int


_read_line = msgspec.json.Decoder(_Line).decode


def write_lines(ticks: Sequence[Tick], form: Format, *, header: bool) -> str:
    """Ticks as lines; the header is CSV's, for the first of many calls. Prices read back whole."""
    out = io.StringIO()
    if form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        if header:
            writer.writerow(COLUMNS)
        writer.writerows(
            (
                t.symbol,
                t.exchange,
                repr(t.price),
                iso_utc(t.ts),
                iso_utc(t.received),
                t.epoch,
                t.seq,
            )
            for t in ticks
        )
        return out.getvalue()
    for t in ticks:
        line = _Line(
            t.symbol, t.exchange, t.price, iso_utc(t.ts), iso_utc(t.received), t.epoch, t.seq
        )
        out.write(msgspec.json.encode(line).decode() + "\n")
    return out.getvalue()


def read_lines(lines: Iterable[str], form: Format) -> Iterator[Tick]:
    """Ticks from lines, one by one.

    Raises:
        BadLine: a line is no tick.
    """
    if form == "ndjson":
        for number, text in enumerate(lines, 1):
            if text.strip():
                yield _tick(number, _decoded(number, text))
        return
    reader = csv.reader(lines, strict=True)
    try:
        first = next(reader, None)
        if first is not None and tuple(first) != COLUMNS:
            raise BadLine(f"line 1: the columns must be {','.join(COLUMNS)}")
        for row in reader:
            if len(row) != len(COLUMNS):
                raise BadLine(f"line {reader.line_num}: {len(row)} columns, not {len(COLUMNS)}")
            fields = dict(zip(COLUMNS, row, strict=True))
            fields["exchange"] = fields["exchange"] or None  # type: ignore[assignment]
            try:
                line = msgspec.convert(fields, _Line, strict=False)
            except msgspec.ValidationError as error:
                raise BadLine(f"line {reader.line_num}: {error}") from error
            yield _tick(reader.line_num, line)
    except csv.Error as error:
        raise BadLine(f"line {reader.line_num}: {error}") from error


def pages(ticks: Iterable[Tick], size: int) -> Iterator[list[Tick]]:
    """Ticks, `size` at a time; what stood before a bad line comes before its error.

    Raises:
        BadLine: a line is no tick.
    """
    page: list[Tick] = []
    try:
        for tick in ticks:
            page.append(tick)
            if len(page) == size:
                yield page
                page = []
    except BadLine:
        if page:
            yield page
        raise
    if page:
        yield page


def _decoded(number: int, text: str) -> _Line:
    try:
        return _read_line(text)
    except msgspec.DecodeError as error:
        raise BadLine(f"line {number}: {error}") from error


def _tick(number: int, line: _Line) -> Tick:
    try:
        symbol = parse_symbol(line.symbol)
    except InvalidSymbol as error:
        raise BadLine(f"line {number}: {error}") from error
    if not 0 < line.price < float("inf"):
        raise BadLine(f"line {number}: price {line.price} is not above 0")
    ts, received = _moment(number, "ts", line.ts), _moment(number, "received", line.received)
    return Tick(symbol, line.exchange, line.price, ts, received, line.epoch, line.seq)


def _moment(number: int, name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadLine(f"line {number}: {name} must be a time with its zone, not {text[:40]!r}")
    return to_ms(moment)


# From now on, what a spool replays is looked for first: it may hold what was imported.
_ENTER = """
INSERT INTO batches (node, boot, no) VALUES ($1, 0, 0)
ON CONFLICT (node, boot, no) DO UPDATE SET recorded = now()
"""
_TAKE_IN = """
INSERT INTO ticks SELECT DISTINCT ON (symbol, epoch, seq) i.* FROM incoming i
WHERE NOT EXISTS (
    SELECT FROM ticks t
    WHERE t.symbol = i.symbol AND t.ts = i.ts AND t.epoch = i.epoch AND t.seq = i.seq)
RETURNING symbol, ts
"""
# A candle may know of ticks that were dropped since; it is only replaced by one that knows more.
_CANDLES_ANEW = """
INSERT INTO candles AS c
    ("interval", symbol, start, open, high, low, close, ticks, first_at, last_at)
SELECT '1m', m.symbol, m.start, f.* FROM
    (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS touched (symbol, start)) m
CROSS JOIN LATERAL (
    SELECT (array_agg(price ORDER BY ts, epoch, seq))[1], max(price), min(price),
        (array_agg(price ORDER BY ts DESC, epoch DESC, seq DESC))[1], count(*), min(ts), max(ts)
    FROM ticks t
    WHERE t.symbol = m.symbol AND t.ts >= m.start AND t.ts < m.start + interval '1 minute') f
ORDER BY m.symbol, m.start
ON CONFLICT ("interval", symbol, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    ticks = excluded.ticks, first_at = excluded.first_at, last_at = excluded.last_at
WHERE excluded.ticks >= c.ticks
"""


@dataclass(frozen=True, slots=True)
class ImportTicks(Query[int]):
    """Take in those that are not there, with their candles; how many were not."""

    ticks: Sequence[Tick]
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        """All of it or nothing."""
        days = sorted({tick.received // DAY_MS for tick in self.ticks})
        await partitions.make_for_ticks(connection, days)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            await connection.execute(_ENTER, IMPORT)
            await connection.execute("CREATE TEMP TABLE incoming (LIKE ticks) ON COMMIT DROP")
            await copy_ticks(connection, self.ticks, "incoming")
            rows = await connection.fetch(_TAKE_IN)
            touched = sorted({(row[0], to_ms(row[1]) // MINUTE_MS * MINUTE_MS) for row in rows})
            if touched:
                hours = sorted({start // HOUR_MS * HOUR_MS for _, start in touched})
                marks = [to_datetime(hour) for hour in hours]
                await connection.execute(MARK_HOURS, IMPORT, marks)
                # Who writes them too is let finish: its ticks would not be seen, and their candle
                # be written over. Marks first, then candles, as everybody takes them.
                await connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
                starts = [to_datetime(start) for _, start in touched]
                symbols = [symbol for symbol, _ in touched]
                await connection.execute(_CANDLES_ANEW, symbols, starts)
        return len(rows)


@dataclass(frozen=True, slots=True)
class CountTicks(Query[dict[str, int]]):
    """Ticks by symbol, with `ts` in [`start`, `end`) (ms since 1970); of all symbols if None."""

    symbols: Sequence[str] | None
    start: int
    end: int
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> dict[str, int]:
        """Ask."""
        rows = await connection.fetch(
            "SELECT symbol, count(*) FROM ticks WHERE ts >= $1 AND ts < $2 "
            "AND ($3::text[] IS NULL OR symbol = ANY($3)) GROUP BY symbol ORDER BY symbol",
            to_datetime(self.start),
            to_datetime(self.end),
            None if self.symbols is None else list(self.symbols),
        )
        return {row[0]: row[1] for row in rows}
