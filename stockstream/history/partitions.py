"""Partitions by day: `ticks_20261122` by `received`, `candles_1m_20261122` by `start`; UTC.

What is of no such day is in `ticks_default` and `candles_1m_default`: an import of old ticks makes
no partitions, of which a server can carry some hundreds.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from stockstream.times import DAY_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from stockstream.database.query import Connection

LOCK = 0x5354_4F43_4B02
"""The advisory lock of all who change partitions."""
LOCK_MS = 1_500
"""How long a change waits for its lock. An autovacuum gives way after the server's
`deadlock_timeout`, a second: who waits no longer than that would never get past one.
"""
Mode = Literal["ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE"]

_MISSING = "SELECT n FROM unnest($1::text[]) n WHERE to_regclass(n) IS NULL"
# By a catalog's rows, and not by `to_regclass`: what that does not find, a session remembers.
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
    """The day that a partition's name tells; None for one that is for no day."""
    digits = partition.rpartition("_")[2]
    if len(digits) != len("20261122") or not digits.isdigit():
        return None
    moment = datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000) // DAY_MS


def start_of(partition: str) -> datetime:
    """When the day of a partition begins.

    Raises:
        ValueError: it is for no day.
    """
    day = day_of(partition)
    if day is None:
        raise ValueError(f"{partition} is for no day")
    return to_datetime(day * DAY_MS)


def _bounds(day: int) -> str:
    low, high = to_datetime(day * DAY_MS), to_datetime((day + 1) * DAY_MS)
    return f"FROM ('{low.isoformat()}') TO ('{high.isoformat()}')"


async def make_for_ticks(connection: Connection, days: Iterable[int]) -> int:
    """Make those that are not there; how many. A node that makes the same is no trouble.

    A day that has ticks in the default partition goes on there: they were imported, and moving
    them would stop recorders for as long as that takes.
    """
    made = 0
    for partition, day in await _missing(connection, "ticks", days):
        bounds = to_datetime(day * DAY_MS), to_datetime((day + 1) * DAY_MS)
        if await connection.fetchval(_IN_DEFAULT, *bounds):
            continue
        async with alone_with(connection, "ticks"):
            if await connection.fetchval(_EXISTS, "ticks", partition):
                continue
            if await connection.fetchval(_IN_DEFAULT, *bounds):
                continue
            await connection.execute(
                f"CREATE TABLE {partition} PARTITION OF ticks FOR VALUES {_bounds(day)}"
            )
            made += 1
    return made


async def make_for_candles(connection: Connection, days: Iterable[int]) -> int:
    """Make those that are not there, and move in what has come to the default partition."""
    made = 0
    for partition, day in await _missing(connection, "candles_1m", days):
        # Recorders wait for this moment; nobody may put a row of the day into the default.
        async with alone_with(connection, "candles_1m", "SHARE ROW EXCLUSIVE"):
            if await connection.fetchval(_EXISTS, "candles_1m", partition):
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
    connection: Connection, table: str, mode: Mode = "ACCESS EXCLUSIVE"
) -> AsyncIterator[None]:
    """A transaction in which no other node changes partitions, and nobody else uses the table;
    in the mode for it, reading goes on.

    A change needs the table for itself for a moment. Whoever comes after one that waits for that
    waits too, so it does not wait long: behind a long query it gives up, to be tried again. What
    is to be known before a change is looked at in here: others may have been at it meanwhile.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        # Only itself: of its partitions there may be too many for the server's table of locks.
        await connection.execute(f"LOCK TABLE ONLY {table} IN {mode} MODE")
        yield


async def children(connection: Connection, table: str) -> list[str]:
    """The partitions that `table` has."""
    return [row["relname"] for row in await connection.fetch(_CHILDREN, table)]
