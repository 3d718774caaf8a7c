"""Ticks that come when retention has taken what was beside them: nothing that is kept shrinks."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import pytest
import trio

from stockstream.database.migrations import migrate
from stockstream.history import partitions
from stockstream.history.candles import Candle, Tick, fold
from stockstream.history.queries import FetchCandles
from stockstream.history.recording import Record
from stockstream.history.retention import RetentionSettings, upkeep_jobs
from stockstream.history.rolling import Rebuild, RollUp
from stockstream.history.transfer import ImportTicks
from stockstream.history.upkeep import Retain
from stockstream.jobs.job import Job, Runner
from stockstream.tables import Tables
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS
from stockstream.users.purging import PurgeSettings
from supervision import ChildSpec, System, supervisor
from tests.support.gateway import DAY, History, batch, running_history, tick

if TYPE_CHECKING:
    from stockstream.database.query import Query

EVER = 4_000_000_000_000
LATER = DAY + 100 * DAY_MS
OLD_HOUR = [tick(n, ts=DAY + n * MINUTE_MS, received=DAY + n * MINUTE_MS) for n in range(60)]
"""A price a minute, 100 to 159."""


async def an_hour_whose_minutes_are_gone(history: History) -> None:
    await history.until_up()
    await history.ask(Record([batch(1, *OLD_HOUR)]))
    await rolled_and_retained(history)
    assert await history.select("""SELECT FROM candles WHERE "interval" = '1m'""") == []


async def rolled_and_retained(history: History, now: int = LATER) -> None:
    while await history.ask(RollUp(now)):
        pass
    while (await history.ask(Retain(now))).more:
        pass


async def candle(history: History, interval: str, symbol: str = "AAPL") -> Candle:
    """The only one there is."""
    (found,) = await history.ask(FetchCandles(symbol, interval, 0, EVER, 99))
    return found


@pytest.mark.proves("H21")
@pytest.mark.parametrize("interval", ["1h", "1d"])
async def test_a_late_price_is_joined_to_an_hour_whose_minutes_are_gone(
    database_url: str, interval: str
) -> None:
    """As after a start whose provider still tells an old trade: before its roll-up and after."""
    late = Tick("AAPL", None, 42.0, DAY + 1_800_000, LATER, 2, 1)
    async with running_history(database_url) as history:
        await an_hour_whose_minutes_are_gone(history)
        await history.ask(Record([batch(2, late)]))
        for _ in range(2):
            found = await candle(history, interval)
            assert (found.open, found.high, found.low, found.close) == (100, 159, 42, 159)
            assert (found.ticks, found.partial) == (61, False)
            await rolled_and_retained(history)


@pytest.mark.proves("H12", "H21")
async def test_an_import_is_joined_to_an_hour_whose_ticks_are_gone(database_url: str) -> None:
    """Whether the tick was among those that were dropped is not known, and the candle says so;
    imported again it changes nothing.
    """
    new = Tick("AAPL", None, 500.0, DAY + 1_800_500, DAY + 1_800_500, 2, 1)
    async with running_history(database_url) as history:
        await an_hour_whose_minutes_are_gone(history)
        for ticks in ([new], [new], OLD_HOUR):
            await history.ask(ImportTicks(ticks))
            for _ in range(2):
                for interval in ("1h", "1d"):
                    found = await candle(history, interval)
                    assert (found.open, found.high, found.low, found.close) == (100, 500, 100, 159)
                    assert (found.ticks, found.partial) == (60, True)
                await rolled_and_retained(history)


@pytest.mark.proves("H21")
async def test_an_import_is_joined_to_a_minute_whose_ticks_are_gone(database_url: str) -> None:
    """The minute itself is still there: its first price stays, received before or after."""
    ticks = [tick(n, price=10 + n % 7) for n in range(60)]
    now = DAY + 20 * DAY_MS
    new = Tick("AAPL", None, 99.0, DAY + 30_500, now, 2, 1)
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, *ticks)]))
        await rolled_and_retained(history, now)
        assert await history.select("SELECT FROM ticks") == []
        await history.ask(ImportTicks([new]))
        found = await candle(history, "1m")
        # It was received when nothing of that day was dropped: it is new for certain.
        assert found == fold(sorted([*ticks, new], key=lambda one: one.ts))[0]
        assert await history.ask(Rebuild(DAY // HOUR_MS)) == 0
        assert await candle(history, "1m") == found


@pytest.mark.proves("H11", "H21")
async def test_a_late_tick_of_one_symbol_hides_nothing_of_others(database_url: str) -> None:
    """200 days stay 200 days, though an older hour waits to be rolled up."""
    days = [tick(n, ts=DAY + n * DAY_MS, received=DAY + n * DAY_MS) for n in range(200)]
    now = DAY + 200 * DAY_MS
    other = tick(1, symbol="XYZ", ts=DAY - 100 * DAY_MS, received=DAY - 100 * DAY_MS)
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(ImportTicks(days))
        await rolled_and_retained(history, now)
        await history.ask(ImportTicks([other]))
        assert await history.select("SELECT count(*) FROM rollups_due") == [(1,)]
        for interval, length in (("5m", 5 * MINUTE_MS), ("1h", HOUR_MS), ("1d", DAY_MS)):
            found = await history.ask(FetchCandles("AAPL", interval, 0, EVER, 999))
            assert found == fold(days, length)
            (found,) = await history.ask(FetchCandles("XYZ", interval, 0, EVER, 9))
            assert found == fold([other], length)[0]


@pytest.mark.proves("H6", "H21")
async def test_minutes_go_only_after_their_hours_were_made(database_url: str) -> None:
    """In the default partition too, where imported ones are, whatever retention finds first."""
    old = [tick(n, ts=DAY + n * MINUTE_MS, received=DAY, symbol="NEW") for n in range(60)]
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(ImportTicks(old))
        done = await history.ask(Retain(LATER))
        assert not done.more or done.deleted == 60  # its ticks may go, of which nothing is made
        minutes = """SELECT count(*) FROM candles WHERE "interval" = '1m'"""
        assert await history.select(minutes) == [(60,)]
        await rolled_and_retained(history)
        assert await history.select(minutes) == [(0,)]
        assert (await candle(history, "1h", "NEW")).ticks == 60


@pytest.mark.proves("H21")
async def test_what_was_thinned_reaches_as_far_as_rows_were_taken(database_url: str) -> None:
    """A clock that was a year ahead once has dropped what there was, and nothing that comes."""
    next_day = [tick(n, ts=DAY + DAY_MS + n * MINUTE_MS) for n in range(60)]
    async with running_history(database_url) as history:
        await an_hour_whose_minutes_are_gone(history)
        await history.ask(ImportTicks([tick(1, symbol="OLD", ts=DAY - DAY_MS, received=DAY)]))
        await rolled_and_retained(history, DAY + 400 * DAY_MS)
        await history.ask(Record([batch(2, *next_day)]))
        await rolled_and_retained(history, DAY + 2 * DAY_MS)
        found = await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 99))
        assert found == fold(next_day)
        assert await history.ask(Rebuild((DAY + 2 * DAY_MS) // HOUR_MS)) == 0
        assert await history.select(
            "SELECT count(*) FROM thinned WHERE before > to_timestamp($1)", (DAY + DAY_MS) / 1000
        ) == [(0,)]


@pytest.mark.proves("H3", "H21")
async def test_a_database_of_an_older_program_is_taken_for_thinned(database_url: str) -> None:
    """What that dropped is written down nowhere: all from before what is there counts as gone."""
    late = Tick("AAPL", None, 42.0, DAY + 1_800_000, LATER, 2, 1)
    async with running_history(database_url) as history:
        await an_hour_whose_minutes_are_gone(history)
    for target in ("0007", "head"):
        await migrate(database_url, target)
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(2, late)]))
        await rolled_and_retained(history)
        found = await candle(history, "1d")
        assert (found.ticks, found.high, found.low, found.partial) == (61, 159, 42, False)


@pytest.mark.proves("H6")
async def test_many_hours_to_roll_up_do_not_keep_retention_from_its_steps(
    database_url: str,
) -> None:
    """Ten years of them are imported; the next days' partitions are made before they are done."""
    hours = """INSERT INTO rollups_due
        SELECT 'a', to_timestamp($1) - n * interval '1 hour' FROM generate_series(1, 87600) n
        RETURNING 1"""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.select(hours, DAY / 1000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_run_retention, history, DAY + HOUR_MS)
            made = "SELECT to_regclass($1) IS NOT NULL, count(*) > 50000 FROM rollups_due"
            await history.until_rows(
                [(True, True)], made, partitions.name("ticks", DAY // DAY_MS + 1)
            )
            nursery.cancel_scope.cancel()


async def _run_retention(history: History, now: int) -> None:
    """Run the jobs in a tree of their own, which asks the other's gateway."""

    class Beside(Job):
        async def init(self) -> None:
            await super().init()
            self._database = history.database

    tables = Tables()
    await history.ask(Record([batch(9, tick(9))]))  # the clock agrees with what was received last
    jobs = upkeep_jobs(
        RetentionSettings(), PurgeSettings().step, tables.upstream_clocks, lambda: now
    )
    children = [ChildSpec(job.name, partial(Beside, job, Runner("a"), tables.jobs)) for job in jobs]
    await System().run(supervisor("root", [supervisor("history", children)]))


@pytest.mark.proves("H6")
def test_retention_by_several_at_once_makes_each_partition_once(database_url: str) -> None:
    """The server's own and one by command: who comes second finds them made."""

    async def make(url: str) -> None:
        connections = [await asyncpg.connect(url) for _ in range(4)]
        try:
            for day in range(20_000, 20_012):
                query: Query[object] = Retain(day * DAY_MS)
                await asyncio.gather(*(query.run(connection) for connection in connections))
        finally:
            for connection in connections:
                connection.terminate()

    asyncio.run(make(database_url))
