"""Routes in a cluster: one node decides which provider tells a symbol, and the others follow."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from stockstream import paths
from stockstream.market.failover import AWAY_SECONDS, RETURN_SECONDS
from stockstream.market.providers import ProviderDown
from stockstream.messages import BatchReceived, Demand, QuotesPublished
from stockstream.shards import Claim, NodeId, Shard
from stockstream.sources import read_routes
from stockstream.statuses import Holding, Members, NodeState
from tests.unit.market.market_tree import UPSTREAM, ScriptedProvider, running_market

OTHER = "other"
FIRST, SECOND = Shard(f"{UPSTREAM}/0"), Shard(f"{OTHER}/0")
HERE, THERE = NodeId("here", 1), NodeId("there", 1)
ALL = Demand(frozenset(), everything=True, subscribers=1)
ROUTES = read_routes(f"*={UPSTREAM},{OTHER}")
AWAY = ProviderDown("connect_failed", "no connection: refused")


class Node:
    """A market, the shards that it holds, and what it sees of who holds which."""

    def __init__(self, name, market):
        self.name = name
        self.market = market

    async def holds(self, claims):
        """It is told of these claims, and fetches its own."""
        members = Members(self.name, NodeState.READY, (), claims, None, None)
        self.market.ref(paths.MEMBERSHIP).cast(members)
        own = {name: claim.epoch for name, claim in claims.items() if claim.node == self.name}
        highest = {name: claim.epoch for name, claim in claims.items()}
        await self.market.hold(Holding(own, frozenset(own), highest))

    @property
    def source(self):
        return self.market.tables.routing.value.source("AAPL")

    def carry(self, other):
        """Tell the other node what this one has said, as the bus does."""
        for message in self.market.sent:
            if isinstance(message, QuotesPublished):
                other.market.ref(paths.STREAMER).cast(BatchReceived(self.name, message.rows))
            else:
                told = replace(message, node=self.name)
                other.market.ref(paths.feed(message.upstream)).cast(told)
        self.market.sent.clear()


@asynccontextmanager
async def two_nodes():
    """The first provider is fetched here, and the one in its place there."""
    options = {"demand": ALL, "parts": 1, "routes": ROUTES}
    async with (
        running_market(others={OTHER: ScriptedProvider()}, **options) as one,
        running_market(others={OTHER: ScriptedProvider()}, **options) as two,
    ):
        here, there = Node(HERE, one), Node(THERE, two)
        claims = {FIRST: Claim(100, *HERE), SECOND: Claim(101, *THERE)}
        await here.holds(claims)
        await there.holds(claims)
        yield here, there


async def pass_time(seconds, here, there, deaf=()):
    """And note at which times the two are not of one mind. Those in `deaf` hear nothing."""
    differing = []
    for _ in range(round(seconds * 10)):
        await trio.sleep(0.1)
        for node, other in ((here, there), (there, here)):
            if other not in deaf:
                node.carry(other)
        await wait_all_tasks_blocked()
        if here.source != there.source:
            differing.append(trio.current_time())
    return differing


def sources(node):
    """Which providers the prices came from that this node has published of its own, in order."""
    found = []
    for message in node.market.batches:
        for row in message.rows:
            if message.own and row.quote.symbol == "AAPL" and found[-1:] != [row.source]:
                found.append(row.source)
    return found


@pytest.mark.proves("N4")
async def test_who_fetches_from_the_first_provider_decides_for_all(autojump_clock):
    """Away within its limit, back after its pause; and at no time two nodes tell one symbol."""
    async with two_nodes() as (here, there):
        assert await pass_time(5, here, there) == []
        assert here.source == there.source == UPSTREAM
        here.market.provider.always = AWAY
        assert await pass_time(AWAY_SECONDS + 7, here, there) == []
        assert here.source == there.source == OTHER
        assert sources(there) == [OTHER], "it fetches what it holds, once it is told to"
        here.market.provider.always = None
        assert await pass_time(RETURN_SECONDS + 90, here, there) == []
        assert here.source == there.source == UPSTREAM
        assert sources(here) == [UPSTREAM]
        assert sources(there) == [OTHER]


@pytest.mark.proves("N4")
async def test_what_the_others_see_of_a_provider_moves_no_route(autojump_clock):
    """A node that hears nothing for a while would take the first provider for dead; it waits."""
    async with two_nodes() as (here, there):
        await pass_time(5, here, there)
        assert await pass_time(3 * AWAY_SECONDS, here, there, deaf=(there,)) == []
        assert there.source == UPSTREAM


@pytest.mark.proves("N4", "N7")
async def test_who_takes_over_goes_on_with_what_was_decided(autojump_clock):
    """It has followed, so nothing moves; from then on it decides, and the one before it follows."""
    async with two_nodes() as (here, there):
        await pass_time(5, here, there)
        here.market.provider.always = AWAY
        there.market.provider.always = AWAY
        await pass_time(AWAY_SECONDS + 7, here, there)
        claims = {FIRST: Claim(200, *THERE), SECOND: Claim(101, *THERE)}
        await there.holds(claims)
        await pass_time(5, here, there, deaf=(here,))
        assert there.source == OTHER
        there.market.provider.always = None
        await here.holds(claims)
        assert await pass_time(RETURN_SECONDS + 90, here, there) == []
        assert here.source == there.source == UPSTREAM


@pytest.mark.proves("N4")
async def test_who_has_lost_the_provider_is_not_followed(autojump_clock):
    """It does not know yet that a third node has claimed it, and goes on deciding."""
    async with two_nodes() as (here, there):
        await pass_time(5, here, there)
        await there.holds({FIRST: Claim(200, "third", 1), SECOND: Claim(101, *THERE)})
        here.market.provider.always = AWAY
        await pass_time(AWAY_SECONDS + 7, here, there, deaf=(here,))
        assert here.source == OTHER
        assert there.source == UPSTREAM


@pytest.mark.proves("N13")
async def test_a_node_that_is_alone_decides_by_itself(autojump_clock):
    """And follows again when it is not alone any more."""
    async with two_nodes() as (here, there):
        await pass_time(5, here, there)
        epochs = {FIRST: 100, SECOND: 101}
        await there.market.hold(Holding(epochs, frozenset(), epochs, alone=True))
        there.market.provider.always = AWAY
        there.market.sent.clear()
        await pass_time(AWAY_SECONDS + 7, here, there, deaf=(here, there))
        assert (here.source, there.source) == (UPSTREAM, OTHER)
        await there.holds({FIRST: Claim(100, *HERE), SECOND: Claim(101, *THERE)})
        await pass_time(3, here, there)
        assert here.source == there.source == UPSTREAM
