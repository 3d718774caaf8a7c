"""How a feed that polls is set."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollSettings:
    """The pace and the range. Times in seconds.

    A random part of each interval is cut off; `jitter`, from 0 to 1, is the largest such part. So
    an interval is never longer than said. The feed always fetches `symbols`, or the provider's
    whole list if there are none. With `symbols`, it still fetches the whole list every
    `list_interval`, to know which symbols exist.
    """

    interval: float = 1.0
    idle_interval: float = 5.0
    jitter: float = 0.1
    symbols: frozenset[str] = frozenset()
    list_interval: float = 300.0

    def __post_init__(self) -> None:
        for name in ("interval", "idle_interval", "list_interval"):
            seconds: float = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} must be above 0 seconds, not {seconds}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be at least 0 and below 1, not {self.jitter}")
