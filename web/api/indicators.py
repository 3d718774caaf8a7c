"""`GET /api/v1/indicators/<symbol>`: trend figures over stored candles and the live price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import trio
from quart import Blueprint

from stockstream.history.candles import INTERVALS, begin_of
from stockstream.history.indicators import (
    STREAMING,
    IndicatorKind,
    prices_before_first,
    prices_until_settled,
)
from stockstream.history.queries import FetchCandles
from stockstream.quotes import iso_utc
from stockstream.users.roles import Scope
from web.api.answers import AGE, dated
from web.api.history import INTERVAL
from web.api.openapi import documented
from web.api.ranges import AHEAD_MS, Range, calendar_of, last
from web.asking import DATABASE_ERRORS, ask_database
from web.parameters import SYMBOL, Parameter, choice, moment, once, read_whole, whole
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quart import Response

    from stockstream.history.candles import Candle
    from stockstream.quotes import Symbol
    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables
    from supervision import ActorRef
    from web.parameters import Asked

LONGEST_PERIOD = 200
MOST_POINTS = 2000
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
AT_ONCE = 32
"""Prices that are taken before others get their turn: about a millisecond, at long periods."""


INDICATOR = choice("indicator", "Which figure.", tuple(IndicatorKind))


def _read_period(given: Sequence[str], asked: Asked) -> int:
    """Its least and its default depend on the indicator."""
    kind, text = asked.get(INDICATOR), once(given)
    if text is None:
        return USUAL[kind or IndicatorKind.SMA]
    least = 1 if kind is None else STREAMING[kind].least_period
    return read_whole(text, least, LONGEST_PERIOD)


PERIOD = Parameter(
    "period",
    f"Candles it looks back over; else {', '.join(f'{n} for {kind}' for kind, n in USUAL.items())}."
    " RSI and volatility need two at least.",
    {"type": "integer", "minimum": 1, "maximum": LONGEST_PERIOD},
    _read_period,
)
FROM = moment("from", "Figures of candles that start at this time or later.")
TO = moment("to", "Figures of candles that start before this time; else up to now.")
LAST = last(FROM, TO)
LIMIT = whole("limit", "Points, at most.", least=1, most=MOST_POINTS, usual=USUAL_POINTS)
PARAMETERS = (SYMBOL, INDICATOR, PERIOD, INTERVAL, FROM, TO, LAST, LIMIT)


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
class IndicatorQuery:
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
    """The route. Closes come from the database, the newest price from the tables."""
    blueprint = Blueprint("indicators", __name__, url_prefix="/api/v1")
    blueprint.before_request(require(Scope.HISTORY_READ))

    @blueprint.get("/indicators/<symbol>")
    @documented(IndicatorAnswer, *PARAMETERS, errors=DATABASE_ERRORS, headers=AGE)
    async def indicators(asked: Asked) -> Response:
        """A trend figure of a symbol, at the close of each candle.

        Simple and exponential moving average (`sma`, `ema`), relative strength index after Wilder
        (`rsi`), volatility as the standard deviation of log returns, not annualised
        (`volatility`). The live price moves the last one.
        """
        now = wall_clock_ms()
        wanted = read_indicator_query(asked, now, calendar_of(tables, asked[SYMBOL]))
        settling = prices_until_settled(wanted.kind, wanted.period)
        count = wanted.limit + settling
        query = FetchCandles(wanted.symbol, wanted.interval, 0, wanted.end, count)
        found = await ask_database(database, query)
        candles = found.value
        row = tables.quotes.get(wanted.symbol)
        closes, live = joined(candles, row, wanted)
        # At the beginning of the series the first values stand. Where the answer was cut at
        # `count`, they would depend on where it was cut, so they are left out.
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
    candles: Sequence[Candle], row: QuoteRow | None, wanted: IndicatorQuery
) -> tuple[list[Close], int | None]:
    """Stored closes, the last of them moved by the live price; and the start of that candle.

    The recorder is a moment behind the stream, so the newest price may belong to the last stored
    candle, or to one that is not stored yet. None when the live price adds nothing.
    """
    closes = [Close(candle.start, candle.close) for candle in candles]
    if row is None:
        return closes, None
    length = INTERVALS[wanted.interval]
    # As the recorder places it: not in the future, where the provider's clock is ahead.
    at = min(row.quote.timestamp, row.quote.received)
    start = begin_of(at, length)
    newest = candles[-1] if candles else None
    if start >= wanted.end or (newest is not None and at < newest.last_at):
        return closes, None
    if newest is not None and start == newest.start:
        closes.pop()
    closes.append(Close(start, row.quote.price))
    return closes, start


async def values(closes: Iterable[Close], wanted: IndicatorQuery, unsettled: int) -> list[Close]:
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


def read_indicator_query(asked: Asked, now: int, calendar: str | None) -> IndicatorQuery:
    """What is asked for; `calendar` is that of the symbol.

    Raises:
        InvalidParameterError: `from` is not before `to`.
    """
    interval, length, end = asked[INTERVAL], asked[LAST], asked[TO]
    if length is None:
        chosen = Range(asked[FROM] or 0, now + AHEAD_MS if end is None else end).check()
    else:
        chosen = length.range(INTERVALS[interval], now, calendar)
    return IndicatorQuery(
        symbol=asked[SYMBOL],
        kind=asked[INDICATOR],
        period=asked[PERIOD],
        interval=interval,
        start=chosen.start,
        end=chosen.end,
        limit=asked[LIMIT],
    )
