"""Ticks as lines of a file, CSV or NDJSON, and read from them again. Pure."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from stockstream.history.candles import LARGEST_LEAD_MS, Tick
from stockstream.quotes import LARGEST_VOLUME, InvalidSymbol, iso_utc, parse_symbol
from stockstream.times import DAY_MS, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

Format = Literal["csv", "ndjson"]
COLUMNS = (
    *("symbol", "exchange", "price", "ts", "received", "epoch", "seq"),
    *("currency", "source", "volume"),
)
_OLDER = (COLUMNS[:7], COLUMNS[:9])
"""Those that files of older releases have."""
_TEXTS = ("exchange", "currency", "source")
_MAY_BE_MISSING = (*_TEXTS, "volume")
LONGEST_LINE = 10_000
FIRST_MOMENT = to_ms(datetime(1800, 1, 1, tzinfo=UTC))
LAST_MOMENT = to_ms(datetime(2200, 1, 1, tzinfo=UTC))
"""All possible prices lie between them; PostgreSQL and Python share no wider range of years."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""The largest bigint."""


class BadLine(ValueError):
    """A line is not a tick; the text tells its number and the error."""


class ReadTick(NamedTuple):
    """A tick and the line that it stood in; where a quoted field has several, the last one."""

    line: int
    tick: Tick


class Lines:
    """The lines of a file as text, one by one; `bytes` of it were read so far.

    The byte order mark that spreadsheets put before UTF-8 is left out.

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
            text = raw.removeprefix(_BYTE_ORDER_MARK) if self._number == 1 else raw
            try:
                yield text.decode()
            except UnicodeDecodeError as error:
                raise BadLine(f"line {self._number}: not UTF-8: {error.reason}") from error


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    exchange: str | None
    price: float
    ts: str
    received: str
    epoch: Number
    seq: Number
    currency: str | None = None
    source: str | None = None
    volume: float | None = None


_read_line = msgspec.json.Decoder(_Line).decode


def _line(tick: Tick) -> _Line:
    """Its fields are `COLUMNS`, in their order."""
    times = iso_utc(tick.ts), iso_utc(tick.received)
    version = tick.epoch, tick.seq
    return _Line(
        tick.symbol,
        tick.exchange,
        tick.price,
        *times,
        *version,
        tick.currency,
        tick.source,
        tick.volume,
    )


def write_lines(ticks: Sequence[Tick], form: Format, *, header: bool) -> str:
    """Ticks as lines; the header is CSV's, for the first of many calls. Prices read back whole."""
    out = io.StringIO()
    lines = map(_line, ticks)
    if form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        if header:
            writer.writerow(COLUMNS)
        writer.writerows(map(msgspec.structs.astuple, lines))
    else:
        out.writelines(msgspec.json.encode(line).decode() + "\n" for line in lines)
    return out.getvalue()


def read_lines(lines: Iterable[str], form: Format, now: int) -> Iterator[ReadTick]:
    """Ticks from lines, one by one; none was received over a day after `now` (ms since 1970).

    Raises:
        BadLine: a line is no tick.
    """
    if form == "ndjson":
        for number, text in enumerate(lines, 1):
            if text.strip():
                yield _tick(number, _decoded(number, text), now)
        return
    reader = csv.reader(lines, strict=True)
    try:
        first = next(reader, None)
        columns = COLUMNS if first is None else tuple(first)
        if columns not in {COLUMNS, *_OLDER}:
            raise BadLine(f"line 1: the columns must be {','.join(COLUMNS)}")
        for row in reader:
            if len(row) != len(columns):
                raise BadLine(f"line {reader.line_num}: {len(row)} columns, not {len(columns)}")
            fields = {
                name: value if value or name not in _MAY_BE_MISSING else None
                for name, value in zip(columns, row, strict=True)
            }
            try:
                line = msgspec.convert(fields, _Line, strict=False)
            except msgspec.ValidationError as error:
                raise BadLine(f"line {reader.line_num}: {error}") from error
            yield _tick(reader.line_num, line, now)
    except csv.Error as error:
        raise BadLine(f"line {reader.line_num}: {error}") from error


def pages(ticks: Iterable[ReadTick], size: int) -> Iterator[list[ReadTick]]:
    """Ticks, `size` at a time; what stood before a bad line comes before its error.

    Raises:
        BadLine: a line is no tick.
    """
    page: list[ReadTick] = []
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


def _tick(number: int, line: _Line, now: int) -> ReadTick:
    try:
        symbol = parse_symbol(line.symbol)
    except InvalidSymbol as error:
        raise BadLine(f"line {number}: {error}") from error
    for name in _TEXTS:
        if "\0" in (getattr(line, name) or ""):
            raise BadLine(f"line {number}: {name} holds a NUL, which no text in PostgreSQL may")
    if not 0 < line.price < float("inf"):
        raise BadLine(f"line {number}: price {line.price} is not above 0")
    if line.volume is not None and not 0 <= line.volume <= LARGEST_VOLUME:
        raise BadLine(f"line {number}: volume {line.volume} is not from 0 to {LARGEST_VOLUME:g}")
    ts = _moment(number, "ts", line.ts, LAST_MOMENT)
    # Ticks are kept, and dropped, by the day on which they were received.
    received = _moment(number, "received", line.received, now + DAY_MS)
    if ts - received > LARGEST_LEAD_MS:
        raise BadLine(f"line {number}: received, {line.received}, is over a day before ts")
    said = line.epoch, line.seq, line.currency, line.source, line.volume
    tick = Tick(symbol, line.exchange, line.price, ts, received, *said)
    return ReadTick(number, tick)


def _moment(number: int, name: str, text: str, last: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadLine(f"line {number}: {name} must be a time with its zone, not {text[:40]!r}")
    found = to_ms(moment)
    if not FIRST_MOMENT <= found <= last:
        between = f"{iso_utc(FIRST_MOMENT)} and {iso_utc(last)}"
        raise BadLine(f"line {number}: {name} must lie between {between}, not at {text[:40]}")
    return found
