"""What the clients of all nodes want, added up. Pure: no clock, no I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stockstream.cluster.wire import Wants
from stockstream.messages import Demand
from stockstream.statuses import ClusterPresence, NodeClients

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stockstream.messages import LocalDemand
    from stockstream.quotes import Symbol
    from stockstream.shards import NodeId


class Wanting:
    """The last wants of each living node; of one that has told nothing yet, nobody's."""

    def __init__(self, me: NodeId, kept: Mapping[NodeId, Wants]) -> None:
        """`kept` are those of an earlier life of the owner."""
        self._me = me
        self._wants = {me: _nothing(me), **kept}

    @property
    def mine(self) -> Wants:
        """What the clients of this node want."""
        return self._wants[self._me]

    def kept(self) -> Mapping[NodeId, Wants]:
        """For the next life of the owner."""
        return dict(self._wants)

    def tell(self, demand: LocalDemand) -> bool:
        """The clients of this node want this now; whether they did not before."""
        before = self.mine
        after = Wants(
            name=self._me.name,
            boot=self._me.boot,
            number=before.number + 1,
            symbols=dict(demand.symbols),
            everything=demand.everything,
            subscribers=demand.subscribers,
            connections=demand.connections,
        )
        if _without_number(after) == _without_number(before):
            return False
        self._wants[self._me] = after
        return True

    def hear(self, wants: Wants) -> None:
        """Another node tells its own. An older one of the same node changes nothing."""
        if wants.sender != self._me and self.misses(wants.sender, wants.number):
            self._wants[wants.sender] = wants

    def misses(self, node: NodeId, number: int) -> bool:
        """Whether that node has told more than was heard here, as its heartbeat says."""
        return number > self._wants.get(node, _nothing(node)).number

    def count(self, living: Collection[NodeId]) -> None:
        """These other nodes live. A dead one's share goes with it."""
        known = self._wants
        self._wants = {
            node: known.get(node) or _nothing(node) for node in sorted({self._me, *living})
        }

    def version(self, *, alone: bool) -> object:
        """Equal to an earlier one while demand and presence are what they were."""
        return alone, [(wants.sender, wants.number) for wants in self._counted(alone=alone)]

    def demand(self, *, alone: bool) -> Demand:
        """What the feeds are to fetch for: all nodes' clients, or this one's while it is alone."""
        counted = self._counted(alone=alone)
        return Demand(
            frozenset(symbol for wants in counted for symbol in wants.symbols),
            any(wants.everything for wants in counted),
            sum(wants.subscribers for wants in counted),
        )

    def presence(self, *, alone: bool) -> ClusterPresence:
        """The same, for people."""
        counted = self._counted(alone=alone)
        symbols: Counter[Symbol] = Counter()
        for wants in counted:
            symbols.update(wants.symbols)
        nodes = tuple(
            NodeClients(wants.name, wants.connections, wants.subscribers, wants.everything)
            for wants in counted
        )
        return ClusterPresence(nodes, dict(symbols.most_common()))

    def _counted(self, *, alone: bool) -> Collection[Wants]:
        return (self.mine,) if alone else self._wants.values()


def _nothing(node: NodeId) -> Wants:
    return Wants(name=node.name, boot=node.boot, number=0)


def _without_number(wants: Wants) -> tuple[object, ...]:
    return wants.symbols, wants.everything, wants.subscribers, wants.connections
