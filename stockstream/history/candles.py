"""Candles: open, high, low and close of the ticks of a stretch of time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
INTERVALS = {"1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "1h": HOUR_MS, "1d": DAY_MS}
"""Length of each interval in ms; candles begin at whole multiples of it, in UTC."""


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One published price. Times in ms since 1970, UTC.

    `ts` is the provider's time, `received` our clock's when it was fetched; `epoch` and `seq`
    are the quote's version, and name the tick among those of its symbol.
    """

    symbol: str
    exchange: str | None
    price: float
    ts: int
    received: int
    epoch: int
    seq: int


class Candle(msgspec.Struct, frozen=True, gc=False):
    """`start` is inclusive; `first_at` and `last_at` are the times of the ticks that made `open`
    and `close`, by which two parts of a candle are joined in any order. Times in ms since 1970.
    """

    symbol: str
    start: int
    open: float
    high: float
    low: float
    close: float
    ticks: int
    first_at: int
    last_at: int

    def joined(self, other: Candle) -> Candle:
        """Both parts as one; of equal times `other`, the later told, closes."""
        first = other if other.first_at < self.first_at else self
        last = other if other.last_at >= self.last_at else self
        return Candle(
            self.symbol,
            self.start,
            first.open,
            max(self.high, other.high),
            min(self.low, other.low),
            last.close,
            self.ticks + other.ticks,
            first.first_at,
            last.last_at,
        )


def fold(ticks: Iterable[Tick], length: int = MINUTE_MS) -> list[Candle]:
    """The candles of `ticks`, ordered by symbol and start, so that writers lock in one order."""
    found: dict[tuple[str, int], Candle] = {}
    for tick in ticks:
        start = tick.ts - tick.ts % length
        price, at = tick.price, tick.ts
        single = Candle(tick.symbol, start, price, price, price, price, 1, at, at)
        key = (tick.symbol, start)
        known = found.get(key)
        found[key] = single if known is None else known.joined(single)
    return [found[key] for key in sorted(found)]
