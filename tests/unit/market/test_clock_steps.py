"""What the market tells of clocks that step, with its actors on virtual time."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs

from stockstream.market.providers import ProviderStatus
from stockstream.messages import ClockStepped, Demand
from stockstream.quotes import Observation
from stockstream.statuses import CircuitState, FeedState
from stockstream.times import tell
from tests.unit.market.market_tree import (
    FEED,
    UPSTREAM,
    ScriptedProvider,
    running_market,
    wall_clock,
)
from web.readiness import readiness

SOMEBODY = Demand(frozenset(), everything=True, subscribers=1)
DOWN = ProviderStatus(503, "status 503")
HOUR = 3_600_000


class Clocks:
    """Wall clocks of the server and of its upstream, which a test sets, in ms ahead of trio's."""

    def __init__(self):
        self.server = self.upstream = 0

    def read_server(self):
        return wall_clock() + self.server

    def provider(self):
        """Prices that tell when they were made, stamped by the upstream's clock."""
        provider = ScriptedProvider(listed=("AAPL", "MSFT", "TSLA"))
        provider.always = lambda _symbols: provider.tell(
            [
                Observation(symbol, 1 + trio.current_time(), wall_clock() + self.upstream)
                for symbol in provider.listed
            ]
        )
        return provider


def steps(market):
    return [event for event in market.events if isinstance(event, ClockStepped)]


@pytest.mark.proves("W23")
@pytest.mark.parametrize("whose", ["server", "upstream", "both"])
@pytest.mark.parametrize("step", [-HOUR, -600_000, -5_000, 5_000, HOUR])
async def test_clients_get_prices_again_within_three_intervals(whose, step, autojump_clock):
    """And what happened is logged, told as an event, and is the feed's reason for a minute."""
    clocks = Clocks()
    provider = clocks.provider()
    async with running_market(provider, demand=SOMEBODY, clock=clocks.read_server) as market:
        await trio.sleep(10.5)
        assert steps(market) == []
        with capture_logs() as logs:
            clocks.server += step if whose != "upstream" else 0
            clocks.upstream += step if whose != "server" else 0
            await trio.sleep(3)
        age = 1 + trio.current_time() - market.tables.quotes.get("AAPL").quote.price
        assert age <= 1
        assert market.feed.state is FeedState.LIVE
        said = [(event.whose, round(event.seconds)) for event in steps(market)]
        if whose != "upstream":
            assert ("server", step // 1000) in said
        taken = whose != "server" and (step < 0 or (whose == "upstream" and step > 300_000))
        assert (("upstream", step // 1000) in said) == taken
        assert market.tables.upstream_clocks.get(UPSTREAM).steps == taken
        assert len([line for line in logs if line["event"] == "a clock was set"]) == len(said)
        if taken:
            assert "clock was set" in market.feed.reason
            await trio.sleep(62)
        assert market.feed.reason is None


@pytest.mark.proves("W23")
@pytest.mark.parametrize("step", [-HOUR, -5_000, HOUR])
async def test_an_upstream_that_fails_is_never_live_whatever_the_clock(step, autojump_clock):
    """The server's clock is set while the upstream is away: its prices grow old all the same, and
    after a minute nobody should be sent here.
    """
    clocks = Clocks()
    provider = clocks.provider()
    async with running_market(provider, demand=SOMEBODY, clock=clocks.read_server) as market:
        await trio.sleep(5.5)
        provider.always = DOWN
        clocks.server += step
        await trio.sleep(4)
        assert market.feed.state is FeedState.STALE
        await trio.sleep(70)
        assert market.feed.state is FeedState.DOWN
        is_ready, checks = readiness(market.tables, clocks.read_server())
        assert not is_ready
        assert checks["circuit_breaker"]["open_seconds"] == pytest.approx(74, abs=2)


@pytest.mark.proves("W23")
async def test_old_answers_alone_make_no_feed_live(autojump_clock):
    """A replica that answers with what it had an hour ago confirms no price: the feed is stale."""
    clocks = Clocks()
    provider = clocks.provider()
    async with running_market(provider, demand=SOMEBODY, clock=clocks.read_server) as market:
        await trio.sleep(2.5)
        old = [
            Observation(s, 1.0 + n, wall_clock() - HOUR * n)
            for n, s in enumerate(("AAPL", "MSFT"), 1)
        ]
        last = dict(market.tables.quotes.rows)
        provider.always = lambda _symbols: provider.tell(old)
        await trio.sleep(4)
        assert market.feed.state is FeedState.STALE
        assert market.feed.reason == "prices came that are 7200 s older than those known"
        assert dict(market.tables.quotes.rows) == last


@pytest.mark.proves("W23", "C17")
async def test_a_server_that_starts_minutes_behind_keeps_its_breaker_closed(autojump_clock):
    """The answer by which the upstream's clock was found ahead is a good one: its prices are told.

    Found by the simulation: counted as a failure, it opened the breaker two answers later.
    """
    clocks = Clocks()
    clocks.server -= 567_000
    provider = clocks.provider()
    async with running_market(provider, demand=SOMEBODY, clock=clocks.read_server) as market:
        await trio.sleep(10)
        assert len(steps(market)) == 1
        assert market.circuit.state is CircuitState.CLOSED
        assert market.feed.state is FeedState.LIVE
        age = 1 + trio.current_time() - market.tables.quotes.get("AAPL").quote.price
        assert age <= 1


@pytest.mark.proves("W1")
async def test_a_killed_feed_knows_the_clock_of_before(autojump_clock):
    """It goes on by the new time base; versions only rise."""
    clocks = Clocks()
    provider = clocks.provider()
    async with running_market(provider, demand=SOMEBODY, clock=clocks.read_server) as market:
        await trio.sleep(4.5)
        clocks.upstream -= HOUR
        await trio.sleep(4)
        before = market.tables.quotes.get("AAPL").quote.version
        await market.kill(FEED)
        await trio.sleep(2)
        quote = market.tables.quotes.get("AAPL").quote
        assert quote.version.seq > before.seq
        assert 1 + trio.current_time() - quote.price <= 1
        assert len(steps(market)) == 1


async def test_the_time_of_the_last_fetch_is_told_by_the_clock_of_now(autojump_clock):
    """What is told to people follows the wall clock, ages do not."""
    clocks = Clocks()
    async with running_market(clocks.provider(), demand=SOMEBODY) as market:
        await trio.sleep(2.5)
        as_of = market.feed.as_of
        assert as_of.age == 0.5
        assert isinstance(tell(as_of), int)
