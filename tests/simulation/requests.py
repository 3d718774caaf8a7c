"""How often the upstream is asked: never faster than the pace, and in the calm once for all nodes.

Rates are counted by buckets: each request takes a token, and one comes with each interval. So a
burst is as long as a bucket is deep, and no average hides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.simulation.upstream import ALL_SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Set as AbstractSet

    from tests.simulation.node import Node

SHORTEST_PART = 0.9
"""Of an interval: the product cuts a random tenth off."""
SHORTEST_LIST_PACE = 30.0
"""Seconds. Who fetches a part asks for the whole list now and then, to know what there is."""
DEEP = 2.0
"""Two requests may be as near to each other as one is late: its feed waited for a permit."""
FEED = "market/feeds/api/feed"
"""Its start is followed by a request at once."""


class _Bucket:
    """`take` says whether there was a token."""

    def __init__(self, now: float, pace: float) -> None:
        self._pace = pace
        self._at = now
        self._tokens = DEEP

    def more(self) -> None:
        self._tokens += 1

    def take(self, now: float) -> bool:
        tokens = self._tokens + (now - self._at) / self._pace
        self._at, self._tokens = now, min(tokens, max(DEEP, self._tokens)) - 1
        return self._tokens > -1e-6


class Requests:
    """See the module. `calm` says whether nothing is in the way of any node; `fail` is told.

    `total` are all requests; `double` those for what another node had asked for within half an
    interval.
    """

    def __init__(
        self,
        nodes: list[Node],
        interval: float,
        calm: Callable[[], bool],
        fail: Callable[[str, str], None],
    ) -> None:
        self._nodes = nodes
        self._pace = interval * SHORTEST_PART
        self._calm = calm
        self._fail = fail
        self._of_node: dict[int, _Bucket] = {}
        self._held: dict[int, dict[str, int]] = {}
        self._of_symbol: dict[str, _Bucket] = {}
        self._lists: dict[int, _Bucket] = {}
        self._last: dict[str, tuple[float, int]] = {}
        self.total = self.double = 0

    def started(self, node: int, path: str) -> None:
        """An actor has started: a feed asks at once."""
        if path == FEED and node in self._of_node:
            self._of_node[node].more()

    def asked(self, node: int, symbols: AbstractSet[str] | None) -> None:
        """A node asks for symbols, or for the whole list."""
        now = trio.current_time()
        self.total += 1
        self._keeps_its_pace(node, now)
        wanted = ALL_SYMBOLS if symbols is None else symbols
        others = [self._last.get(symbol, (0.0, node)) for symbol in wanted]
        self.double += any(by != node and now - at < self._pace / 2 for at, by in others)
        self._last.update(dict.fromkeys(wanted, (now, node)))
        if not self._calm():
            self._of_symbol.clear()
            self._lists.clear()
        elif symbols is not None or self._fetches_all(node):
            self._once_for_all(wanted, node, now)
        elif not self._lists.setdefault(node, _Bucket(now, SHORTEST_LIST_PACE)).take(now):
            self._fail("N4", f"n{node} asks for the parts of other nodes again and again")

    def _fetches_all(self, node: int) -> bool:
        return self._nodes[node].shards == max(1, len(self._claimed(node)))

    def _claimed(self, node: int) -> dict[str, int]:
        """What it fetches, and in which epochs; alone, each answer has one of its own."""
        holding = self._nodes[node].tables.holding.value
        epochs = {} if holding is None else holding.epochs
        alone = holding is not None and holding.alone
        return {str(name): 0 if alone else epoch for name, epoch in epochs.items()}

    def _takes_over(self, node: int, held: dict[str, int]) -> bool:
        before, holding = self._held.get(node, held), self._nodes[node].tables.holding.value
        back = frozenset() if holding is None else holding.taken_back
        return any(
            name not in before or (epoch != before[name] and name in back)
            for name, epoch in held.items()
        )

    def _keeps_its_pace(self, node: int, now: float) -> None:
        held = self._claimed(node)
        bucket = self._of_node.setdefault(node, _Bucket(now, self._pace))
        if self._takes_over(node, held):
            bucket.more()  # it is asked for at once
        self._held[node] = held
        if not bucket.take(now):
            self._fail("N4", f"n{node} asks the upstream more often than once in {self._pace:g} s")

    def _once_for_all(self, wanted: Collection[str], node: int, now: float) -> None:
        for symbol in sorted(wanted):
            bucket = self._of_symbol.setdefault(symbol, _Bucket(now, self._pace))
            if not bucket.take(now):
                others = f"n{self._last[symbol][1]} and others" if len(self._nodes) > 1 else "one"
                self._fail("N4", f"{others} ask for {symbol} more than once in an interval")
                return
