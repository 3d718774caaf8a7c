"""Ticks in PostgreSQL's binary format of COPY. Pure.

The driver could encode the rows value by value, at several times the CPU; encoding is most of the
cost of recording. Format: PostgreSQL's manual, COPY, "Binary Format"; a timestamp is its
microseconds since 2000 (there, `timestamptz_send`).
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stockstream.history.candles import Tick

COLUMNS = (
    *("symbol", "exchange", "currency", "source"),
    *("price", "ts", "received", "epoch", "seq", "volume"),
)
AT_ONCE = 1_000
"""Rows in one piece: a millisecond of work."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_COUNT = Struct(">h")
_LENGTH = Struct(">i")
# Price, ts, received, epoch, seq: each its length, eight bytes, and itself.
_NUMBERS = Struct(">idiqiqiqiq").pack
_NUMBERS_AND_VOLUME = Struct(">idiqiqiqiqid").pack
_YEAR_2000_MS = 946_684_800_000


def encoded(ticks: Sequence[Tick]) -> Iterator[bytes]:
    """All of a COPY of ticks into `COLUMNS`, in pieces.

    Raises:
        UnicodeEncodeError: a text is not valid Unicode.
        struct.error: a number is beyond 64 bits.
    """
    yield _HEADER
    for start in range(0, len(ticks), AT_ONCE):
        yield b"".join([_row(tick) for tick in ticks[start : start + AT_ONCE]])
    yield _TRAILER


def _row(tick: Tick) -> bytes:
    texts = _texts(tick.symbol, tick.exchange, tick.currency, tick.source)
    ts, received = (tick.ts - _YEAR_2000_MS) * 1000, (tick.received - _YEAR_2000_MS) * 1000
    volume = tick.volume
    if volume is None:
        numbers = _NUMBERS(8, tick.price, 8, ts, 8, received, 8, tick.epoch, 8, tick.seq)
        return texts + numbers + _NULL
    return texts + _NUMBERS_AND_VOLUME(
        8, tick.price, 8, ts, 8, received, 8, tick.epoch, 8, tick.seq, 8, volume
    )


# Cached, because the same few symbols repeat.
@lru_cache(maxsize=16_384)
def _texts(*texts: str | None) -> bytes:
    """How a row begins: its number of columns, and the texts."""
    return _COUNT.pack(len(COLUMNS)) + b"".join(map(_text, texts))


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    data = value.encode()
    return _LENGTH.pack(len(data)) + data
