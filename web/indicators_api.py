"""`GET /api/v1/indicators/<symbol>`: trend figures over stored candles and the live price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import trio
from quart import Blueprint, Response, request
from werkzeug.exceptions import ServiceUnavailable, UnprocessableEntity

from stockstream.delivery.protocol import encode
from stockstream.history.candles import INTERVALS
from stockstream.history.indicators import (
    STREAMING,
    Kind,
    prices_before_first,
    prices_until_settled,
)
from stockstream.history.queries import FetchCandles
from stockstream.history.query import DatabaseError, Exhausted, ask
from stockstream.history.times import to_ms
from stockstream.messages import InvalidSymbol, Symbol, iso_utc, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stockstream.history.candles import Candle
    from stockstream.messages import QuoteRow
    from stockstream.tables import Tables
    from supervision import ActorRef

LONGEST_PERIOD = 200
MOST_POINTS = 1000
USUAL_POINTS = 300
USUAL_PERIODS = {Kind.SMA: 20, Kind.EMA: 20, Kind.RSI: 14, Kind.VOLATILITY: 20}
UNITS = {
    Kind.SMA: "price",
    Kind.EMA: "price",
    Kind.RSI: "0 to 100",
    Kind.VOLATILITY: "standard deviation of log returns per candle, not annualised",
}
FIELDS = ("indicator", "period", "interval", "from", "to", "limit")
AHEAD_MS = 60_000
"""A provider's clock may run this much ahead before its price is left out, as on the chart."""
AT_ONCE = 50
"""Prices that are taken before others get their turn: about a millisecond, at long periods."""


class InvalidParameterError(UnprocessableEntity):
    """Parameters that cannot be served; the reason names each of them."""

    word: ClassVar[str] = "invalid_parameter"


class HistoryAwayError(ServiceUnavailable):
    """The database does not answer now."""

    word: ClassVar[str] = "unavailable"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Times in ms since 1970; `start` is None for as far back as `limit`."""

    symbol: Symbol
    kind: Kind
    period: int
    interval: str
    start: int | None
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

    @blueprint.get("/indicators/<symbol>")
    async def indicators(symbol: str) -> Response:
        now = wall_clock_ms()
        wanted = read(symbol, request.args.to_dict(flat=False), now)
        settling = prices_until_settled(wanted.kind, wanted.period)
        count = wanted.limit + settling
        query = FetchCandles(wanted.symbol, wanted.interval, 0, wanted.end, count)
        try:
            candles = await ask(database, query)
        except Exhausted as error:
            raise HistoryAwayError(str(error), retry_after=round(error.retry_after)) from error
        except DatabaseError as error:
            raise HistoryAwayError(str(error), retry_after=2) from error
        row = tables.quotes.get(wanted.symbol)
        closes, live = joined(candles, row, wanted, now)
        # Where the series itself begins the first values are what they are; where only the
        # answer of the database does, they would show that.
        unsettled = settling if len(candles) == count else 0
        points = await values(closes, wanted, unsettled)
        body = {
            "symbol": wanted.symbol,
            "indicator": wanted.kind,
            "period": wanted.period,
            "interval": wanted.interval,
            "unit": UNITS[wanted.kind],
            "warm_up": prices_before_first(wanted.kind, wanted.period),
            "live": None if live is None else iso_utc(live),
            "points": [{"start": iso_utc(point.start), "value": point.price} for point in points],
        }
        return Response(encode(body), content_type="application/json")

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
        early = wanted.start is not None and close.start < wanted.start
        if value is not None and number >= unsettled and not early:
            points.append(Close(close.start, value))
    return points[-wanted.limit :]


def read(symbol: str, given: Mapping[str, Sequence[str]], now: int) -> Wanted:
    """What is asked for.

    Raises:
        InvalidParameterError: naming everything that is wrong with it.
    """
    wrong: list[str] = []

    def single(name: str) -> str | None:
        found = given.get(name, ())
        if len(found) > 1:
            wrong.append(f"{name}: given {len(found)} times")
        return found[0] if found else None

    def whole(name: str, least: int, most: int, usual: int) -> int:
        text = single(name)
        if text is None:
            return usual
        digits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
        if not (digits and least <= int(text) <= most):
            wrong.append(f"{name}: a whole number from {least} to {most}, not {text[:32]!r}")
            return usual
        return int(text)

    def moment(name: str) -> int | None:
        text = single(name)
        if text is None:
            return None
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is None or parsed.year < 1970:
            example = "2026-11-22T10:00:00Z"
            wrong.append(f"{name}: a time with its zone, such as {example}, not {text[:32]!r}")
            return None
        return to_ms(parsed)

    parsed = Symbol("")
    try:
        parsed = parse_symbol(symbol)
    except InvalidSymbol as error:
        wrong.append(f"symbol: {error.given!r}: {error.reason}")
    wrong += [f"{name[:32]}: no such parameter" for name in given if name not in FIELDS]
    name = single("indicator")
    kind = Kind.SMA
    if name in set(Kind):
        kind = Kind(name)
    else:
        told = "missing" if name is None else f"not {name[:32]!r}"
        wrong.append(f"indicator: one of {', '.join(Kind)}, {told}")
    interval = single("interval") or "1m"
    if interval not in INTERVALS:
        wrong.append(f"interval: one of {', '.join(INTERVALS)}, not {interval[:32]!r}")
    period = whole("period", STREAMING[kind].least_period, LONGEST_PERIOD, USUAL_PERIODS[kind])
    limit = whole("limit", 1, MOST_POINTS, USUAL_POINTS)
    start, end = moment("from"), moment("to")
    if start is not None and start >= (now if end is None else end):
        wrong.append(f"from: {iso_utc(start)} is not before {'now' if end is None else 'to'}")
    if wrong:
        raise InvalidParameterError("; ".join(wrong))
    # Without `to`, up to the candle that moves now.
    return Wanted(parsed, kind, period, interval, start, now + 1 if end is None else end, limit)
