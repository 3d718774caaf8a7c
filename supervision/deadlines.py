"""The system's one queue of deadlines: call timeouts and timers."""

from __future__ import annotations

import heapq
import math
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call import PendingCall

COMPACT_ABOVE = 64
"""Cancelled timers are swept out of the heap once there are this many, and more than live ones."""


class Timer:
    """An action at a time. Belongs to `group`, so that its owner can cancel all it has left."""

    __slots__ = ("_deadlines", "action", "group")

    def __init__(self, deadlines: Deadlines, action: Callable[[], None], group: set[Timer]) -> None:
        self._deadlines = deadlines
        self.action: Callable[[], None] | None = action
        self.group = group
        group.add(self)

    @property
    def cancelled(self) -> bool:
        """Whether it will never act (again)."""
        return self.action is None

    def cancel(self) -> None:
        """Never act (again). Idempotent; also fine after it has."""
        if self.action is not None:
            self.action = None
            self.group.discard(self)
            self._deadlines.cancelled += 1


class Deadlines:
    """Calls wait in a FIFO per timeout value, timers in a heap; one task serves both.

    A cancel scope per call would cost several times as much with many callers. Equal
    timeouts expire in the order in which they were set, so a queue needs no sorting.
    """

    def __init__(self) -> None:
        self._calls: dict[float, deque[tuple[float, PendingCall]]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._wake = trio.CancelScope(deadline=-math.inf)
        self.cancelled = 0

    def add_call(self, call: PendingCall) -> None:
        """Expire `call` after its timeout, unless it is settled before."""
        queue = self._calls.get(call.timeout)
        if queue is None:
            queue = self._calls[call.timeout] = deque()
        while queue and queue[0][1].done:
            queue.popleft()
        deadline = trio.current_time() + call.timeout
        queue.append((deadline, call))
        self._wake.deadline = min(self._wake.deadline, deadline)

    def arm(self, timer: Timer, delay: float) -> None:
        """Run the timer's action, which must not raise, after `delay` seconds."""
        if self.cancelled > COMPACT_ABOVE and 2 * self.cancelled > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled]
            heapq.heapify(self._timers)
            self.cancelled = 0
        deadline = trio.current_time() + delay
        heapq.heappush(self._timers, (deadline, next(self._order), timer))
        self._wake.deadline = min(self._wake.deadline, deadline)

    async def run(self) -> None:
        """Serve for ever; owned by the system's nursery."""
        while True:
            self._act(trio.current_time())
            self._wake = trio.CancelScope(deadline=self._soonest())
            with self._wake:
                await trio.sleep_forever()

    def _act(self, now: float) -> None:
        while self._timers and (self._timers[0][0] <= now or self._timers[0][2].cancelled):
            timer = heapq.heappop(self._timers)[2]
            if timer.action is not None:
                timer.action()
        for timeout, queue in list(self._calls.items()):
            while queue and (queue[0][1].done or queue[0][0] <= now):
                queue.popleft()[1].expire()
            if not queue:
                del self._calls[timeout]

    def _soonest(self) -> float:
        heads = [queue[0][0] for queue in self._calls.values()]
        if self._timers:
            heads.append(self._timers[0][0])
        return min(heads, default=math.inf)
