"""What the world does when: one task that calls functions at their times, in order."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Agenda:
    """Times are trio's. What is called must not wait, and an error it raises ends the run."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._wake = trio.CancelScope()
        self._wake_at = -math.inf

    def at(self, time: float, act: Callable[[], None]) -> None:
        """Call `act` at `time`; those of one time in the order in which they were entered."""
        heapq.heappush(self._entries, (time, next(self._order), act))
        if time < self._wake_at:
            self._wake.deadline = self._wake_at = time

    def after(self, delay: float, act: Callable[[], None]) -> None:
        """The same after so many seconds."""
        self.at(trio.current_time() + delay, act)

    async def run(self) -> None:
        """Serve for ever."""
        entries = self._entries
        while True:
            while entries and entries[0][0] <= trio.current_time():
                heapq.heappop(entries)[2]()
            self._wake_at = entries[0][0] if entries else math.inf
            self._wake = trio.CancelScope(deadline=self._wake_at)
            with self._wake:
                await trio.sleep_forever()
