"""The rules of one symbol, found by the prices that they must judge. No I/O, no clock.

Most prices cross nothing. Rules are sorted by the price that ends their quiet band. So the cost of
a price depends on the rules it crosses, not on all rules: with 20,000 rules on one symbol, a price
that crosses none costs two lookups.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.alerts.rules import Band, Rule


class Thresholds:
    """See the module. Part of the book, and as lasting.

    `reached` takes nothing out: an actor that is killed while it judges the result gets the same
    rules again. A rule moves when it is put back with the quiet band of its new standing.
    """

    __slots__ = ("_always", "_bands", "_falling", "_rising", "_rules")

    def __init__(self) -> None:
        self._rules: dict[int, Rule] = {}
        self._bands: dict[int, Band] = {}
        # Prices from which on, upwards or downwards, a rule is to be judged, with its number.
        self._rising: list[tuple[float, int]] = []
        self._falling: list[tuple[float, int]] = []
        # Rules that judge every price: moves, and rules that have seen no price yet.
        self._always: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def put(self, rule: Rule, quiet: Band) -> None:
        """Add a rule, or move it: prices strictly within `quiet` change nothing for it."""
        if rule.id in self._rules:
            self._rules[rule.id] = rule
            if self._bands[rule.id] == quiet:
                return
            self._take_out(rule.id)
        self._rules[rule.id] = rule
        self._bands[rule.id] = quiet
        if quiet.low >= quiet.high:
            self._always[rule.id] = None
            return
        if quiet.high < math.inf:
            insort(self._rising, (quiet.high, rule.id))
        if quiet.low > -math.inf:
            insort(self._falling, (quiet.low, rule.id))

    def drop(self, number: int) -> None:
        """Forget a rule that is here."""
        self._take_out(number)
        del self._rules[number], self._bands[number]

    def reached(self, price: float) -> list[Rule]:
        """The rules that must judge this price."""
        found = [self._rules[number] for number in self._always]
        risen = bisect_right(self._rising, price, key=_price)
        found += [self._rules[number] for _, number in self._rising[:risen]]
        fallen = bisect_left(self._falling, price, key=_price)
        found += [self._rules[number] for _, number in self._falling[fallen:]]
        return found

    def _take_out(self, number: int) -> None:
        low, high = self._bands[number]
        if low >= high:
            del self._always[number]
            return
        if high < math.inf:
            del self._rising[bisect_left(self._rising, (high, number))]
        if low > -math.inf:
            del self._falling[bisect_left(self._falling, (low, number))]


def _price(entry: tuple[float, int]) -> float:
    return entry[0]
