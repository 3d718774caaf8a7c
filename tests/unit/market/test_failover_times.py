"""How long a symbol is without the prices of a provider that fails, and when it has them again."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from stockstream import paths
from stockstream.market.failover import AWAY_SECONDS, RETURN_SECONDS, WELL_SECONDS
from stockstream.market.providers import ProviderDown
from stockstream.market.router import LOOK_SECONDS
from stockstream.messages import Demand
from stockstream.sources import read_routes
from tests.unit.market.market_tree import UPSTREAM, ScriptedProvider, running_market

SECOND, THIRD = "second", "third"
ALL = Demand(frozenset(), everything=True, subscribers=1)
ROUTES = read_routes(f"AAPL={UPSTREAM},{SECOND},{THIRD}, *={THIRD}")
DOWN = ProviderDown("connect_failed", "no connection: refused")
HANGS = 25.0


@asynccontextmanager
async def three_providers():
    others = {name: ScriptedProvider() for name in (SECOND, THIRD)}
    async with running_market(others=others, routes=ROUTES, demand=ALL) as market:
        await trio.sleep(2)
        yield market


def source(market, symbol="AAPL"):
    return market.tables.routing.value.source(symbol)


async def until_told_by(market, name, within):
    """Wait until a provider has told the symbol's newest price; the seconds that took."""
    began = trio.current_time()
    with trio.fail_after(within):
        while market.tables.quotes.get("AAPL").source != name:  # noqa: ASYNC110 - tables tell nobody
            await trio.sleep(0.5)
    return trio.current_time() - began


@pytest.mark.parametrize("fault", [DOWN, HANGS])
async def test_the_next_provider_tells_within_its_time_and_the_first_one_again(
    fault, autojump_clock
):
    """When it fails, and when it hangs; back after a minute of health, two after it was left."""
    async with three_providers() as market:
        market.provider.always = fault
        left = trio.current_time()
        limit = AWAY_SECONDS + LOOK_SECONDS + 5.0  # an idle feed's round
        assert await until_told_by(market, SECOND, limit + 1) <= limit
        assert source(market, "MSFT") == THIRD, "the other route stays"
        market.provider.always = None
        back = trio.current_time() - left + await until_told_by(market, UPSTREAM, 300)
        assert RETURN_SECONDS <= back <= RETURN_SECONDS + WELL_SECONDS + AWAY_SECONDS + 15


async def test_a_fallback_that_fails_too_is_left_for_the_next(autojump_clock):
    """And when none is well, the route stays where it is."""
    async with three_providers() as market:
        market.provider.always = DOWN
        await until_told_by(market, SECOND, 30)
        market.providers[SECOND].always = DOWN
        await until_told_by(market, THIRD, 30)
        market.providers[THIRD].always = DOWN
        await trio.sleep(60)
        assert source(market) == THIRD
        market.providers[THIRD].always = None
        await trio.sleep(60)
        assert market.tables.quotes.get("AAPL").source == THIRD


async def test_kills_of_the_market_move_no_route(autojump_clock):
    """Each actor in turn, with its next life a moment later: nothing that takes ten seconds."""
    async with three_providers() as market:
        for path in [
            *(paths.feed(name) for name in market.providers),
            *(paths.circuit_breaker(name) for name in market.providers),
            paths.ROUTER,
            paths.STREAMER,
        ] * 3:
            await market.kill(path)
            await trio.sleep(0.3)
            assert source(market) == UPSTREAM
        await trio.sleep(2)
        assert market.tables.quotes.get("AAPL").source == UPSTREAM


async def test_a_router_killed_during_an_outage_goes_on_where_it_was(autojump_clock):
    """It does not know since when the better one was well, so it waits a minute from its start."""
    async with three_providers() as market:
        market.provider.always = DOWN
        await until_told_by(market, SECOND, 30)
        await market.kill(paths.ROUTER)
        assert source(market) == SECOND
        market.provider.always = None
        await trio.sleep(WELL_SECONDS - 10)
        assert source(market) == SECOND
        await until_told_by(market, UPSTREAM, 90)
