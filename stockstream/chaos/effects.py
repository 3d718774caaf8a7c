"""The effect of a fault on a watching client: how long it waited, and whether it may. Pure.

A fault may cost the fetch that it hits: the last price came up to an interval before it, and the
next one comes within the bound for fresh prices (C14) after it. A longer wait is allowed only while
the price API fails or the breaker is held open. Then prices stand still, clients are told so in
time, and prices go on when the breaker has tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.chaos.watchers import Watcher

TOLD_INTERVALS = 3.0
"""A price is stale after three intervals: by then at the latest its client knows."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds: between fetches, and until a fresh price after a fault."""

    interval: float
    fresh: float

    @property
    def gap(self) -> float:
        """The longest time between two prices that a fault may cost."""
        return self.interval + self.fresh

    @property
    def told(self) -> float:
        """The longest time without a price that is allowed without telling the client."""
        return TOLD_INTERVALS * self.interval + self.fresh


@dataclass(frozen=True, slots=True)
class Span:
    """A fault from its begin until it was over and judged; trio's times.

    `pauses` says that prices may stand still meanwhile, as long as clients are told.
    """

    struck: float
    judged: float
    pauses: bool


def longest_gap(watcher: Watcher, span: Span) -> float:
    """The longest time without a price that a fault may have caused."""
    gaps = watcher.gaps_within(span.struck, span.judged)
    return max((gap.ended - gap.began for gap in gaps), default=0.0)


def starved(watcher: Watcher, span: Span, bounds: Bounds) -> bool:
    """Whether a client waited for too long, or had no prices without being told."""
    for gap in watcher.gaps_within(span.struck, span.judged):
        seconds = gap.ended - gap.began
        if not span.pauses and seconds > bounds.gap:
            return True
        if seconds > bounds.told and not watcher.was_told(gap, bounds.told):
            return True
    return False
