"""The market's actors in a small tree on virtual time, with probes where the others stand."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager

import trio
from trio.testing import wait_all_tasks_blocked

from stockstream import paths
from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.circuit_breaker_actor import CircuitBreakerActor
from stockstream.market.feeds.poll import PollFeed
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.parser import Parsed
from stockstream.market.providers import SymbolsNotFound, Terms
from stockstream.market.router import Router
from stockstream.market.streamer import Streamer
from stockstream.messages import (
    BatchesLost,
    CircuitChanged,
    Demand,
    DemandWanted,
    EpochSeen,
    EpochsUsed,
    FeedChanged,
    HoldingChanged,
    QuotesPublished,
    UpstreamTold,
)
from stockstream.pubsub import PubSub
from stockstream.quotes import Observation
from stockstream.shards import Sharding
from stockstream.statuses import Holding, Members
from stockstream.tables import Tables
from stockstream.upstreams import feed_of_all, worst_circuit
from supervision import Actor, ChildSpec, System, correlation_id, handles, supervisor

WALL_MS = 1_795_341_600_000
UPSTREAM = "api"
FEED = paths.feed(UPSTREAM)
BREAKER = paths.circuit_breaker(UPSTREAM)


def wall_clock():
    """A wall clock that runs with trio's, so that it is virtual too."""
    return WALL_MS + round(trio.current_time() * 1000)


class ScriptedProvider:
    """Answers each fetch by the next step of a script, then by well-meant prices for ever.

    A step is an exception to raise, a `Parsed` to return, a number of seconds to take before a
    well-meant answer, or a function of what was asked for.
    """

    address = "scripted:"

    def __init__(self, script=(), interval=None, listed=("AAPL", "MSFT"), terms=None):
        self.terms = terms or Terms()
        self.interval = interval
        self.has_own_clock = True
        self.script = list(script)
        self.always = None
        self.listed = list(listed)
        self.fetches = []
        self.running = 0
        self.most_running = 0
        self.opened = 0
        self.closed = 0
        self._cents = itertools.count(10_000)

    def open(self):
        self.opened += 1
        return self

    async def fetch(self, symbols):
        self.fetches.append((trio.current_time(), symbols))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await trio.lowlevel.checkpoint()
            step = self.script.pop(0) if self.script else self.always
            if callable(step):
                step = step(symbols)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Parsed):
                return step
            if step is not None:
                await trio.sleep(step)
            return self.well(symbols)
        finally:
            self.running -= 1

    @staticmethod
    def tell(observations):
        """An answer that holds just these."""
        return Parsed(tuple(observations))

    def well(self, symbols):
        there = [s for s in self.listed if symbols is None or s in symbols]
        if not there:
            raise SymbolsNotFound("none of them")
        return Parsed(tuple(Observation(s, next(self._cents) / 100, wall_clock()) for s in there))

    async def aclose(self):
        self.closed += 1

    @property
    def times(self):
        return [at for at, _ in self.fetches]

    @property
    def asked(self):
        return [symbols for _, symbols in self.fetches]


class Listener(Actor):
    """Stands where the broadcaster stands, and keeps what it is told."""

    def __init__(self, market):
        self.tables = market.tables
        self.hear = market.hear

    @handles(QuotesPublished)
    def _on_quotes(self, message: QuotesPublished) -> None:
        self.hear(message)

    @handles(FeedChanged)
    def _on_feed(self, message: FeedChanged) -> None:
        self.hear(feed_of_all(self.tables.feeds.rows))

    @handles(CircuitChanged)
    def _on_circuit(self, message: CircuitChanged) -> None:
        self.hear(worst_circuit(self.tables.circuits.rows))


class Manager(Actor):
    """Stands where the subscription manager stands; tells a demand when there is one."""

    def __init__(self, market):
        self.market = market

    @handles(DemandWanted)
    def _on_wanted(self, message: DemandWanted) -> None:
        self.market.demands_wanted += 1
        if self.market.demand is not None:
            for name in self.market.providers:
                self.system.ref(paths.feed(name)).cast(self.market.demand)


class Membership(Actor):
    """Stands where the membership stands: a test says what this node fetches."""

    def __init__(self, market):
        self.market = market

    async def init(self) -> None:
        if self.market.tables.holding.value is None:
            self.market.tables.holding.put(Holding())

    @handles(Holding)
    def _on_hold(self, holding: Holding) -> None:
        self.market.tables.holding.put(holding)
        for name in (paths.STREAMER, *map(paths.feed, self.market.providers)):
            self.system.ref(name).cast(HoldingChanged())

    @handles(Members)
    def _on_members(self, members: Members) -> None:
        self.market.tables.members.put(members)

    @handles(EpochSeen)
    def _on_seen(self, message: EpochSeen) -> None:
        self.market.epochs.append(message)

    @handles(EpochsUsed)
    def _on_used(self, message: EpochsUsed) -> None:
        self.market.epochs.append(message)


class Bus(Actor):
    """Stands where the bus stands, and keeps what the other nodes would be told."""

    def __init__(self, market):
        self.market = market

    @handles(QuotesPublished)
    def _on_quotes(self, message: QuotesPublished) -> None:
        if message.own:
            self.market.sent.append(message)

    @handles(BatchesLost)
    def _on_lost(self, _message: BatchesLost) -> None:
        self.market.times_lost += 1

    @handles(UpstreamTold)
    def _on_told(self, message: UpstreamTold) -> None:
        self.market.sent.append(message)


class Market:
    """A running tree, and the way to poke it. `others` are providers of more upstreams, by name,
    and `routes` say which of them tells what.
    """

    def __init__(
        self,
        provider,
        settings,
        breaker,
        breaker_actor=CircuitBreakerActor,
        clock=wall_clock,
        others=None,
        *,
        parts=None,
        routes=(),
    ):
        self.routes = routes
        self.clock = clock
        self.parts = parts
        self.epochs = []
        self.sent = []
        self.times_lost = 0
        self.provider = provider
        self.providers = {UPSTREAM: provider, **(others or {})}
        self.tables = Tables()
        self.system = System()
        self.heard = []
        self.heard_for = []
        self.told = trio.Event()
        self.demand = None
        self.demands_wanted = 0
        self.events = []
        self.system.subscribe(self.events.append)
        self.spec = supervisor(
            "root",
            [
                ChildSpec("pubsub", PubSub, ([paths.BROADCASTER, paths.BUS],)),
                *([] if parts is None else [self.cluster()]),
                supervisor(
                    "delivery",
                    [
                        ChildSpec("subscription_manager", Manager, (self,)),
                        ChildSpec("broadcaster", Listener, (self,)),
                    ],
                ),
                supervisor(
                    "market",
                    [
                        *([ChildSpec("router", self.router)] if routes else []),
                        ChildSpec("streamer", self.streamer),
                        supervisor(
                            "feeds",
                            [
                                supervisor(
                                    name,
                                    [
                                        ChildSpec(
                                            "circuit_breaker",
                                            breaker_actor,
                                            (name, breaker, self.tables),
                                        ),
                                        ChildSpec("feed", self.poll_feed, (name, settings)),
                                    ],
                                    intensity=1000,
                                )
                                for name in self.providers
                            ],
                            intensity=1000,
                        ),
                    ],
                    intensity=1000,
                ),
            ],
            intensity=1000,
        )

    def router(self):
        return Router(self.routes, [paths.feed(name) for name in self.providers], self.tables)

    def streamer(self):
        sharding = Sharding(dict.fromkeys(self.providers, self.parts or 1))
        return Streamer(self.tables, clock=self.clock, sharding=sharding)

    def poll_feed(self, name, settings):
        provider, parts = self.providers[name], self.parts or 1
        return PollFeed(name, provider.open, settings, self.tables, clock=self.clock, parts=parts)

    def cluster(self):
        children = [ChildSpec("bus", Bus, (self,)), ChildSpec("membership", Membership, (self,))]
        return supervisor("cluster", children, intensity=1000)

    async def hold(self, holding):
        """Have this node fetch what the holding says."""
        self.ref(paths.MEMBERSHIP).cast(holding)
        await wait_all_tasks_blocked()

    def hear(self, message):
        self.heard.append(message)
        self.heard_for.append(correlation_id.get())
        self.told.set()
        self.told = trio.Event()

    async def until(self, condition):
        """Wait until `condition()`, looked at whenever the broadcaster would be told anything."""
        with trio.fail_after(10):
            while not condition():
                await self.told.wait()

    @property
    def feed(self):
        return self.tables.feeds.get(UPSTREAM)

    @property
    def troubles(self):
        return self.tables.feed_figures.get(UPSTREAM).troubles

    @property
    def circuit(self):
        return self.tables.circuits.get(UPSTREAM)

    @property
    def breaker(self):
        return self.tables.circuit_figures.get(UPSTREAM)

    @property
    def batches(self):
        return [message for message in self.heard if isinstance(message, QuotesPublished)]

    def ref(self, path):
        return self.system.ref(path)

    async def kill(self, path):
        """Kill and wait until the successor is up."""
        ref = self.system.whereis(path)
        with ref.monitor() as monitor:
            assert ref.kill()
            await monitor.wait()
        await wait_all_tasks_blocked()
        assert self.system.whereis(path).generation == ref.generation + 1

    async def demands(self, *symbols, everything=False, subscribers=1):
        self.ref(FEED).cast(
            Demand(frozenset(symbols), everything=everything, subscribers=subscribers)
        )
        await wait_all_tasks_blocked()


@asynccontextmanager
async def running_market(
    provider=None,
    *,
    settings=None,
    breaker=None,
    breaker_actor=CircuitBreakerActor,
    demand=None,
    clock=wall_clock,
    others=None,
    parts=None,
    routes=(),
):
    """Run a market until the block ends. Without jitter, unless the settings say so.

    It is one of a cluster's, with so many `parts` of each upstream, if they are given.
    """
    market = Market(
        provider or ScriptedProvider(),
        settings or PollSettings(jitter=0),
        breaker or BreakerSettings(jitter=0),
        breaker_actor,
        clock,
        others,
        parts=parts,
        routes=routes,
    )
    market.demand = demand
    async with trio.open_nursery() as nursery:
        up = trio.Event()

        async def run():
            await market.system.run(market.spec, on_start=lambda _: up.set())

        nursery.start_soon(run)
        await up.wait()
        try:
            yield market
        finally:
            market.system.stop()
