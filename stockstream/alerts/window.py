"""The lowest and the highest price of the last seconds, in little memory. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SLICES = 120
"""Time is cut into so many slices: a price counts for its window and up to one slice more."""


class Extremes(NamedTuple):
    """The extremes of a window, the newest price included."""

    low: float
    high: float


class Window:
    """Prices of the last `seconds`; asked after each price, so it is never empty then.

    Two queues in which values only fall, or only rise: the ends are the extremes, and each price
    enters and leaves once (the "monotonic queue" for a sliding minimum). Of the prices of one
    slice only those that matter stay, so there are at most `SLICES + 2` in each.
    """

    __slots__ = ("_highs", "_last", "_lows", "_slice_ms", "_slices")

    def __init__(self, seconds: int) -> None:
        self._slice_ms = max(1, seconds * 1000 // SLICES)
        self._slices = -(-seconds * 1000 // self._slice_ms)
        self._last = 0
        self._lows: deque[tuple[int, float]] = deque()
        self._highs: deque[tuple[int, float]] = deque()

    def add(self, at: int, price: float) -> Extremes:
        """Take a price in, of a moment in ms; one before the last one's counts as of that one."""
        self._last = max(self._last, at)
        now = self._last // self._slice_ms
        oldest = now - self._slices
        _enter(self._lows, now, price, lambda last: last >= price)
        _enter(self._highs, now, price, lambda last: last <= price)
        for queue in (self._lows, self._highs):
            while queue[0][0] < oldest:
                queue.popleft()
        return Extremes(self._lows[0][1], self._highs[0][1])

    def __len__(self) -> int:
        return len(self._lows) + len(self._highs)


def _enter(
    queue: deque[tuple[int, float]], now: int, price: float, is_beaten: Callable[[float], bool]
) -> None:
    while queue and is_beaten(queue[-1][1]):
        queue.pop()
    # A better price of the same slice stays at least as long: this one never counts.
    if not queue or queue[-1][0] < now:
        queue.append((now, price))
