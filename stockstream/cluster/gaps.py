"""What this node has missed of the prices of others, by the numbers of their messages. Pure.

A number rises by one with each message of prices. A bus that was restarted begins far above those
of its last life: what that had in hand when it died was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.shards import NodeId

MOST_NODES = 1_000
"""Nodes that are known at once: names are what the senders say."""
_LIFE_BITS = 32


def first_number(generation: int) -> int:
    """The number before the first message of that life of a bus."""
    return generation << _LIFE_BITS


class Gaps:
    """See the module. `missed` are the nodes to be asked for what they have."""

    def __init__(self) -> None:
        self._last: dict[NodeId, int] = {}
        self._begun = False
        self.missed: set[NodeId] = set()
        self.count = 0

    def begin(self) -> None:
        """What was said up to now is in the table; from here on, a node that comes is new."""
        self._begun = True

    def heard(self, node: NodeId, number: int) -> None:
        """A message of prices has come."""
        last = self._last.get(node)
        expected = number if last is None and not self._begun else (last or 0) + 1
        if last is None and number == first_number(number >> _LIFE_BITS) + 1:
            expected = number  # the first that the node has ever sent in this life
        self._note(node, number, number - expected)

    def told(self, node: NodeId, number: int) -> None:
        """A node says that this was its last message of prices."""
        last = self._last.get(node)
        if last is None and (not self._begun or number == first_number(number >> _LIFE_BITS)):
            last = number
        self._note(node, number, number - (last or 0))

    def forget(self, node: NodeId) -> None:
        """It has gone for good."""
        self._last.pop(node, None)
        self.missed.discard(node)

    def _note(self, node: NodeId, number: int, missing: int) -> None:
        if missing > 0:
            # Numbers of two lives have nothing between them, nor has a number that is the first.
            self.count += 1 if missing >= first_number(1) else missing
            self.missed.add(node)
        if node not in self._last and len(self._last) >= MOST_NODES:
            self.forget(next(iter(self._last)))
        self._last[node] = max(number, self._last.get(node, 0))
