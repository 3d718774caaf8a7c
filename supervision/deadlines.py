"""The system's one queue of deadlines: call timeouts, other waits, and timers."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

COMPACT_ABOVE = 64
"""Cancelled timers are removed from the heap once there are this many, and more than live ones."""


class Wait(Protocol):
    """A task that waits for at most `timeout` seconds."""

    timeout: float

    def expire(self) -> None:
        """The time is over: stop waiting, and leave the queue (`Deadlines.discard`)."""


class Change:
    """A wait for something that may have changed: ended by `settle`, or when its time is over."""

    __slots__ = ("_deadlines", "_done", "_task", "timeout")

    def __init__(self, timeout: float, deadlines: Deadlines) -> None:
        self.timeout = timeout
        self._deadlines = deadlines
        self._done = False
        self._task = trio.lowlevel.current_task()

    def settle(self) -> None:
        """Let the task go on; a no-op when it does already."""
        if not self._done:
            self._leave()
            trio.lowlevel.reschedule(self._task)

    expire = settle

    async def wait(self) -> None:
        """Wait; to be awaited once, by the task that made it."""
        if self.timeout != math.inf:
            self._deadlines.add(self)
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _leave(self) -> None:
        self._done = True
        if self.timeout != math.inf:
            self._deadlines.discard(self)

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._leave()
        return trio.lowlevel.Abort.SUCCEEDED


class Timer:
    """An action at a time. Belongs to `group`, so that its owner can cancel all it has left."""

    __slots__ = ("_deadlines", "action", "due", "group")

    def __init__(self, deadlines: Deadlines, action: Callable[[], None], group: set[Timer]) -> None:
        self._deadlines = deadlines
        self.action: Callable[[], None] | None = action
        self.due = math.inf
        """When it acts next, in seconds of trio's clock."""
        self.group = group
        group.add(self)

    @property
    def cancelled(self) -> bool:
        """Whether it will never act (again)."""
        return self.action is None

    @property
    def remaining(self) -> float | None:
        """Seconds until it acts, 0.0 when it is due; None when it will never act (again)."""
        return None if self.action is None else max(0.0, self.due - trio.current_time())

    def cancel(self) -> None:
        """Never act (again). Idempotent; also fine after it has acted."""
        if self.action is not None:
            self.retire()
            self._deadlines.cancelled += 1

    def retire(self) -> None:
        """Let go of the action, which was the last."""
        self.action = None
        self.group.discard(self)


class Deadlines:
    """Waits stand in a queue per timeout value, timers in a heap; one task serves both.

    A cancel scope per call would cost several times as much with many callers. Equal timeouts
    expire in the order in which they were set, so a queue needs no sorting. A wait that is over
    leaves its queue at once, and an empty queue goes: nothing stays of an answered call.
    """

    def __init__(self) -> None:
        self._waits: dict[float, dict[Wait, float]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._wake = trio.CancelScope()
        self._wake_at = -math.inf
        self.cancelled = 0

    def add(self, wait: Wait) -> None:
        """Expire `wait` after its timeout, unless it is discarded before."""
        deadline = trio.current_time() + wait.timeout
        queue = self._waits.get(wait.timeout)
        if queue is None:
            self._waits[wait.timeout] = {wait: deadline}
        else:
            queue[wait] = deadline
        if deadline < self._wake_at:
            self._wake.deadline = self._wake_at = deadline

    def discard(self, wait: Wait) -> None:
        """Forget `wait`; a no-op when it does not stand here."""
        queue = self._waits.get(wait.timeout)
        if queue is not None:
            queue.pop(wait, None)
            if not queue:
                del self._waits[wait.timeout]

    def arm(self, timer: Timer, delay: float) -> None:
        """Run the timer's action, which must not raise, after `delay` seconds."""
        if self.cancelled > COMPACT_ABOVE and 2 * self.cancelled > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled]
            heapq.heapify(self._timers)
            self.cancelled = 0
        timer.due = deadline = trio.current_time() + delay
        heapq.heappush(self._timers, (deadline, next(self._order), timer))
        if deadline < self._wake_at:
            self._wake.deadline = self._wake_at = deadline

    async def run(self) -> None:
        """Serve for ever; owned by the system's nursery."""
        while True:
            self._act(trio.current_time())
            self._wake_at = self._soonest()
            self._wake = trio.CancelScope(deadline=self._wake_at)
            with self._wake:
                await trio.sleep_forever()

    def _act(self, now: float) -> None:
        while self._timers and (self._timers[0][0] <= now or self._timers[0][2].cancelled):
            timer = heapq.heappop(self._timers)[2]
            if timer.action is not None:
                timer.action()
        # Collected first: who expires leaves the queue, which is not changed while it is read.
        due: list[Wait] = []
        for queue in self._waits.values():
            for wait, deadline in queue.items():
                if deadline > now:
                    break
                due.append(wait)
        for wait in due:
            wait.expire()

    def _soonest(self) -> float:
        heads = [next(iter(queue.values())) for queue in self._waits.values()]
        if self._timers:
            heads.append(self._timers[0][0])
        return min(heads, default=math.inf)
