"""What a search for symbols costs in a long list: `python -m bench.symbol_search`, some seconds."""

from __future__ import annotations

import sys
import time
import timeit
from typing import TYPE_CHECKING

from stockstream.names import bundled_name, known
from stockstream.symbol_search import Searched, SymbolIndex

if TYPE_CHECKING:
    from collections.abc import Callable

SYMBOLS = 20_000
MOST = 50
ROUNDS = 5


def entries() -> list[Searched]:
    """The names of the file time and again, with symbols of their own."""
    names = list(known().securities.items())
    return [
        Searched(f"{symbol}{number}"[:32], f"{name} {number}")
        for number in range(SYMBOLS // len(names) + 1)
        for symbol, name in names
    ][:SYMBOLS]


def main() -> None:
    """Measure the CPU of each part by itself: the best of some rounds."""
    made = entries()
    index = SymbolIndex(made)
    symbols = list(known().securities)
    parts: dict[str, tuple[Callable[[], object], int]] = {
        f"make the index of {SYMBOLS:,}": (lambda: SymbolIndex(made), 1),
        "a letter": (lambda: index.find("a", MOST), 100),
        "a word of a name": (lambda: index.find("apple", MOST), 100),
        "two words": (lambda: index.find("bank of am", MOST), 100),
        "what nothing holds": (lambda: index.find("qzxv", MOST), 100),
        "look at all of them instead": (
            lambda: [one for one in made if "apple" in (one.name or "").casefold()],
            10,
        ),
        f"the bundled names of {len(symbols):,} quotes": (
            lambda: [bundled_name(symbol, None, None) for symbol in symbols],
            10,
        ),
    }
    for name, (part, times) in parts.items():
        best = min(timeit.repeat(part, timer=time.thread_time, number=times, repeat=ROUNDS)) / times
        sys.stdout.write(f"{best * 1e3:9.3f} ms  {name}\n")


if __name__ == "__main__":
    main()
