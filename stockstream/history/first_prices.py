"""The actor `first_prices`: asks the history for the first price of each symbol's day.

After a start nobody in the process knows the price that the change of the day is against, but the
history does. The streamer, which keeps it, never waits for a database: this actor asks, and tells
it. It asks for all symbols whose day is not settled, and again until the answer is final: the
database may be away, and prices of the day may still wait in a spool of the life before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.database.query import Exhausted, Query, Rejected, Unavailable, ask_dated
from stockstream.messages import FirstPricesFound
from stockstream.pauses import Pauses
from stockstream.quotes import Base, Basis, Symbol
from stockstream.times import Moment, to_datetime
from supervision import Actor, Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.database.query import Connection
    from stockstream.statuses import ExchangeDay, QuoteRow, RecorderStatus
    from supervision import Slot, Table

LOOK_SECONDS = 0.5
"""How often it is looked whether there is anything to ask for."""
PAUSES = Backoff(first=0.25, longest=5.0)
"""Between two questions for the same, while prices still wait to be recorded."""
SYMBOLS_AT_ONCE = 1_000
"""In one query, which then takes 10 to 40 ms: those of users wait for no longer than that."""

# Days begin with a minute, so the first candle of a day holds its first price.
_FIRST = """
SELECT place, open, (date_part('epoch', first_at) * 1000)::bigint
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[])
    WITH ORDINALITY AS asked (symbol, begins, ends, told, place)
CROSS JOIN LATERAL (
    SELECT open, first_at FROM candles
    WHERE "interval" = '1m' AND symbol = asked.symbol AND start >= begins AND start < ends
    AND (currency IS NULL OR told IS NULL OR currency = told)
    ORDER BY start LIMIT 1) AS first
"""

_log: BoundLogger = structlog.get_logger("first_prices")


@dataclass(frozen=True, slots=True)
class FetchFirstPrices(Query[dict[Symbol, Base]]):
    """The first price of each symbol in its day, where one is recorded in its currency."""

    days: Mapping[Symbol, ExchangeDay]
    currencies: Mapping[Symbol, str | None] = field(default_factory=dict)

    async def run(self, connection: Connection) -> dict[Symbol, Base]:
        """Ask."""
        symbols, days = list(self.days), self.days.values()
        rows = await connection.fetch(
            _FIRST,
            symbols,
            [to_datetime(day.start) for day in days],
            [to_datetime(day.end) for day in days],
            [self.currencies.get(symbol) for symbol in symbols],
        )
        return {symbols[place - 1]: Base(price, Basis.DAY_FIRST, at) for place, price, at in rows}


class FirstPrices(Actor):
    """See the module. What is still to be asked stands in the rows of the quotes."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, quotes: Table[Symbol, QuoteRow], recorder: Slot[RecorderStatus]) -> None:
        self._quotes = quotes
        self._recorder = recorder
        self._pauses = Pauses(PAUSES)
        self._recorded_since: Moment | None = None

    async def init(self) -> None:
        """Begin."""
        self._database = self.system.ref(paths.DATABASE)
        self._streamer = self.system.ref(paths.STREAMER)
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        while True:
            pause = LOOK_SECONDS
            if days := self._unsettled():
                # Where the database is away, another question costs nothing.
                with suppress(Unavailable, Exhausted):
                    if not await self._ask(days):
                        pause = self._pauses.take()
            else:
                self._pauses.reset()
            await trio.sleep(pause)

    def _unsettled(self) -> dict[Symbol, ExchangeDay]:
        return {
            symbol: row.day.day
            for symbol, row in self._quotes.rows.items()
            if row.day is not None and not row.day.settled
        }

    async def _ask(self, days: Mapping[Symbol, ExchangeDay]) -> bool:
        """Ask, and tell the streamer; whether all answers are final.

        Raises:
            Unavailable: the database is away.
            Exhausted: others wait for it.
        """
        self._note_recorder()
        final = True
        rest = iter(days.items())
        while some := dict(islice(rest, SYMBOLS_AT_ONCE)):
            try:
                rows = self._quotes.rows
                told = {symbol: rows[symbol].quote.currency for symbol in some if symbol in rows}
                answer = await ask_dated(self._database, FetchFirstPrices(some, told))
            except Rejected as error:
                _log.error("the first prices of the day are not known", reason=str(error))
                final = False
                continue
            whole = has_all(self._recorded_since, answer.as_of)
            self._streamer.cast(FirstPricesFound(some, answer.value, whole))
            final = final and whole
        return final

    def _note_recorder(self) -> None:
        if not nothing_waits(self._recorder.value):
            self._recorded_since = None
        elif self._recorded_since is None:
            self._recorded_since = Moment.now()


def nothing_waits(recorder: RecorderStatus | None) -> bool:
    """Whether all prices of the lives before are in the database, or lost for good.

    The recorder takes over what they left on disk before it tells its status for the first time.
    """
    return recorder is not None and not recorder.spooled and recorder.alert is None


def has_all(recorded_since: Moment | None, as_of: Moment | None) -> bool:
    """Whether an answer is the last word: nothing has waited `recorded_since`, and a replica that
    answered has what was committed before that; `as_of` is None for an answer of the primary.
    """
    return recorded_since is not None and (as_of is None or as_of >= recorded_since)
