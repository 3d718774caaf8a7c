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


_NONE_YET = first_number(1)
"""What a node tells before its first message: its first bus has generation 1."""


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
        self._note(node, number, number - 1)

    def told(self, node: NodeId, number: int) -> None:
        """A node says that this was its last message of prices."""
        self._note(node, number, number)

    def lost(self) -> None:
        """What has come may not have got where it belongs, from whichever node it was."""
        self.count += 1
        self.missed.update(self._last)

    def forget(self, node: NodeId) -> None:
        """It has gone for good."""
        self._last.pop(node, None)
        self.missed.discard(node)

    def _note(self, node: NodeId, number: int, before: int) -> None:
        """The node has told `number`; up to `before`, all should have come."""
        known = self._last.get(node)
        if known is None:
            known = _NONE_YET if self._begun else before
        if before > known:
            # Between the numbers of two lives there are no messages.
            same_life = before >> _LIFE_BITS == known >> _LIFE_BITS
            self.count += before - known if same_life else 1
            self.missed.add(node)
        if node not in self._last and len(self._last) >= MOST_NODES:
            self.forget(next(iter(self._last)))
        self._last[node] = max(number, known)
