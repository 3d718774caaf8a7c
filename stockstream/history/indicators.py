"""Trend figures of a series of prices: moving averages, RSI, volatility.

Each comes twice. The function takes a whole series, oldest first, and returns one value per price,
None while there are too few. The class gets one price after another; its `update` returns the value
that the function has at that place. Both raise `ValueError` for a period below the least for which
the figure is defined, and for a price that is not finite (for volatility, not above zero).

A period counts prices, not time: candles that are missing are not made up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class IndicatorKind(StrEnum):
    """Which figure."""

    SMA = "sma"
    EMA = "ema"
    RSI = "rsi"
    VOLATILITY = "volatility"


class Indicator(ABC):
    """A figure over a stream of prices. Not thread-safe; keeps at most `period` numbers."""

    least_period: ClassVar[int] = 1

    def __init__(self, period: int) -> None:
        _check_period(period, self.least_period)
        self.period = period

    @abstractmethod
    def update(self, price: float) -> float | None:
        """Take the next price; the figure now, or None while there are too few prices."""


def sma(prices: Sequence[float], period: int) -> list[float | None]:
    """Simple moving average: the arithmetic mean of the last `period` prices.

    Source: J. J. Murphy, "Technical Analysis of the Financial Markets" (1999), chapter 9.
    """
    _check_period(period, 1)
    _check_prices(prices)
    return [
        None if end < period else _mean(prices[end - period : end])
        for end in range(1, len(prices) + 1)
    ]


class Sma(Indicator):
    """`sma`, price by price. Adds up the window each time: a running sum would drift."""

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self._window: deque[float] = deque(maxlen=period)

    def update(self, price: float) -> float | None:
        """Take the next price; the mean of the last `period`."""
        _check_price(price)
        self._window.append(price)
        return _mean(self._window) if _full(self._window) else None


def ema(prices: Sequence[float], period: int) -> list[float | None]:
    """Exponential moving average with smoothing factor a = 2 / (period + 1).

    The first value is the simple average of the first `period` prices; from there each is
    a * price + (1 - a) * the one before. Source: Murphy (1999), chapter 9. The formula leaves the
    first value open; this one is TA-Lib's.
    """
    _check_period(period, 1)
    _check_prices(prices)
    if len(prices) < period:
        return [None] * len(prices)
    factor = 2 / (period + 1)
    values: list[float | None] = [None] * (period - 1)
    value = _mean(prices[:period])
    values.append(value)
    for price in prices[period:]:
        value += factor * (price - value)
        values.append(value)
    return values


class Ema(Indicator):
    """`ema`, price by price."""

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self._factor = 2 / (period + 1)
        self._first: list[float] = []
        self._value: float | None = None

    def update(self, price: float) -> float | None:
        """Take the next price; the average weighted towards it."""
        _check_price(price)
        if self._value is not None:
            self._value += self._factor * (price - self._value)
        else:
            self._first.append(price)
            if len(self._first) == self.period:
                self._value = _mean(self._first)
                self._first.clear()
        return self._value


def rsi(prices: Sequence[float], period: int) -> list[float | None]:
    """Relative strength index, from 0 to 100, with Wilder's smoothing.

    Of the changes between prices, gains G and losses L (both counted positive) are averaged: at
    first simply, over the first `period` changes, then by (before * (period - 1) + now) / period.
    RSI = 100 * G / (G + L), which is 100 - 100 / (1 + G / L) without its division by zero. When
    nothing moved at all there is neither strength nor weakness and the formula says nothing: 50.
    The first value stands at the price number `period` + 1.

    Source: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978), section VI.
    """
    _check_period(period, 2)
    _check_prices(prices)
    if len(prices) <= period:
        return [None] * len(prices)
    changes = [after - before for before, after in pairwise(prices)]
    gain = _mean([max(change, 0.0) for change in changes[:period]])
    loss = _mean([max(-change, 0.0) for change in changes[:period]])
    values: list[float | None] = [None] * period
    values.append(_strength(gain, loss))
    for change in changes[period:]:
        gain = _smoothed(gain, max(change, 0.0), period)
        loss = _smoothed(loss, max(-change, 0.0), period)
        values.append(_strength(gain, loss))
    return values


class Rsi(Indicator):
    """`rsi`, price by price."""

    least_period: ClassVar[int] = 2

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self._last: float | None = None
        self._first: list[float] = []
        self._averages: tuple[float, float] | None = None

    def update(self, price: float) -> float | None:
        """Take the next price; the strength of gains among the changes."""
        _check_price(price)
        last, self._last = self._last, price
        if last is None:
            return None
        change = price - last
        if self._averages is not None:
            gain, loss = self._averages
            self._averages = (
                _smoothed(gain, max(change, 0.0), self.period),
                _smoothed(loss, max(-change, 0.0), self.period),
            )
        else:
            self._first.append(change)
            if len(self._first) < self.period:
                return None
            self._averages = (
                _mean([max(change, 0.0) for change in self._first]),
                _mean([max(-change, 0.0) for change in self._first]),
            )
            self._first.clear()
        return _strength(*self._averages)


def volatility(prices: Sequence[float], period: int) -> list[float | None]:
    """Historical volatility: the sample standard deviation of the last `period` log returns.

    A return is ln(price / the one before); the deviation is taken about their mean with
    `period` - 1 in the denominator. The value is a fraction (0.01 is one percent) per step of the
    series and is **not annualised**: that would multiply by the root of the steps in a year, and
    how many there are depends on the hours of a market, which prices do not tell. The first value
    stands at the price number `period` + 1.

    Source: J. C. Hull, "Options, Futures, and Other Derivatives", section "Estimating volatility
    from historical data", before its division by the root of the length of a step in years.
    """
    _check_period(period, 2)
    _check_prices(prices)
    returns = [_log_return(before, after) for before, after in pairwise(prices)]
    return [None] * min(1, len(prices)) + [
        None if end < period else _deviation(returns[end - period : end])
        for end in range(1, len(returns) + 1)
    ]


class Volatility(Indicator):
    """`volatility`, price by price."""

    least_period: ClassVar[int] = 2

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self._last: float | None = None
        self._window: deque[float] = deque(maxlen=period)

    def update(self, price: float) -> float | None:
        """Take the next price; the deviation of the last `period` log returns."""
        _check_price(price)
        last, self._last = self._last, price
        if last is None:
            return None
        self._window.append(_log_return(last, price))
        return _deviation(self._window) if _full(self._window) else None


STREAMING: dict[IndicatorKind, type[Indicator]] = {
    IndicatorKind.SMA: Sma,
    IndicatorKind.EMA: Ema,
    IndicatorKind.RSI: Rsi,
    IndicatorKind.VOLATILITY: Volatility,
}


def prices_before_first(kind: IndicatorKind, period: int) -> int:
    """How many prices come before the first value."""
    return period if kind in {IndicatorKind.RSI, IndicatorKind.VOLATILITY} else period - 1


def prices_until_settled(kind: IndicatorKind, period: int) -> int:
    """How many prices to feed before a value no longer depends on the start of the series.

    SMA and volatility look back over their window only. EMA and RSI never forget completely: the
    first value has weight (1 - a)^n after n prices, with a = 2 / (period + 1) and 1 / period. After
    this many the weight is under one millionth. (If the series then never moves again, the RSI
    still depends on its start: both averages shrink alike.)
    """
    match kind:
        case IndicatorKind.EMA:
            return period + math.ceil(_MILLION_FOLD * (period + 1) / 2)
        case IndicatorKind.RSI:
            return period + math.ceil(_MILLION_FOLD * period)
        case _:
            return prices_before_first(kind, period)


_MILLION_FOLD = math.log(1_000_000)


def _full(window: deque[float]) -> bool:
    return len(window) == window.maxlen


_SCALE = 2.0**-16
"""Exact for numbers of that size, and enough for the longest period."""


def _mean(values: Collection[float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # the sum is beyond what a float holds, the mean is not
        part = math.fsum(value * _SCALE for value in values) / len(values)
        # Rounded, it could come out above all of them.
        return min(part / _SCALE, max(values)) if part < max(values) * _SCALE else max(values)


def _smoothed(before: float, now: float, period: int) -> float:
    """Wilder's average."""
    value = (before * (period - 1) + now) / period
    # As `_mean`: only the product is beyond what a float holds.
    return value if math.isfinite(value) else before + (now - before) / period


def _strength(gain: float, loss: float) -> float:
    if gain == loss == 0:
        return 50.0
    # The larger is one, so that neither the sum nor the product is beyond what a float holds.
    largest = max(gain, loss)
    gain, loss = gain / largest, loss / largest
    return 100 * gain / (gain + loss)


def _log_return(before: float, after: float) -> float:
    if before <= 0 or after <= 0:
        raise ValueError(f"a log return needs prices above zero, not {min(before, after)}")
    ratio = after / before
    if 0 < ratio < math.inf:
        return math.log(ratio)
    return math.log(after) - math.log(before)


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    # The distance of the values from their mean is the root of the sum of squares, made in C.
    return math.dist(values, [mean] * len(values)) / math.sqrt(len(values) - 1)


def _check_period(period: int, least: int) -> None:
    if period < least:
        raise ValueError(f"the period must be at least {least}, not {period}")


def _check_price(price: float) -> None:
    if not math.isfinite(price):
        raise ValueError(f"a price must be finite, not {price}")


def _check_prices(prices: Sequence[float]) -> None:
    for price in prices:
        _check_price(price)
