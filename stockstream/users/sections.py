"""Sections of a list: a name, and the symbols below it. No I/O.

A list is its symbols from top to bottom: those of no section, then those of each section. Versions
without sections read and write the symbols alone. So of what is stored, the symbols say what is on
the list and in which order, and a section only which of them are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_SECTIONS = 50
LONGEST_SECTION_NAME = 60


class Section(msgspec.Struct, frozen=True):
    """A section. A `folded` one shows its name only."""

    name: str
    symbols: list[str] = []
    folded: bool = False


def arranged(
    symbols: Sequence[str], sections: Sequence[Section]
) -> tuple[list[str], list[Section]]:
    """The list that has these symbols, within each section in this order.

    A symbol is in the first section that names it; what is not on the list is in none.
    """
    if not sections:
        return list(symbols), []
    section_of: dict[str, int] = {}
    for index, section in enumerate(sections):
        for symbol in section.symbols:
            section_of.setdefault(symbol, index)
    loose: list[str] = []
    held: list[list[str]] = [[] for _ in sections]
    for symbol in symbols:
        found = section_of.get(symbol)
        (loose if found is None else held[found]).append(symbol)
    made = [
        Section(section.name, inside, section.folded)
        for section, inside in zip(sections, held, strict=True)
    ]
    return loose + [symbol for inside in held for symbol in inside], made


def grouped(symbols: Iterable[str], sections: Sequence[Section]) -> tuple[list[str], list[Section]]:
    """The same, where the order within each section is that of the section."""
    there = dict.fromkeys(symbols)
    named = [symbol for section in sections for symbol in section.symbols if symbol in there]
    return arranged(list(dict.fromkeys(named) | there), sections)
