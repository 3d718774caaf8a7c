"""Shards: what one request to an upstream brings, and the names of nodes and claims.

A cluster divides fetching by shards. Each is fetched by one node, which is known by its claim. With
one shard per upstream, which is the default, one request brings all prices of that upstream. To a
provider that pushes, a shard is a connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, NewType

from stockstream.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.quotes import Symbol

MOST_SHARDS = 64
MOST_BROUGHT_AHEAD_MS = DAY_MS // 2
"""An epoch is a time of the wall clock. A client that brings one further ahead than this is not
believed, by nobody: half of what nodes believe each other, so that all of them take the claim above
it, although their clocks differ."""
EPOCHS_PER_NODE = 256
"""One of so many in a row is a node's own, by its name. An epoch is a clock's ms: with many more,
epochs that are ahead of the clock would run away from it while a node gives one each second."""

Shard = NewType("Shard", str)
"""The upstream's name and the number of the part, from 0 on: `api/0`."""


class NodeId(NamedTuple):
    """A node in one of its lives. A later life of the same name has a higher `boot`."""

    name: str
    boot: int


class Claim(NamedTuple):
    """Who fetches a shard, and the epoch of the versions that it gives.

    The higher one of two holds, on all nodes alike. A claim by nobody has no name: it says only
    that there are versions of that epoch.
    """

    epoch: int
    name: str
    boot: int

    @property
    def node(self) -> NodeId:
        """Whose claim it is."""
        return NodeId(self.name, self.boot)

    @property
    def is_nobodys(self) -> bool:
        """Whether there are versions of its epoch, and nobody who goes on giving them."""
        return not self.name and self.epoch > 0


def shard(upstream: str, index: int) -> Shard:
    """The part `index` of what an upstream brings."""
    return Shard(f"{upstream}/{index}")


@dataclass(frozen=True, slots=True)
class Sharding:
    """How many shards each upstream has, by its name; one that is not named has one."""

    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All that there are."""
        return tuple(shard(name, n) for name, count in self.counts.items() for n in range(count))

    def of(self, upstream: str, symbol: Symbol) -> Shard:
        """The shard of a symbol at an upstream."""
        return shard_of(upstream, symbol, self.counts.get(upstream, 1))

    def everywhere(self, symbol: Symbol) -> frozenset[Shard]:
        """The shards of a symbol at all upstreams."""
        return frozenset(self.of(upstream, symbol) for upstream in self.counts)


def shard_of(upstream: str, symbol: Symbol, count: int) -> Shard:
    """The shard of a symbol at an upstream with `count` shards."""
    return shard(upstream, index_of(symbol, count))


def index_of(symbol: Symbol, count: int) -> int:
    """Which part a symbol belongs to: the same at each upstream of so many, on every node."""
    if count == 1:
        return 0
    return int.from_bytes(blake2b(symbol.encode(), digest_size=8).digest(), "big") % count


def next_epoch(node: str, now_ms: int, highest: int) -> int:
    """The lowest epoch above the `highest` known, and not below the clock, that is this node's own.

    Nodes that cannot reach each other know the same highest epoch. Where it is ahead of their
    clocks, each would give the next one, and two prices would have one version.
    """
    own = int.from_bytes(blake2b(node.encode(), digest_size=8).digest(), "big")
    lowest = max(now_ms, highest + 1)
    return lowest + (own - lowest) % EPOCHS_PER_NODE


def upstream_of(name: Shard) -> str:
    """The upstream of a shard."""
    return name.partition("/")[0]


def part_of(name: Shard) -> str:
    """The part of a shard, which has the same name at each upstream."""
    return name.partition("/")[2]
