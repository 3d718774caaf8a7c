"""Which symbols the provider lists no more, told from those that one answer left out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.quotes import Symbol

UNLISTED_AFTER_LISTS = 3
"""So many whole lists in a row must lack a symbol. Clients call a feed stale after as many."""


class Listing:
    """Follows the lists; `unlisted` are the symbols that are gone."""

    def __init__(self) -> None:
        self.unlisted: frozenset[Symbol] = frozenset()
        self._missed: dict[Symbol, int] = {}

    def seen(self, missing: Iterable[Symbol]) -> tuple[frozenset[Symbol], frozenset[Symbol]]:
        """Take what a whole list lacks of what is known; returns what is gone by it, and back."""
        self._missed = {symbol: self._missed.get(symbol, 0) + 1 for symbol in missing}
        unlisted = frozenset(s for s, n in self._missed.items() if n >= UNLISTED_AFTER_LISTS)
        gone, back = unlisted - self.unlisted, self.unlisted - unlisted
        self.unlisted = unlisted
        return gone, back
