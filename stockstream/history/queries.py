"""History queries: candles and ticks of one symbol, in order, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from stockstream.database.query import Query
from stockstream.history.candles import (
    INTERVALS,
    LARGEST_LEAD_MS,
    MADE_OF,
    Candle,
    Tick,
    first_begin,
)
from stockstream.history.growing import GATHERED, JOINED, of_one_currency
from stockstream.times import EARLIEST, to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stockstream.database.query import Connection

# The server converts times to numbers: here each would cost more than the rest of its row.
_CANDLE = """
SELECT (date_part('epoch', start) * 1000)::bigint, open, high, low, close, ticks,
    (date_part('epoch', first_at) * 1000)::bigint, (date_part('epoch', last_at) * 1000)::bigint,
    partial, currency, volume
"""
_COLUMNS = "start, open, high, low, close, ticks, first_at, last_at, partial, currency, volume"
STORED_CANDLES = f"""{_CANDLE} FROM candles
WHERE "interval" = $1 AND symbol = $2 AND start >= $3 AND start < $4
ORDER BY start DESC LIMIT $5
"""
# The minutes of hours that wait for a roll-up are joined here, as a roll-up would do it: to candles
# of $7 (5 minutes or an hour), each $8 long. The result has candles of $1, each $6 long. Those that
# contain such an hour are made from these, and from the stored candles beside them.
_MINUTES = """
SELECT *, date_bin($8::interval, start, '1970-01-01 00:00+00') AS bin
FROM due JOIN candles ON start >= hour AND start < hour + interval '1 hour'
WHERE "interval" = '1m' AND symbol = $2 AND start >= $3 AND start < $4
"""
_PARTS = f"""
SELECT {_COLUMNS}, date_bin($6::interval, start, '1970-01-01 00:00+00') AS bin FROM (
    SELECT {_COLUMNS} FROM grown
    UNION ALL
    SELECT {_COLUMNS} FROM candles JOIN bins ON start >= bin AND start < bin + $6::interval
    WHERE "interval" = $7 AND symbol = $2 AND start NOT IN (SELECT start FROM grown)) parts
"""  # noqa: S608 - constants of ours
_ROWS = f"""
WITH due AS MATERIALIZED (
    SELECT DISTINCT hour, hour < (SELECT before FROM thinned WHERE source = 'candles_1m') AS late
    FROM rollups_due WHERE hour > $3::timestamptz - interval '1 hour' AND hour < $4),
fresh AS MATERIALIZED (
    SELECT bin, late, {GATHERED} FROM {of_one_currency(_MINUTES, "bin, late")}
    GROUP BY bin, late),
grown AS MATERIALIZED (
    SELECT f.bin AS start, {JOINED}
    FROM fresh f LEFT JOIN candles s
    ON s."interval" = $7 AND s.symbol = $2 AND s.start = f.bin),
bins AS MATERIALIZED (
    SELECT DISTINCT date_bin($6::interval, start, '1970-01-01 00:00+00') AS bin FROM grown),
anew AS (
    SELECT bin, {GATHERED} FROM {of_one_currency(_PARTS, "bin")} GROUP BY bin)
SELECT {_COLUMNS} FROM (
    (SELECT {_COLUMNS} FROM candles
     WHERE "interval" = $1 AND symbol = $2 AND start >= $3 AND start < $4
     AND start NOT IN (SELECT bin FROM bins)
     ORDER BY start DESC LIMIT $5)
    UNION ALL
    (SELECT bin, open, high, low, close, ticks, first_at, last_at, partial, currency, volume
     FROM anew ORDER BY bin DESC LIMIT $5)
) AS both_sides ORDER BY start DESC LIMIT $5
"""  # noqa: S608 - constants of ours
_ROLLED = f"{_CANDLE} FROM ({_ROWS}) AS rows ORDER BY start DESC"
# Candles of $9, from all those of $1 that are in them.
_BINNED = (
    f"SELECT *, date_bin($9::interval, start, '1970-01-05 00:00+00') AS bin FROM ({_ROWS}) AS rows"  # noqa: S608
)
_DERIVED = f"""
{_CANDLE} FROM (
    SELECT bin AS start, {GATHERED} FROM {of_one_currency(_BINNED, "bin")} GROUP BY bin) AS made
ORDER BY start DESC LIMIT $10
"""  # noqa: S608
# `received` lets the server leave out the partitions of days before.
_TICKS = """
SELECT symbol, exchange, price, (date_part('epoch', ts) * 1000)::bigint,
    (date_part('epoch', received) * 1000)::bigint, epoch, seq, currency, source,
    volume FROM ticks
WHERE symbol = $1 AND ts >= $2 AND ts < $3 AND (ts, epoch, seq) >= ($4, $5::bigint, $6::bigint)
AND received >= $9
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
        """The cursor behind `page`, which is not empty and was asked for with `last`."""
        key = (page[-1].ts, page[-1].epoch, page[-1].seq)
        alike = takewhile(lambda tick: (tick.ts, tick.epoch, tick.seq) == key, reversed(page))
        passed = sum(1 for _ in alike)
        if last is not None and last[:3] == key:
            passed += last.passed
        return cls(*key, passed)


def earliest_received(ts: int) -> datetime:
    """When a tick of that time, or of a later one, may have been received at the earliest."""
    return to_datetime(max(EARLIEST, ts - LARGEST_LEAD_MS))


@dataclass(frozen=True, slots=True)
class FetchCandles(Query[list[Candle]]):
    """The last `limit` candles that start in [`start`, `end`), oldest first; ms since 1970.

    A stretch without ticks has no candle. `interval` is one of `INTERVALS`; both bounds count as
    begins of its candles (the first one at or after `start`).
    """

    symbol: str
    interval: str
    start: int
    end: int
    limit: int

    async def run(self, connection: Connection) -> list[Candle]:
        """Ask."""
        length = INTERVALS[self.interval]
        start, end = (first_begin(moment, length) for moment in (self.start, self.end))
        bounds = to_datetime(start), to_datetime(end)
        source = MADE_OF.get(self.interval, self.interval)
        # So many of the source are at least `limit` candles, and where they are no more than that,
        # the oldest is whole.
        most = self.limit * (length // INTERVALS[source])
        given = source, self.symbol, *bounds, most
        if source == "1m":
            rows = await connection.fetch(STORED_CANDLES, *given)
        else:
            part = "5m" if source == "5m" else "1h"
            whole = timedelta(milliseconds=INTERVALS[source])
            short = timedelta(milliseconds=INTERVALS[part])
            if source == self.interval:
                rows = await connection.fetch(_ROLLED, *given, whole, part, short)
            else:
                made = timedelta(milliseconds=length)
                rows = await connection.fetch(
                    _DERIVED, *given, whole, part, short, made, self.limit
                )
        candles = [Candle(self.symbol, *row) for row in reversed(rows)]
        told = next((c.currency for c in reversed(candles) if c.currency is not None), None)
        return [candle for candle in candles if candle.currency in {None, told}]


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
            earliest_received(start),
        )
        return [Tick(*row) for row in rows]
