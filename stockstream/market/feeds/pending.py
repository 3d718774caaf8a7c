"""Prices that were pushed and wait to be told: in order, none lost, and no more than memory has.

The streamer takes one price of a symbol at a time, so they wait in rounds. While it is away the
newest of each symbol is what counts: beyond `MOST_ROUNDS` a newer price takes the place of the one
before it. Pure.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.quotes import Observation, Symbol

MOST_ROUNDS = 100


class Pending:
    """See the module. `replaced` counts prices that a newer one took the place of."""

    def __init__(self, most_rounds: int = MOST_ROUNDS) -> None:
        self._most = most_rounds
        self._rounds: deque[dict[Symbol, Observation]] = deque()
        self._first = 0
        self._next: dict[Symbol, int] = {}
        self.replaced = 0

    def __bool__(self) -> bool:
        return bool(self._rounds)

    def add(self, observations: Iterable[Observation]) -> None:
        """Have these wait, each behind those of its symbol that came before."""
        for seen in observations:
            number = max(self._next.get(seen.symbol, 0), self._first)
            place = number - self._first
            if place >= self._most:
                self.replaced += 1
                self._rounds[-1][seen.symbol] = seen
                continue
            if place == len(self._rounds):
                self._rounds.append({})
            self._rounds[place][seen.symbol] = seen
            self._next[seen.symbol] = number + 1

    def take(self) -> tuple[Observation, ...]:
        """The oldest of each symbol; there are some."""
        taken = self._rounds.popleft()
        self._first += 1
        if not self._rounds:
            self._next.clear()
        return tuple(taken.values())
