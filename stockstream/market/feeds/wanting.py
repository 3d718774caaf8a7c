"""Which symbols a feed wants by name of its provider, and which of them it tells. Pure.

Wanted are those set, or those to start with where none is; those that clients and alerts want by
name; and, where somebody wants everything, all that are known of this provider. Of these, those
that the routes give to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.messages import Demand
from stockstream.quotes import Symbol
from stockstream.shards import index_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stockstream.tables import Tables


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
        """In a cluster there are so many `parts`; a provider takes `most` symbols."""
        self._upstream = upstream
        self._set = symbols or frozenset(map(Symbol, starters))
        self._most = most
        self._tables = tables
        self._parts = parts
        self.demand = Demand(frozenset(), everything=False, subscribers=0)
        self.alerts: frozenset[Symbol] = frozenset()

    def symbols(self, held: frozenset[int]) -> frozenset[Symbol]:
        """What this node is to have; it may have the parts in `held`.

        No more than the provider allows on a connection: those that clients and alerts named come
        first, and then the first by name, so that the choice does not change by itself.
        """
        return self._ranked(held)[0]

    def beyond(self, held: frozenset[int]) -> Sequence[Symbol]:
        """What it would have, too, if the provider allowed more."""
        return self._ranked(held)[1]

    def _ranked(self, held: frozenset[int]) -> tuple[frozenset[Symbol], Sequence[Symbol]]:
        """What is had, and what not because there is more than is allowed."""
        named = self.demand.symbols | self.alerts
        wanted = self._set | named
        if self.demand.everything:
            rows = self._tables.quotes.rows
            wanted |= {symbol for symbol, row in rows.items() if row.source == self._upstream}
        routing = self._tables.routing.value
        some = frozenset(
            symbol
            for symbol in wanted
            if (routing is None or routing.wants(self._upstream, symbol))
            and (len(held) == self._parts or index_of(symbol, self._parts) in held)
        )
        if self._most is None or len(some) <= self._most:
            return some, ()
        by_rank = sorted(some, key=lambda symbol: (symbol not in named, symbol))
        return frozenset(by_rank[: self._most]), by_rank[self._most :]

    def tells(self, symbol: Symbol) -> bool:
        """Whether this provider is the one whose prices of the symbol count now."""
        routing = self._tables.routing.value
        return routing is None or routing.source(symbol) == self._upstream
