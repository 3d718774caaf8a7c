"""Partitions by day: `ticks_20261122` by `received`, `candles_1m_20261122` by `start`; UTC.

Rows of days without a partition are in `ticks_default` and `candles_1m_default`. An import of old
ticks makes no partitions, because a server can carry only some hundreds.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from stockstream.database.turns import take_turn
from stockstream.times import DAY_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from stockstream.database.query import Connection

LOCK = 0x5354_4F43_4B02
"""The turn of whoever changes partitions or thins them."""
LOCK_MS = 1_500
"""How long a change waits for its lock. An autovacuum gives way after the server's
`deadlock_timeout`, a second: a shorter wait would never get past one.
"""
Mode = Literal["ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE"]

_MISSING = "SELECT n FROM unnest($1::text[]) n WHERE to_regclass(n) IS NULL"
# By rows of the catalog, not by `to_regclass`: a session caches that a name was not found.
_EXISTS = """
SELECT EXISTS (SELECT FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = $1::regclass AND child.relname = $2)
"""
_IN_DEFAULT = """
SELECT EXISTS (SELECT FROM ticks_default WHERE received >= $1 AND received < $2)
"""
_MOVE = """
WITH moved AS (DELETE FROM candles_1m_default WHERE start >= $1 AND start < $2 RETURNING *)
INSERT INTO {} SELECT * FROM moved
"""
_CHILDREN = """
SELECT child.relname FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = $1::regclass ORDER BY child.relname
"""


def name(table: str, day: int) -> str:
    """The partition of `table` for a day, counted from 1970."""
    return f"{table}_{to_datetime(day * DAY_MS):%Y%m%d}"


def day_of(partition: str) -> int | None:
    """The day in a partition's name; None for a partition without a day."""
    digits = partition.rpartition("_")[2]
    if len(digits) != len("20261122") or not digits.isdigit():
        return None
    moment = datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000) // DAY_MS


def start_of(partition: str) -> datetime:
    """When the day of a partition begins.

    Raises:
        ValueError: it has no day.
    """
    day = day_of(partition)
    if day is None:
        raise ValueError(f"{partition} is for no day")
    return to_datetime(day * DAY_MS)


def _bounds(day: int) -> str:
    low, high = to_datetime(day * DAY_MS), to_datetime((day + 1) * DAY_MS)
    return f"FROM ('{low.isoformat()}') TO ('{high.isoformat()}')"


async def make_for_ticks(
    connection: Connection, days: Iterable[int], *, waits: bool = False
) -> int:
    """Make the missing partitions but those that another node is at; returns their number.

    A day that has ticks in the default partition stays there: they were imported, and moving them
    would stop the recorders meanwhile.
    """
    made = 0
    for partition, day in await _missing(connection, "ticks", days):
        bounds = to_datetime(day * DAY_MS), to_datetime((day + 1) * DAY_MS)
        if await connection.fetchval(_IN_DEFAULT, *bounds):
            continue
        async with alone_with(connection, "ticks", waits=waits) as mine:
            if not mine or await connection.fetchval(_EXISTS, "ticks", partition):
                continue
            if await connection.fetchval(_IN_DEFAULT, *bounds):
                continue
            await connection.execute(
                f"CREATE TABLE {partition} PARTITION OF ticks FOR VALUES {_bounds(day)}"
            )
            made += 1
    return made


async def make_for_candles(
    connection: Connection, days: Iterable[int], *, waits: bool = False
) -> int:
    """Make the missing partitions, and move their rows in from the default partition."""
    made = 0
    for partition, day in await _missing(connection, "candles_1m", days):
        # Recorders wait for this moment; nobody may put a row of the day into the default.
        alone = alone_with(connection, "candles_1m", "SHARE ROW EXCLUSIVE", waits=waits)
        async with alone as mine:
            if not mine or await connection.fetchval(_EXISTS, "candles_1m", partition):
                continue
            await connection.execute(f"CREATE TABLE {partition} (LIKE candles_1m INCLUDING ALL)")
            await connection.execute(
                _MOVE.format(partition),
                to_datetime(day * DAY_MS),
                to_datetime((day + 1) * DAY_MS),
            )
            await connection.execute(
                f"ALTER TABLE candles_1m ATTACH PARTITION {partition} FOR VALUES {_bounds(day)}"
            )
            made += 1
    return made


async def _missing(
    connection: Connection, table: str, days: Iterable[int]
) -> list[tuple[str, int]]:
    wanted = {name(table, day): day for day in days}
    rows = await connection.fetch(_MISSING, list(wanted))
    return [(row[0], wanted[row[0]]) for row in rows]


@asynccontextmanager
async def alone_with(
    connection: Connection, table: str, mode: Mode = "ACCESS EXCLUSIVE", *, waits: bool = False
) -> AsyncIterator[bool]:
    """A transaction in which no other node changes partitions, and nobody else uses the table;
    in the mode for it, reading goes on. Yields false where another node has the turn.

    A change needs the table for itself for a moment. All later queries wait behind a waiting
    change, so the change waits only briefly: behind a long query it gives up and is retried. The
    caller must read in here what the change depends on: others may have changed it before.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        mine = await take_turn(connection, LOCK, waits=waits)
        if mine:
            # Only the table itself: its partitions may be too many for the server's lock table.
            await connection.execute(f"LOCK TABLE ONLY {table} IN {mode} MODE")
        yield mine


async def children(connection: Connection, table: str) -> list[str]:
    """The partitions that `table` has."""
    return [row["relname"] for row in await connection.fetch(_CHILDREN, table)]
