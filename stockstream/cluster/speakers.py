"""Whose prices this node listens to: of each other node that is heard of. Pure.

A node that hears of all subjects hears its own prices too, and they are the largest of what is
said. So it listens to the others by name, from their first heartbeat on. What they told before it
has missed, which their numbers say (`gaps.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stockstream.shards import NodeId

MOST_SPEAKERS = 200
"""Names are what senders say: one more is listened to once another has fallen silent."""
MOST_SILENT_TICKS = 10
"""Whoever was not heard of for so many ticks is listened to no more. They are ticks, not seconds: a
process that was stopped for a minute misses one."""


class Speakers:
    """See the module. The methods tell whether `nodes` has changed."""

    def __init__(self) -> None:
        self._silent: dict[NodeId, int] = {}

    @property
    def nodes(self) -> AbstractSet[NodeId]:
        """Who is listened to."""
        return self._silent.keys()

    def heard(self, node: NodeId) -> bool:
        """A heartbeat of that node has come."""
        is_new = node not in self._silent
        if is_new and len(self._silent) >= MOST_SPEAKERS:
            return False
        self._silent[node] = 0
        return is_new

    def left(self, node: NodeId) -> bool:
        """It has said goodbye."""
        return self._silent.pop(node, None) is not None

    def tick(self) -> bool:
        """A second is over."""
        self._silent = {node: ticks + 1 for node, ticks in self._silent.items()}
        gone = [node for node, ticks in self._silent.items() if ticks > MOST_SILENT_TICKS]
        for node in gone:
            del self._silent[node]
        return bool(gone)
