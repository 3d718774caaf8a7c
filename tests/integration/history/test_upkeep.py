"""Roll-ups, partitions, retention, rebuilding: all on a real PostgreSQL."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pytest
import trio

from stockstream.database.pool import PoolSettings
from stockstream.database.query import Purpose, Query, Unavailable
from stockstream.history import partitions, retention
from stockstream.history.candles import INTERVALS, STORED, fold
from stockstream.history.queries import FetchCandles
from stockstream.history.recording import Record
from stockstream.history.rolling import Rebuild, RollUp
from stockstream.history.standing_of_upkeep import trouble_of_upkeep
from stockstream.history.upkeep import Retain
from stockstream.jobs import job
from stockstream.tables import Tables
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS
from supervision import System
from tests.support.database import psql
from tests.support.gateway import DAY, History, batch, running_history, tick
from tests.support.retention import retaining_root

if TYPE_CHECKING:
    from stockstream.database.query import Connection

EVER = 4_000_000_000_000
HELD = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'ticks'::regclass)"


@dataclass(frozen=True, slots=True)
class Hold(Query[None]):
    """Keep the locks of a statement, until it may end."""

    statement: str
    may_end: threading.Event

    async def run(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(self.statement)
            while not self.may_end.is_set():
                await connection.fetch("SELECT pg_sleep(0.02)")


@dataclass(frozen=True, slots=True)
class MakeForCandles(Query[int]):
    """Make a day's partition of the minutes."""

    day: int
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        return await partitions.make_for_candles(connection, [self.day])


async def in_vain(history: History) -> None:
    with pytest.raises(Unavailable, match="LockNotAvailable"):
        await history.ask(Retain(DAY))


async def same_as_folded(history: History, ticks: list[object]) -> None:
    """All intervals, asked as clients do, are what the ticks come to."""
    for interval, length in INTERVALS.items():
        found = await history.ask(FetchCandles("AAPL", interval, 0, EVER, 5000))
        assert found == fold(ticks, length), interval  # type: ignore[arg-type]
        # Of those that are put together, the oldest of an answer is whole too.
        newest = await history.ask(FetchCandles("AAPL", interval, 0, EVER, 3))
        assert newest == found[-3:], interval


@pytest.mark.proves("H5", "H11")
async def test_coarser_candles_are_right_before_and_after_each_roll_up(database_url: str) -> None:
    """Asked in between, too, and when ticks come late for an hour that was rolled up already."""
    rng = random.Random(5)
    times = sorted(rng.randrange(DAY, DAY + 2 * DAY_MS, 1000) for _ in range(600))
    ticks = [tick(n, ts=ts, received=ts, price=rng.uniform(1, 9)) for n, ts in enumerate(times)]
    late = {n for n in range(600) if n % 7 == 0}
    async with running_history(database_url) as history:
        await history.until_up()
        there = [t for n, t in enumerate(ticks) if n not in late]
        await history.ask(Record([batch(1, *there)]))
        await same_as_folded(history, there)
        assert await history.ask(RollUp(DAY + DAY_MS // 2, limit=24)) == 12
        await same_as_folded(history, there)
        await history.ask(Record([batch(2, *(ticks[n] for n in sorted(late)))]))
        await same_as_folded(history, ticks)
        while await history.ask(RollUp(DAY + 3 * DAY_MS)):
            await same_as_folded(history, ticks)
        assert await history.select("SELECT count(*) FROM rollups_due") == [(0,)]
        stored = await history.select(
            'SELECT "interval", count(*) FROM candles GROUP BY 1 ORDER BY 1'
        )
        wanted = {name: len(fold(ticks, length)) for name, length in STORED.items()}
        assert dict(stored) == wanted


@pytest.mark.proves("H4", "H6")
async def test_partitions_are_made_ahead_and_dropped_behind(database_url: str) -> None:
    """Seven days of ticks and ninety of 1-minute candles stay; coarser candles stay for ever."""
    now = DAY + 100 * DAY_MS + HOUR_MS
    ages = (0, 6, 8, 50, 89, 92, 99)
    old = {age: now - age * DAY_MS for age in ages}
    async with running_history(database_url) as history:
        await history.until_up()
        for number, at in enumerate(sorted(old.values())):
            if at < now:
                await history.ask(Retain(at))
            await history.ask(Record([batch(number, tick(number, ts=at, received=at))]))
        while await history.ask(RollUp(now + 2 * DAY_MS)):
            pass
        plan = await history.ask(Retain(now, dry_run=True))
        steps = [await history.ask(Retain(now))]
        while steps[-1].more:
            steps.append(await history.ask(Retain(now)))
        # One of a table at a time, so that nobody waits long for it.
        gone = [partition for step in steps for partition in step.dropped]
        assert sorted(gone) == sorted(plan.dropped)
        for table in ("ticks", "candles_1m"):
            assert [p for p in gone if p.startswith(table)] == sorted(
                p for p in gone if p.startswith(table)
            )
            assert all(sum(p.startswith(table) for p in step.dropped) <= 1 for step in steps)
        assert len(plan.dropped) > 2
        assert len(await history.select("SELECT FROM ticks")) == 2
        minutes = await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 99))
        assert [c.start for c in minutes] == sorted(
            at - at % MINUTE_MS for age, at in old.items() if age < 90
        )
        assert len(await history.ask(FetchCandles("AAPL", "1h", 0, EVER, 99))) == len(ages)
        assert len(await history.ask(FetchCandles("AAPL", "1d", 0, EVER, 99))) == len(ages)
        names = [
            n for (n,) in await history.select("SELECT relname FROM pg_class WHERE relkind = 'r'")
        ]
        for ahead in range(4):
            from stockstream.history.partitions import name  # noqa: PLC0415

            day = now // DAY_MS + ahead
            assert name("ticks", day) in names
            assert name("candles_1m", day) in names


@pytest.mark.proves("H6")
async def test_the_ledger_is_thinned_and_keeps_what_a_spool_may_need(database_url: str) -> None:
    """Old entries go, except the newest of each node."""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.select(
            "INSERT INTO batches SELECT 'a', 1, n, to_timestamp($1) "
            "FROM generate_series(1, 25000) n RETURNING no",
            DAY / 1000,
        )
        while (await history.ask(Retain(DAY + 30 * DAY_MS))).more:
            pass
        left = await history.select("SELECT min(no), max(no) FROM batches")
        assert left == [(15_001, 25_000)]


@pytest.mark.proves("H5")
async def test_candles_are_made_anew_from_ticks(database_url: str) -> None:
    """Damaged candles of a day are as if they had never been damaged; other days stay."""
    ticks = [tick(n, ts=DAY + n * 600_000, received=DAY + n * 600_000) for n in range(200)]
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, *ticks)]))
        while await history.ask(RollUp(DAY + 9 * DAY_MS)):
            pass
        await history.select(
            "UPDATE candles SET close = 0, ticks = 7 WHERE start < to_timestamp($1) RETURNING 1",
            (DAY + DAY_MS) / 1000,
        )
        first = DAY // HOUR_MS
        # Six ticks, ten minutes apart, in each hour of the first day.
        assert [await history.ask(Rebuild(first + hour)) for hour in range(24)] == [6] * 24
        await same_as_folded(history, ticks)
        assert await history.ask(Rebuild(first + 24 * 5)) == 0


@pytest.mark.proves("H4")
async def test_candles_that_came_before_their_partition_move_into_it(database_url: str) -> None:
    """The default partition takes what comes early; making the day's moves it, nothing is lost."""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1), tick(61))]))
        assert await history.select("SELECT count(*) FROM candles_1m_default") == [(2,)]
        await history.ask(Retain(DAY))
        assert await history.select("SELECT count(*) FROM candles_1m_default") == [(0,)]
        assert len(await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 9))) == 2


@pytest.mark.proves("H6", "H10")
async def test_a_long_query_is_not_in_the_way_of_recording(database_url: str) -> None:
    """A partition in use is not dropped now; who records does not wait behind the attempt."""
    old = DAY - 20 * DAY_MS
    may_end = threading.Event()
    patient = {Purpose.READ: PoolSettings(1, 4, 60.0)}
    async with running_history(database_url, pools=patient) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1, ts=old, received=old))]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(history.ask, Hold("SELECT count(*) FROM ticks", may_end))
            with trio.fail_after(20):
                while not (await history.select(HELD))[0][0]:  # noqa: ASYNC110 - nobody is told
                    await trio.sleep(0.01)
            nursery.start_soon(in_vain, history)
            await trio.sleep(0.2)
            with trio.fail_after(20):
                await history.ask(Record([batch(2, tick(2, ts=old, received=old))]))
            may_end.set()
        done = await history.ask(Retain(DAY))
        assert done.dropped


async def test_retention_that_fails_for_long_says_why_and_does_what_it_can(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks cannot be dropped: the audit is purged all the same. Then they can, and it is said."""
    monkeypatch.setattr(job, "TROUBLE_SECONDS", 0.2)
    monkeypatch.setattr(retention, "RETRY_SECONDS", 0.05)
    old = "(now() - interval '400 d')"
    made = f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE insufficient_privilege USING MESSAGE = ''ticks are sacred''; END';
    CREATE TRIGGER kept BEFORE DELETE ON ticks_default FOR EACH ROW EXECUTE FUNCTION refuse();
    INSERT INTO ticks_default VALUES ('A', NULL, 1, {old}, {old}, 1, 1);
    INSERT INTO audit (at, who, what, row_id, action) VALUES ({old}, 'me', 'list', 1, 'create')"""
    psql(database_url, made)
    tables = Tables()
    system = System()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, retaining_root(database_url, tables))
        with trio.fail_after(20):
            while (why := trouble_of_upkeep(tables)) is None:  # noqa: ASYNC110 - a table tells nobody
                await trio.sleep(0.02)
            assert "ticks are sacred" in why
            count = partial(psql, database_url, "SELECT count(*) FROM audit")
            assert await trio.to_thread.run_sync(count) == "0"
            mend = partial(psql, database_url, "DROP TRIGGER kept ON ticks_default")
            await trio.to_thread.run_sync(mend)
            while trouble_of_upkeep(tables) is not None:  # noqa: ASYNC110 - a table tells nobody
                await trio.sleep(0.02)
        system.stop()


async def test_first_ticks_and_a_new_partition_do_not_deadlock(database_url: str) -> None:
    """The recorder compares the first ticks with stored candles, then writes some. A partition that
    is made in between waits for the recorder, or goes first; neither is ended for the other.
    """
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = $1::regclass AND granted = $2"
    may_end = threading.Event()
    async with running_history(database_url) as history:
        await history.until_up()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(history.ask, Hold("LOCK TABLE rollups_due", may_end))
            await history.until_rows([(1,)], waiting, "rollups_due", True)
            first = batch(1, tick(1, price=10.0))
            nursery.start_soon(history.ask, Record([first]))
            await history.until_rows([(1,)], waiting, "rollups_due", False)
            nursery.start_soon(history.ask, MakeForCandles(DAY // DAY_MS))
            # It has its partition, or stands before the default one that the recorder has read.
            await history.until_rows(
                [(True,)],
                """SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
                    AND relation = 'candles_1m_default'::regclass)
                OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'candles_1m'::regclass
                    AND inhrelid <> 'candles_1m_default'::regclass)""",
            )
            may_end.set()
        assert await history.select("SELECT symbol, open FROM candles") == [("AAPL", 10.0)]
        assert await history.select("SELECT count(*) FROM candles_1m_default") == [(0,)]
