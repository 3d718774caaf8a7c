"""Which symbols a feed wants by name of its provider, and which of them it tells. Pure.

Wanted are those set, or those to start with where none is; those that clients and alerts want by
name; and, where somebody wants everything, all that are known of this provider. Of these, those
that the routes give to it. Each connection has those of its part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stockstream.messages import Demand
from stockstream.quotes import Symbol
from stockstream.shards import index_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stockstream.tables import Tables


class Share(NamedTuple):
    """The symbols of a connection, and those `beyond` what the provider tells on it."""

    symbols: frozenset[Symbol] = frozenset()
    beyond: Sequence[Symbol] = ()


NOTHING = Share()


class Wanting:
    """See the module. `demand` and `alerts` are set by the feed as it is told them."""

    def __init__(
        self,
        upstream: str,
        starters: Iterable[str],
        symbols: frozenset[Symbol],
        tables: Tables,
        parts: int = 1,
        *,
        most: int | None = None,
    ) -> None:
        """There are so many `parts`; on a connection, a provider takes `most` symbols."""
        self._upstream = upstream
        self._set = symbols or frozenset(map(Symbol, starters))
        self._most = most
        self._tables = tables
        self._parts = parts
        self.demand = Demand(frozenset(), everything=False, subscribers=0)
        self.alerts: frozenset[Symbol] = frozenset()

    def shares(self, held: frozenset[int]) -> dict[int, Share]:
        """What the connections of this node are to have, by the part of each, of those in `held`.

        No more than the provider allows on a connection: those that clients and alerts named come
        first, and then the first by name, so that the choice does not change by itself.
        """
        named = self.demand.symbols | self.alerts
        parts: dict[int, set[Symbol]] = {number: set() for number in held}
        for symbol in self._wanted(named):
            part = parts.get(index_of(symbol, self._parts))
            if part is not None:
                part.add(symbol)
        return {number: self._share(part, named) for number, part in parts.items()}

    def symbols(self, held: frozenset[int]) -> frozenset[Symbol]:
        """All of what this node is to have, in whatever requests or connections."""
        return frozenset(filter(self.among(held), self._wanted(self.demand.symbols | self.alerts)))

    def among(self, held: frozenset[int]) -> Callable[[Symbol], bool]:
        """Whether a symbol is in one of these parts."""
        return lambda symbol: index_of(symbol, self._parts) in held

    def _wanted(self, named: frozenset[Symbol]) -> Iterable[Symbol]:
        wanted = self._set | named
        if self.demand.everything:
            rows = self._tables.quotes.rows
            wanted |= {symbol for symbol, row in rows.items() if row.source == self._upstream}
        routing = self._tables.routing.value
        if routing is None:
            return wanted
        return (symbol for symbol in wanted if routing.wants(self._upstream, symbol))

    def _share(self, some: set[Symbol], named: frozenset[Symbol]) -> Share:
        if self._most is None or len(some) <= self._most:
            return Share(frozenset(some))
        by_rank = sorted(some, key=lambda symbol: (symbol not in named, symbol))
        return Share(frozenset(by_rank[: self._most]), by_rank[self._most :])

    def tells(self, symbol: Symbol) -> bool:
        """Whether this provider is the one whose prices of the symbol count now."""
        routing = self._tables.routing.value
        return routing is None or routing.source(symbol) == self._upstream
