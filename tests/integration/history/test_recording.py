"""Writing batches to a real PostgreSQL: once, whole, with their candles."""

from __future__ import annotations

import contextlib
import random

import pytest
import trio

from stockstream.database.query import Purpose, Rejected, Unavailable
from stockstream.history.candles import Tick, fold
from stockstream.history.queries import FetchCandles, FetchTicks
from stockstream.history.recording import Record
from stockstream.history.rolling import Rebuild, RollUp
from stockstream.times import HOUR_MS
from tests.support.database import locked
from tests.support.gateway import DAY, History, batch, running_history, tick

EVER = 4_000_000_000_000


@pytest.mark.proves("H2", "H4", "H5", "H7")
async def test_a_batch_is_there_with_its_candles(database_url: str) -> None:
    """Ticks with all their columns, one 1-minute candle per symbol and minute."""
    ticks = [tick(seq, symbol=name) for seq in range(150) for name in ("AAPL", "BRK.B")]
    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.ask(Record([batch(1, *ticks)])) == 300
        assert await history.ask(FetchTicks("AAPL", 0, EVER, 1000)) == ticks[::2]
        candles = await history.ask(FetchCandles("BRK.B", "1m", 0, EVER, 1000))
        assert candles == fold(ticks[1::2])
        columns = await history.select(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_name = 'ticks' ORDER BY ordinal_position"
        )
        assert columns == [
            ("symbol", "text"),
            ("exchange", "text"),
            ("price", "double precision"),
            ("ts", "timestamp with time zone"),
            ("received", "timestamp with time zone"),
            ("epoch", "bigint"),
            ("seq", "bigint"),
            ("currency", "text"),
            ("source", "text"),
            ("volume", "double precision"),
        ]


@pytest.mark.proves("H7", "H8")
async def test_the_ledger_lets_each_batch_in_once(database_url: str) -> None:
    """Told again, alone or among new ones, a batch changes nothing: neither ticks nor candles."""
    first, second = batch(1, tick(1), tick(2)), batch(2, tick(3))
    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.ask(Record([first])) == 2
        assert await history.ask(Record([first])) == 0
        assert await history.ask(Record([first, second])) == 1
        # The same number of another life, or another node, is another batch.
        assert await history.ask(Record([batch(1, tick(4), boot=2)])) == 1
        assert await history.ask(Record([batch(1, tick(5), node="b")])) == 1
        ticks = await history.ask(FetchTicks("AAPL", 0, EVER, 100))
        assert [t.seq for t in ticks] == [1, 2, 3, 4, 5]
        (candle,) = await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 100))
        assert (candle.ticks, candle.open, candle.close) == (5, 101, 105)


@pytest.mark.proves("H7")
async def test_what_a_start_says_again_is_no_new_tick(database_url: str) -> None:
    """Price and time of a symbol as they are stored last: five starts on a closed market leave one
    tick, and one in each candle, also when the minute and the tick are gone. Whatever differs, or
    comes later in a life, is new.
    """

    def said(boot: int, price: float = 42.0, ts: int = DAY, seq: int = 1) -> Tick:
        return Tick("AAPL", "SIM", price, ts, DAY + 1000 * boot, boot, seq)

    async def ticks_and_candles() -> list[tuple[object, ...]]:
        return await history.select(
            """SELECT (SELECT count(*) FROM ticks), (SELECT sum(ticks) FROM candles
            WHERE "interval" = '1m'), (SELECT sum(ticks) FROM candles WHERE "interval" = '1d')"""
        )

    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.ask(Record([batch(1, said(1), boot=1)])) == 1
        for boot in range(2, 6):
            assert await history.ask(Record([batch(1, said(boot), boot=boot)])) == 0
        assert await ticks_and_candles() == [(1, 1, None)]
        # Two starts without a database, replayed together.
        later = DAY + 60_000
        spooled = [batch(1, said(n, ts=later), boot=n) for n in (6, 7)]
        assert await history.ask(Record(spooled, replayed=True)) == 1
        assert await history.ask(RollUp(DAY + 2 * HOUR_MS)) == 1
        await history.select("DELETE FROM ticks")
        await history.select("""DELETE FROM candles WHERE "interval" = '1m'""")
        assert await history.ask(Record([batch(1, said(8, ts=later), boot=8)])) == 0
        assert await ticks_and_candles() == [(0, None, 2)]
        assert await history.ask(Record([batch(2, said(8, ts=later, seq=2), boot=8)])) == 1
        assert await history.ask(Record([batch(1, said(9, price=43.0, ts=later), boot=9)])) == 1
        assert await history.ask(Record([batch(1, said(10, ts=later + 1), boot=10)])) == 1


@pytest.mark.proves("H5")
async def test_batches_join_a_candle_in_any_order(database_url: str) -> None:
    """Another node's spool may come hours late: open and close are still the first and last."""
    rng = random.Random(5)
    ticks = [tick(seq, price=rng.uniform(1, 100)) for seq in range(60)]
    batches = [batch(n, *ticks[n : n + 6]) for n in range(0, 60, 6)]
    rng.shuffle(batches)
    async with running_history(database_url) as history:
        await history.until_up()
        for one in batches:
            await history.ask(Record([one]))
        assert await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 9)) == fold(ticks)


@pytest.mark.proves("H4")
async def test_a_clock_far_ahead_does_not_poison_a_batch(database_url: str) -> None:
    """Partitions go by our clock: a provider's 2090 is stored, beside ticks with the right time."""
    ahead = 3_800_000_000_000
    ticks = [tick(1), tick(2, ts=ahead, received=DAY + 2000), tick(3)]
    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.ask(Record([batch(1, *ticks)])) == 3
        partitions = await history.select(
            "SELECT relname FROM pg_class WHERE relname ~ '^ticks_[0-9]' AND relkind = 'r'"
        )
        assert partitions == [("ticks_20241004",)]
        stored = await history.ask(FetchTicks("AAPL", 0, EVER, 9))
        assert [t.ts for t in stored] == [DAY + 1000, DAY + 3000, ahead]


@pytest.mark.proves("H7")
async def test_a_value_that_cannot_be_stored_is_rejected(database_url: str) -> None:
    """It is told apart from an outage: it would be refused again, and nothing of it is there."""
    async with running_history(database_url) as history:
        await history.until_up()
        bad = batch(1, tick(1), tick(2, symbol="NUL\x00"))
        with pytest.raises(Rejected):
            await history.ask(Record([bad]))
        assert await history.select("SELECT count(*) FROM ticks") == [(0,)]
        assert await history.select("SELECT count(*) FROM batches") == [(0,)]


@pytest.mark.proves("H18")
@pytest.mark.parametrize("table", ["ticks", "rollups_due", "candles"])
async def test_a_gateway_killed_in_a_transaction_leaves_no_part_of_it(
    database_url: str, table: str
) -> None:
    """Killed while the transaction stands before its COPY, behind it, and before its end: nothing
    of the batch is there, no connection is left, and told again it is there once.
    """
    one, other = batch(1, tick(1)), batch(2, *(tick(n) for n in range(2, 1000)))
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([one]))
        async with trio.open_nursery() as nursery:
            with locked(database_url, table):
                nursery.start_soon(_ask_in_vain, history, Record([other]))
                await history.until_rows(
                    [(1,)],
                    "SELECT count(*) FROM pg_locks WHERE relation = $1::text::regclass "
                    "AND NOT granted",
                    table,
                )
                await history.kill_gateway()
        await history.until_up()
        await history.until_none_is_left()
        assert await history.select("SELECT no FROM batches") == [(1,)]
        assert await history.select("SELECT seq FROM ticks") == [(1,)]
        assert await history.select("SELECT sum(ticks) FROM candles") == [(1,)]
        assert await history.ask(Record([one, other])) == 998
        assert await history.select("SELECT count(*), sum(ticks) FROM candles") == [(17, 999)]


@pytest.mark.proves("H18")
async def test_gateways_killed_at_random_leave_whole_batches_only(database_url: str) -> None:
    """Killed at any moment while they write large batches; no connection is left on the server."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    size = 4000
    async with running_history(database_url) as history:
        await history.until_up()
        began = trio.current_time()
        await history.ask(Record([batch(99, *(tick(99 * size + n) for n in range(size)))]))
        usual = trio.current_time() - began
        for number in range(15):
            large = batch(number, *(tick(number * size + n) for n in range(size)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_ask_in_vain, history, Record([large]))
                await trio.sleep(rng.uniform(0, 1.3 * usual))
                await history.kill_gateway()
            await history.until_up()
        await history.until_none_is_left()
        ((whole,),) = await history.select("SELECT count(*) FROM batches")
        ticks = await history.select("SELECT count(*) FROM ticks")
        candles = await history.select("SELECT sum(ticks) FROM candles WHERE \"interval\" = '1m'")
        assert ticks == candles == [(size * whole,)]


async def _ask_in_vain(history: History, query: Record) -> None:
    # Who was quicker is not known: whether it was recorded is looked at.
    with contextlib.suppress(Unavailable):
        await history.ask(query)


def test_pools_are_separate() -> None:
    """What the recorder writes never waits behind a query."""
    assert Record([]).purpose is Purpose.WRITE
    assert FetchTicks("A", 0, 1, 1).purpose is Purpose.READ


@pytest.mark.proves("H5")
async def test_candles_of_a_symbol_never_mix_currencies(database_url: str) -> None:
    """In one batch or in several, rolled up or not yet, and when they are made again of ticks."""
    hour = -(-DAY // HOUR_MS) * HOUR_MS
    told = [(10, "GBP", 7.4), (70, "GBP", 7.5), (130, "GBX", 740.0), (140, "GBX", 742.0)]
    ticks = [
        tick(n, symbol=name, price=price, ts=hour + 1000 * second, currency=currency)
        for name in ("LATE", "SOON")
        for n, (second, currency, price) in enumerate(told, 1)
    ]
    ticks += [tick(5, symbol="LATE", price=7.6, ts=hour + 125_000, currency="GBP")]
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, *ticks[:4], *ticks[4:6])]))
        await history.ask(Record([batch(2, *ticks[6:])]))

        async def assert_kept_apart() -> None:
            for name in ("LATE", "SOON"):
                for interval in ("5m", "1h", "1d"):
                    (found,) = await history.ask(FetchCandles(name, interval, 0, EVER, 9))
                    assert (found.currency, found.low, found.high) == ("GBX", 740, 742), interval
                (minute,) = await history.ask(FetchCandles(name, "1m", 0, EVER, 9))
                assert (minute.currency, minute.open, minute.ticks) == ("GBX", 740, 2)
                before = await history.ask(FetchCandles(name, "1m", 0, hour + 120_000, 9))
                assert [(c.currency, c.close) for c in before] == [("GBP", 7.4), ("GBP", 7.5)]

        await assert_kept_apart()
        assert await history.ask(RollUp(hour + 2 * HOUR_MS)) >= 1
        await assert_kept_apart()
        await history.ask(Rebuild(hour // HOUR_MS))
        await assert_kept_apart()
        page = await history.ask(FetchTicks("SOON", 0, EVER, 9))
        assert [one.currency for one in page] == ["GBP", "GBP", "GBX", "GBX"]
