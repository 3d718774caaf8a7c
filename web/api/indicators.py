"""`GET /api/v1/indicators/<symbol>`: trend figures over stored candles and the live price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import trio
from quart import Blueprint, request

from stockstream.history.candles import INTERVALS
from stockstream.history.indicators import (
    STREAMING,
    IndicatorKind,
    prices_before_first,
    prices_until_settled,
)
from stockstream.history.queries import FetchCandles
from stockstream.quotes import Symbol, iso_utc
from web.api.history import AGE, AHEAD_MS, ERRORS, answered, dated
from web.api.openapi import SYMBOL, choice, documented, moment, whole
from web.api.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from quart import Response

    from stockstream.history.candles import Candle
    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables
    from supervision import ActorRef

LONGEST_PERIOD = 200
MOST_POINTS = 1000
USUAL_POINTS = 300
USUAL = {
    IndicatorKind.SMA: 20,
    IndicatorKind.EMA: 20,
    IndicatorKind.RSI: 14,
    IndicatorKind.VOLATILITY: 20,
}
UNITS = {
    IndicatorKind.SMA: "price",
    IndicatorKind.EMA: "price",
    IndicatorKind.RSI: "0 to 100",
    IndicatorKind.VOLATILITY: "standard deviation of log returns per candle, not annualised",
}
FIELDS = ("indicator", "period", "interval", "from", "to", "limit")
AT_ONCE = 32
"""Prices that are taken before others get their turn: about a millisecond, at long periods."""


class Point(msgspec.Struct, frozen=True):
    """The figure at the close of the candle that begins at `start`."""

    start: str
    value: float


class IndicatorAnswer(msgspec.Struct, frozen=True):
    """The last points of the range, oldest first: one per candle that has a value.

    `warm_up` is how many candles of a symbol go by before its first value; `live` the start of
    the candle that the live price moves, null when there is none, so that its value is not final.
    """

    symbol: str
    indicator: IndicatorKind
    period: int
    interval: str
    unit: str
    warm_up: int
    live: str | None
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Times in ms since 1970: [`start`, `end`)."""

    symbol: Symbol
    kind: IndicatorKind
    period: int
    interval: str
    start: int
    end: int
    limit: int


@dataclass(frozen=True, slots=True)
class Close:
    """A candle's start and its close."""

    start: int
    price: float


def indicators_api(
    tables: Tables, database: ActorRef, wall_clock_ms: Callable[[], int]
) -> Blueprint:
    """The route; closes are asked of the database, the newest price stands in the tables."""
    blueprint = Blueprint("indicators", __name__, url_prefix="/api/v1")
    usual = ", ".join(f"{period} for {kind}" for kind, period in USUAL.items())

    @blueprint.get("/indicators/<symbol>")
    @documented(
        IndicatorAnswer,
        SYMBOL,
        choice("indicator", "Which figure.", tuple(IndicatorKind)),
        whole(
            "period",
            f"Candles it looks back over; else {usual}. RSI and volatility need two at least.",
            least=1,
            most=LONGEST_PERIOD,
        ),
        choice("interval", "Length of a candle.", INTERVALS, "1m"),
        moment("from", "Figures of candles that start at this time or later."),
        moment("to", "Figures of candles that start before this time; else up to now."),
        whole("limit", "Points, at most.", least=1, most=MOST_POINTS, usual=USUAL_POINTS),
        errors=ERRORS,
        headers=AGE,
    )
    async def indicators(symbol: str) -> Response:
        """A trend figure of a symbol, at the close of each candle.

        Simple and exponential moving average (`sma`, `ema`), relative strength index after Wilder
        (`rsi`), volatility as the standard deviation of log returns, not annualised
        (`volatility`). The live price moves the last one.
        """
        now = wall_clock_ms()
        wanted = read(symbol, request.args.to_dict(flat=False), now)
        settling = prices_until_settled(wanted.kind, wanted.period)
        count = wanted.limit + settling
        query = FetchCandles(wanted.symbol, wanted.interval, 0, wanted.end, count)
        found = await answered(database, query)
        candles = found.value
        row = tables.quotes.get(wanted.symbol)
        closes, live = joined(candles, row, wanted, now)
        # Where the series itself begins the first values are what they are; where only the
        # answer of the database does, they would show that.
        unsettled = settling if len(candles) == count else 0
        points = await values(closes, wanted, unsettled)
        answer = IndicatorAnswer(
            wanted.symbol,
            wanted.kind,
            wanted.period,
            wanted.interval,
            UNITS[wanted.kind],
            prices_before_first(wanted.kind, wanted.period),
            None if live is None else iso_utc(live),
            [Point(iso_utc(point.start), point.price) for point in points],
        )
        return dated(answer, found.as_of)

    return blueprint


def joined(
    candles: Sequence[Candle], row: QuoteRow | None, wanted: Wanted, now: int
) -> tuple[list[Close], int | None]:
    """Stored closes, the last of them moved by the live price; and the start of that candle.

    The recorder is a moment behind the stream, so the newest price may belong to the last stored
    candle, or to one that is not stored yet. None when the live price adds nothing.
    """
    closes = [Close(candle.start, candle.close) for candle in candles]
    if row is None:
        return closes, None
    length = INTERVALS[wanted.interval]
    at = row.quote.timestamp
    start = at - at % length
    last = candles[-1] if candles else None
    if start >= wanted.end or at > now + AHEAD_MS or (last is not None and at < last.last_at):
        return closes, None
    if last is not None and start == last.start:
        closes.pop()
    closes.append(Close(start, row.quote.price))
    return closes, start


async def values(closes: Iterable[Close], wanted: Wanted, unsettled: int) -> list[Close]:
    """The figure at each close that has one, without the first `unsettled`; the last `limit`."""
    indicator = STREAMING[wanted.kind](wanted.period)
    points: list[Close] = []
    for number, close in enumerate(closes):
        if number % AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        value = indicator.update(close.price)
        if value is not None and number >= unsettled and close.start >= wanted.start:
            points.append(Close(close.start, value))
    return points[-wanted.limit :]


def read(symbol: str, given: Mapping[str, Sequence[str]], now: int) -> Wanted:
    """What is asked for.

    Raises:
        InvalidParameterError: naming everything that is wrong with it.
    """
    parameters = Parameters(given, FIELDS)
    name = parameters.symbol(symbol)
    if parameters.text("indicator") is None:
        parameters.wrong["indicator"] = f"missing; one of {', '.join(IndicatorKind)}"
    kind = IndicatorKind(parameters.one_of("indicator", tuple(IndicatorKind), IndicatorKind.SMA))
    interval = parameters.one_of("interval", INTERVALS, "1m")
    least = STREAMING[kind].least_period
    period = parameters.whole("period", least=least, most=LONGEST_PERIOD, usual=USUAL[kind])
    limit = parameters.whole("limit", least=1, most=MOST_POINTS, usual=USUAL_POINTS)
    end = parameters.moment("to", now + AHEAD_MS)
    start = parameters.moment("from", 0)
    parameters.check()
    if start >= end:
        parameters.refuse("from", f"{iso_utc(start)} is not before to ({iso_utc(end)})")
    return Wanted(name, kind, period, interval, start, end, limit)
