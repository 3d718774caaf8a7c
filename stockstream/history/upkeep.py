"""Upkeep of what is stored: roll-ups, partitions made ahead, what is old dropped. Queries only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from stockstream.history import partitions
from stockstream.history.candles import DAY_MS, HOUR_MS, INTERVALS
from stockstream.history.query import Lane, Query
from stockstream.times import to_datetime, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.history.query import Connection

DAYS_AHEAD = 3
STEP_ROWS = 10_000
"""Rows deleted at once, so that nobody waits long for a lock or for the disk."""
LEDGER_KEPT = 10_000
"""Entries of each node that stay however old: a spool that waits was written under them."""

_DUE = "SELECT DISTINCT hour FROM rollups_due WHERE hour < $1 ORDER BY hour LIMIT $2"
_TAKE_MARKS = "DELETE FROM rollups_due WHERE hour = $1"
_ROLL = """
INSERT INTO candles AS c
    ("interval", symbol, start, open, high, low, close, ticks, first_at, last_at)
SELECT $1, symbol, date_bin($2::interval, start, '1970-01-01 00:00+00') AS bin,
    (array_agg(open ORDER BY first_at, start))[1], max(high), min(low),
    (array_agg(close ORDER BY last_at DESC, start DESC))[1], sum(ticks)::bigint,
    min(first_at), max(last_at)
FROM candles WHERE "interval" = $3 AND start >= $4 AND start < $5
GROUP BY symbol, bin ORDER BY symbol, bin
ON CONFLICT ("interval", symbol, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    ticks = excluded.ticks, first_at = excluded.first_at, last_at = excluded.last_at
"""
_OLD_CANDLES = """
DELETE FROM candles_1m_default WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM candles_1m_default WHERE start < $1 LIMIT $2))
"""
_OLD_ENTRIES = """
WITH edges AS MATERIALIZED (
    SELECT n.node, e.boot, e.no FROM (SELECT DISTINCT node FROM batches) n
    CROSS JOIN LATERAL (
        SELECT boot, no FROM batches k WHERE k.node = n.node
        ORDER BY boot DESC, no DESC OFFSET $2 LIMIT 1) e)
DELETE FROM batches WHERE ctid = ANY(ARRAY(
    SELECT b.ctid FROM batches b JOIN edges e USING (node)
    WHERE b.recorded < $1 AND (b.boot, b.no) <= (e.boot, e.no) LIMIT $3))
"""


@dataclass(frozen=True, slots=True)
class RollUp(Query[int]):
    """Put together the 5-minute, hour and day candles of hours that are over; how many hours.

    An hour is over at `now` (ms since 1970). Each is a transaction of its own: mark taken, candles
    written. An hour whose 1-minute candles are gone is left as it was. `limit` hours at most, since
    all of it has the time of one query: an hour of 1,000 symbols takes a second or two.
    """

    now: int
    limit: int = 6
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        """Do it."""
        current = to_datetime(self.now - self.now % HOUR_MS)
        rows = await connection.fetch(_DUE, current, self.limit)
        for row in rows:
            hour = row["hour"]
            async with connection.transaction():
                await connection.execute(_TAKE_MARKS, hour)
                await roll(connection, hour, hour + timedelta(hours=1))
        return len(rows)


async def roll(connection: Connection, start: object, end: object) -> None:
    """Put together the candles of a stretch of whole hours; days from their hours."""
    for interval in ("5m", "1h"):
        length = timedelta(milliseconds=INTERVALS[interval])
        await connection.execute(_ROLL, interval, length, "1m", start, end)
    day = timedelta(milliseconds=DAY_MS)
    bounds = await connection.fetchrow(
        "SELECT date_bin($1::interval, $2, '1970-01-01 00:00+00'), "
        "date_bin($1::interval, $3::timestamptz - interval '1 us', '1970-01-01 00:00+00') + $1",
        day, start, end,
    )  # fmt: skip
    assert bounds is not None  # noqa: S101 - for the type checker
    await connection.execute(_ROLL, "1d", day, "1h", bounds[0], bounds[1])


@dataclass(frozen=True, slots=True)
class Retained:
    """What a step of retention did: partitions made and dropped, rows deleted.

    `more` tells that a further step would find something to do.
    """

    made: int = 0
    dropped: tuple[str, ...] = ()
    deleted: int = 0
    more: bool = False

    def plus(self, later: Retained) -> Retained:
        """Both steps as one."""
        return Retained(
            self.made + later.made,
            self.dropped + later.dropped,
            self.deleted + later.deleted,
            later.more,
        )


@dataclass(frozen=True, slots=True)
class Retain(Query[Retained]):
    """One step: make the next days' partitions, drop a partition that is too old, delete some rows.

    `now` in ms since 1970; `days` tells by table how long its rows are kept. A dry run makes
    nothing and drops nothing, and names all partitions that would be dropped.
    """

    now: int
    days: Mapping[str, float] = field(default_factory=lambda: {"ticks": 7.0, "candles_1m": 90.0})
    dry_run: bool = False
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> Retained:
        """Do it, or tell what would be done."""
        old = await self._too_old(connection)
        if self.dry_run:
            return Retained(dropped=tuple(old))
        today = self.now // DAY_MS
        ahead = range(today, today + DAYS_AHEAD + 1)
        made = await partitions.make_for_ticks(connection, ahead)
        made += await partitions.make_for_candles(connection, ahead)
        for partition in old[:1]:
            await partitions.drop(connection, partition)
        limit = to_datetime(int(self.now - self.days["candles_1m"] * DAY_MS))
        done = await connection.execute(_OLD_CANDLES, limit, STEP_ROWS)
        deleted = int(done.split()[-1])
        limit = to_datetime(int(self.now - (self.days["ticks"] + 1) * DAY_MS))
        done = await connection.execute(_OLD_ENTRIES, limit, LEDGER_KEPT, STEP_ROWS)
        deleted += int(done.split()[-1])
        return Retained(made, tuple(old[:1]), deleted, more=len(old) > 1 or deleted > 0)

    async def _too_old(self, connection: Connection) -> list[str]:
        """Partitions whose last moment is too old, the oldest of each table first."""
        # Minutes go only after their hours and days were put together.
        due = await connection.fetch("SELECT DISTINCT hour FROM rollups_due")
        kept = {partitions.name("candles_1m", to_ms(row[0]) // DAY_MS) for row in due}
        old: list[str] = []
        for table, days in self.days.items():
            first_kept = int(self.now - days * DAY_MS) // DAY_MS
            for partition in await partitions.children(connection, table):
                day = partitions.day_of(partition)
                if day is not None and day < first_kept and partition not in kept:
                    old.append(partition)
        return old


@dataclass(frozen=True, slots=True)
class Rebuild(Query[int]):
    """Make all candles of an hour anew from the ticks there are; how many 1-minute candles.

    `hour` counts from 1970. Whoever writes candles waits meanwhile, which is why it is an hour and
    no more. An hour without ticks is left as it is: they are dropped, and its candles are what is
    left of them.
    """

    hour: int
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        """Do it, in one transaction."""
        start, end = to_datetime(self.hour * HOUR_MS), to_datetime((self.hour + 1) * HOUR_MS)
        there = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM ticks WHERE ts >= $1 AND ts < $2)", start, end
        )
        if not there:
            return 0
        async with connection.transaction():
            # Marks first and candles then, as recorders do: the other way round they and we would
            # wait for each other. The mark of the current hour stays: it goes on.
            await connection.execute(
                "DELETE FROM rollups_due WHERE hour = $1 AND hour < "
                "date_bin('1 hour', now(), '1970-01-01 00:00+00')",
                start,
            )
            await connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute(
                """DELETE FROM candles WHERE start >= $1 AND start < $2 AND "interval" <> '1d'""",
                start, end,
            )  # fmt: skip
            done = await connection.execute(_FROM_TICKS, start, end)
            await roll(connection, start, end)
        return int(done.split()[-1])


_FROM_TICKS = """
INSERT INTO candles ("interval", symbol, start, open, high, low, close, ticks, first_at, last_at)
SELECT '1m', symbol, date_bin('1 minute', ts, '1970-01-01 00:00+00') AS bin,
    (array_agg(price ORDER BY ts, epoch, seq))[1], max(price), min(price),
    (array_agg(price ORDER BY ts DESC, epoch DESC, seq DESC))[1], count(*), min(ts), max(ts)
FROM ticks WHERE ts >= $1 AND ts < $2
GROUP BY symbol, bin ORDER BY symbol, bin
"""
