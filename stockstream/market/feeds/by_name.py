"""What a feed asks a provider for that has no list of all it has: what somebody wants, by name.

A round is one request. It asks for as many symbols as a request may have, so that all are asked
for in turn, in a cycle of some rounds. One that was just named goes before its turn. It lives as
long as its feed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stockstream.messages import Demand
from stockstream.refusals import NOT_TOLD, UNKNOWN_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.market.feeds.allowance import Allowance
    from stockstream.market.feeds.wanting import Wanting
    from stockstream.market.parser import Parsed
    from stockstream.market.providers import Terms
    from stockstream.quotes import Symbol

FIRST_UNKNOWN_SECONDS, LONGEST_UNKNOWN_SECONDS = 60.0, 3600.0
"""A symbol that the provider does not know is asked for again after a time, which doubles, unless
it did know it: some clear all they have once a night.
"""


class ByName:
    """See the module. Times are trio's."""

    def __init__(self, wanting: Wanting, terms: Terms, parts: int) -> None:
        """In a cluster, this node may ask for some of the `parts` only: those in `held`."""
        assert terms.at_once is not None  # noqa: S101 - else it lists what it has
        self._wanting = wanting
        self._at_once = terms.at_once
        self._counts_symbols = terms.counts_symbols
        self._limited = bool(terms.limits)
        self._parts = parts
        self.held: frozenset[int] = frozenset(range(parts))
        # As for one that lists: the pace is the fast one until the demand is known.
        self._demand = Demand(frozenset(), everything=False, subscribers=1)
        self._queue: list[frozenset[Symbol]] = []
        self._named: frozenset[Symbol] = frozenset()
        self._alone: frozenset[Symbol] = frozenset()
        self._unanswered: frozenset[Symbol] = frozenset()
        self._told: frozenset[Symbol] = frozenset()
        self._unknown: dict[Symbol, tuple[float, float]] = {}
        self._left_out: frozenset[Symbol] = frozenset()
        self._news_last = False

    @property
    def demand(self) -> Demand:
        """What clients want."""
        return self._demand

    @demand.setter
    def demand(self, demand: Demand) -> None:
        self._demand = self._wanting.demand = demand

    @property
    def alerts(self) -> frozenset[Symbol]:
        """What alerts want."""
        return self._wanting.alerts

    @alerts.setter
    def alerts(self, symbols: frozenset[Symbol]) -> None:
        self._wanting.alerts = symbols

    often = None
    """All symbols are asked for as often."""

    @property
    def _wanted(self) -> frozenset[Symbol]:
        return self._wanting.symbols(self.held)

    @property
    def has_news(self) -> bool:
        """Whether something is wanted that was never asked for, and the provider's limits say how
        soon it may be: without any, the next round is soon enough.
        """
        return self._limited and bool(self._wanted - self._named)

    def gap(self, interval: float, allowance: Allowance) -> float:
        """Seconds between two rounds. Where limits are known, all rounds of a cycle together may
        take no longer than an interval.
        """
        if not self._limited:
            return interval
        rounds, share = self._rounds, self._parts / max(1, len(self.held))
        costs = max(1, len(self._wanted)) if self._counts_symbols else rounds
        return max(interval, allowance.gap(share * costs)) / rounds

    def cycle(self, interval: float, allowance: Allowance) -> float:
        """Seconds until all has been asked for."""
        return max(interval, self.gap(interval, allowance) * self._rounds)

    @property
    def _rounds(self) -> int:
        return max(1, math.ceil(len(self._wanted) / self._at_once))

    def cost(self, asked: frozenset[Symbol] | None = None) -> float:
        """What a round takes of the allowance that has `asked` for these, the next one at most;
        nodes that share a key share it.
        """
        share = self._parts / max(1, len(self.held))
        symbols = min(self._at_once, max(1, len(asked or self._wanted)))
        return share * (symbols if self._counts_symbols else 1)

    @property
    def idle(self) -> bool:
        """Whether nobody wants anything of it."""
        return not self._wanted

    def rests(self, now: float) -> bool:
        """Whether there is nothing to ask for now."""
        return not self._asked_for(now)

    def _asked_for(self, now: float) -> frozenset[Symbol]:
        wanted = self._wanted
        # Whom nobody wants any more is forgotten, so that it is news when it is named again.
        self._named &= wanted
        self._alone &= wanted
        self._unanswered &= wanted
        self._told &= wanted
        self._left_out &= wanted
        self._unknown = {s: known for s, known in self._unknown.items() if s in wanted}
        return frozenset(s for s in wanted if self._unknown.get(s, (0.0, 0.0))[0] <= now)

    @property
    def not_served(self) -> Mapping[Symbol, str]:
        """What is wanted and the provider tells no price of, with a code."""
        codes = dict.fromkeys(self._left_out, NOT_TOLD) | dict.fromkeys(
            self._unknown, UNKNOWN_SYMBOL
        )
        wanted = self._wanted
        return {symbol: code for symbol, code in codes.items() if symbol in wanted}

    def next(self, now: float) -> frozenset[Symbol]:
        """What to ask for now; nothing where it `rests`."""
        there = self._asked_for(now)
        # Of all that is there at first, nothing goes before anything.
        news = there - self._named if self._named else frozenset()
        if news and not self._news_last:
            self._news_last = True
            return self._ask(frozenset(sorted(news)[: self._at_once]))
        self._news_last = False
        alone = self._alone & there
        if alone:
            return self._ask(frozenset({min(alone)}))
        while self._queue:
            batch = self._queue.pop(0) & there
            if batch:
                return self._ask(batch)
        in_order = sorted(there)
        self._named |= there
        self._queue = [
            frozenset(in_order[at : at + self._at_once])
            for at in range(0, len(in_order), self._at_once)
        ]
        return self._ask(self._queue.pop(0)) if self._queue else frozenset()

    def _ask(self, batch: frozenset[Symbol]) -> frozenset[Symbol]:
        self._named |= batch
        return batch

    def list_is_due(self) -> None:
        """There is no list."""

    def listed(self, parsed: Parsed, asked_at: float) -> None:
        """There is no list."""

    def answered(self, asked: frozenset[Symbol] | None, parsed: Parsed) -> frozenset[Symbol] | None:
        """Take that there was an answer. With what was asked for, it should have told what rounds
        that failed were for: their symbols grow old though the feed is well.
        """
        asked = asked or frozenset()
        told = asked.intersection(seen.symbol for seen in parsed.observations)
        self._told |= told
        self._left_out = (self._left_out | asked) - told - parsed.rejects.symbols.keys()
        self._alone -= asked
        self._unanswered -= asked
        for symbol in asked:
            self._unknown.pop(symbol, None)
        return asked | self._unanswered

    def failed(self, asked: frozenset[Symbol] | None) -> None:
        """Take that there was no answer."""
        self._unanswered |= asked or frozenset()

    def not_found(self, asked: frozenset[Symbol] | None, now: float) -> frozenset[Symbol]:
        """Take that the provider knows none of them, or not all; those that it surely has not.

        With one that it lacks, some providers answer to no other either, so each of several is
        asked for alone.
        """
        asked = asked or frozenset()
        if len(asked) > 1:
            self._alone |= asked
            return frozenset()
        self._alone -= asked
        self._unanswered -= asked
        for symbol in asked:
            _, before = self._unknown.get(symbol, (0.0, FIRST_UNKNOWN_SECONDS / 2))
            longest = FIRST_UNKNOWN_SECONDS if symbol in self._told else LONGEST_UNKNOWN_SECONDS
            pause = min(2 * before, longest)
            self._unknown[symbol] = (now + pause, pause)
        return asked
