"""The two clocks of the process, and how their times are given out.

The wall clock may step: somebody sets it, a machine without a battery learns the time from the
network, a suspended one wakes. So it only says *when* something was, for people and for rows that
outlive the process. The monotonic clock measures durations and ages: their start is kept as a
`Moment`, and `WallClock` converts it to wall time where it leaves the process. No other code reads
the wall clock of the system (ruff's `banned-api` checks it).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache, total_ordering
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
STEP_MS = 500
"""From here on a difference between the clocks is a step; below, it is drift."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""Moments that can be told, in ms since 1970: of the years 1 to 9999."""


# The ticks of a batch share a few moments among them.
@lru_cache(maxsize=4096)
def to_datetime(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as PostgreSQL's driver takes them, exactly; UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


def to_ms(moment: datetime) -> int:
    """The moment in whole ms since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def to_us(moment: datetime) -> int:
    """The moment in microseconds since 1970: as exactly as PostgreSQL keeps it."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The moment that `to_us` tells; UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def now_ms() -> int:
    """The wall clock, in milliseconds since 1970, UTC."""
    return now_ns() // 1_000_000


def now_ns() -> int:
    """The wall clock in nanoseconds, for numbers that no other start is to have."""
    return time.time_ns()  # noqa: TID251 - the one place that reads it


@total_ordering
class Moment:
    """A point in time by the monotonic clock (trio's), so that an age is never off by a step.

    It means nothing outside the process. The difference of two is in seconds.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @classmethod
    def now(cls) -> Moment:
        """This moment; only inside a trio run."""
        return cls(trio.current_time())

    @property
    def age(self) -> float:
        """How many seconds ago it was."""
        return trio.current_time() - self.seconds

    @property
    def milliseconds(self) -> int:
        """The clock's reading in whole ms, as it is told to those who know what it is since."""
        return round(self.seconds * 1000)

    def __sub__(self, earlier: Moment) -> float:
        return self.seconds - earlier.seconds

    def after(self, seconds: float) -> Moment:
        """The moment so many seconds later, or earlier where they are below 0."""
        return Moment(self.seconds + seconds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moment) and self.seconds == other.seconds

    def __lt__(self, other: Moment) -> bool:
        return self.seconds < other.seconds

    def __hash__(self) -> int:
        return hash(self.seconds)

    def __repr__(self) -> str:
        return f"Moment({self.seconds:.3f})"


class WallClock:
    """Tells moments in wall time, and notices when the wall clock has stepped.

    A moment has the same wall time at each call, although the clocks drift; after a step of the
    wall clock it is given by the new time.
    """

    def __init__(self, now: Callable[[], int] = now_ms) -> None:
        self._now = now
        self._offset: float | None = None

    def tell(self, moment: Moment) -> int:
        """The wall time of a moment, in ms since 1970: that of its whole ms, by which other parts
        know it.
        """
        self.step()
        assert self._offset is not None  # noqa: S101 - for the type checker
        return round(self._offset + moment.milliseconds)

    def step(self) -> int:
        """By how many ms the wall clock has stepped since it was last looked at; mostly 0."""
        offset = self._now() - trio.current_time() * 1000
        before = self._offset
        if before is None or abs(offset - before) >= STEP_MS:
            self._offset = offset
        return 0 if before is None or self._offset == before else round(offset - before)


tell = WallClock().tell
"""The wall time of a moment, in ms since 1970, for all that has no clock of its own."""
