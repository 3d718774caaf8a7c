"""How long things took, as counts per power of a step: quantiles in a bounded, small memory. Pure.

The buckets are geometric, as those of HdrHistogram and of Prometheus's native histograms: each is
2 ** (1 / 4) times as wide as the one before. So a quantile is wrong by at most 9 %.
"""

from __future__ import annotations

from math import log2

SHORTEST_SECONDS = 1e-7
"""Shorter durations count as this one. No clock here measures them exactly."""
BUCKETS_PER_DOUBLING = 4
LAST_BUCKET = 130
"""Ten minutes and more."""
HALVED_AT = 8_192
"""When so many are counted, all counts are halved, so that old ones matter less and less."""


class Durations:
    """Counts of durations, of the recent ones above all. An empty one takes little memory."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: dict[int, int] | None = None
        self._total = 0

    def add(self, seconds: float, number: int) -> None:
        """Count `number` things that took `seconds` each."""
        counts = self._counts
        if counts is None:
            counts = self._counts = {}
        bucket = 0
        if seconds > SHORTEST_SECONDS:
            bucket = min(LAST_BUCKET, int(log2(seconds / SHORTEST_SECONDS) * BUCKETS_PER_DOUBLING))
        counts[bucket] = counts.get(bucket, 0) + number
        self._total += number
        if self._total >= HALVED_AT:
            self._counts = {key: count // 2 for key, count in counts.items() if count > 1}
            self._total = sum(self._counts.values())

    def quantiles(self, *shares: float) -> tuple[float | None, ...]:
        """For each share, from 0 to 1 and ascending, the duration that so many took at most.

        In seconds, the geometric middle of a bucket; None where nothing was counted.
        """
        found: list[float | None] = []
        buckets = sorted((self._counts or {}).items())
        for share in shares:
            rest = share * self._total
            middle: float | None = None
            for bucket, count in buckets:
                rest -= count
                middle = SHORTEST_SECONDS * 2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING)
                if rest <= 0:
                    break
            found.append(middle)
        return tuple(found)
