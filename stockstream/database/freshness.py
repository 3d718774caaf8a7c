"""The age of a replica's data, by past positions of its primary's write-ahead log. Sync.

The primary's position is noted regularly, with the moment before it was asked. A replica that has
replayed the log up to a position has all that was committed before that moment. So its data is at
most as old as the newest moment whose position it has reached. An idle primary makes no replica
look old, and only our own clock is read.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from stockstream.times import Moment

if TYPE_CHECKING:
    from stockstream.database.replication import WalPosition

LOOK_SECONDS = 1.0
"""How often each connection's position is asked."""
TOLD_SECONDS = 3.0
"""Below this age a replica counts as up to date: it covers two checks and their duration."""
LATE_SECONDS = 30.0
"""From here on the primary is asked in place of the replica."""
PRIMARY_SECONDS = 5.0
"""A primary that has not told its position for so long is away, and cannot be asked instead."""
KEPT = 3600


class _Noted(NamedTuple):
    position: int
    at: Moment


class Freshness:
    """See the module. For one primary and all its replicas."""

    def __init__(self) -> None:
        self._noted: list[_Noted] = []

    @property
    def has_primary(self) -> bool:
        """Whether it has told a position."""
        return bool(self._noted)

    def note(self, position: WalPosition | None, asked: Moment) -> None:
        """The primary is at that position now; `asked` is the moment before the question."""
        if position is None or position.is_replica or position.bytes is None:
            return
        noted = self._noted
        if noted and asked <= noted[-1].at:
            return
        # A replica at this position has all from before `asked`. So older notes of the same or a
        # later position are dropped: the primary was idle, or a new or restored one has gone back.
        while noted and noted[-1].position >= position.bytes:
            noted.pop()
        noted.append(_Noted(position.bytes, asked))
        del noted[:-KEPT]

    def as_of(self, position: WalPosition | None) -> Moment | None:
        """A replica at that position has all from before this moment; None if unknown.

        A replica behind all noted positions is judged by the last commit that it has.
        """
        if position is None or not position.is_replica or position.bytes is None:
            return None
        reached = bisect_right(self._noted, position.bytes, key=lambda noted: noted.position)
        if reached:
            return self._noted[reached - 1].at
        if position.commit_age is None:
            return None
        committed = Moment.now().after(-max(0.0, position.commit_age))
        return min(committed, self._noted[0].at) if self._noted else committed

    def is_late(self, as_of: Moment | None) -> bool:
        """Whether the primary answers and is to be asked in place of such a replica."""
        if as_of is None or not self._noted or self._noted[-1].at.age > PRIMARY_SECONDS:
            return False
        return as_of.age > LATE_SECONDS
