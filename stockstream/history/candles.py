"""Candles: open, high, low and close of the ticks of a stretch of time. Pure."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_LEAD_MS = DAY_MS
"""A tick's time is at most so far after it was received: the clocks of live providers by minutes,
and an import takes in nothing beyond it. So a question about times can leave out whole partitions.
"""
STORED = {"1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "1h": HOUR_MS, "1d": DAY_MS}
"""The intervals that the database has, and their lengths in ms."""
MADE_OF = {"15m": "5m", "30m": "5m", "4h": "1h", "1w": "1d"}
"""The others are put together from stored ones when they are asked for."""
INTERVALS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
    "1w": 7 * DAY_MS,
}
"""Length of each interval in ms. Candles begin at whole multiples of it after `FIRST_MONDAY_MS`:
days at midnight UTC, weeks at that of Monday.
"""
FIRST_MONDAY_MS = 4 * DAY_MS
"""5 January 1970."""


def begin_of(moment: int, length: int) -> int:
    """When the candle begins that a moment belongs to; ms since 1970."""
    return moment - (moment - FIRST_MONDAY_MS) % length


def first_begin(moment: int, length: int) -> int:
    """When the first candle begins at that moment or later."""
    return moment + (FIRST_MONDAY_MS - moment) % length


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One published price. Times in ms since 1970, UTC.

    `received` is when it was fetched, by our clock; `ts` the provider's time, or `received` where
    the provider's clock was ahead. `epoch` and `seq` are the quote's version, and name the tick
    among those of its symbol. `currency` and `source`, the upstream, are None where nobody told
    them. `volume` is what was traded since the tick before, as far as it is known.

    Spools hold these as lists: a field comes at the end and has a default, so that each program
    reads what the one before it wrote, and the one after it.
    """

    symbol: str
    exchange: str | None
    price: float
    ts: int
    received: int
    epoch: int
    seq: int
    currency: str | None = None
    source: str | None = None
    volume: float | None = None


class Candle(msgspec.Struct, frozen=True, gc=False):
    """`start` is inclusive; `first_at` and `last_at` are the times of the ticks that made `open`
    and `close`, by which two parts of a candle are joined in any order. Times in ms since 1970.
    There may have been more than `ticks` of a `partial` one. All prices in it are in one
    `currency`, as far as that was told: of two currencies the later one. `volume` is the sum of
    what its ticks tell; None where none of them does.
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
    partial: bool = False
    currency: str | None = None
    volume: float | None = None

    def joined(self, other: Candle) -> Candle:
        """Both parts as one. If their last times are equal, `other` gives the close.

        Of parts in two currencies the later one is left.
        """
        if self.currency != other.currency and self.currency and other.currency:
            return other if other.last_at >= self.last_at else self
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
            self.partial or other.partial,
            self.currency or other.currency,
            added(self.volume, other.volume),
        )


def added(volume: float | None, more: float | None) -> float | None:
    """Both volumes together; what is not known adds nothing."""
    if volume is None or more is None:
        return more if volume is None else volume
    return volume + more


def fold(ticks: Iterable[Tick], length: int = MINUTE_MS) -> list[Candle]:
    """The candles of `ticks`, ordered by symbol and start, so that writers lock in one order.

    The result is the same as `joined` over one-tick candles in the order of `ticks`.
    """
    found: dict[tuple[str, int], _Draft] = {}
    for tick in ticks:
        at, price = tick.ts, tick.price
        key = (tick.symbol, at - (at - FIRST_MONDAY_MS) % length)
        draft = found.get(key)
        if draft is None:
            found[key] = _begun(tick)
            continue
        if tick.currency != draft.currency and tick.currency is not None:
            if draft.currency is None:
                draft.currency = tick.currency
            else:
                if at >= draft.last_at:
                    found[key] = _begun(tick)
                continue
        if price > draft.high:
            draft.high = price
        elif price < draft.low:
            draft.low = price
        if at >= draft.last_at:
            draft.close, draft.last_at = price, at
        elif at < draft.first_at:
            draft.open, draft.first_at = price, at
        draft.ticks += 1
        if tick.volume is not None:
            draft.volume = tick.volume if draft.volume is None else draft.volume + tick.volume
    return [
        Candle(
            symbol,
            start,
            d.open,
            d.high,
            d.low,
            d.close,
            d.ticks,
            d.first_at,
            d.last_at,
            currency=d.currency,
            volume=d.volume,
        )
        for (symbol, start), d in sorted(found.items(), key=itemgetter(0))
    ]


class _Draft(msgspec.Struct, gc=False):
    """A candle that grows: one object per candle and not one per tick."""

    open: float
    high: float
    low: float
    close: float
    ticks: int
    first_at: int
    last_at: int
    currency: str | None
    volume: float | None


def _begun(tick: Tick) -> _Draft:
    at, price = tick.ts, tick.price
    return _Draft(price, price, price, price, 1, at, at, tick.currency, tick.volume)
