"""Reads a list from a file or a pasted text, whoever wrote it: CSV with a header, or symbols with
commas between, as TradingView exports them. No I/O.

Nothing is dropped in silence: what is not understood is told with its line.
"""

from __future__ import annotations

import codecs
import csv
import re
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import TYPE_CHECKING

import msgspec

from stockstream.users.list_files.names import LONGEST_SHOWN, Unmapped, mapped, read_symbol
from stockstream.users.sections import LONGEST_SECTION_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stockstream.users.list_files.names import Listed

MOST_BYTES = 192 * 1024
MOST_LINES = 5_000
"""Lines, and entries of a line; longer files are refused as a whole."""
SECTION_MARK = "###"
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one is a formula to a program of tables."""
LARGEST_NUMBER = Decimal(10) ** 15
MOST_DECIMALS = 12

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MOST_ABOVE = 5
"""Lines with a title, a date and the like, which some programs write above a table."""
_DELIMITER_TOLD = re.compile(r"sep=.", re.IGNORECASE)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})*")
HEAD = ("symbol", "section", "quantity", "cost", "currency")
"""Of the lines that we write ourselves: their symbols are ours already."""
_DELIMITERS = ",;\t"
_COLUMNS: Mapping[str, Sequence[str]] = {
    "symbol": ("symbol", "ticker", "ticker symbol", "instrument"),
    "section": ("section", "group"),
    "quantity": ("quantity", "shares", "qty", "units"),
    "cost": (
        "cost",
        "purchase price",
        "cost per share",
        "unit cost",
        "average cost",
        "avg cost",
        "average price",
        "avg price",
        "avg. price",
        "price paid",
    ),
    "currency": ("currency", "ccy"),
    "kind": ("transaction type",),
}


class NotReadable(ValueError):
    """No list can be read at all; it goes to who gave it."""


class Entry(msgspec.Struct, frozen=True):
    """A symbol that was read. Numbers as decimal text; one without a symbol is an empty section."""

    line: int
    symbol: str | None
    section: str | None = None
    quantity: str | None = None
    cost: str | None = None
    currency: str | None = None


class Unread(msgspec.Struct, frozen=True):
    """What was not understood, and where."""

    line: int
    text: str
    reason: str


class ReadList(msgspec.Struct, frozen=True):
    """What was read: `kind` is `csv` or `text`."""

    kind: str
    entries: list[Entry]
    unread: list[Unread]


def read_list(data: bytes, listed: Listed) -> ReadList:
    """Read a list.

    Raises:
        NotReadable: it is no text, or too long.
    """
    if len(data) > MOST_BYTES:
        size = len(data) // 1024 + 1
        raise NotReadable(f"at most {MOST_BYTES // 1024} KB, and this is {size} KB")
    text = decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if len(lines) > MOST_LINES or text.count(",") > 40 * MOST_LINES:
        raise NotReadable(f"at most {MOST_LINES:,} lines, and this has {len(lines):,}")
    above: list[Unread] = []
    for at, line in enumerate(lines):
        if line.strip() == "":
            continue
        for delimiter in _DELIMITERS:
            head = _head(line, delimiter)
            columns = _columns(head)
            # A line above a table may be anything, so below one a single word is no head.
            if "symbol" in columns and (len(head) > 1 or (delimiter == "," and not above)):
                rest = "\n".join(lines[at + 1 :])
                ours = tuple(head) == HEAD
                found = _read_csv(rest, at + 2, delimiter, columns, None if ours else listed)
                return ReadList(found.kind, found.entries, above + found.unread)
        if _DELIMITER_TOLD.fullmatch(line.strip()):
            continue  # to programs of tables, by themselves
        above.append(Unread(at + 1, line[:LONGEST_SHOWN], "it stands above the table"))
        if len(above) > MOST_ABOVE:
            break
    return _read_text(lines, listed)


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16, or what Windows wrote before.

    Raises:
        NotReadable: it is none.
    """
    name = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    halves = (data[1::2].count(0), data[0::2].count(0))
    if name == "utf-8" and max(halves) * 4 > len(data):
        name = "utf-16-le" if halves[0] > halves[1] else "utf-16-be"
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        if name != "utf-8":
            raise NotReadable("it is no text") from None
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise NotReadable("it is no text")
    return text


def number_of(text: str, *, decimal_comma: bool) -> str:
    """A number as decimal text, without an exponent.

    Raises:
        Unmapped: it is none.
    """
    bare = "".join(text.replace("\u2212", "-").split()).replace("'", "").replace("\u2019", "")
    if decimal_comma and "," in bare:
        bare = bare.replace(".", "").replace(",", ".")
    elif "," in bare:
        whole, _, rest = bare.partition(".")
        groups = whole.lstrip("-+").split(",")
        if not _GROUPED.fullmatch(",".join(groups)):
            raise Unmapped(f"“{text[:LONGEST_SHOWN]}” is no number")
        bare = whole.replace(",", "") + (f".{rest}" if rest else "")
    try:
        number = Decimal(bare) if bare.isascii() and "_" not in bare else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise Unmapped(f"“{text[:LONGEST_SHOWN]}” is no number")
    return plain(number)


def plain(number: Decimal) -> str:
    """A number as text without an exponent and without zeros at its end.

    Raises:
        Unmapped: it is too large, or has too many decimals, to be kept exactly.
    """
    # `abs` rounds, and fails where an exponent has more than six digits.
    if number.copy_abs() >= LARGEST_NUMBER or number.adjusted() < -MOST_DECIMALS - 20:
        raise Unmapped("the number is too large or too small to be kept")
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.partition(".")[2]) > MOST_DECIMALS:
        raise Unmapped(f"a number has at most {MOST_DECIMALS} decimals")
    return "0" if text in ("-0", "") else text


def bare_cell(text: str) -> str:
    """A cell as it was before it was kept from being a formula: `cell` of the writer undone."""
    if text.startswith("'") and text.lstrip("'").startswith(FORMULA_SIGNS):
        return text[1:]
    return text


def _head(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []  # a cell of more than 128 KB names no column


def _columns(head: Sequence[str]) -> dict[str, int]:
    names = [" ".join(name.casefold().split()) for name in head]
    found = {}
    for column, known in _COLUMNS.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is not None:
            found[column] = place
    return found


def _read_csv(
    text: str, first: int, delimiter: str, columns: Mapping[str, int], listed: Listed | None
) -> ReadList:
    entries: list[Entry] = []
    unread: list[Unread] = []
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    line = first
    try:
        for row in rows:
            here, line = line, first + rows.line_num
            if not any(cell.strip() for cell in row):
                continue
            try:
                entries.append(_entry(here, row, columns, listed, decimal_comma=delimiter == ";"))
            except Unmapped as error:
                shown = delimiter.join(row)[:LONGEST_SHOWN]
                unread.append(Unread(here, shown, str(error)))
    except csv.Error as error:
        unread.append(Unread(line, "", f"it cannot be read from here on: {error}"))
    return ReadList("csv", entries, unread)


def _entry(
    line: int,
    row: Sequence[str],
    columns: Mapping[str, int],
    listed: Listed | None,
    *,
    decimal_comma: bool,
) -> Entry:
    def cell(column: str) -> str | None:
        place = columns.get(column)
        text = bare_cell(row[place].strip()) if place is not None and place < len(row) else ""
        return text or None

    def number(column: str) -> str | None:
        text = cell(column)
        return None if text is None else number_of(text, decimal_comma=decimal_comma)

    section, symbol = _section(cell("section") or ""), cell("symbol")
    if symbol is None:
        if section is None:
            raise Unmapped("there is no symbol in it")
        return Entry(line, None, section)
    kind = (cell("kind") or "").casefold()
    if kind not in ("", "buy"):
        raise Unmapped(f"“{kind[:LONGEST_SHOWN]}” is no purchase; write what is held")
    currency = cell("currency")
    if currency is not None and not _CURRENCY.fullmatch(currency):
        raise Unmapped(f"“{currency[:LONGEST_SHOWN]}” is no currency")
    quantity, cost = number("quantity"), number("cost")
    if cost is not None and cost.startswith("-"):
        raise Unmapped("a cost is not below 0; a short position has a quantity below 0")
    ours = read_symbol(symbol) if listed is None else mapped(symbol, listed)
    return Entry(line, ours, section, quantity, cost, currency)


def _read_text(lines: Sequence[str], listed: Listed) -> ReadList:
    entries: list[Entry] = []
    unread: list[Unread] = []
    section: str | None = None
    for line, text in enumerate(lines, 1):
        for token in _tokens(text):
            if len(entries) + len(unread) >= MOST_LINES:
                raise NotReadable(f"at most {MOST_LINES:,} symbols")
            try:
                if token.startswith(SECTION_MARK):
                    section = _section(token.removeprefix(SECTION_MARK))
                    if section is not None:
                        entries.append(Entry(line, None, section))
                else:
                    entries.append(Entry(line, mapped(token, listed), section))
            except Unmapped as error:
                unread.append(Unread(line, token[:LONGEST_SHOWN], str(error)))
    return ReadList("text", entries, unread)


def _tokens(line: str) -> Iterator[str]:
    """Symbols, and names of sections, which may have blanks in them."""
    for part in line.split(","):
        if part.strip().startswith(SECTION_MARK):
            yield part.strip()
        else:
            yield from part.replace(";", " ").split()


def _section(text: str) -> str | None:
    name = " ".join(text.split())
    if len(name) > LONGEST_SECTION_NAME or not name.isprintable():
        raise Unmapped(f"a section has a name of 1 to {LONGEST_SECTION_NAME} printable characters")
    return name or None
