"""What must hold of the nodes among themselves: who is there, who fetches, who knows what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from stockstream.statuses import CircuitState, NodeState
from tests.simulation.node import UPSTREAM
from tests.simulation.upstream import SELDOM

if TYPE_CHECKING:
    from stockstream.quotes import Quote, Symbol
    from stockstream.shards import NodeId
    from tests.simulation.node import Node
    from tests.simulation.world import World

WELL_SECONDS = 3.0
"""So long after all trouble, and after a node has found the others, it has what it had missed."""
KNOWN_MS = 2_500
"""A price that is older than this has come to all nodes and clients, when all is calm."""
UNDER_WAY_SECONDS = 0.5
TOGETHER_SECONDS = 3.5
"""Nodes that hear each other agree within this time who fetches: two echoes, and a claim."""


class Clustering:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._well_since: dict[int, float] = {}
        self._silent: dict[int, tuple[tuple[int, int], float, frozenset[NodeId]]] = {}
        self._both_since: dict[tuple[str, int, int], float] = {}

    # All the time

    def look(self, calm_since: float) -> None:
        """Nothing was in the way of anybody since then, by what the troubles say."""
        now = trio.current_time()
        for node in self._world.nodes:
            if self._is_well(node):
                self._well_since.setdefault(node.number, now)
            else:
                self._well_since.pop(node.number, None)
        if len(self._world.nodes) > 1:
            self._buries_nobody(now)
            self._one_fetcher(now)
        if now > calm_since + WELL_SECONDS and self.circuits_closed:
            self._lacks_nothing(now)

    @property
    def all_well(self) -> bool:
        """Whether each node has long been there, and nothing is between it and any other."""
        since = self._well_since
        if not self._world.nats.is_whole:
            return False
        return len(since) == len(self._world.nodes) and all(
            trio.current_time() > at + WELL_SECONDS for at in since.values()
        )

    @property
    def circuits_closed(self) -> bool:
        """Whether no breaker keeps a node from asking."""
        rows = [node.tables.circuits.get(UPSTREAM) for node in self._world.nodes]
        return all(row is None or row.state is CircuitState.CLOSED for row in rows)

    def well_since(self, node: int) -> float:
        """Since when a node has found the others, or is alone by itself."""
        return self._well_since.get(node, math.inf)

    def _is_well(self, node: Node) -> bool:
        if node.system is None or not node.up or self._world.scheduler.is_frozen(node.number):
            return False
        members = node.tables.members.value
        if not node.clustered:
            return True
        return members is not None and members.state in {NodeState.READY, NodeState.ALONE}

    @staticmethod
    def _is_alone(node: Node) -> bool:
        """Then it fetches at its leisure, where it has no clients."""
        members = node.tables.members.value
        return members is not None and members.state is NodeState.ALONE

    def _lacks_nothing(self, now: float) -> None:
        """What is told seldom has come to all, also what was told while somebody did not hear."""
        exchange, fail = self._world.exchange, self._world.fail
        for symbol in SELDOM:
            newest = exchange.began(symbol, KNOWN_MS)
            for node in self._world.nodes:
                if now < self.well_since(node.number) + WELL_SECONDS or self._is_alone(node):
                    continue
                row, feed = node.tables.quotes.rows.get(symbol), node.tables.feeds.get(UPSTREAM)
                if feed is not None and feed.interval > self._world.checks.interval:
                    continue  # nobody it hears of has a client
                if row is None or row.quote.timestamp < newest:
                    fail("N9", f"{node.name} has missed the last price of {symbol}: {row}")
            for client in self._world.clients:
                has = client.has.get(symbol)
                if now < self._world.checks.reads_since(client) + WELL_SECONDS:
                    continue
                if has is None or has.milliseconds < newest:
                    fail("N17", f"{client.name} has missed the last of {symbol}: {has}")

    def _buries_nobody(self, now: float) -> None:
        """A node that hears nothing has no reason to think that another is gone (N2)."""
        nats, silent = self._world.nats, self._silent
        for node in self._world.nodes:
            members = node.tables.members.value
            frozen = self._world.scheduler.is_frozen(node.number)
            if members is None or frozen or not (nats.silent(node.number) or not nats.up):
                silent.pop(node.number, None)
                continue
            known = frozenset(member.node for member in members.members)
            life = node.lives, nats.spoke
            was = silent.get(node.number)
            if was is None or was[0] != life:
                silent[node.number] = life, now, known
            elif now < was[1] + UNDER_WAY_SECONDS:
                silent[node.number] = life, was[1], known
            elif was[2] - known:
                gone = ", ".join(sorted(node.name for node in was[2] - known))
                self._world.fail("N2", f"{node.name} hears nothing, and buries {gone}")

    def _one_fetcher(self, now: float) -> None:
        """Of two that hear each other one fetches, but for a moment (N5)."""
        nodes, both = self._world.nodes, {}
        for at, one in enumerate(nodes):
            for other in nodes[at + 1 :]:
                if not self._together(one, other):
                    continue
                for name in self._fetched(one) & self._fetched(other):
                    key = name, one.number, other.number
                    since = both[key] = self._both_since.get(key, now)
                    if now > since + TOGETHER_SECONDS:
                        what = f"{one.name} and {other.name} both fetch {name}"
                        self._world.fail("N5", f"{what} for {now - since:.2f} s")
        self._both_since = both

    def _together(self, one: Node, other: Node) -> bool:
        nats, scheduler = self._world.nats, self._world.scheduler
        return nats.are_together(one.number, other.number) and not any(
            node.system is None or scheduler.is_frozen(node.number) for node in (one, other)
        )

    @staticmethod
    def _fetched(node: Node) -> frozenset[str]:
        holding = node.tables.holding.value
        return frozenset() if holding is None else frozenset(holding.epochs)

    # When a round is over

    def healed(self) -> str | None:
        """Why the cluster has not found together; None when it has (N4 to N8, N14)."""
        nodes = self._world.nodes
        views = {}
        fetchers: dict[str, list[str]] = {}
        for node in nodes:
            members, holding = node.tables.members.value, node.tables.holding.value
            if members is None or holding is None or node.system is None:
                return f"{node.name} is not there"
            if members.state is not NodeState.READY:
                return f"{node.name} is {members.state}"
            if len(members.members) != len(nodes):
                return f"{node.name} knows {len(members.members)} nodes"
            views[node.name] = dict(members.claims)
            for name in holding.epochs:
                fetchers.setdefault(name, []).append(node.name)
        if any(view != views[nodes[0].name] for view in views.values()):
            return f"the claims differ: {views}"
        wrong = {name: who for name, who in fetchers.items() if len(who) != 1}
        if wrong or len(fetchers) != len(views[nodes[0].name]):
            return f"not one fetcher each: {fetchers}"
        return None

    def shown(self) -> dict[Symbol, set[Quote]]:
        """What nodes show now."""
        rows = [node.tables.quotes.rows for node in self._world.nodes]
        return {symbol: {row[symbol].quote for row in rows if symbol in row} for symbol in rows[0]}

    def agree(self, before: dict[Symbol, set[Quote]]) -> None:
        """What nodes showed of late is gone, or all show it (N3)."""
        for node in self._world.nodes:
            for symbol, quotes in before.items():
                if symbol in SELDOM:
                    continue
                row = node.tables.quotes.rows.get(symbol)
                newest = max(quote.version for quote in quotes)
                if row is None or row.quote.version <= newest:
                    self._world.fail("N3", f"{node.name} is behind with {symbol}: {row}")
