"""Whether this node's wall clock is right, as most of the others' say. Pure: no clock, no I/O.

Each heartbeat tells its sender's wall clock. They are compared when an own one comes back, with the
time that this one told: both went over the same bus, so a node that lags or was frozen is behind
with all of them alike. The date of an upstream's answers counts as one clock more. What more than
half of all these agree about is the time; of two that differ nobody knows which is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.cluster.claim_book import is_too_far_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.shards import NodeId

WRONG_MS = 20 * 60_000
"""A clock that nobody sets is off by minutes, which harms nobody; one of a wrong time zone by half
an hour at least. It would record prices in another day, and date alerts so."""
RIGHT_AGAIN_MS = 15 * 60_000
"""Less, so that a clock near the limit does not move the shards twice a second."""
JUDGED_AFTER = 3
"""Own echoes in a row. When a whole machine goes on after a pause, the own heartbeat may be first:
for a moment the others' clocks stand where they were."""
FRESH_ECHOES = 2
"""Own echoes for which a heartbeat tells the time: who sends none any more has no say."""


class Clocks:
    """The clocks of the members, as node `me` has heard them; all in ms.

    `off` is by how much its own clock is ahead of the time, as far as known; it `is_wrong` while
    most say so. It is `judged` while there is a time that most agree about, and `is_wrong` says how
    it stands to that: a clock that was set a moment ago is not judged yet.
    """

    def __init__(self, off: int = 0, *, is_wrong: bool = False) -> None:
        """`off` and `is_wrong` are of an earlier life of the owner."""
        self.off = off
        self.is_wrong = is_wrong
        self.judged = is_wrong
        self._echo = 0
        self._otherwise = 0
        self._told: dict[NodeId, tuple[int, int]] = {}
        self._ahead: dict[NodeId, int] = {}

    def ahead_of_mine(self, node: NodeId) -> int | None:
        """By how much the clock of another node is ahead of this one's, to half a second or so."""
        return self._ahead.get(node)

    def hear(self, node: NodeId, told: int) -> None:
        """Another node tells its clock; 0 where it is of a release that does not."""
        if told:
            self._told[node] = told, self._echo

    def begin_again(self) -> None:
        """What was heard may be old by now."""
        self._told.clear()

    def echo(self, mine: int, upstream: int | None) -> None:
        """An own heartbeat came back, which told `mine`. By the date of its answers the upstream's
        clock is `upstream` ahead of this one, None where it tells none.
        """
        self._echo += 1
        self._told = {
            node: (told, heard)
            for node, (told, heard) in self._told.items()
            if self._echo - heard <= FRESH_ECHOES
        }
        self._ahead = {node: told - mine for node, (told, _) in self._told.items()}
        others = [*self._ahead.values(), *([] if upstream is None else [upstream])]
        most = _agreeing((0, *others), RIGHT_AGAIN_MS if self.is_wrong else WRONG_MS)
        agreed = bool(others and most)
        is_wrong = agreed and not any(each[0] <= 0 <= each[-1] for each in most)
        self._otherwise = self._otherwise + 1 if is_wrong != self.is_wrong else 0
        if self._otherwise >= JUDGED_AFTER:
            self.is_wrong, self._otherwise = is_wrong, 0
        self.judged = agreed and is_wrong == self.is_wrong
        if is_wrong:
            # At once: a claim that is made meanwhile must not go by the wrong time.
            self.off = -most[0][len(most[0]) // 2]
        elif self.judged:
            self.off = 0

    def now(self, wall: int, boot: int) -> int:
        """The time for epochs: what most say it is, and not below the boot of this node, which is
        above all epochs that its earlier lives knew.

        While nobody knows, too early is better than too late: an epoch is above all known ones
        anyway, and one far ahead is refused. So is a boot which a wrong clock gave.
        """
        now = wall - (self.off if self.is_wrong else max(self.off, 0))
        if (self.judged or self.off > 0) and is_too_far_ahead(boot, now):
            return now
        return max(now, boot)


def _agreeing(clocks: Sequence[int], limit: int) -> list[list[int]]:
    """The smallest majorities, each in order, that are not further apart than the limit."""
    ordered, size = sorted(clocks), len(clocks) // 2 + 1
    groups = [ordered[at : at + size] for at in range(len(ordered) - size + 1)]
    return [group for group in groups if group[-1] - group[0] <= limit]
