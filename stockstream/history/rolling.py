"""Rolling up: candles of 5 minutes from those of 1 minute, of hours and days from these.

Minutes are dropped after a while, the other candles stay for ever. So only the first of these steps
has a source that may not be whole any more. Minutes that come after that are joined to the stored
candles and deleted in the same transaction, so each is counted once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query
from stockstream.database.turns import take_turn
from stockstream.history.candles import LARGEST_LEAD_MS
from stockstream.history.growing import (
    COLUMNS,
    FROM_TICKS,
    GATHERED,
    JOINED,
    LAST_TICK,
    of_one_currency,
    thinned_before,
)
from stockstream.times import DAY_MS, HOUR_MS, to_datetime, to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection

STEP_SECONDS = 1.0
"""A step of rolling up begins no further hour after these seconds, so that others get the disk."""
LOCK = 0x5354_4F43_4B03
"""The turn of all roll-ups: two at once could each miss the other's hour of a day."""

_DUE = "SELECT DISTINCT hour FROM rollups_due WHERE hour < $1 ORDER BY hour LIMIT $2"
_TAKE_MARKS = "DELETE FROM rollups_due WHERE hour = $1"
_BIN = "date_bin($2::interval, start, '1970-01-01 00:00+00')"
_SOURCE = f"""
SELECT *, {_BIN} AS bin FROM candles WHERE "interval" = $3 AND start >= $4 AND start < $5
"""  # noqa: S608 - constants of ours, here and below
_WHOLE = f"""
fresh AS (
    SELECT symbol, bin, false AS late, {GATHERED} FROM {of_one_currency(_SOURCE, "symbol, bin")}
    GROUP BY symbol, bin)
"""  # noqa: S608
_TAKEN = f"SELECT *, {_BIN} AS bin FROM taken"  # noqa: S608
_LATE = f"""
taken AS (
    DELETE FROM candles WHERE "interval" = $3 AND start >= $4 AND start < $5 RETURNING *),
fresh AS (
    SELECT symbol, bin, true AS late, {GATHERED} FROM {of_one_currency(_TAKEN, "symbol, bin")}
    GROUP BY symbol, bin)
"""  # noqa: S608
_STORE = f"""
INSERT INTO candles ({COLUMNS})
SELECT $1, f.symbol, f.bin, {JOINED}
FROM fresh f LEFT JOIN candles s ON s."interval" = $1 AND s.symbol = f.symbol AND s.start = f.bin
ORDER BY f.symbol, f.bin
ON CONFLICT ("interval", symbol, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    ticks = excluded.ticks, first_at = excluded.first_at, last_at = excluded.last_at,
    partial = excluded.partial, currency = excluded.currency, volume = excluded.volume
"""  # noqa: S608
_ROLL_WHOLE = f"WITH {_WHOLE} {_STORE}"
_ROLL_LATE = f"WITH {_LATE} {_STORE}"
_TICKS = """
SELECT *, date_bin('1 minute', ts, '1970-01-01 00:00+00') AS bin
FROM ticks WHERE ts >= $1 AND ts < $2 AND received >= $3
"""
_MINUTES = f"""
INSERT INTO candles
    ("interval", symbol, start, open, high, low, close, ticks, first_at, last_at, currency,
    volume)
SELECT '1m', symbol, bin, {FROM_TICKS}
FROM {of_one_currency(_TICKS, "symbol, bin", LAST_TICK)}
GROUP BY symbol, bin ORDER BY symbol, bin
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class RollUp(Query[int]):
    """Put together the 5-minute, hour and day candles of hours that are over; how many hours.

    An hour is over at `now` (ms since 1970). Each is a transaction of its own: marks taken, candles
    written. `limit` hours at most, and none after `seconds`: an hour of 1,000 symbols takes a
    second or two, one of a single symbol some milliseconds. It ends where another node has the
    turn, unless it `waits` for it.
    """

    now: int
    limit: int = 1_000
    seconds: float = STEP_SECONDS
    waits: bool = False
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        """Do it."""
        until = time.monotonic() + self.seconds
        current = to_datetime(self.now - self.now % HOUR_MS)
        done = 0
        for row in await connection.fetch(_DUE, current, self.limit):
            async with connection.transaction():
                if not await take_turn(connection, LOCK, waits=self.waits):
                    break
                marks = await connection.execute(_TAKE_MARKS, row["hour"])
                if marks != "DELETE 0":  # another node was quicker
                    await roll(connection, row["hour"])
                    done += 1
            if time.monotonic() >= until:
                break
        return done


async def roll(connection: Connection, hour: datetime) -> None:
    """Put together the candles of an hour, and of its day, in a transaction that holds `LOCK`."""
    end = hour + timedelta(hours=1)
    late = hour < await thinned_before(connection, "candles_1m")
    five = _ROLL_LATE if late else _ROLL_WHOLE
    await connection.execute(five, "5m", timedelta(minutes=5), "1m", hour, end)
    await connection.execute(_ROLL_WHOLE, "1h", timedelta(hours=1), "5m", hour, end)
    day = _day_of(hour)
    length = timedelta(days=1)
    await connection.execute(_ROLL_WHOLE, "1d", length, "1h", day, day + length)


@dataclass(frozen=True, slots=True)
class Rebuild(Query[int]):
    """Rebuild all candles of an hour from its ticks; returns the number of 1-minute candles.

    `hour` counts from 1970. All writers of candles wait meanwhile, so one step is only an hour.
    Candles of an hour that has lost some or all of its ticks stay as they are, and are rolled up.
    """

    hour: int
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        """Do it, in one transaction."""
        start, end = to_datetime(self.hour * HOUR_MS), to_datetime((self.hour + 1) * HOUR_MS)
        first_received = to_datetime(self.hour * HOUR_MS - LARGEST_LEAD_MS)
        bounds = start, end, first_received
        async with connection.transaction():
            await take_turn(connection, LOCK, waits=True)
            # The lock order is ticks, marks, candles, as in recorders and imports: another order
            # would deadlock. The mark of the current hour stays, because the hour goes on.
            await connection.execute("LOCK TABLE ticks_default IN SHARE MODE")
            there = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM ticks WHERE ts >= $1 AND ts < $2 AND received >= $3)",
                *bounds,
            )
            # Read when no tick can be dropped any more.
            whole = first_received >= await thinned_before(connection, "ticks")
            await connection.execute(
                "DELETE FROM rollups_due WHERE hour = $1 AND hour < "
                "date_bin('1 hour', now(), '1970-01-01 00:00+00')",
                start,
            )
            await connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
            done = "INSERT 0 0"
            if there and whole:
                # The day too, which is made of all its hours again.
                await connection.execute(
                    """DELETE FROM candles WHERE start >= $1 AND start < $2 AND "interval" <> '1d'
                    OR start = $3 AND "interval" = '1d'""",
                    start, end, _day_of(start),
                )  # fmt: skip
                done = await connection.execute(_MINUTES, *bounds)
            await roll(connection, start)
        return int(done.split()[-1])


def _day_of(hour: datetime) -> datetime:
    return to_datetime(to_ms(hour) // DAY_MS * DAY_MS)
