"""`GET /api/v1/history/<symbol>` and `/api/v1/ticks/<symbol>`: what the database has kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint

from stockstream.history.candles import INTERVALS, begin_of
from stockstream.history.coverage import Recording, recording
from stockstream.history.queries import Cursor, FetchCandles, FetchTicks
from stockstream.history.tick_lines import FIRST_MOMENT, LAST_MOMENT
from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS
from stockstream.users.roles import Scope
from web.api.answers import AGE, dated
from web.api.openapi import documented
from web.api.ranges import AHEAD_MS, Range, calendar_of, last
from web.asking import DATABASE_ERRORS, ask_database
from web.parameters import SYMBOL, choice, cursor, moment, whole
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart import Response

    from stockstream.history.candles import Candle, Tick
    from stockstream.tables import Tables
    from supervision import ActorRef
    from web.parameters import Asked

MOST_CANDLES, USUAL_CANDLES = 5_000, 500
MOST_TICKS, USUAL_TICKS = 5_000, 1_000
WIDEST_IN_CANDLES = 50_000
"""The widest range, in candles that could be in it: 34 days of 1m, 136 years of 1d."""
WIDEST_OF_TICKS_MS = 31 * DAY_MS
DIGITS_OF_VOLUMES = 8
"""After the point; a sum of many has noise behind them."""
_BIGINT = range(-(2**63), 2**63)


class CandleItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices from `start` (inclusive) on, for one interval; `ticks` is how many there were.

    `volume` is what was traded, as far as it was told with these prices: in shares, or in units of
    what stands first in a pair. It is what the day's volume grew by, so where prices were missed it
    counts with the next one. It is null where no volume is known.

    A `partial` one may have had more: some came when those before had been dropped already, and
    whether they were among these is not known. The prices are those of all. They are in one
    `currency`, which is left out where nobody told it.
    """

    start: str
    open: float
    high: float
    low: float
    close: float
    ticks: int
    volume: float | None
    partial: bool = False
    currency: str | None = None


class CandlesAnswer(msgspec.Struct, frozen=True):
    """The last candles of the range, oldest first. A stretch without prices has no candle. All are
    in the currency of the last one: those in another are left out.

    `from` (inclusive) and `to` (exclusive) are the range. `server_time` is when the question came:
    what was published after that may be missing. `recording` says whether more is.
    """

    symbol: str
    interval: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    server_time: str
    recording: Recording
    candles: list[CandleItem]


class TickItem(msgspec.Struct, frozen=True):
    """One price. `received` is when it was fetched, `timestamp` the provider's time, or
    `received` where the provider's clock was ahead; UTC. `volume` is what was traded since the
    price before, null where it is not known.
    """

    price: float
    timestamp: str
    received: str
    exchange: str | None
    currency: str | None
    source: str | None
    version: tuple[int, int]
    volume: float | None


class TicksAnswer(msgspec.Struct, frozen=True):
    """Ticks in order; `next_cursor` asks for those that follow, null when these are the last."""

    symbol: str
    ticks: list[TickItem]
    next_cursor: str | None


INTERVAL = choice("interval", "Length of a candle.", INTERVALS, "1m")
CANDLES_FROM = moment(
    "from", "Candles that start at this time or later; else as far back as may be."
)
CANDLES_TO = moment("to", "Candles that start before this time; else up to now.")
CANDLES_LAST = last(CANDLES_FROM, CANDLES_TO)
CANDLES_LIMIT = whole("limit", "Candles, at most.", least=1, most=MOST_CANDLES, usual=USUAL_CANDLES)
TICKS_FROM = moment("from", "Prices of this time or later; else of the 31 days before `to`.")
TICKS_TO = moment("to", "Prices from before this time; else up to now.")
TICKS_LIMIT = whole(
    "limit", "Ticks in one answer, at most.", least=1, most=MOST_TICKS, usual=USUAL_TICKS
)


def _parse_cursor(text: str) -> Cursor | None:
    found = Cursor(*map(int, text.split("_")))
    in_range = FIRST_MOMENT <= found.ts <= LAST_MOMENT and all(n in _BIGINT for n in found[1:])
    return found if in_range else None


TICKS_CURSOR = cursor(
    "cursor",
    "The `next_cursor` of an answer to the same question, for what follows it.",
    re.compile(r"-?[0-9]{1,16}_-?[0-9]{1,19}_-?[0-9]{1,19}_[0-9]{1,9}"),
    _parse_cursor,
)


def history_api(tables: Tables, database: ActorRef, wall_clock_ms: Callable[[], int]) -> Blueprint:
    """The routes. The database has what was recorded; the tables tell what waits for it."""
    blueprint = Blueprint("history", __name__, url_prefix="/api/v1")
    blueprint.before_request(require(Scope.HISTORY_READ))

    @blueprint.get("/history/<symbol>")
    @documented(
        CandlesAnswer,
        SYMBOL,
        INTERVAL,
        CANDLES_FROM,
        CANDLES_TO,
        CANDLES_LAST,
        CANDLES_LIMIT,
        errors=DATABASE_ERRORS,
        headers=AGE,
    )
    async def history(asked: Asked) -> Response:
        """Candles of a symbol.

        The last `limit` of the range, oldest first. The range holds 50,000 candles at most, with
        or without prices. Where there was no price there is no candle, and none is made up. The
        last one is not final while its time is not over. Prices that are not recorded yet are
        missing; `recording` says since when.
        """
        symbol, interval, limit = asked[SYMBOL], asked[INTERVAL], asked[CANDLES_LIMIT]
        step, length, now = INTERVALS[interval], asked[CANDLES_LAST], wall_clock_ms()
        widest = WIDEST_IN_CANDLES * step
        if length is None:
            chosen = _range(asked[CANDLES_FROM], asked[CANDLES_TO], widest, now)
        else:
            chosen = length.range(step, now, calendar_of(tables, symbol))
            if length.unit == "all":
                chosen = replace(chosen, start=max(chosen.start, begin_of(now - widest, step)))
            chosen.within(widest + step, "last")
        # Before the database is asked: what waits now may be in its answer, and not the other way.
        waiting = recording(tables, now)
        query = FetchCandles(symbol, interval, chosen.start, chosen.end, limit)
        found = await ask_database(database, query)
        answer = CandlesAnswer(
            symbol,
            interval,
            iso_utc(chosen.start),
            iso_utc(chosen.end),
            iso_utc(now),
            waiting.on_replica(found.as_of, now),
            [_candle(candle) for candle in found.value],
        )
        return dated(answer, found.as_of)

    @blueprint.get("/ticks/<symbol>")
    @documented(
        TicksAnswer,
        SYMBOL,
        TICKS_FROM,
        TICKS_TO,
        TICKS_LIMIT,
        TICKS_CURSOR,
        errors=DATABASE_ERRORS,
        headers=AGE,
    )
    async def ticks(asked: Asked) -> Response:
        """Every recorded price of a symbol.

        Oldest first, in pages. The range is 31 days at most.
        """
        symbol, limit, after = asked[SYMBOL], asked[TICKS_LIMIT], asked[TICKS_CURSOR]
        given = asked[TICKS_FROM], asked[TICKS_TO]
        chosen = _range(*given, WIDEST_OF_TICKS_MS, wall_clock_ms())
        # One more than wanted tells whether any follow.
        query = FetchTicks(symbol, chosen.start, chosen.end, limit + 1, after)
        found = await ask_database(database, query)
        page = found.value[:limit]
        following = _write_cursor(Cursor.after(page, after)) if len(found.value) > limit else None
        return dated(TicksAnswer(symbol, [_tick(tick) for tick in page], following), found.as_of)

    return blueprint


def _range(start: int | None, end: int | None, widest: int, now: int) -> Range:
    """The range that is given by its ends, of at most `widest` ms.

    Raises:
        InvalidParameterError: it is empty, or wider.
    """
    end = now + AHEAD_MS if end is None else end
    start = max(0, end - widest) if start is None else start
    return Range(start, end).check().within(widest)


def _write_cursor(cursor: Cursor) -> str:
    return "_".join(map(str, cursor))


def _candle(candle: Candle) -> CandleItem:
    prices = candle.open, candle.high, candle.low, candle.close
    volume = None if candle.volume is None else round(candle.volume, DIGITS_OF_VOLUMES)
    counts = candle.ticks, volume
    return CandleItem(iso_utc(candle.start), *prices, *counts, candle.partial, candle.currency)


def _tick(tick: Tick) -> TickItem:
    times = iso_utc(tick.ts), iso_utc(tick.received)
    told = tick.exchange, tick.currency, tick.source
    return TickItem(tick.price, *times, *told, (tick.epoch, tick.seq), tick.volume)
