"""A feed whose provider has no list: what it asks for by name, how often, and within what limits.

On virtual time.
"""

from __future__ import annotations

import pytest
import trio

from stockstream import paths
from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.feeds.allowance import Allowance
from stockstream.market.providers import (
    ProviderDown,
    ProviderRefused,
    ProviderStatus,
    SymbolsNotFound,
    Terms,
)
from stockstream.market.providers.push import Bucket
from stockstream.messages import Demand, RoutesChanged
from stockstream.quotes import Symbol
from stockstream.shards import index_of
from stockstream.sources import read_routes
from stockstream.statuses import CircuitState, FeedState, Holding, Routing, StaleReason, TokenLevel
from stockstream.symbol_states import standing
from stockstream.times import Moment
from tests.unit.alerts.support import acting_as
from tests.unit.market.market_tree import BREAKER, FEED, UPSTREAM, ScriptedProvider, running_market

NOBODY = Demand(frozenset(), everything=False, subscribers=0)
IGNORING = BreakerSettings(jitter=0, ignored=(SymbolsNotFound,))
EVERY = ["AAPL", "AMZN", "MSFT", "NFLX", "TSLA"]


def wanting(*symbols):
    return Demand(frozenset(symbols), everything=False, subscribers=1)


def by_name(at_once=1, limits=(), listed=EVERY, **more):
    return ScriptedProvider(listed=listed, terms=Terms(at_once, limits=limits, **more))


def asked(provider):
    return [sorted(symbols) for symbols in provider.asked]


def state_of(market, symbol):
    rows = market.tables.confirmations.rows
    return standing(Symbol(symbol), rows, Moment.now().milliseconds)


async def test_what_is_named_is_asked_for_in_turn(autojump_clock):
    """A round is one request, and clients are told the interval in which all have their turn."""
    provider = by_name(at_once=2)
    async with running_market(provider, demand=wanting(*EVERY)) as market:
        await trio.sleep(5.5)
        assert asked(provider) == 2 * [["AAPL", "AMZN"], ["MSFT", "NFLX"], ["TSLA"]]
        assert provider.times == pytest.approx(range(6))
        assert market.feed.interval == 3
        assert not market.feed.listed
        assert market.feed.state is FeedState.LIVE
        assert all(state_of(market, symbol).reason is None for symbol in EVERY)


async def test_where_nobody_names_any_it_begins_with_its_starters(autojump_clock):
    provider = by_name(at_once=5, starters=frozenset({Symbol("AAPL")}))
    async with running_market(provider, demand=NOBODY):
        await trio.sleep(0.5)
        assert asked(provider) == [["AAPL"]]


async def test_without_any_it_asks_nobody_and_is_well(autojump_clock):
    provider = by_name()
    async with running_market(provider, demand=NOBODY) as market:
        await trio.sleep(120)
        assert provider.fetches == []
        assert market.feed.state is FeedState.LIVE
        await market.demands("AAPL")
        await trio.sleep(0.1)
        assert asked(provider) == [["AAPL"]]


async def test_requests_stay_within_the_limits(autojump_clock):
    """In any minute, also when clients name new symbols all the time and the feed is killed."""
    provider = by_name(limits=(Bucket(2, 6 / 60),), listed=[f"S{n}" for n in range(100)])
    async with running_market(provider, demand=wanting("S0")) as market:
        for number in range(60):
            await market.demands(*[f"S{n}" for n in range(number)])
            await market.kill(FEED)
            await trio.sleep(5)
        times = provider.times
        assert len(times) >= 28, "and what is allowed is used"
        for first in times:
            assert sum(first <= at < first + 60 for at in times) <= 8
        assert provider.most_running == 1


async def test_what_is_just_named_comes_first_and_does_not_starve_the_rest(autojump_clock):
    """A tenth of the limit is left for it, so it need not wait for its turn."""
    provider = by_name(limits=(Bucket(5, 0.1),))
    async with running_market(provider, demand=wanting("AAPL", "MSFT")) as market:
        await trio.sleep(60)
        at = trio.current_time()
        await market.demands("AAPL", "MSFT", "TSLA")
        await trio.sleep(0.5)
        assert provider.asked[-1] == {"TSLA"}
        assert provider.times[-1] <= at + 0.2
        count = len(provider.fetches)
        await trio.sleep(45)
        assert set().union(*provider.asked[count:]) == {"AAPL", "MSFT", "TSLA"}
        assert market.feed.interval == pytest.approx(3 / 0.09)


async def test_symbols_are_paid_for_one_by_one_where_they_count(autojump_clock):
    provider = by_name(at_once=2, limits=(Bucket(4, 1.0),), counts_symbols=True)
    async with running_market(provider, demand=wanting(*EVERY)):
        await trio.sleep(60.5)
        symbols = sum(map(len, provider.asked))
        assert 50 <= symbols <= 64


async def test_a_symbol_that_it_does_not_know_costs_only_itself(autojump_clock):
    """It is asked for again after a minute, then two; and when somebody names it again."""
    provider = by_name(listed=["AAPL"])
    async with running_market(
        provider, demand=wanting("AAPL", "NOSUCH"), breaker=IGNORING
    ) as market:
        await trio.sleep(300)
        tries = [at for at, symbols in provider.fetches if symbols == {"NOSUCH"}]
        assert len(tries) == 3
        assert tries[1] - tries[0] == pytest.approx(60, abs=2)
        assert tries[2] - tries[1] == pytest.approx(120, abs=2)
        assert market.feed.state is FeedState.LIVE
        assert market.circuit.state is CircuitState.CLOSED
        await market.demands("AAPL")
        await trio.sleep(3)
        await market.demands("AAPL", "NOSUCH")
        await trio.sleep(3)
        assert {"NOSUCH"} in provider.asked[-3:]


def not_served(market):
    row = market.tables.confirmations.get(UPSTREAM)
    return {} if row is None else row.not_served


async def test_what_it_tells_no_price_of_is_known_until_it_does(autojump_clock):
    """Also where nothing was ever told; and no longer than anybody wants it."""
    provider = by_name()
    provider.listed = []
    async with running_market(provider, demand=wanting("AAPL"), breaker=IGNORING) as market:
        await trio.sleep(3)
        assert not_served(market) == {"AAPL": "unknown_symbol"}
        provider.listed = list(EVERY)
        await trio.sleep(65)
        assert not_served(market) == {}
        await market.demands("AAPL", "NOSUCH")
        await trio.sleep(3)
        assert not_served(market) == {"NOSUCH": "unknown_symbol"}
        await market.demands("AAPL")
        await trio.sleep(3)
        assert not_served(market) == {}


async def test_what_is_left_out_of_an_answer_to_several_is_known_too(autojump_clock):
    """One whose item is bad is not left out: that is said otherwise."""
    provider = by_name(at_once=5)
    async with running_market(provider, demand=wanting("AAPL", "NOSUCH")) as market:
        await trio.sleep(3)
        assert not_served(market) == {"NOSUCH": "not_told"}
        provider.listed = [*EVERY, "NOSUCH"]
        await trio.sleep(3)
        assert not_served(market) == {}


async def test_one_that_it_does_not_know_is_found_among_several(autojump_clock):
    """Some answer 404 to all for the sake of one: then each is asked for alone."""
    provider = by_name(at_once=5)

    def strict(symbols):
        return SymbolsNotFound("404") if "TSLA" in symbols else provider.well(symbols)

    provider.always = strict
    async with running_market(provider, demand=wanting(*EVERY), breaker=IGNORING) as market:
        await trio.sleep(9.5)
        assert provider.asked[-1] == frozenset(EVERY) - {"TSLA"}
        assert market.feed.state is FeedState.LIVE


async def test_a_symbol_that_is_gone_is_stale_and_keeps_its_price(autojump_clock):
    provider = by_name()
    async with running_market(provider, demand=wanting("AAPL", "MSFT"), breaker=IGNORING) as market:
        await trio.sleep(4.5)
        provider.listed = ["AAPL"]
        await trio.sleep(10)
        assert state_of(market, "MSFT").reason is StaleReason.NOT_LISTED
        assert state_of(market, "AAPL").reason is None
        assert Symbol("MSFT") in market.tables.quotes.rows


async def test_a_symbol_whose_requests_fail_grows_stale_beside_the_others(autojump_clock):
    provider = by_name()
    async with running_market(provider, demand=wanting("AAPL", "MSFT", "TSLA")) as market:
        await trio.sleep(6.5)

        def broken(symbols):
            if "MSFT" in symbols:
                return ProviderStatus(500, "status 500")
            return provider.well(symbols)

        provider.always = broken
        await trio.sleep(20)
        assert state_of(market, "MSFT").reason is StaleReason.NOT_TOLD
        assert state_of(market, "AAPL").reason is None
        assert market.feed.state is FeedState.LIVE
        provider.always = None
        await trio.sleep(5)
        assert state_of(market, "MSFT").reason is None


async def test_an_upstream_that_is_away_makes_the_feed_stale(autojump_clock):
    provider = by_name()
    async with running_market(provider, demand=wanting("AAPL", "MSFT")) as market:
        await trio.sleep(4.5)
        provider.always = lambda _symbols: ProviderDown("connect_failed", "refused")
        await trio.sleep(10)
        assert market.feed.state is FeedState.STALE
        assert market.feed.reason == "refused"


async def test_a_wrong_key_is_said_and_tried_again_seldom(autojump_clock):
    """The breaker stays closed: nothing is wrong with the provider."""
    provider = by_name()
    provider.always = lambda _symbols: ProviderRefused(401, "status 401 Unauthorized")
    async with running_market(provider, demand=wanting("AAPL")) as market:
        await trio.sleep(599)
        assert provider.times == pytest.approx([0, 300], abs=1)
        assert market.feed.reason == "misconfigured: status 401 Unauthorized"
        assert market.circuit.state is CircuitState.CLOSED
        await market.kill(BREAKER)
        provider.always = None
        await trio.sleep(5)
        assert market.feed.state is FeedState.LIVE


async def test_a_failover_does_not_wait_for_the_next_round(autojump_clock):
    """A fallback with small limits may rest for minutes; it is asked as soon as it is the one."""
    provider = by_name(limits=(Bucket(2, 0.01),))
    async with running_market(provider, demand=wanting("AAPL")) as market:
        routes = read_routes(f"*=us,{UPSTREAM}")
        with acting_as(paths.ROUTER):
            market.tables.routing.put(Routing(routes, (0,)))
        market.ref(FEED).cast(RoutesChanged())
        await trio.sleep(500)
        count, at = len(provider.fetches), trio.current_time()
        assert count <= 1, "asked before there were routes"
        assert market.feed.state is FeedState.LIVE
        with acting_as(paths.ROUTER):
            market.tables.routing.put(Routing(routes, (1,)))
        market.ref(FEED).cast(RoutesChanged())
        await trio.sleep(0.5)
        assert [when for when, _ in provider.fetches[count:]] == [pytest.approx(at, abs=0.2)]


async def test_what_another_node_fetches_is_not_asked_for(autojump_clock):
    """Half of the symbols are in a part that another node fetches; the nodes share the limits."""
    limits = (Bucket(1, 1.0),)
    provider = by_name(at_once=5, limits=limits)
    async with running_market(provider, demand=wanting(*EVERY), parts=4) as market:
        epochs = {f"{UPSTREAM}/{number}": 1 for number in (0, 1)}
        await market.hold(Holding(epochs))
        await trio.sleep(20.5)
        mine = {symbol for symbol in EVERY if index_of(symbol, 4) in (0, 1)}
        assert set().union(*provider.asked) == mine
        assert len(provider.fetches) <= 11


def test_an_allowance_is_what_the_table_says():
    """Of several buckets the emptiest counts; more than there ever is may be taken in debt."""
    full = Allowance((Bucket(2, 1.0), Bucket(10, 0.1)), None, 0.0)
    full.take(0.0, 2)
    assert full.wait(0.0) == 1.0
    assert full.levels == (TokenLevel(0, 0.0), TokenLevel(8, 0.0))
    again = Allowance((Bucket(2, 1.0), Bucket(10, 0.1)), full.levels, 0.5)
    assert again.wait(0.5) == 0.5
    assert again.wait(2.0, 4) == 0.0
    again.take(2.0, 4)
    assert again.wait(2.0) == 3.0
    assert again.gap() == pytest.approx(1 / 0.09)
    assert Allowance((), None, 0.0).gap() == Allowance((), None, 0.0).wait(0.0) == 0
