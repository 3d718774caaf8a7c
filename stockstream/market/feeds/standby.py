"""What a feed does in a cluster beside fetching: it stands by, and takes over.

Used by the feed alone, at the path that may write its rows. On a single node there is no holding:
the feed fetches everything, and nobody is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.messages import UpstreamTold
from stockstream.shards import shard, shard_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from stockstream.quotes import Observation, Symbol
    from stockstream.shards import Shard
    from stockstream.tables import Tables


class Standby:
    """See the module. The upstream is fetched from in so many `parts`.

    An `exclusive` one counts the connections of a key. Nodes that cannot hear each other would
    throw each other out, so only the node that had one when it became alone goes on having it.
    """

    def __init__(
        self, upstream: str, parts: int, tables: Tables, *, exclusive: bool = False
    ) -> None:
        self._upstream = upstream
        self._parts = parts
        self._tables = tables
        self._exclusive = exclusive

    @property
    def held(self) -> frozenset[int]:
        """The parts that this node fetches now."""
        holding = self._tables.holding.value
        everything = range(self._parts)
        if holding is None:
            return frozenset(everything)
        mine: Container[Shard] = holding.epochs
        if holding.alone and self._exclusive:
            mine = holding.recording
        return frozenset(n for n in everything if shard(self._upstream, n) in mine)

    @property
    def barred(self) -> bool:
        """Whether this node is alone and may not fetch, since others may be connected."""
        holding = self._tables.holding.value
        return holding is not None and holding.alone and self._exclusive and not self.held

    @property
    def claimed(self) -> Mapping[int, int]:
        """The parts that are held, and in which epochs; 0 on a single node."""
        holding = self._tables.holding.value
        epochs = {} if holding is None else holding.epochs
        return {n: epochs.get(shard(self._upstream, n), 0) for n in self.held}

    @property
    def shares(self) -> bool:
        """Whether there are other nodes whose prices may hide those told here."""
        holding = self._tables.holding.value
        return holding is not None and not holding.alone and bool(self.held)

    def overtaken(
        self, observations: Iterable[Observation], behind: Container[Symbol]
    ) -> dict[Symbol, Observation]:
        """Of those that were `behind` those that the next claim is for: there is a higher epoch."""
        holding, rows = self._tables.holding.value, self._tables.quotes.rows
        if holding is None:
            return {}
        found = {}
        for seen in observations:
            row = rows.get(seen.symbol)
            if seen.symbol in behind and row is not None:
                epoch = holding.epochs.get(shard_of(self._upstream, seen.symbol, self._parts), 0)
                if row.quote.version.epoch > epoch:
                    found[seen.symbol] = seen
        return found

    def has_taken_over(self, asked: Mapping[int, int]) -> bool:
        """Whether there is something to ask for at once, after what was `asked` for last, as in
        `claimed`: a part that is new here, or one that another node has given prices of meanwhile.
        """
        holding = self._tables.holding.value
        return holding is not None and any(
            n not in asked or (epoch != asked[n] and shard(self._upstream, n) in holding.taken_back)
            for n, epoch in self.claimed.items()
        )

    def to_tell(self) -> UpstreamTold | None:
        """What the other nodes are to know of this round; None where there is nobody to tell."""
        holding = self._tables.holding.value
        feed = self._tables.feeds.get(self._upstream)
        if holding is None or holding.alone or feed is None or not self.held:
            return None
        return UpstreamTold(
            self._upstream,
            None,
            feed,
            self._tables.circuits.get(self._upstream),
            self._tables.upstream_clocks.get(self._upstream),
            self._tables.confirmations.get(self._upstream),
            self._decided(),
        )

    def _decided(self) -> Mapping[str, str]:
        """The routes that this node decides, because it fetches from the first of their names."""
        routing = self._tables.routing.value
        if routing is None or 0 not in self.held:
            return {}
        return {
            route.pattern: route.names[active]
            for route, active in zip(routing.routes, routing.active, strict=True)
            if route.names[0] == self._upstream
        }

    def told(self, told: UpstreamTold) -> bool:
        """Write what the feed of another node tells; False where this one knows better."""
        if self._parts == 1:
            if self.held:
                return False
            key = self._upstream
        else:
            assert told.node is not None  # noqa: S101 - the bus sets it
            key = f"{self._upstream}@{told.node.name}"
        tables = self._tables
        tables.feeds.put(key, told.feed)
        if told.circuit is not None:
            tables.told_circuits.put(key, told.circuit)
        if told.confirmations is not None:
            tables.confirmations.put(key, told.confirmations)
        if told.clock is not None:
            # The clock of the upstream is one, whoever asks it.
            tables.upstream_clocks.put(self._upstream, told.clock)
        return True

    def take_over(self) -> None:
        """This node fetches: what another one told of the circuit is over."""
        self._tables.told_circuits.delete(self._upstream)

    @property
    def has_own_row(self) -> bool:
        """Whether the row of the upstream's name is of use, where this node fetches nothing: with
        several parts each node that fetches has a row of its own here.
        """
        return self._parts == 1 or bool(self.held)

    def forget_gone(self) -> None:
        """Drop the rows of nodes that fetch nothing from this upstream any more."""
        members = self._tables.members.value
        if self._parts == 1 or members is None:
            return
        if not self.held:
            self._tables.feeds.delete(self._upstream)
            self._tables.confirmations.delete(self._upstream)
        holders = {
            f"{self._upstream}@{claim.name}"
            for name, claim in members.claims.items()
            if name.startswith(f"{self._upstream}/")
        }
        rows = [key for key in self._tables.feeds if key.startswith(f"{self._upstream}@")]
        for key in rows:
            if key not in holders:
                self._tables.feeds.delete(key)
                self._tables.told_circuits.delete(key)
                self._tables.confirmations.delete(key)
