"""Prices that walk inside a range, as those of a market do: each one near the last one.

A stub whose `transformerParameters` hold `walkSeed` has its `randomDecimal` walk. WireMock knows no
such parameter and draws each value for itself, anywhere in the range.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

MAX_WALKS: Final = 10_000
"""Of a seed. The oldest one is forgotten: ranges may come out of requests."""
MAX_NAME: Final = 100
"""Characters that tell names apart; those, too, may come out of requests."""
MAX_SEEDS: Final = 100
"""The oldest one begins again: stubs come and go by the admin API."""
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
    at: float


@dataclass(slots=True)
class _Seeded:
    dice: random.Random
    walks: dict[tuple[str, float, float], _Walk] = field(default_factory=dict)


class Walks:
    """The walking values of a stub server, which is their only owner."""

    def __init__(self) -> None:
        self._seeds: dict[int, _Seeded] = {}

    def __len__(self) -> int:
        return sum(len(seeded.walks) for seeded in self._seeds.values())

    def clear(self) -> None:
        """Begin all of them again."""
        self._seeds.clear()

    def at(self, seed: int, now: datetime) -> Callable[[str, float, float], float]:
        """What gives the next value of a name in [lower, upper): never its last one, nor rounded
        to two decimals, where the range is wider than five hundredths.

        The same seed and the same questions at the same times give the same values.
        """
        seeded = self._seeds.get(seed)
        if seeded is None:
            if len(self._seeds) >= MAX_SEEDS:
                del self._seeds[next(iter(self._seeds))]
            seeded = self._seeds[seed] = _Seeded(random.Random(seed))
        walks, dice, moment = seeded.walks, seeded.dice.random, now.timestamp()

        def value(name: str, lower: float, upper: float) -> float:
            key = (name[:MAX_NAME], lower, upper)
            walk = walks.get(key)
            if walk is not None:
                return _step(walk, dice, moment, lower, upper)
            if len(walks) >= MAX_WALKS:
                del walks[next(iter(walks))]
            start = lower + (upper - lower) * (0.25 + 0.5 * dice())
            # Where a range holds but a few numbers, the sum can round up to `upper`, outside.
            start = min(start, math.nextafter(upper, lower))
            walks[key] = _Walk(start, 0.0, moment)
            return start

        return value


def _step(
    walk: _Walk, dice: Callable[[], float], moment: float, lower: float, upper: float
) -> float:
    passed = min(max(moment - walk.at, SHORTEST), LONGEST)
    walk.at = moment
    part = min(1.0, passed / TREND_SECONDS)
    walk.speed += TREND * math.sqrt(24 * part) * (dice() - 0.5) - part * walk.speed
    width = upper - lower
    drawn = ROUGHNESS * math.sqrt(passed) * (dice() - 0.5)
    step = width * (walk.speed * passed + drawn)
    least = LEAST if width > 0.05 else width / 100
    if -least < step < least:
        step = math.copysign(least, step)
    if not lower + least <= walk.value + step < upper - least:
        step, walk.speed = -step, -walk.speed
    walk.value += step
    return walk.value
