"""History queries: candles and ticks of one symbol, in order, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from stockstream.history.candles import INTERVALS, Candle, Tick
from stockstream.history.query import Query
from stockstream.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.history.query import Connection

# Times are made numbers by the server: here each would cost more than the rest of its row.
_CANDLE = """
SELECT (date_part('epoch', start) * 1000)::bigint, open, high, low, close, ticks,
    (date_part('epoch', first_at) * 1000)::bigint, (date_part('epoch', last_at) * 1000)::bigint
"""
STORED_CANDLES = f"""{_CANDLE} FROM candles
WHERE "interval" = $1 AND symbol = $2 AND start >= $3 AND start < $4
ORDER BY start DESC LIMIT $5
"""
# From the earliest hour that is not rolled up yet on, coarser candles are put together from the
# 1-minute ones; before it they are read as stored. Each candle is from one side only.
_ROLLED = f"""
WITH due AS MATERIALIZED (
    SELECT coalesce(date_bin($6::interval, min(hour), '1970-01-01 00:00+00'), 'infinity') AS edge
    FROM rollups_due)
{_CANDLE} FROM (
(SELECT start, open, high, low, close, ticks, first_at, last_at FROM candles
 WHERE "interval" = $1 AND symbol = $2 AND start >= $3 AND start < $4
 AND start < (SELECT edge FROM due)
 ORDER BY start DESC LIMIT $5)
UNION ALL
(SELECT date_bin($6::interval, start, '1970-01-01 00:00+00') AS bin,
    (array_agg(open ORDER BY first_at, start))[1], max(high), min(low),
    (array_agg(close ORDER BY last_at DESC, start DESC))[1], sum(ticks)::bigint,
    min(first_at), max(last_at)
 FROM candles
 WHERE "interval" = '1m' AND symbol = $2 AND start >= $3 AND start < $4
 AND start >= (SELECT edge FROM due)
 GROUP BY bin ORDER BY bin DESC LIMIT $5)
) AS both_sides ORDER BY start DESC LIMIT $5
"""  # noqa: S608 - a constant of ours
_TICKS = """
SELECT symbol, exchange, price, (date_part('epoch', ts) * 1000)::bigint,
    (date_part('epoch', received) * 1000)::bigint, epoch, seq FROM ticks
WHERE symbol = $1 AND ts >= $2 AND ts < $3 AND (ts, epoch, seq) >= ($4, $5::bigint, $6::bigint)
ORDER BY ts, epoch, seq, received, price, exchange LIMIT $7 OFFSET $8
"""


_LEAST = -(2**63)


class Cursor(NamedTuple):
    """The last tick of a page; the next page begins after it.

    Two nodes may have one epoch, so several ticks may have all three alike: `passed` is how many of
    them were handed out.
    """

    ts: int
    epoch: int
    seq: int
    passed: int = 1

    @classmethod
    def after(cls, page: Sequence[Tick], last: Cursor | None) -> Cursor:
        """For what follows `page`, which is not empty and was asked for with `last`."""
        key = (page[-1].ts, page[-1].epoch, page[-1].seq)
        alike = takewhile(lambda tick: (tick.ts, tick.epoch, tick.seq) == key, reversed(page))
        passed = sum(1 for _ in alike)
        if last is not None and last[:3] == key:
            passed += last.passed
        return cls(*key, passed)


@dataclass(frozen=True, slots=True)
class FetchCandles(Query[list[Candle]]):
    """The last `limit` candles that start in [`start`, `end`), oldest first; ms since 1970.

    A stretch without ticks has no candle. `interval` is one of `INTERVALS`; both bounds count as
    whole multiples of it (the first one at or after `start`).
    """

    symbol: str
    interval: str
    start: int
    end: int
    limit: int

    async def run(self, connection: Connection) -> list[Candle]:
        """Ask."""
        length = INTERVALS[self.interval]
        start, end = (-(-moment // length) * length for moment in (self.start, self.end))
        bounds = to_datetime(start), to_datetime(end)
        given = self.interval, self.symbol, *bounds, self.limit
        if self.interval == "1m":
            rows = await connection.fetch(STORED_CANDLES, *given)
        else:
            rows = await connection.fetch(_ROLLED, *given, timedelta(milliseconds=length))
        return [Candle(self.symbol, *row) for row in reversed(rows)]


@dataclass(frozen=True, slots=True)
class FetchTicks(Query[list[Tick]]):
    """Ticks with `ts` in [`start`, `end`), after the cursor, by time and version; ms since 1970."""

    symbol: str
    start: int
    end: int
    limit: int
    after: Cursor | None = None

    async def run(self, connection: Connection) -> list[Tick]:
        """Ask."""
        after = self.after or Cursor(self.start, _LEAST, _LEAST, 0)
        start = max(self.start, after.ts)
        rows = await connection.fetch(
            _TICKS,
            self.symbol,
            to_datetime(start),
            to_datetime(self.end),
            to_datetime(after.ts),
            after.epoch,
            after.seq,
            self.limit,
            after.passed,
        )
        return [Tick(*row) for row in rows]
