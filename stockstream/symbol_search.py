"""Symbols by what somebody types: a symbol, or words of a name. Pure.

Letters count without case and accents. The best first: the symbol itself, symbols that begin so,
names of which each word typed begins a word, symbols that hold it. An index of 20,000 symbols takes
0.14 s to make, so a thread makes it; a question then takes a millisecond, a single letter five
(`bench/symbol_search.py`).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# What is one letter and not a letter with a sign on it.
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "\u0131": "i"}
)
_WORD = re.compile(r"\w+(?:&\w+)*")
_AFTER_ALL = "\U0010ffff"
_MOST_LOOKED_AT = 4_000
"""Of one question: a single letter may begin half of a long list."""


class Searched(NamedTuple):
    """A symbol with its name; those `listed` come before others that fit as well."""

    symbol: str
    name: str | None
    listed: bool = True


def folded(text: str) -> str:
    """Small letters without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def words_of(text: str) -> list[str]:
    """The words of a name, folded. `L'Oréal` is `l`, `oreal`, and `loreal` as it is typed."""
    plain = folded(text)
    found = _WORD.findall(plain)
    joined = _WORD.findall(re.sub(r"['’.]", "", plain))  # noqa: RUF001
    return list(dict.fromkeys([*found, *joined]))


class SymbolIndex:
    """Answers `find`; it never changes."""

    def __init__(self, entries: Iterable[Searched]) -> None:
        self._entries = list(entries)
        keys: list[tuple[str, int]] = []
        words: list[tuple[str, int]] = []
        self._words: list[list[str]] = []
        for place, (symbol, name, _listed) in enumerate(self._entries):
            keys.append((symbol, place))
            # `NASDAQ:AAPL` should be found by someone who types `AAP`.
            if ":" in symbol:
                keys.append((symbol.rpartition(":")[2], place))
            own = [] if name is None else words_of(name)
            self._words.append(own)
            words += [(word, place) for word in own]
        self._keys = sorted(keys)
        self._names = sorted(words)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, text: str, most: int) -> list[Searched]:
        """The best `most` for what was typed; none for nothing."""
        symbol = text.strip().upper().replace("/", "-")
        typed = words_of(text)
        if not symbol:
            return []
        found: dict[int, tuple[int, bool, int, str]] = {}

        def add(place: int, rank: int) -> None:
            entry = self._entries[place]
            value = (rank, not entry.listed, len(entry.symbol), entry.symbol)
            if place not in found or value < found[place]:
                found[place] = value

        for key, place in _taken(self._keys, _beginning(self._keys, symbol)):
            add(place, 0 if key == symbol else 1)
        if typed:
            # The rarest word leaves the fewest names; the other ones are looked for in these.
            rarest = min((_beginning(self._names, word) for word in typed), key=len)
            for _word, place in _taken(self._names, rarest):
                own = self._words[place]
                if all(any(word.startswith(part) for word in own) for part in typed):
                    add(place, 2)
        if len(found) < most:
            for place, entry in enumerate(self._entries):
                if symbol in entry.symbol:
                    add(place, 3)
        best = nsmallest(most, found.items(), key=lambda item: item[1])
        return [self._entries[place] for place, _value in best]


def _beginning(keys: list[tuple[str, int]], text: str) -> range:
    return range(bisect_left(keys, (text,)), bisect_left(keys, (text + _AFTER_ALL,)))


def _taken(keys: list[tuple[str, int]], places: range) -> list[tuple[str, int]]:
    return keys[places.start : min(places.stop, places.start + _MOST_LOOKED_AT)]
