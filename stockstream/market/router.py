"""The router: says which provider tells which symbols, and moves routes away from one that fails.

It is the only writer of the `routing` slot, by which the feeds know what to ask for and what to
tell. It asks nobody: how the providers are stands in the tables. It looks each second, and a feed
that is killed goes by the slot as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from stockstream.market.failover import AWAY_SECONDS, Failover
from stockstream.messages import RoutesChanged
from stockstream.statuses import CircuitState, Routing
from stockstream.times import Moment
from stockstream.upstreams import stale_after
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.sources import Route
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
        before = self._failover.active
        now = Moment.now()
        well = {name: self._is_well(name, now) for name in self._names}
        changed = self._failover.step(well, now.seconds)
        if not changed:
            return
        for number in changed:
            route, after = self._routes[number], self._failover.active[number]
            _log.warning(
                "another provider tells the prices",
                symbols=route.pattern,
                before=route.names[before[number]],
                now=route.names[after],
                why="it has been well for a while" if after < before[number] else "it is away",
            )
        self._put()

    def _is_well(self, name: str, now: Moment) -> bool:
        circuit, feed = self._tables.circuits.get(name), self._tables.feeds.get(name)
        if circuit is not None and circuit.state is CircuitState.OPEN:
            return False
        as_of = self._began if feed is None or feed.as_of is None else feed.as_of
        limit = AWAY_SECONDS if feed is None else max(AWAY_SECONDS, stale_after(feed.interval))
        return now - as_of <= limit

    def _put(self) -> None:
        self._tables.routing.put(Routing(self._routes, self._failover.active))
        for feed in self._feeds:
            feed.cast(RoutesChanged())
