"""Partitions by day: `ticks_20261122` by `received`, `candles_1m_20261122` by `start`; UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stockstream.history.candles import DAY_MS
from stockstream.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.history.query import Connection

LOCK = 0x5354_4F43_4B02
"""The advisory lock of all who change partitions."""
LOCK_MS = 1_000

_MISSING = "SELECT n FROM unnest($1::text[]) n WHERE to_regclass(n) IS NULL"
_EXISTS = "SELECT to_regclass($1) IS NOT NULL"
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


def _bounds(day: int) -> str:
    low, high = to_datetime(day * DAY_MS), to_datetime((day + 1) * DAY_MS)
    return f"FROM ('{low.isoformat()}') TO ('{high.isoformat()}')"


async def make_for_ticks(connection: Connection, days: Iterable[int]) -> int:
    """Make those that are not there; how many. A node that makes the same is no trouble."""
    wanted = {name("ticks", day): day for day in days}
    missing = [row[0] for row in await connection.fetch(_MISSING, list(wanted))]
    if missing:
        async with connection.transaction():
            await _alone(connection)
            for partition in missing:
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {partition} "
                    f"PARTITION OF ticks FOR VALUES {_bounds(wanted[partition])}"
                )
    return len(missing)


async def make_for_candles(connection: Connection, days: Iterable[int]) -> int:
    """Make those that are not there, and move in what has come to the default partition."""
    wanted = {name("candles_1m", day): day for day in days}
    missing = [row[0] for row in await connection.fetch(_MISSING, list(wanted))]
    for partition in missing:
        day = wanted[partition]
        async with connection.transaction():
            await _alone(connection)
            if await connection.fetchval(_EXISTS, partition):
                continue
            # Recorders wait for this moment; nobody may put a row of the day into the default.
            await connection.execute("LOCK TABLE candles_1m IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute(f"CREATE TABLE {partition} (LIKE candles_1m INCLUDING ALL)")
            await connection.execute(
                _MOVE.format(partition),
                to_datetime(day * DAY_MS),
                to_datetime((day + 1) * DAY_MS),
            )
            await connection.execute(
                f"ALTER TABLE candles_1m ATTACH PARTITION {partition} FOR VALUES {_bounds(day)}"
            )
    return len(missing)


async def drop(connection: Connection, partition: str) -> None:
    """Drop one, with all that is in it; one that another node has dropped is no trouble."""
    async with connection.transaction():
        await _alone(connection)
        await connection.execute(f"DROP TABLE IF EXISTS {partition}")


async def _alone(connection: Connection) -> None:
    """Let no other node change partitions until the end of the transaction.

    A change needs the table for itself for a moment. Whoever comes after one that waits for that
    waits too, so it does not wait long: behind a long query it gives up, to be tried again.
    """
    await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)


async def children(connection: Connection, table: str) -> list[str]:
    """The partitions that `table` has."""
    return [row["relname"] for row in await connection.fetch(_CHILDREN, table)]
