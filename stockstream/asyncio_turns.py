"""Turns of the asyncio thread: it runs while trio waits, not in the middle of trio's work.

Two threads may switch at each system call. A broadcaster that writes to a thousand sockets makes a
thousand such calls: each time the asyncio thread could take over, and all later clients would wait
for it. So before the loop runs its ready callbacks, it checks whether trio runs tasks now, and
waits until trio waits, too, as if both were one loop. It waits for `PATIENCE_SECONDS` at most,
because trio may always have work. Nor is the loop woken before trio has run its tasks.
"""

from __future__ import annotations

import selectors
import threading
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from selectors import SelectorKey

PATIENCE_SECONDS = 0.02
"""About what a flush to a thousand clients takes."""


class TrioIsBusy(trio.abc.Instrument):
    """Holds `lock` while trio runs tasks, and calls `over` when they were run."""

    def __init__(self, over: Callable[[], None]) -> None:
        self._over = over
        self.lock = threading.Lock()
        self._held = False

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """Trio runs tasks now. Another holder has the lock only briefly, since trio waited."""
        self._held = self.lock.acquire(blocking=False)

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - as above
        """They were run."""
        self.release()
        self._over()

    def forget(self) -> None:
        """Call nobody any more: who is called holds this, and the two would be a cycle."""
        self._over = _nothing

    def release(self) -> None:
        """Release the lock until tasks are run the next time."""
        if self._held:
            self._held = False
            self.lock.release()


def _nothing() -> None:
    pass


class PoliteSelector(selectors.DefaultSelector):
    """The loop's selector: reports ready events when trio waits, or when its patience is over."""

    def __init__(self, lock: threading.Lock) -> None:
        super().__init__()
        self._lock = lock

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """As its base class does it."""
        ready = super().select(timeout)
        if self._lock.acquire(timeout=PATIENCE_SECONDS):
            self._lock.release()
        return ready
