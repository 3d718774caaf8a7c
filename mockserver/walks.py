"""Prices that walk inside a range, as those of a market do: each one near the last one.

A stub whose `transformerParameters` hold `walkSeed` has its `randomDecimal` walk. WireMock knows no
such parameter and draws each value for itself, anywhere in the range.
"""

import math
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_WALKS: Final = 10_000
"""The one not asked for the longest is forgotten: ranges may come out of requests."""
MAX_SEEDS: Final = 1_000
"""With one more all begin again: stubs come and go by the admin API."""
SHORTEST: Final = 0.02
LONGEST: Final = 60.0
"""Seconds that one step may stand for: a clock that is set moves no price far."""
ROUGHNESS: Final = 0.008
"""The part of the range's width within which a second moves a price by chance."""
TREND: Final = 0.0005
"""Of the range's width, per second: the usual speed of a trend."""
TREND_SECONDS: Final = 180.0
"""For about so long a trend goes on."""
LEAST: Final = 0.0101
"""A step of more than a hundredth shows in two decimals, however they are rounded."""


@dataclass(slots=True)
class _Walk:
    value: float
    speed: float
    """Of the range's width, per second."""
    at: datetime


class Walks:
    """The walking values of a stub server, which is their only owner."""

    def __init__(self) -> None:
        self._walks: OrderedDict[tuple[int, str, float, float], _Walk] = OrderedDict()
        self._dice: dict[int, random.Random] = {}

    def __len__(self) -> int:
        return len(self._walks)

    def clear(self) -> None:
        """Begin all of them again."""
        self._walks.clear()
        self._dice.clear()

    def at(self, seed: int, now: datetime) -> Callable[[str, float, float], float]:
        """What gives the next values of a seed's names, all of them of `now`."""
        return lambda name, lower, upper: self.next(seed, name, lower, upper, now)

    def next(self, seed: int, name: str, lower: float, upper: float, now: datetime) -> float:
        """The next value of `name` in [lower, upper), never the last one: nor rounded to two
        decimals, where the range is wider than five hundredths.

        The same seed and the same questions at the same times give the same values.
        """
        width = upper - lower
        key = (seed, name, lower, upper)
        dice = self._dice.get(seed)
        if dice is None:
            if len(self._dice) >= MAX_SEEDS:
                self.clear()
            dice = self._dice[seed] = random.Random(seed)
        walk = self._walks.get(key)
        if walk is None:
            start = lower + width * (0.25 + 0.5 * dice.random())
            walk = self._walks[key] = _Walk(start, 0.0, now)
            if len(self._walks) > MAX_WALKS:
                self._walks.popitem(last=False)
            return walk.value
        self._walks.move_to_end(key)
        passed = min(max((now - walk.at).total_seconds(), SHORTEST), LONGEST)
        walk.at = now
        part = min(1.0, passed / TREND_SECONDS)
        walk.speed += TREND * math.sqrt(24 * part) * (dice.random() - 0.5) - part * walk.speed
        drawn = ROUGHNESS * math.sqrt(passed) * (dice.random() - 0.5)
        step = width * (walk.speed * passed + drawn)
        least = LEAST if width > 0.05 else width / 100
        if abs(step) < least:
            step = math.copysign(least, step)
        if not lower + least <= walk.value + step < upper - least:
            step, walk.speed = -step, -walk.speed
        walk.value += step
        return walk.value
