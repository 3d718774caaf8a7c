"""The streamer, and feeds that tell it: kills in between, and several upstreams. Virtual time."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import trio

from stockstream import paths
from stockstream.market.observed import Accepted, Observed
from stockstream.market.providers import ProviderDown
from stockstream.market.streamer import Streamer
from stockstream.market.time_base import Reading
from stockstream.messages import Demand
from stockstream.quotes import Observation
from stockstream.statuses import FeedState
from stockstream.upstreams import feed_of_all
from supervision import handles, restart_child, terminate_child
from tests.unit.market.market_tree import (
    FEED,
    UPSTREAM,
    ScriptedProvider,
    running_market,
    wall_clock,
)

DOWN = ProviderDown("connect_failed", "no connection: refused")
SOMEBODY = Demand(frozenset(), everything=True, subscribers=1)
OTHER = "other"
DELAY_MS = 900_000


def published(market):
    return [row.quote for batch in market.batches for row in batch.rows]


def assert_each_symbol_only_rises(market):
    for symbol in {quote.symbol for quote in published(market)}:
        told = [quote for quote in published(market) if quote.symbol == symbol]
        for before, after in pairwise(told):
            assert after.version > before.version
            assert after.timestamp >= before.timestamp


class DyingStreamer(Streamer):
    """Is killed while it is told of the first prices: before they are published, or after."""

    dies: str

    @handles(Observed)
    async def _on_observed(self, observed: Observed) -> Accepted:
        if self.generation > 1:
            return super()._on_observed(observed)
        if self.dies == "after":
            super()._on_observed(observed)
        self.ref.kill()
        await trio.sleep_forever()
        raise AssertionError


@pytest.mark.proves("W1", "C14", "C16")
@pytest.mark.parametrize("dies", ["before", "after"])
async def test_what_a_killed_streamer_was_told_is_told_again(dies, autojump_clock, monkeypatch):
    """Whether it had published it or not, it is published once, and nothing is fetched for it."""
    monkeypatch.setattr("tests.unit.market.market_tree.Streamer", DyingStreamer)
    monkeypatch.setattr(DyingStreamer, "dies", dies, raising=False)
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(0.9)
        assert market.system.whereis(paths.STREAMER).generation == 2
        assert len(market.provider.fetches) == 1
        assert [(q.symbol, q.version.seq) for q in published(market)] == [("AAPL", 1), ("MSFT", 1)]
        assert market.feed.state is FeedState.LIVE
        assert market.troubles == {}


async def test_without_a_streamer_nothing_is_fetched_and_the_feed_says_why(autojump_clock):
    """What waits is published as soon as there is one, and then fresh prices."""
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        await terminate_child(market.ref("market"), "streamer")
        await trio.sleep(10)
        assert len(market.provider.fetches) == 2
        assert market.feed.state is FeedState.STALE
        assert "market/streamer" in market.feed.reason
        assert market.troubles["streamer_unavailable"] >= 5
        await restart_child(market.ref("market"), "streamer")
        await trio.sleep(0.1)
        assert len(published(market)) == 6
        assert market.feed.state is FeedState.LIVE
        assert_each_symbol_only_rises(market)


async def test_what_is_told_twice_is_published_once(autojump_clock):
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(2.5)
        row = market.tables.quotes.get("AAPL")
        quote = row.quote
        again = Observed(
            UPSTREAM,
            (Observation(quote.symbol, quote.price, quote.timestamp),),
            Reading(round(trio.current_time() * 1000), wall_clock()),
            row.shift,
        )
        before = len(market.batches)
        assert await market.ref(paths.STREAMER).call(again) == Accepted(0, frozenset())
        assert len(market.batches) == before


# Several upstreams


async def test_each_upstream_has_its_rows_and_all_are_published(autojump_clock):
    """Each in its own pace, and each quote says where it is from."""
    slow = ScriptedProvider(listed=("BTC",), interval=2.0)
    async with running_market(demand=SOMEBODY, others={OTHER: slow}) as market:
        await trio.sleep(6.5)
        assert len(market.provider.fetches) == 7
        assert len(slow.fetches) == 4
        sources = {row.quote.symbol: row.source for row in market.tables.quotes.rows.values()}
        assert sources == {"AAPL": UPSTREAM, "MSFT": UPSTREAM, "BTC": OTHER}
        assert {n: row.interval for n, row in market.tables.feeds.rows.items()} == {
            UPSTREAM: 1.0,
            OTHER: 2.0,
        }
        assert_each_symbol_only_rises(market)
        assert not market.tables.confirmations.get(UPSTREAM).lapsed, "BTC is not its symbol"


async def test_an_upstream_that_fails_is_told_and_holds_up_no_other(autojump_clock):
    """Clients are told the worst of them, by its name; its breaker alone opens."""
    bad = ScriptedProvider(listed=("BTC",))
    async with running_market(demand=SOMEBODY, others={OTHER: bad}) as market:
        await trio.sleep(1.5)
        bad.always = DOWN
        await trio.sleep(10)
        assert len(market.provider.fetches) == 12
        assert market.feed.state is FeedState.LIVE
        told = feed_of_all(market.tables.feeds.rows)
        assert (told.state, told.reason) == (FeedState.STALE, f"{OTHER}: {DOWN}")
        assert market.circuit.state == "closed"
        assert market.tables.circuits.get(OTHER).state == "open"
        bad.always = None
        await trio.sleep(20)
        assert feed_of_all(market.tables.feeds.rows).state is FeedState.LIVE
        assert market.tables.circuits.get(OTHER).state == "closed"


@pytest.mark.proves("W1", "W23")
async def test_a_delayed_upstream_brings_no_older_price_and_its_clock_did_not_step(autojump_clock):
    """It tells the same symbols, all of them a quarter of an hour late, as a step back would."""
    delayed = ScriptedProvider()

    def late(_symbols):
        return delayed.tell(
            Observation(s.symbol, s.price + 1000, s.timestamp - DELAY_MS)
            for s in delayed.well(None).observations
        )

    delayed.always = late
    async with running_market(demand=SOMEBODY, others={OTHER: delayed}) as market:
        await trio.sleep(30)
        assert {row.source for row in market.tables.quotes.rows.values()} == {UPSTREAM}
        assert_each_symbol_only_rises(market)
        assert market.tables.upstream_clocks.get(OTHER).steps == 0
        assert set(market.tables.feed_figures.get(OTHER).troubles) == {"item_behind"}
        assert market.tables.feeds.get(OTHER).state is FeedState.LIVE, "it does well, though late"
        market.provider.always = DOWN
        await trio.sleep(DELAY_MS / 1000 + 60)
        assert {row.source for row in market.tables.quotes.rows.values()} == {OTHER}
        assert_each_symbol_only_rises(market)


@pytest.mark.proves("C13", "C14")
async def test_kills_at_random_leave_no_gap_and_no_older_price(autojump_clock):
    """Of actors and of their supervisors: each symbol is fresh within an interval and 250 ms."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    other = ScriptedProvider(listed=("BTC",))
    mortal = [
        paths.STREAMER,
        FEED,
        paths.circuit_breaker(UPSTREAM),
        f"{paths.FEEDS}/{UPSTREAM}",
        paths.FEEDS,
        paths.feed(OTHER),
        paths.circuit_breaker(OTHER),
        "market",
    ]
    async with running_market(demand=SOMEBODY, others={OTHER: other}) as market:
        await trio.sleep(1)
        for _ in range(100):
            market.ref(rng.choice(mortal)).kill()
            await trio.sleep(rng.uniform(0, 0.5))
            killed_at = trio.current_time()
            await trio.sleep(1.25)
            for row in market.tables.quotes.rows.values():
                assert row.steady / 1000 >= killed_at, row.quote.symbol
        assert len(market.tables.quotes) == 3
        assert_each_symbol_only_rises(market)
        numbers = [batch.number for batch in market.batches]
        assert numbers == sorted(set(numbers))


# Markets that close


def closing_clock():
    """Two seconds before the New York Stock Exchange closes on a Monday."""
    return 1_796_072_398_000 + round(trio.current_time() * 1000)


async def test_a_market_that_closes_is_told_without_a_price(autojump_clock):
    """Once, under the version that there is, and of its own symbols alone."""
    async with running_market(clock=closing_clock) as market:

        def told():
            rows = [row for batch in market.batches for row in batch.rows]
            return [
                (row.quote.symbol, row.quote.version.seq, row.session.session)
                for row in rows
                if row.quote.symbol in {"NFLX", "BTC-USD"}
            ]

        seen = tuple(
            Observation(symbol, 1.0, closing_clock(), exchange)
            for symbol, exchange in (("NFLX", "NASDAQ"), ("BTC-USD", "KRAKEN"))
        )
        reading = Reading(round(trio.current_time() * 1000), closing_clock())
        await market.ref(paths.STREAMER).call(Observed(UPSTREAM, seen, reading, 0))
        await trio.sleep(1)
        first = [("NFLX", 1, "regular"), ("BTC-USD", 1, "always")]
        assert told() == first
        await trio.sleep(4)
        assert told() == [*first, ("NFLX", 1, "post")]
        await market.kill(paths.STREAMER)
        await trio.sleep(2)
        assert len(told()) == 3
