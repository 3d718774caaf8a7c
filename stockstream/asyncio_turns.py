"""When the asyncio thread has its turn: while trio waits, and not in the midst of what it does.

Two threads take turns at the interpreter whenever one of them makes a system call. A broadcaster
that writes to a thousand sockets makes a thousand: each time the asyncio thread could come in
between, and all clients behind that socket would wait for it. So the loop looks, before it runs
what is ready, whether trio runs tasks just now, and waits until trio waits too: as if both were
one loop. It does not wait for longer than `PATIENCE_SECONDS`: trio may always have work.
"""

from __future__ import annotations

import selectors
import threading
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from selectors import SelectorKey

PATIENCE_SECONDS = 0.02
"""About what a flush to a thousand clients takes."""


class TrioIsBusy(trio.abc.Instrument):
    """Holds `lock` while trio runs tasks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held = False

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """Tasks are run now. Whoever has the lock for an instant began while trio waited."""
        self._held = self.lock.acquire(blocking=False)

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - as above
        """They were run."""
        self.release()

    def release(self) -> None:
        """Hold up nobody, until tasks are run the next time."""
        if self._held:
            self._held = False
            self.lock.release()


class PoliteSelector(selectors.DefaultSelector):
    """An asyncio loop's: tells what is ready once trio waits, or when its patience is over."""

    def __init__(self, lock: threading.Lock) -> None:
        super().__init__()
        self._lock = lock

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """As its base class does it."""
        ready = super().select(timeout)
        if self._lock.acquire(timeout=PATIENCE_SECONDS):
            self._lock.release()
        return ready
