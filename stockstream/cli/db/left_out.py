"""The lines of a file that were left out, as ranges: an already imported file is one range."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_RANGES = 1_000
"""More are counted and not kept."""
SHOWN_RANGES = 10


class LeftOut:
    """Line numbers, added in rising order; `count` of them."""

    def __init__(self) -> None:
        self.count = 0
        self.ranges: list[tuple[int, int]] = []
        """First and last line of each."""

    def add(self, lines: Iterable[int]) -> None:
        """Further lines."""
        for line in lines:
            self.count += 1
            if self.ranges and line == self.ranges[-1][1] + 1:
                self.ranges[-1] = (self.ranges[-1][0], line)
            elif len(self.ranges) < MOST_RANGES:
                self.ranges.append((line, line))

    def __str__(self) -> str:
        """The lines, the first ranges of them: `2-40, 44`."""
        shown = [
            str(first) if first == last else f"{first}-{last}"
            for first, last in self.ranges[:SHOWN_RANGES]
        ]
        more = ["..."] if len(self.ranges) > SHOWN_RANGES else []
        return ", ".join(shown + more)
