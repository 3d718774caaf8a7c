"""The router: says which provider tells which symbols, and moves routes away from one that fails.

It is the only writer of the `routing` slot, by which the feeds know what to ask for and what to
tell. It asks nobody: how the providers are stands in the tables. It looks each second, and a feed
that is killed goes by the slot as it is.

In a cluster the node that fetches from the first provider of a route decides of it: what each node
sees of a provider that fails comes at another time, and a symbol would have two sources, or none.
The feeds tell the others what was decided (ADR 0242). A node that is alone decides by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from stockstream.market.failover import AWAY_SECONDS, Failover
from stockstream.messages import RoutesChanged, RoutesTold
from stockstream.shards import shard
from stockstream.statuses import CircuitState, Routing
from stockstream.times import Moment
from stockstream.upstreams import circuits_of, stale_after
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from stockstream.shards import Claim
    from stockstream.sources import Route
    from stockstream.statuses import FeedStatus
    from stockstream.tables import Tables

LOOK_SECONDS = 1.0

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    """Time to look how the providers are."""


class Router(Actor):
    """See the module."""

    def __init__(self, routes: Sequence[Route], feeds: Sequence[str], tables: Tables) -> None:
        """`feeds` are the names of the actors that go by the routes."""
        self._routes = tuple(routes)
        self._feed_names = tuple(feeds)
        self._tables = tables

    async def init(self) -> None:
        """Have a row, before any feed begins."""
        before = self._tables.routing.value
        same = before is not None and before.routes == self._routes
        self._failover = Failover(self._routes, before.active if before and same else None)
        self._names = sorted({name for route in self._routes for name in route.names})
        self._feeds = [self.system.ref(name) for name in self._feed_names]
        self._began = Moment.now()
        self._put()
        self.send_every(LOOK_SECONDS, _Look())

    @handles(_Look)
    def _on_look(self, _message: _Look) -> None:
        before, now = self._failover.active, Moment.now()
        well = {name: self._is_well(name, now) for name in self._names}
        if self._failover.step(well, now.seconds, self._decided()):
            self._tell(before, None)

    @handles(RoutesTold)
    def _on_told(self, told: RoutesTold) -> None:
        claim = self._claim(told.upstream)
        if claim is None or claim.node != told.node:
            return  # it has lost the upstream, and does not know that yet
        before, now, decided = self._failover.active, trio.current_time(), self._decided()
        for number, route in enumerate(self._routes):
            name = told.routes.get(route.pattern)
            begins = route.names[0] == told.upstream
            if name is not None and begins and number not in decided:
                self._failover.follow(number, name, now)
        if self._failover.active != before:
            self._tell(before, told.node.name)

    def _decided(self) -> Container[int]:
        """The positions of the routes that this node decides of."""
        everything = range(len(self._routes))
        holding = self._tables.holding.value
        if holding is None or holding.alone:
            return everything
        return {n for n in everything if shard(self._routes[n].names[0], 0) in holding.epochs}

    def _tell(self, before: Sequence[int], node: str | None) -> None:
        """Write the slot and say what has changed, by what `node` has decided, None: this one."""
        for route, old, new in zip(self._routes, before, self._failover.active, strict=True):
            if old == new:
                continue
            why = "it has been well for a while" if new < old else "it is away"
            _log.warning(
                "another provider tells the prices",
                symbols=route.pattern,
                before=route.names[old],
                now=route.names[new],
                why=why if node is None else f"node {node} says so",
            )
        self._put()

    def _is_well(self, name: str, now: Moment) -> bool:
        circuit, feed = circuits_of(self._tables).get(name), self._feed(name)
        if circuit is not None and circuit.state is CircuitState.OPEN:
            return False
        as_of = self._began if feed is None or feed.as_of is None else feed.as_of
        limit = AWAY_SECONDS if feed is None else max(AWAY_SECONDS, stale_after(feed.interval))
        return now - as_of <= limit

    def _feed(self, name: str) -> FeedStatus | None:
        """The row of a provider; where it is fetched in parts, that of who fetches the first."""
        feed, claim = self._tables.feeds.get(name), self._claim(name)
        if feed is None and claim is not None:
            return self._tables.feeds.get(f"{name}@{claim.name}")
        return feed

    def _claim(self, upstream: str) -> Claim | None:
        """Who fetches from an upstream, or its first part, as far as this node knows."""
        members = self._tables.members.value
        return None if members is None else members.claims.get(shard(upstream, 0))

    def _put(self) -> None:
        self._tables.routing.put(Routing(self._routes, self._failover.active))
        for feed in self._feeds:
            feed.cast(RoutesChanged())
