"""Makes a failing schedule as short as it can be: what is left is needed for the failure.

Fewer troubles first, by halves (delta debugging), then fewer nodes, clients and rounds, then
shorter troubles. Any violation of the same rule counts as the same failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.troubles import ROUND_SECONDS, START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.troubles import Schedule

MOST_RUNS = 400


def shrink(
    schedule: Schedule, fails: Callable[[Schedule], bool], *, runs: int = MOST_RUNS
) -> Schedule:
    """The shortest schedule found in at most so many runs; `fails` runs one."""
    left = runs
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(schedule):
            if left == 0:
                return schedule
            left -= 1
            if fails(candidate):
                schedule, smaller = candidate, True
                break
    return schedule


def _candidates(schedule: Schedule) -> Iterator[Schedule]:
    """Simpler ones, the simplest first."""
    number = len(schedule.troubles)
    if schedule.rounds > 1:
        last = max((one.at + one.seconds for one in schedule.troubles), default=0.0)
        needed = max(1, -int(-(last - START_SECONDS) // ROUND_SECONDS))
        for rounds in sorted({needed, schedule.rounds - 1}):
            if rounds < schedule.rounds:
                end = START_SECONDS + rounds * ROUND_SECONDS
                kept = tuple(one for one in schedule.troubles if one.at < end)
                yield replace(schedule, rounds=rounds, troubles=kept)
    size = number
    while size >= 1:
        for start in range(0, number, size):
            yield schedule.without(frozenset(range(start, min(start + size, number))))
        size //= 2
    for at, one in enumerate(schedule.troubles):
        for seconds in (0.0, 1.0, one.seconds / 2):
            if one.seconds > max(seconds, 0.2):
                troubles = list(schedule.troubles)
                troubles[at] = replace(one, seconds=round(seconds, 3))
                yield replace(schedule, troubles=tuple(troubles))
                break
