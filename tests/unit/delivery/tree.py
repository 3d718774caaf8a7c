"""The delivery's actors in a tree of their own, with a feed that the test leads. Virtual time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream import paths
from stockstream.delivery.broadcaster import Broadcaster
from stockstream.delivery.lanes import Connections, Patience
from stockstream.delivery.limits import ClientLimits
from stockstream.delivery.session import Session
from stockstream.delivery.subscription_manager import SubscriptionManager
from stockstream.messages import Demand, EpochSeen, FeedChanged, QuotesPublished
from stockstream.shards import Sharding
from stockstream.statuses import (
    CircuitStatus,
    Confirmations,
    FeedState,
    FeedStatus,
    QuoteRow,
)
from stockstream.tables import Tables
from stockstream.times import Moment
from supervision import (
    Actor,
    ChildSpec,
    Request,
    Restart,
    System,
    dynamic_supervisor,
    handles,
    supervisor,
)
from supervision import start_child as start_dynamic
from tests.unit.delivery.support import FRAMING, NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from supervision import ActorRef

UPSTREAM = "api"
ONE_SHARD = Sharding()
FEED = paths.feed(UPSTREAM)
BREAKER = paths.circuit_breaker(UPSTREAM)
LIMITS = ClientLimits(message_size=65_536, rate=50, burst=100, symbols=1_000)


@dataclass(frozen=True)
class Fetched(Request[None]):
    """A fetch has ended: rows that are new, and how the feed does."""

    rows: tuple[QuoteRow, ...]
    feed: FeedStatus


@dataclass(frozen=True)
class Published(Request[None]):
    """Rows that are new."""

    rows: tuple[QuoteRow, ...]


@dataclass(frozen=True)
class Confirmed(Request[None]):
    """What the feed's last answer confirmed; nobody is told."""

    row: Confirmations


@dataclass(frozen=True)
class Forgetful(Request[None]):
    """The feed is in another state, and nobody is told."""

    state: FeedState


@dataclass(frozen=True)
class SetCircuit(Request[None]):
    status: CircuitStatus


class LedStreamer(Actor):
    """Stands where the streamer stands, and writes what it is told."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @handles(Published)
    def _on_published(self, message: Published) -> None:
        self._tables.quotes.put_all({row.quote.symbol: row for row in message.rows})


class LedFeed(Actor):
    """Stands where a feed stands, writes what it is told, and notes the demand."""

    def __init__(self, tables: Tables, demands: list[Demand]) -> None:
        self._tables = tables
        self._demands = demands

    @handles(Demand)
    def _on_demand(self, demand: Demand) -> None:
        self._demands.append(demand)

    @handles(Fetched)
    async def _on_fetched(self, message: Fetched) -> None:
        broadcaster = self.system.ref(paths.BROADCASTER)
        if message.rows:
            await self.system.ref(paths.STREAMER).call(Published(message.rows))
            broadcaster.cast(QuotesPublished(1, message.rows))
        self._tables.feeds.put(UPSTREAM, message.feed)
        broadcaster.cast(FeedChanged())

    @handles(Confirmed)
    def _on_confirmed(self, message: Confirmed) -> None:
        self._tables.confirmations.put(UPSTREAM, message.row)

    @handles(Forgetful)
    def _on_forgetful(self, message: Forgetful) -> None:
        before = self._tables.feeds.get(UPSTREAM)
        assert before is not None
        self._tables.feeds.put(UPSTREAM, msgspec.structs.replace(before, state=message.state))


class LedMembership(Actor):
    """Stands where the membership of a cluster stands, and notes the epochs it is told of."""

    def __init__(self, seen: list[EpochSeen]) -> None:
        self._seen = seen

    @handles(EpochSeen)
    def _on_seen(self, seen: EpochSeen) -> None:
        self._seen.append(seen)


class LedBreaker(Actor):
    """Stands where the circuit breaker stands."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @handles(SetCircuit)
    def _on_set(self, message: SetCircuit) -> None:
        self._tables.circuits.put(UPSTREAM, message.status)


@dataclass
class Delivery:
    """A running tree."""

    system: System
    tables: Tables
    connections: Connections
    demands: list[Demand]
    seen: list[EpochSeen] = field(default_factory=list)

    @property
    def broadcaster(self) -> ActorRef:
        return self.system.ref(paths.BROADCASTER)

    @property
    def manager(self) -> ActorRef:
        return self.system.ref(paths.SUBSCRIPTION_MANAGER)

    async def fetched(
        self,
        *rows: QuoteRow,
        interval: float = 1.0,
        state: FeedState = FeedState.LIVE,
        listed: bool = True,
    ) -> None:
        feed = FeedStatus(state, Moment.now(), interval, listed)
        await self.system.ref(FEED).call(Fetched(rows, feed))

    async def start_session(
        self, number: int, limits: ClientLimits = LIMITS, *, sharding: Sharding | None = ONE_SHARD
    ) -> ActorRef:
        spec = ChildSpec(
            "session",
            Session,
            (number, limits, lambda: NOON, self.connections, lambda _session: True, sharding),
            restart=Restart.TEMPORARY,
        )
        session = await start_dynamic(self.system.ref(paths.SESSIONS), spec)
        assert session is not None
        return session


@asynccontextmanager
async def running_delivery(
    *, flush_interval: float = 0.05, patience: Patience | None = None
) -> AsyncIterator[Delivery]:
    """Run the tree for the time of a `with`."""
    tables, connections, system = Tables(), Connections(), System()
    delivery = Delivery(system, tables, connections, [])
    market = supervisor(
        "market",
        [
            ChildSpec("streamer", partial(LedStreamer, tables)),
            supervisor(
                "feeds",
                [
                    supervisor(
                        UPSTREAM,
                        [
                            ChildSpec("circuit_breaker", partial(LedBreaker, tables)),
                            ChildSpec("feed", partial(LedFeed, tables, delivery.demands)),
                        ],
                    )
                ],
            ),
        ],
    )
    children = [
        ChildSpec(
            "subscription_manager",
            partial(SubscriptionManager, tables, connections, [FEED], symbol_limit=LIMITS.symbols),
        ),
        ChildSpec(
            "broadcaster",
            partial(
                Broadcaster,
                tables,
                connections,
                FRAMING,
                flush_interval=flush_interval,
                patience=patience or Patience(),
                clock=lambda: NOON + round(trio.current_time() * 1000),
            ),
        ),
        dynamic_supervisor("sessions"),
    ]
    cluster = supervisor(
        "cluster", [ChildSpec("membership", partial(LedMembership, delivery.seen))]
    )
    root = supervisor("root", [market, cluster, supervisor("delivery", children, intensity=1000)])
    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(system.run, root, on_start=lambda _: up.set()))
        await up.wait()
        yield delivery
        nursery.cancel_scope.cancel()
