"""How busy this process is, as other nodes are told it."""

from __future__ import annotations

import time


class Load:
    """`share` is the part of a core that the process used between the last two measurements."""

    def __init__(self) -> None:
        self.share = 0.0
        self._last: tuple[float, float] | None = None

    def measure(self, now: float) -> None:
        """`now` is trio's clock, in seconds."""
        used = time.process_time()
        if self._last is not None and now > self._last[1]:
            self.share = round((used - self._last[0]) / (now - self._last[1]), 3)
        self._last = used, now
