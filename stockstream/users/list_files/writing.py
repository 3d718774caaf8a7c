"""Writes a list so that others read it, and that it is the same when it is read again. No I/O."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING

from stockstream.users.list_files.names import prefixed
from stockstream.users.list_files.reading import HEAD, SECTION_MARK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.users.list_files.names import Listed
    from stockstream.users.sections import Section

Figures = tuple[str, str | None, str | None]
"""Quantity, cost of one, and its currency."""
_FORMULA = re.compile(r"(^|;)(?='*[=+\-@\t\r])")
_NONE: Mapping[str, Figures] = {}


def as_csv(
    symbols: Sequence[str], sections: Sequence[Section], figures: Mapping[str, Figures] = _NONE
) -> str:
    """Lines with a header. What a table's program takes for a formula gets a `'` before it."""
    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEAD)

    def write(symbol: str, section: str) -> None:
        numbers = (value or "" for value in figures.get(symbol, ("", "", "")))
        writer.writerow([cell(symbol), cell(section), *numbers])

    for symbol in _loose(symbols, sections):
        write(symbol, "")
    for section in sections:
        for symbol in section.symbols or [""]:
            write(symbol, section.name)
    return out.getvalue()


def as_text(symbols: Sequence[str], sections: Sequence[Section], listed: Listed) -> str:
    """One line as TradingView reads it. A comma in the name of a section is a blank there."""
    parts = [prefixed(symbol, listed) for symbol in _loose(symbols, sections)]
    for section in sections:
        parts.append(SECTION_MARK + " ".join(section.name.replace(",", " ").split()))
        parts += [prefixed(symbol, listed) for symbol in section.symbols]
    return ",".join(parts) + "\n"


def cell(text: str) -> str:
    """A text that is no formula; `bare_cell` of the reader undoes it."""
    return _FORMULA.sub(r"\1'", text)


def _loose(symbols: Sequence[str], sections: Sequence[Section]) -> list[str]:
    held = {symbol for section in sections for symbol in section.symbols}
    return [symbol for symbol in symbols if symbol not in held]
