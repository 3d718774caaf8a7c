"""The outcomes a circuit breaker judges by: the last N of them, or those of the last T seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Totals:
    """What a window holds. The rates are percents of `calls`, which must not be 0 for them."""

    calls: int
    failed: int
    slow: int

    @property
    def failure_rate(self) -> float:
        """Percent of the calls that failed."""
        return 100.0 * self.failed / self.calls

    @property
    def slow_rate(self) -> float:
        """Percent of the calls that were slow, failed ones included."""
        return 100.0 * self.slow / self.calls


class _Outcome(NamedTuple):
    at: float
    failed: bool
    slow: bool


class OutcomeWindow:
    """Keeps the last `count` outcomes, or those at most `seconds` old; exactly one is given.

    Each outcome is kept by itself, not in buckets per second: a polled upstream has few of them,
    and a rate is then exact at every moment.
    """

    def __init__(self, *, count: int | None = None, seconds: float | None = None) -> None:
        if (count is None) == (seconds is None):
            raise ValueError("a window keeps a count or a time")
        self._count = count
        self._seconds = seconds
        self._outcomes: deque[_Outcome] = deque()
        self._failed = 0
        self._slow = 0

    def record(self, now: float, *, failed: bool, slow: bool) -> None:
        """Add one outcome and let go of those that no longer belong to the window."""
        self._outcomes.append(_Outcome(now, failed, slow))
        self._failed += failed
        self._slow += slow
        self._evict(now)

    def totals(self, now: float) -> Totals:
        """What the window holds at `now`."""
        self._evict(now)
        return Totals(len(self._outcomes), self._failed, self._slow)

    def clear(self) -> None:
        """Forget everything."""
        self._outcomes.clear()
        self._failed = self._slow = 0

    def _evict(self, now: float) -> None:
        while self._outcomes and self._is_past(self._outcomes[0], now):
            gone = self._outcomes.popleft()
            self._failed -= gone.failed
            self._slow -= gone.slow

    def _is_past(self, oldest: _Outcome, now: float) -> bool:
        if self._count is not None:
            return len(self._outcomes) > self._count
        return self._seconds is not None and now - oldest.at > self._seconds
