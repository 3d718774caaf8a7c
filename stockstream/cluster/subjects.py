"""Where on the bus something is said. A cluster's name begins each subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.cluster.prices import Prices
from stockstream.cluster.states import State
from stockstream.cluster.wire import ClaimMessage, Heartbeat

if TYPE_CHECKING:
    from stockstream.cluster.wire import Said
    from stockstream.shards import NodeId


class Subjects:
    """The subjects of a `cluster`, as the node `me` uses them."""

    def __init__(self, cluster: str, me: NodeId) -> None:
        self._cluster = cluster
        self._me = me
        self.answers = f"{cluster}.answer"
        """Below it come the answers to this node's questions."""
        self.heard = (f"{cluster}.members", f"{cluster}.tell", self.to(me))
        """What each node hears, whoever the others are."""

    def of(self, message: Said) -> str:
        """Where all are told that."""
        if isinstance(message, (Heartbeat, ClaimMessage)):
            return f"{self._cluster}.members"
        if isinstance(message, (Prices, State)):
            return self.prices_of(self._me)
        return f"{self._cluster}.tell"

    def prices_of(self, node: NodeId) -> str:
        """Where that node tells its prices."""
        return f"{self._cluster}.prices_{node.name}_{node.boot}"

    def to(self, node: NodeId) -> str:
        """Where that node is asked. With no connection that listens there, NATS says so."""
        return f"{self._cluster}.to.{node.name}.{node.boot}"
