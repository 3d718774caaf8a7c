"""Reads a list from a file or a pasted text, whoever wrote it: CSV with a header, or symbols with
commas between, as TradingView exports them. No I/O.

Nothing is dropped in silence: what is not understood is told with its line.
"""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING

import msgspec

from stockstream.users.list_files.brokers import (
    HEADING,
    NOT_DONE,
    OTHER_TABLE,
    Kind,
    is_not_done,
    is_of_trades,
    kind_of,
    lacks_symbols,
    told_part,
    why_left_out,
    with_class,
)
from stockstream.users.list_files.cells import (
    NOTHING,
    currency_of,
    day_of,
    has_day_first,
    has_decimal_comma,
    number_of,
    of_one,
)
from stockstream.users.list_files.columns import COLUMNS, NUMBERS, columns_of, head_of
from stockstream.users.list_files.encodings import NotReadable, decoded
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
KEPT_FROM_FORMULA = re.compile(r"(^|;)'(?='*[=+\-@\t\r])")
"""So the writer keeps it from being one: where it begins, and behind what ends a cell in Europe."""

MOST_ABOVE = 5
"""Lines with a title, a date and the like, which some programs write above a table."""
_DELIMITER_TOLD = re.compile(r"sep=.", re.IGNORECASE)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
HEAD = ("symbol", "section", "quantity", "cost", "currency")
"""Of the lines that we write ourselves: their symbols are ours already."""
_DELIMITERS = ",;\t"
_TRADES = ("bought", "sold")


class Entry(msgspec.Struct, frozen=True):
    """A symbol that was read. Numbers as decimal text; one without a symbol is an empty section.

    `kind` says what the line tells: what is `held`, or one trade, `bought` or `sold`; then `date`,
    as `2026-11-30`, and `fee` are of that. What was sold has a `quantity` below 0. `unlisted`: no
    feed lists the symbol.
    """

    line: int
    symbol: str | None
    section: str | None = None
    quantity: str | None = None
    cost: str | None = None
    currency: str | None = None
    kind: Kind = "held"
    date: str | None = None
    fee: str | None = None
    unlisted: bool = False


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
    statement = told_part(lines)
    if statement is not None:
        return _read_statement(lines, *statement, listed)
    above: list[Unread] = []
    for at, line in enumerate(lines):
        if line.strip() == "":
            continue
        for delimiter in _DELIMITERS:
            head = head_of(line, delimiter)
            columns = columns_of(head)
            # A line above a table may be anything, so below one a single word is no head.
            below = any(text.strip() for text in lines[at + 1 :])
            if "symbol" in columns and not below and len(columns) == 1:
                continue  # a list of one line, with a symbol SYMBOL or TICKER
            if "symbol" in columns and (len(head) > 1 or (delimiter == "," and not above)):
                table = _Table(delimiter, columns, listed, ours=tuple(head) == HEAD)
                found = table.read("\n".join(lines[at + 1 :]), at + 2)
                return ReadList(found.kind, found.entries, above + found.unread)
            if lacks_symbols(head, columns) and below:
                raise NotReadable("a table without a column “Symbol”; add one, or name it so")
        if _DELIMITER_TOLD.fullmatch(line.strip()):
            continue  # to programs of tables, by themselves
        above.append(Unread(at + 1, line[:LONGEST_SHOWN], "it stands above the table"))
        if len(above) > MOST_ABOVE:
            break
    return _read_text(lines, listed)


def bare_cell(text: str) -> str:
    """A cell as it was before it was kept from being a formula: `cell` of the writer undone."""
    return KEPT_FROM_FORMULA.sub(r"\1", text)


def _read_statement(
    lines: Sequence[str],
    held: Sequence[tuple[int, str]],
    left: Sequence[tuple[int, str]],
    listed: Listed,
) -> ReadList:
    (_, heading), *rows = held
    table = _Table(",", columns_of(head_of(heading, ",")), listed, trades=is_of_trades(heading))
    found = [table.read(text, at + 1) for at, text in rows]
    entries = [entry for one in found for entry in one.entries]
    unread = [each for one in found for each in one.unread]
    told = [Unread(at + 1, lines[at][:LONGEST_SHOWN], why) for at, why in left]
    return ReadList("csv", entries, sorted([*unread, *told], key=lambda each: each.line))


class _Table:
    """Reads the lines below a heading."""

    def __init__(
        self,
        delimiter: str,
        columns: Mapping[str, int],
        listed: Listed,
        *,
        ours: bool = False,
        trades: bool = False,
    ) -> None:
        self._delimiter = delimiter
        self._columns = columns
        self._listed = listed
        self._ours = ours
        self._trades = trades
        self._decimal_comma: bool | None = False
        self._day_first = False
        self._kind = "kind"

    def read(self, text: str, first: int) -> ReadList:
        """Read it; its first line has this number."""
        rows: list[tuple[int, list[str]]] = []
        entries: list[Entry] = []
        unread: list[Unread] = []
        reader = csv.reader(StringIO(text, newline=""), delimiter=self._delimiter)
        line = first
        broken: list[Unread] = []
        try:
            for row in reader:
                here, line = line, first + reader.line_num
                if any(cell.strip() for cell in row):
                    rows.append((here, row))
        except csv.Error as error:
            broken = [Unread(line, "", f"it cannot be read from here on: {error}")]
        numbers = [self._cell(row, name) for _, row in rows for name in NUMBERS]
        types = [self._cell(row, "type") or "" for _, row in rows]
        if "kind" not in self._columns and any(kind_of(said) in _TRADES for said in types):
            self._kind = "type"
        # Ours have commas between; a program of tables may have saved them otherwise.
        if not self._ours or self._delimiter != ",":
            # Between commas a comma is hardly ever the decimal sign; elsewhere either may be.
            usual = False if self._delimiter == "," else None
            known = has_decimal_comma(filter(None, numbers), usual=None)
            if known is None:
                cells = (cell.strip() for _, row in rows for cell in row)
                known = has_decimal_comma(cells, usual=usual)
            self._decimal_comma = known
        days = [self._cell(row, "date") for _, row in rows]
        self._day_first = has_day_first(filter(None, days))
        for here, row in rows:
            columns = self._heading(row)
            try:
                if columns is not None:
                    raise Unmapped(HEADING if columns == self._columns else OTHER_TABLE)
                entries.append(self._entry(here, row))
            except Unmapped as error:
                shown = self._delimiter.join(row)[:LONGEST_SHOWN]
                unread.append(Unread(here, shown, str(error)))
                if columns not in (None, self._columns):
                    break
        return ReadList("csv", entries, unread + broken)

    def _heading(self, row: Sequence[str]) -> Mapping[str, int] | None:
        """The columns of a line that is a heading."""
        if self._ours or not any(cell.strip().casefold() in COLUMNS["symbol"] for cell in row):
            return None
        columns = columns_of(row)
        return columns if len(columns) > 1 and "symbol" in columns else None

    def _cell(self, row: Sequence[str], column: str) -> str | None:
        place = self._columns.get(column)
        text = bare_cell(row[place].strip()) if place is not None and place < len(row) else ""
        return text or None

    def _number(self, row: Sequence[str], column: str) -> str | None:
        text = self._cell(row, column)
        if text is None or text.casefold() in NOTHING:
            return None
        return number_of(text, decimal_comma=self._decimal_comma)

    def _entry(self, line: int, row: Sequence[str]) -> Entry:
        section, symbol = _section(self._cell(row, "section") or ""), self._cell(row, "symbol")
        if symbol is None and section is not None:
            return Entry(line, None, section)
        if not self._ours and len(row) + len(self._columns) > 2:
            why = why_left_out(symbol, row, self._cell(row, "asset"), self._cell(row, "about"))
            if why is not None:
                raise Unmapped(why)
        if symbol is None:
            raise Unmapped("there is no symbol in it")
        said = self._cell(row, self._kind) or ""
        kind = kind_of(said)
        if kind is None:
            raise Unmapped(f"“{said[:LONGEST_SHOWN]}” is neither a purchase nor a sale")
        if kind != "held" and is_not_done(self._cell(row, "status") or ""):
            raise Unmapped(NOT_DONE)
        if self._trades and kind == "held":
            kind = "sold" if (self._number(row, "quantity") or "").startswith("-") else "bought"
        currency = self._cell(row, "currency")
        if currency is not None and not _CURRENCY.fullmatch(currency):
            raise Unmapped(f"“{currency[:LONGEST_SHOWN]}” is no currency")
        quantity, cost = self._figures(row, kind)
        if said.casefold() == "short" and quantity is not None:
            quantity = f"-{quantity.lstrip('-')}"
        if not self._ours:
            currency = self._currency(row, currency, costs=cost is not None)
        if self._ours:
            ours = read_symbol(symbol)
            unlisted = self._listed.complete and ours not in self._listed.exchanges
            return Entry(line, ours, section, quantity, cost, currency, unlisted=unlisted)
        ours = mapped(with_class(symbol), self._listed)
        if kind == "held":
            return Entry(line, ours, section, quantity, cost, currency)
        fee, day = self._number(row, "fee"), self._cell(row, "date")
        return Entry(
            line,
            ours,
            section,
            quantity,
            cost,
            currency,
            kind,
            None if day is None else day_of(day, day_first=self._day_first),
            None if fee in (None, "0") else fee.lstrip("-"),
        )

    def _currency(self, row: Sequence[str], told: str | None, *, costs: bool) -> str | None:
        """The currency of a lot: that of its column, or of the amount that it `costs` itself."""
        # In letters of both cases it is a hundredth: `GBp`.
        told = told.upper() if told is not None and told.islower() else told
        cells = (self._cell(row, name) or "" for name in ("cost", "total", "price") if costs)
        named = currency_of(next((cell for cell in cells if cell.casefold() not in NOTHING), ""))
        if named is not None and told is not None and named != told:
            raise Unmapped(f"its cost is in {named}, and its currency is {told}")
        return told or named

    def _figures(self, row: Sequence[str], kind: Kind) -> tuple[str | None, str | None]:
        """The quantity, and the cost of one."""
        quantity, cost = self._number(row, "quantity"), self._number(row, "cost")
        if quantity == "0" and not self._ours:
            return None, None  # sold by now, or cash
        if cost is None and quantity is not None:
            total = self._number(row, "total")
            if total is not None:
                cost = of_one(total, quantity)
            elif kind != "held":
                cost = self._number(row, "price")
        if cost is not None and cost.startswith("-"):
            raise Unmapped("a cost is not below 0; a short position has a quantity below 0")
        if quantity is not None and kind == "sold":
            quantity = f"-{quantity.lstrip('-')}"  # a purchase below 0 takes one back
        return quantity, cost


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
