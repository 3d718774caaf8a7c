"""Upkeep of the stored history: makes partitions ahead, drops old rows. Queries only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query
from stockstream.database.turns import take_turn
from stockstream.history import partitions
from stockstream.history.growing import thin_before
from stockstream.times import DAY_MS, to_datetime, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from stockstream.database.query import Connection

DAYS_AHEAD = 3
STEP_ROWS = 10_000
"""Rows deleted at once, so that nobody waits long for a lock or for the disk."""
LEDGER_KEPT = 10_000
"""Entries of each node that stay at any age: a waiting spool was written under them."""

_DUE_BEFORE = "SELECT EXISTS (SELECT FROM rollups_due WHERE hour < $1)"
_OLD_TICKS = """
WITH gone AS (
    DELETE FROM ticks_default WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ticks_default WHERE received < $1 LIMIT $2)) RETURNING received)
SELECT count(*), max(received) + interval '1 ms' FROM gone
"""
# Whole hours, the oldest first, at least one, about so many rows; no hour that waits for a roll-up.
_OLD_HOURS = """
SELECT least(
    $1,
    (SELECT min(hour) FROM rollups_due),
    greatest(
        coalesce(
            (SELECT date_bin('1 hour', start, '1970-01-01 00:00+00') FROM candles_1m_default
             WHERE start < $1 ORDER BY start OFFSET $2 LIMIT 1),
            'infinity'),
        (SELECT date_bin('1 hour', min(start), '1970-01-01 00:00+00') + interval '1 hour'
         FROM candles_1m_default)))
"""
_ANY_OLD = "SELECT EXISTS (SELECT FROM candles_1m_default WHERE start < $1)"
_OLD_CANDLES = """
WITH gone AS (DELETE FROM candles_1m_default WHERE start < $1 RETURNING start)
SELECT count(*), date_bin('1 hour', max(start), '1970-01-01 00:00+00') + interval '1 hour' FROM gone
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
            self.more or later.more,
        )


@dataclass(frozen=True, slots=True)
class Retain(Query[Retained]):
    """One step: make the next days' partitions, drop a partition that is too old, delete some rows.

    `now` in ms since 1970; `days` tells by table how long its rows are kept. A dry run makes
    nothing and drops nothing, and names all partitions that would be dropped. What another node is
    at is left out, unless it `waits` for the others.
    """

    now: int
    days: Mapping[str, float] = field(default_factory=lambda: {"ticks": 7.0, "candles_1m": 90.0})
    dry_run: bool = False
    waits: bool = False
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> Retained:
        """Do it, or tell what would be done."""
        ticks = await self._too_old(connection, "ticks")
        minutes = await self._too_old(connection, "candles_1m")
        if self.dry_run:
            return Retained(dropped=(*ticks, *minutes))
        today = self.now // DAY_MS
        ahead = range(today, today + DAYS_AHEAD + 1)
        made = await partitions.make_for_ticks(connection, ahead, waits=self.waits)
        made += await partitions.make_for_candles(connection, ahead, waits=self.waits)
        done = await self._thin_ticks(connection, ticks)
        done = done.plus(await self._thin_minutes(connection, minutes))
        entries = await self._thin_ledger(connection)
        return done.plus(Retained(made, (), entries, more=entries > 0))

    def _first_kept(self, table: str) -> datetime:
        """The first day of a table that stays."""
        return to_datetime(int(self.now - self.days[table] * DAY_MS) // DAY_MS * DAY_MS)

    async def _too_old(self, connection: Connection, table: str) -> list[str]:
        """Partitions of days that are too old, the oldest first."""
        first_kept = to_ms(self._first_kept(table)) // DAY_MS
        names = await partitions.children(connection, table)
        days = [(day, n) for n in names if (day := partitions.day_of(n)) is not None]
        return [n for day, n in sorted(days) if day < first_kept]

    async def _thin_ticks(self, connection: Connection, old: list[str]) -> Retained:
        dropped: tuple[str, ...] = ()
        for partition in old[:1]:
            async with partitions.alone_with(connection, "ticks", waits=self.waits) as mine:
                if mine and await _drop(connection, "ticks", partition):
                    dropped = (partition,)
        async with connection.transaction():
            if not await self._take_turn(connection):
                return Retained(0, dropped)
            limit = self._first_kept("ticks")
            rows = await _delete(connection, "ticks", _OLD_TICKS, limit, STEP_ROWS)
        return Retained(0, dropped, rows, more=len(old) > 1 or rows > 0)

    async def _thin_minutes(self, connection: Connection, old: list[str]) -> Retained:
        """The oldest go first, all of an hour at once: so `thinned` tells which hours are whole.

        Rows go only after their hours and days were rolled up, and never before older rows.
        """
        edge = partitions.start_of(old[0]) if old else self._first_kept("candles_1m")
        if await connection.fetchval(_ANY_OLD, edge):
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {partitions.LOCK_MS}")
                if not await self._take_turn(connection):
                    return Retained()
                # Wait for writers of late ticks: their marks must be seen, and a late tick that is
                # joined to a minute must not be dropped with it.
                await connection.execute(
                    "LOCK TABLE candles_1m_default IN SHARE ROW EXCLUSIVE MODE"
                )
                before = await connection.fetchval(_OLD_HOURS, edge, STEP_ROWS)
                rows = await _delete(connection, "candles_1m", _OLD_CANDLES, before)
            return Retained(0, (), rows, more=rows > 0)
        for partition in old[:1]:
            end = edge + timedelta(days=1)
            async with partitions.alone_with(connection, "candles_1m", waits=self.waits) as mine:
                # A recorder may have added rows meanwhile.
                if (
                    not mine
                    or await connection.fetchval(_DUE_BEFORE, end)
                    or await connection.fetchval(_ANY_OLD, end)
                ):
                    return Retained()
                dropped = await _drop(connection, "candles_1m", partition)
            return Retained(0, (partition,) if dropped else (), 0, more=len(old) > 1)
        return Retained()

    async def _thin_ledger(self, connection: Connection) -> int:
        limit = to_datetime(int(self.now - (self.days["ticks"] + 1) * DAY_MS))
        async with connection.transaction():
            if not await self._take_turn(connection):
                return 0
            status = await connection.execute(_OLD_ENTRIES, limit, LEDGER_KEPT, STEP_ROWS)
        return int(status.rsplit(maxsplit=1)[-1])

    async def _take_turn(self, connection: Connection) -> bool:
        return await take_turn(connection, partitions.LOCK, waits=self.waits)


async def _drop(connection: Connection, table: str, partition: str) -> bool:
    """Drop a partition, in a transaction that has the table for itself; whether it was there."""
    there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", partition)
    if not there:
        return False  # another node was quicker
    if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {partition})"):  # noqa: S608 - ours
        await thin_before(connection, table, partitions.start_of(partition) + timedelta(days=1))
    await connection.execute(f"DROP TABLE {partition}")
    return True


async def _delete(connection: Connection, table: str, sql: str, *limits: object) -> int:
    """Delete some rows, and store up to which time; returns how many."""
    row = await connection.fetchrow(sql, *limits)
    assert row is not None  # noqa: S101 - for the type checker
    if row[0]:
        await thin_before(connection, table, row[1])
    return int(row[0])
