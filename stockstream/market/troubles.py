"""Troubles of an upstream: each one is counted, and each kind is told once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# An upstream that fails every other time is in one trouble, not in a new one each time.
CLEAN_ROUNDS_TO_BE_OVER = 5


class Troubles:
    """The kinds of trouble there are now, each with the clean rounds since it was last seen."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._clean_rounds: dict[str, int] = {}

    def seen(self, kind: str, times: int = 1) -> bool:
        """Count a trouble; returns whether its kind is new and has to be told."""
        self.counts[kind] += times
        new = kind not in self._clean_rounds
        self._clean_rounds[kind] = 0
        return new

    def after_success(self, seen_again: Iterable[str]) -> list[str]:
        """Take a round that succeeded, with the kinds `seen_again`; returns those that are over."""
        again = frozenset(seen_again)
        for kind in self._clean_rounds:
            if kind not in again:
                self._clean_rounds[kind] += 1
        over = [k for k, clean in self._clean_rounds.items() if clean >= CLEAN_ROUNDS_TO_BE_OVER]
        for kind in over:
            del self._clean_rounds[kind]
        return over
