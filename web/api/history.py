"""`GET /api/v1/history/<symbol>` and `/api/v1/ticks/<symbol>`: what the database has kept."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar

import msgspec
from quart import Blueprint, Response, request
from werkzeug.exceptions import ServiceUnavailable

from stockstream.database import freshness
from stockstream.database.query import (
    Answered,
    DatabaseError,
    Exhausted,
    Query,
    Rejected,
    ask_dated,
)
from stockstream.delivery.protocol import encode
from stockstream.history.candles import INTERVALS
from stockstream.history.queries import Cursor, FetchCandles, FetchTicks
from stockstream.history.tick_lines import FIRST_MOMENT, LAST_MOMENT
from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS
from web.api.openapi import SYMBOL, Schema, choice, documented, moment, text, whole
from web.api.parameters import InvalidParameterError, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from stockstream.history.candles import Candle, Tick
    from stockstream.times import Moment
    from supervision import ActorRef

    R = TypeVar("R")

MOST_CANDLES, USUAL_CANDLES = 5_000, 500
MOST_TICKS, USUAL_TICKS = 5_000, 1_000
WIDEST_IN_CANDLES = 50_000
"""The widest range, in candles that could be in it: 34 days of 1m, 136 years of 1d."""
WIDEST_OF_TICKS_MS = 31 * DAY_MS
AHEAD_MS = 3_600_000
"""A provider's clock may be ahead of ours: without `to`, its ticks are still within the range."""
UNAVAILABLE_RETRY_SECONDS = 2
AGE: Schema = {
    "Age": {
        "description": "From a replica that is behind only: what is here was recorded so many "
        "seconds ago or before, and what came since may be missing.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_CURSOR = re.compile(r"-?[0-9]{1,16}_-?[0-9]{1,19}_-?[0-9]{1,19}_[0-9]{1,9}")
_BIGINT = range(-(2**63), 2**63)


class CandleItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices from `start` (inclusive) on, for one interval; `ticks` is how many there were.

    A `partial` one may have had more: some came when those before had been dropped already, and
    whether they were among these is not known. The prices are those of all.
    """

    start: str
    open: float
    high: float
    low: float
    close: float
    ticks: int
    partial: bool = False


class CandlesAnswer(msgspec.Struct, frozen=True):
    """The last candles of the range, oldest first. A stretch without prices has no candle."""

    symbol: str
    interval: str
    candles: list[CandleItem]


class TickItem(msgspec.Struct, frozen=True):
    """One price; `timestamp` is the provider's, `received` when it was fetched, UTC."""

    price: float
    timestamp: str
    received: str
    exchange: str | None
    version: tuple[int, int]


class TicksAnswer(msgspec.Struct, frozen=True):
    """Ticks in order; `next_cursor` asks for those that follow, null when these are the last."""

    symbol: str
    ticks: list[TickItem]
    next_cursor: str | None


class HistoryUnavailableError(ServiceUnavailable):
    """The database does not answer now; `Retry-After` says when to try again."""

    word: ClassVar[str] = "unavailable"


class TooManyQueriesError(ServiceUnavailable):
    """All connections are in use and enough queries wait for them."""

    word: ClassVar[str] = "exhausted"


ERRORS = (InvalidParameterError, HistoryUnavailableError, TooManyQueriesError)
"""What a question to the database may be answered with instead."""


def history_api(database: ActorRef, wall_clock_ms: Callable[[], int]) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("history", __name__, url_prefix="/api/v1")

    @blueprint.get("/history/<symbol>")
    @documented(
        CandlesAnswer,
        SYMBOL,
        choice("interval", "Length of a candle.", INTERVALS, "1m"),
        moment("from", "Candles that start at this time or later; else as far back as may be."),
        moment("to", "Candles that start before this time; else up to now."),
        whole("limit", "Candles, at most.", least=1, most=MOST_CANDLES, usual=USUAL_CANDLES),
        errors=ERRORS,
        headers=AGE,
    )
    async def history(symbol: str) -> Response:
        """Candles of a symbol.

        The last `limit` of the range, oldest first. The range holds 50,000 candles at most, with
        or without prices. Where there was no price there is no candle, and none is made up. The
        last one is not final while its time is not over.
        """
        parameters = _parameters("interval", "from", "to", "limit")
        name = parameters.symbol(symbol)
        interval = parameters.one_of("interval", INTERVALS, "1m")
        limit = parameters.whole("limit", least=1, most=MOST_CANDLES, usual=USUAL_CANDLES)
        length = INTERVALS[interval]
        end = parameters.moment("to", wall_clock_ms() + AHEAD_MS)
        start = parameters.moment("from", max(0, end - WIDEST_IN_CANDLES * length))
        _check_range(parameters, start, end, WIDEST_IN_CANDLES * length)
        found = await answered(database, FetchCandles(name, interval, start, end, limit))
        candles = [_candle(candle) for candle in found.value]
        return dated(CandlesAnswer(name, interval, candles), found.as_of)

    @blueprint.get("/ticks/<symbol>")
    @documented(
        TicksAnswer,
        SYMBOL,
        moment("from", "Prices of this time or later; else of the 31 days before `to`."),
        moment("to", "Prices from before this time; else up to now."),
        whole(
            "limit", "Ticks in one answer, at most.", least=1, most=MOST_TICKS, usual=USUAL_TICKS
        ),
        text(
            "cursor",
            "The `next_cursor` of an answer to the same question, for what follows it.",
            f"^{_CURSOR.pattern}$",
        ),
        errors=ERRORS,
        headers=AGE,
    )
    async def ticks(symbol: str) -> Response:
        """Every recorded price of a symbol.

        Oldest first, in pages. The range is 31 days at most.
        """
        parameters = _parameters("from", "to", "limit", "cursor")
        name = parameters.symbol(symbol)
        limit = parameters.whole("limit", least=1, most=MOST_TICKS, usual=USUAL_TICKS)
        end = parameters.moment("to", wall_clock_ms() + AHEAD_MS)
        start = parameters.moment("from", max(0, end - WIDEST_OF_TICKS_MS))
        after = _read_cursor(parameters)
        _check_range(parameters, start, end, WIDEST_OF_TICKS_MS)
        # One more than wanted tells whether any follow.
        found = await answered(database, FetchTicks(name, start, end, limit + 1, after))
        page = found.value[:limit]
        following = _write_cursor(Cursor.after(page, after)) if len(found.value) > limit else None
        return dated(TicksAnswer(name, [_tick(tick) for tick in page], following), found.as_of)

    return blueprint


async def answered(database: ActorRef, query: Query[R]) -> Answered[R]:
    """Ask, and turn trouble into an answer of HTTP.

    Raises:
        TooManyQueriesError: the pool is exhausted.
        HistoryUnavailableError: there is no database to be asked.
    """
    try:
        return await ask_dated(database, query)
    except Exhausted as error:
        raise TooManyQueriesError(str(error), retry_after=round(error.retry_after)) from error
    except Rejected:
        raise  # a query of ours that PostgreSQL does not take is our mistake: 500
    except DatabaseError as error:
        why = "history is not available now; live prices are"
        raise HistoryUnavailableError(why, retry_after=UNAVAILABLE_RETRY_SECONDS) from error


def dated(value: msgspec.Struct, as_of: Moment | None) -> Response:
    """An answer; `Age` says how many seconds old it may be, where that is worth a word."""
    response = Response(encode(value), content_type="application/json")
    if as_of is not None and as_of.age >= freshness.TOLD_SECONDS:
        response.headers["Age"] = str(math.ceil(as_of.age))
    return response


def _parameters(*known: str) -> Parameters:
    return Parameters(request.args.to_dict(flat=False), known)


def _check_range(parameters: Parameters, start: int, end: int, widest: int) -> None:
    parameters.check()
    if start >= end:
        parameters.refuse("from", f"{iso_utc(start)} is not before to ({iso_utc(end)})")
    if end - start > widest:
        parameters.refuse("from", f"the range is wider than {widest // 60_000} minutes")


def _write_cursor(cursor: Cursor) -> str:
    return "_".join(map(str, cursor))


def _read_cursor(parameters: Parameters) -> Cursor | None:
    text = parameters.text("cursor")
    if text is None:
        return None
    if _CURSOR.fullmatch(text):
        found = Cursor(*map(int, text.split("_")))
        if FIRST_MOMENT <= found.ts <= LAST_MOMENT and all(n in _BIGINT for n in found[1:]):
            return found
    parameters.wrong["cursor"] = f"a cursor that an answer gave, not {text[:32]!r}"
    return None


def _candle(candle: Candle) -> CandleItem:
    prices = candle.open, candle.high, candle.low, candle.close
    return CandleItem(iso_utc(candle.start), *prices, candle.ticks, candle.partial)


def _tick(tick: Tick) -> TickItem:
    times = iso_utc(tick.ts), iso_utc(tick.received)
    return TickItem(tick.price, *times, tick.exchange, (tick.epoch, tick.seq))
