"""Time that the product could use: without the time when other programs had the CPUs.

A limit in real time is a promise about a machine that runs only the product. On a machine with
other load (two workers of pytest, a neighbour in the same rack) the kernel tells how long a thread
was ready to run and had to wait; no fault of the product adds to that.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio


@dataclass(frozen=True)
class Stopwatch:
    """Runs from when it is made; in seconds of trio's clock.

    The thread that makes it has to run meanwhile, and the main threads of the processes `of`.
    """

    of: tuple[int, ...] = ()
    at: float = field(default_factory=trio.current_time)
    _waited: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_waited", self._waits())

    def until(self, moment: float | None = None) -> float:
        """Seconds to a moment, by default now, without the time of waiting for a CPU."""
        end = trio.current_time() if moment is None else moment
        return max(0.0, end - self.at - (self._waits() - self._waited))

    def _waits(self) -> float:
        return sum(_waited_for_cpu(thread) for thread in ("thread-self", *map(str, self.of)))


def _waited_for_cpu(thread: str) -> float:
    """Seconds that it was ready and did not run; 0 where the kernel does not tell (Linux does)."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{thread}/schedstat").read_text().split()[1]) / 1e9
    return 0.0
