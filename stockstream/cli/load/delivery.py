"""How long messages took, from two clocks that were never set by each other.

A message says what the server's steady clock was when it was made; the client's says when its bytes
arrived. The difference is an unknown constant plus the time the message took. The
least difference of all messages is that constant plus the time of the quickest, which is taken to
be half of the quickest round trip. So times are right to about that, and none depends on a clock
that somebody sets.

A server that restarts on another machine begins another clock: differences that are a minute apart
are of two.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SAME_CLOCK_MS = 60_000


class Delays:
    """Differences of two steady clocks, in ms, by the server's name."""

    def __init__(self) -> None:
        self._clocks: dict[str, list[Counter[int]]] = {}

    def add(self, server: str, met: Mapping[int, int]) -> None:
        """Take in what one connection met, or one process."""
        if not met:
            return
        least = min(met)
        clocks = self._clocks.setdefault(server, [])
        for clock in clocks:
            if abs(min(clock) - least) < SAME_CLOCK_MS:
                clock.update(met)
                return
        clocks.append(Counter(met))

    def told(self) -> dict[str, list[dict[int, int]]]:
        """As it is told to the command."""
        return {
            server: [dict(clock) for clock in clocks] for server, clocks in self._clocks.items()
        }

    def times(self, round_trip: float | None) -> Counter[int]:
        """How long messages took, in ms, by how often."""
        quickest = round((round_trip or 0.0) / 2)
        times: Counter[int] = Counter()
        for clock in chain.from_iterable(self._clocks.values()):
            least = min(clock)
            for delay, count in clock.items():
                times[delay - least + quickest] += count
        return times


def summed(tables: Iterable[Mapping[int, int]]) -> Counter[int]:
    """All of them in one."""
    total: Counter[int] = Counter()
    for table in tables:
        total.update(table)
    return total


def percentile(times: Mapping[int, int], share: float) -> int | None:
    """The least time that at least `share` (0 to 1) of all are not above; None of none."""
    total = sum(times.values())
    below = 0
    for time in sorted(times):
        below += times[time]
        if below >= share * total:
            return time
    return None
