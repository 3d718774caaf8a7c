"""Decides how long a job still waits. Pure: both clocks are passed in.

The wall clock is the database's, so all nodes have the same one. It may be wrong, and may be set
while we run. So it is believed only between bounds that the monotonic clock of the process draws:

- The job is due `longest` seconds after a start was first seen here, whatever the wall clock says.
- A start that lies ahead of the wall clock tells that the clock was set back: the job is due. Its
  new start is behind the clock again.
- Between two starts of this process lie `shortest` seconds, however the wall clock jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

from stockstream.jobs.schedule import Schedule  # noqa: TC001 - a field's type

SLACK_MS = 1_000
"""A start so little ahead of the clock is just the drift of a virtual machine."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the row of a job says, in ms since 1970 by the database's clock.

    `base` is the last start, or when the job was first known. `failed` is when a run ended badly,
    where the last one did.
    """

    base: int
    failed: int | None = None


class Timing:
    """The pace of one job in one process."""

    def __init__(
        self, schedule: Schedule, *, retry: float, at_start: bool, jitter: float = 0.0
    ) -> None:
        """`retry` is how many seconds after a failure it is tried again. With `at_start` the job
        is due once when the process begins. `jitter` is added to what the schedule says.
        """
        self.schedule = schedule
        self._retry = retry
        self._jitter = jitter
        self._due_at_start = at_start
        self._seen: tuple[int, float] | None = None
        self._own_start: float | None = None
        self._again: float | None = None

    def started(self, steady: float) -> None:
        """The job begins now, here, by the monotonic clock."""
        self._due_at_start = False
        self._own_start = steady
        self._again = None

    def ask_again(self, steady: float, seconds: float) -> None:
        """The run that has just ended wants the next one so soon, however the schedule is."""
        self._again = steady + seconds

    def next_run(self, past: Past) -> int:
        """When it is due by the wall clock alone, in ms since 1970: for people."""
        due = self.schedule.after(past.base) + round(self._jitter * 1000)
        if past.failed is not None:
            due = min(due, past.failed + round(self._retry * 1000))
        return due

    def wait(self, past: Past, now: int, steady: float) -> float:
        """Seconds until it is due; 0 when it is. `now` is the wall clock, in ms since 1970."""
        if self._seen is None or self._seen[0] != past.base:
            self._seen = (past.base, steady)
        if self._due_at_start:
            return 0.0
        waits = [self._until_regular(past, now, steady)]
        if self._again is not None:
            waits.append(self._again - steady)
        elif past.failed is not None:
            waits.append(self._until_retry(past.failed, now, steady))
        return max(0.0, min(waits))

    def _until_regular(self, past: Past, now: int, steady: float) -> float:
        assert self._seen is not None  # noqa: S101 - for the type checker
        longest = self.schedule.longest + self._jitter
        by_steady = self._seen[1] + longest - steady
        if past.base > now + SLACK_MS:
            by_wall = 0.0
        else:
            due = self.schedule.after(past.base) + round(self._jitter * 1000)
            by_wall = (due - now) / 1000
        wait = min(by_wall, by_steady)
        if self._own_start is not None:
            wait = max(wait, self._own_start + self.schedule.shortest - steady)
        return wait

    def _until_retry(self, failed: int, now: int, steady: float) -> float:
        """Within the time of a retry after the last start, whatever the wall clock says."""
        by_wall = self._retry - (now - failed) / 1000
        if by_wall > self._retry:  # the clock was set back
            by_wall = 0.0
        if self._own_start is not None:
            by_wall = max(by_wall, self._own_start + self._retry - steady)
        return by_wall
