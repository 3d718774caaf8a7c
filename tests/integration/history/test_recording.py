"""Writing batches to a real PostgreSQL: once, whole, with their candles."""

from __future__ import annotations

import random

import pytest
import trio

from stockstream.history.candles import fold
from stockstream.history.queries import FetchCandles, FetchTicks
from stockstream.history.query import Lane, Rejected, ask
from stockstream.history.recording import Record
from tests.support.gateway import DAY, batch, running_history, tick

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
async def test_a_gateway_killed_in_a_transaction_leaves_no_part_of_it(database_url: str) -> None:
    """Killed at random moments while it writes large batches: each is there whole or not at all,
    and no connection is left on the server."""
    rng = random.Random(18)
    size = 4000
    async with running_history(database_url) as history:
        await history.until_up()
        began = trio.current_time()
        await history.ask(Record([batch(99, *(tick(99 * size + n) for n in range(size)))]))
        usual = trio.current_time() - began
        for number in range(25):
            large = batch(number, *(tick(number * size + n) for n in range(size)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_record, history, large)
                await trio.sleep(rng.uniform(0.3 * usual, 1.3 * usual))
                await history.kill_gateway()
            await history.until_up()
        whole = await history.select("SELECT count(*) FROM batches")
        ticks = await history.select("SELECT count(*) FROM ticks")
        candles = await history.select("SELECT sum(ticks) FROM candles WHERE \"interval\" = '1m'")
        assert ticks[0][0] == size * whole[0][0]
        assert candles[0][0] in {ticks[0][0], None}
        assert 1 < whole[0][0] < 26, "the kills came too early or too late to tell"
        name = database_url.partition("?")[0].rpartition("/")[2]
        with trio.fail_after(5):
            while True:
                (left,) = await history.select(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name
                )
                if left[0] <= 6:
                    break
                await trio.sleep(0.05)


async def _record(history: object, large: object) -> None:
    try:
        await ask(history.database, Record([large]))  # type: ignore[attr-defined,list-item]
    except Exception:  # noqa: BLE001, S110 - it is killed; whether it was recorded is looked at
        pass


def test_lanes_are_separate() -> None:
    """What the recorder writes never waits behind a query."""
    assert Record([]).lane is Lane.WRITE
    assert FetchTicks("A", 0, 1, 1).lane is Lane.READ
