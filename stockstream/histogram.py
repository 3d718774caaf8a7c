"""How values were spread, counted in buckets."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Histogram:
    """Counts values by the lowest bound that is not below them; larger ones in a last bucket."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` rise.

        Raises:
            ValueError: they do not.
        """
        if any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(f"the bounds of a histogram rise, unlike {bounds}")
        self.bounds = tuple(bounds)
        self.total = 0.0
        """The sum of all values."""
        self._counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[int]:
        """How many values were at most each bound, and then how many there were."""
        return list(accumulate(self._counts))

    def quantile(self, part: float) -> float | None:
        """The bound that this part of the values was at most; None of none, or beyond the last."""
        so_far = self.cumulative()
        wanted = part * so_far[-1]
        if not so_far[-1]:
            return None
        return next(
            (bound for bound, count in zip(self.bounds, so_far, strict=False) if count >= wanted),
            None,
        )
