"""What a feed asks its upstream for: the whole list, or the symbols that somebody wants by name.

It lives as long as its feed: a new one begins with the whole list.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stockstream.market.parser import RejectKind
from stockstream.messages import Demand
from stockstream.shards import index_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from stockstream.market.feeds.allowance import Allowance
    from stockstream.market.parser import Parsed
    from stockstream.quotes import Symbol
    from stockstream.tables import Tables

GONE_SECONDS = 30.0
"""By then the whole list is asked for again when it lacks symbols that are wanted by name."""


class Asking:
    """See the module. `symbols` are wanted always; without any, everything is. Times are trio's."""

    def __init__(
        self,
        upstream: str,
        symbols: frozenset[Symbol],
        list_interval: float,
        tables: Tables,
        parts: int = 1,
    ) -> None:
        """In a cluster, this node may ask for some of the `parts` only: those in `held`."""
        self._parts = parts
        self.held: frozenset[int] = frozenset(range(parts))
        self._upstream = upstream
        self._symbols = symbols
        self._list_interval = list_interval
        self._tables = tables
        # The pace is the fast one until the demand is known: somebody may be waiting.
        self.demand = Demand(frozenset(), everything=False, subscribers=1)
        self.alerts: frozenset[Symbol] = frozenset()
        self._list_due = -math.inf
        self._not_found: frozenset[Symbol] = frozenset()
        self._gone: frozenset[Symbol] = frozenset()

    idle = True
    """Whether all is well where it rests; see `ByName`."""
    has_news = False
    """Whether it is to be asked for something before the next round is due; see `ByName`."""

    def gap(self, interval: float, allowance: Allowance) -> float:
        """Seconds between two rounds."""
        return max(interval, allowance.gap())

    def cycle(self, interval: float, allowance: Allowance) -> float:
        """Seconds until all has been asked for: here, each round does it."""
        return self.gap(interval, allowance)

    def cost(self, _asked: frozenset[Symbol] | None = None) -> float:
        """What a round takes of the allowance."""
        return 1.0

    def answered(
        self, asked: frozenset[Symbol] | None, _parsed: Parsed
    ) -> frozenset[Symbol] | None:
        """Take that there was an answer; what should have been in it, None: all."""
        return asked

    def failed(self, asked: frozenset[Symbol] | None) -> None:
        """Take that there was none: the next round is as this one."""

    def next(self, now: float) -> frozenset[Symbol] | None:
        """What to ask for now; None is the whole list."""
        return None if now >= self._list_due else self.often

    def rests(self, now: float) -> bool:
        """Whether there is nothing to ask for now: no symbol that is wanted is in a part of ours.

        There are some in the parts of other nodes; else it is the list that is asked for.
        """
        if now < self._list_due and self.held and len(self.held) < self._parts:
            rows = self._tables.quotes.rows
            return bool(rows) and not self._mine(self._named if self._by_name else rows)
        return False

    @property
    def _by_name(self) -> bool:
        return bool(self._symbols) and not self.demand.everything

    @property
    def _named(self) -> AbstractSet[Symbol]:
        return (self._symbols | self.demand.symbols | self.alerts) & self._tables.quotes.rows.keys()

    @property
    def often(self) -> frozenset[Symbol] | None:
        """What to ask for in each round; None is all there is."""
        if not self._by_name:
            if len(self.held) == self._parts:
                return None
            return (self._mine(self._tables.quotes.rows) - self._gone) or None
        return (self._wanted - self._gone) or None

    @property
    def _wanted(self) -> frozenset[Symbol]:
        """The symbols of this upstream that somebody wants by name."""
        return self._mine(self._named)

    def _mine(self, symbols: Iterable[Symbol]) -> frozenset[Symbol]:
        """Those that come from this upstream, in a part that this node fetches."""
        rows, held, parts = self._tables.quotes.rows, self.held, self._parts
        some = (s for s in symbols if rows[s].source == self._upstream)
        return frozenset(s for s in some if len(held) == parts or index_of(s, parts) in held)

    not_served: Mapping[Symbol, str] | None = None
    """What the list lacks, nobody subscribes to: that is said at once, with the answer."""

    def list_is_due(self) -> None:
        """Ask for the whole list next."""
        self._list_due = -math.inf

    def not_found(self, asked: frozenset[Symbol] | None, _now: float) -> frozenset[Symbol]:
        """Take that there was no answer for the sake of a symbol: the whole list is due, and tells
        which of them are gone. None surely is before.
        """
        self._list_due = -math.inf
        self._not_found = asked or frozenset()
        return frozenset()

    def listed(self, parsed: Parsed, asked_at: float) -> None:
        """Take the whole list.

        With a symbol that it lacks, some providers answer to no other either. Such a one is left
        out of the questions until a list has it.
        """
        gone = self._gone | self._not_found
        self._gone = self._not_found = frozenset()
        if gone and RejectKind.BEYOND_LIMIT not in parsed.rejects.counts:
            there = {seen.symbol for seen in parsed.observations}
            self._gone = (gone & self._wanted).difference(there, parsed.rejects.symbols)
        wait = min(self._list_interval, GONE_SECONDS) if self._gone else self._list_interval
        self._list_due = asked_at + wait
