"""What the membership counts, over all its lives: the row is where a new one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.histogram import Histogram
from stockstream.statuses import MemberFigures, NodeState

if TYPE_CHECKING:
    from stockstream.statuses import Members
    from supervision import Slot

ECHO_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The buckets of the time until a heartbeat comes back."""


class Figures:
    """See the module. Used in the tasks of the membership only, which may write the row."""

    def __init__(self, slot: Slot[MemberFigures]) -> None:
        self._slot = slot
        self._row = slot.value or MemberFigures(Histogram(ECHO_SECONDS))

    @property
    def echoes(self) -> Histogram:
        """How many seconds own heartbeats took to come back."""
        return self._row.echoes

    def claimed(self, shards: int) -> None:
        """This node claimed so many."""
        self._put(msgspec.structs.replace(self._row, claims=self._row.claims + shards))

    def changed(self, before: Members | None, after: Members) -> None:
        """The members were these before, where there is anything to compare with."""
        if before is None:
            self._put(self._row)
            return
        old, new = ({member.node for member in each.members} for each in (before, after))
        alone = after.state is NodeState.ALONE is not before.state
        if old != new or alone:
            row = self._row
            self._put(
                msgspec.structs.replace(
                    row,
                    came=row.came + len(new - old),
                    gone=row.gone + len(old - new),
                    alone=row.alone + alone,
                )
            )

    def _put(self, row: MemberFigures) -> None:
        self._row = row
        self._slot.put(row)
