"""Starts, ends and losses in the tree, counted since the process began."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stockstream.telemetry.stories import place_of
from supervision import (
    CastDropped,
    Crash,
    Decision,
    Event,
    Exited,
    FailedStart,
    IntensityExceeded,
    Killed,
    Started,
    is_clean,
)

if TYPE_CHECKING:
    from supervision import System


class Tally:
    """Call it with events; read its counters at any time. Paths of numbered children end in `#`.

    `ends` counts by path and kind: crash, kill, or failed_start; requested stops do not count.
    """

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        self.ends: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[str] = Counter()
        self.gave_up: Counter[str] = Counter()
        self._system: System | None = None

    def attach(self, system: System) -> None:
        """Subscribe to the system's events, once however often this is called."""
        if self._system is not system:
            self._system = system
            system.subscribe(self)

    def __call__(self, event: Event) -> None:
        """Take an event of the system."""
        place = place_of(event.path)
        match event:
            case Started(_, generation) if generation > 1:
                self.restarts[place] += 1
            case Exited(_, _, Crash(), _):
                self.ends[place, "crash"] += 1
            case Exited(_, _, Killed(), decision) if decision is not Decision.STOPPING:
                self.ends[place, "kill"] += 1
            case FailedStart(_, _, reason) if not is_clean(reason):
                self.ends[place, "failed_start"] += 1
            case CastDropped():
                self.dropped[place] += 1
            case IntensityExceeded():
                self.gave_up[place] += 1
            case _:
                pass
