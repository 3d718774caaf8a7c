"""When a feed of a very short interval is called stale."""

import pytest
import trio

from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.providers import ProviderStatus
from stockstream.messages import Demand
from stockstream.statuses import FeedState, FeedStatus
from tests.unit.market.market_tree import ScriptedProvider, running_market

NOBODY = Demand(frozenset(), everything=False, subscribers=0)
DOWN = ProviderStatus(503, "status 503")
SOMEBODY = Demand(frozenset(), everything=True, subscribers=1)
LENIENT = BreakerSettings(window=1000, minimum_calls=1000)
FAST = PollSettings(interval=0.005, jitter=0)


async def test_a_hiccup_of_a_fast_market_is_not_told(autojump_clock):
    """Twenty failed rounds are a tenth of a second: nobody calls the feed stale for that."""
    provider = ScriptedProvider([None, *[DOWN] * 20])
    async with running_market(provider, settings=FAST, breaker=LENIENT, demand=SOMEBODY) as market:
        await trio.sleep(20)
        told = [message.state for message in market.heard if isinstance(message, FeedStatus)]
        assert set(told) == {FeedState.LIVE}
        assert provider.script == []


@pytest.mark.parametrize(("interval", "stale_after"), [(0.005, 3.0), (0.9, 3.0), (2.0, 6.0)])
async def test_a_feed_that_fails_on_is_stale_when_clients_call_it_so(
    interval, stale_after, autojump_clock
):
    """After three intervals, counted as a second each at least: as the status tells them."""
    provider = ScriptedProvider([None])
    provider.always = DOWN
    settings = PollSettings(interval=interval, jitter=0)
    async with running_market(
        provider, settings=settings, breaker=LENIENT, demand=SOMEBODY
    ) as market:
        await market.until(lambda: market.feed.as_of is not None)
        as_of = trio.current_time()
        await trio.sleep(stale_after - 0.01)
        assert market.feed.state is FeedState.LIVE
        await market.until(lambda: market.feed.state is FeedState.STALE)
        assert trio.current_time() - as_of == pytest.approx(stale_after, abs=interval + 0.01)


@pytest.mark.proves("W21")
async def test_the_first_subscriber_makes_no_price_late_before_it_is_asked_for_again(
    autojump_clock,
):
    """The prices of the idle interval are up to 5 s old, and 3 s is late for those of a second."""
    provider = ScriptedProvider([None, 0.5])
    async with running_market(provider, demand=NOBODY) as market:
        await trio.sleep(4.5)
        before = len(market.heard)
        await market.demands()
        await trio.sleep(3)
        told = [message for message in market.heard[before:] if isinstance(message, FeedStatus)]
        assert {message.state for message in told} == {FeedState.LIVE}
        assert told[-1].interval == 1.0


@pytest.mark.proves("W21")
async def test_it_is_late_if_that_fetch_fails(autojump_clock):
    """Then the prices are those of 5 s ago, and somebody looks."""
    provider = ScriptedProvider([None])
    provider.always = DOWN
    async with running_market(provider, breaker=LENIENT, demand=NOBODY) as market:
        await trio.sleep(4.5)
        await market.demands()
        await trio.sleep(0.1)
        assert (market.feed.state, market.feed.interval) == (FeedState.STALE, 1.0)
