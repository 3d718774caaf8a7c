"""Ownership cores on a bus that delivers at once, for tests that say themselves what goes wrong."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stockstream.cluster.ownership import Ownership
from stockstream.shards import NodeId, Shard, Sharding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.cluster.wire import MemberMessage

NOW = 1_795_000_000_000
SHARDS = Sharding({"api": 8}).shards
RIGHT = {"STOCK_API_URL": "right"}


class Bus:
    """Who is `away` neither says nor hears anything."""

    def __init__(self) -> None:
        self.nodes: list[Ownership] = []
        self.away: set[Ownership] = set()
        self.said: list[MemberMessage] = []
        self.clocks: dict[Ownership, int] = {}

    def join(
        self,
        name: str,
        boot: int = 1,
        *,
        shards: Iterable[Shard] = SHARDS,
        fingerprints: Mapping[str, str] = RIGHT,
        filled: bool = True,
        clock: int = NOW,
    ) -> Ownership:
        """A node that has just connected."""
        node = Ownership(NodeId(name, boot), shards, fingerprints)
        self.nodes.append(node)
        self.clocks[node] = clock
        if filled:
            node.table_filled(clock)
        self.send(node, node.connected())
        return node

    def kill(self, node: Ownership) -> None:
        """It says nothing more."""
        self.nodes.remove(node)

    def send(self, node: Ownership, messages: Iterable[MemberMessage]) -> None:
        """Deliver, and what is answered, until nobody has more to say."""
        waiting = deque((node, message) for message in messages)
        while waiting:
            sender, message = waiting.popleft()
            if sender in self.away:
                continue
            self.said.append(message)
            for to in self.nodes:
                if to not in self.away:
                    waiting.extend((to, m) for m in to.heard(message, self.clocks[to]))

    def beat(self, times: int = 1) -> None:
        """So many heartbeat intervals pass."""
        for _ in range(times):
            for node in list(self.nodes):
                self.send(node, node.tick(self.clocks[node]))

    def fetchers(self) -> dict[Shard, list[str]]:
        """The names of those that fetch each shard, for all."""
        return {
            shard: [
                n.me.name for n in self.nodes if not n.alone and shard in n.holding().epochs
            ]
            for shard in SHARDS
        }  # fmt: skip

    def busy(self) -> set[str]:
        """The names of those that fetch anything; each shard must have exactly one fetcher."""
        found = self.fetchers()
        assert all(len(names) == 1 for names in found.values()), found
        return {name for names in found.values() for name in names}
