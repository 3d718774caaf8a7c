"""Lists as files: what others export is read, ours come back, and nothing is lost unsaid."""

from __future__ import annotations

import csv
import string
from decimal import Decimal
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.users.list_files.brokers import CASH
from stockstream.users.list_files.cells import number_of, plain
from stockstream.users.list_files.encodings import NotReadable
from stockstream.users.list_files.names import Listed, Unmapped, mapped, prefixed
from stockstream.users.list_files.reading import (
    FORMULA_SIGNS,
    MOST_BYTES,
    MOST_LINES,
    Entry,
    Unread,
    bare_cell,
    read_list,
)
from stockstream.users.list_files.writing import as_csv, as_text, cell
from stockstream.users.sections import Section, grouped

NOTHING = Listed()
ABOVE = "it stands above the table"
LISTED = Listed(
    {
        "AAPL": "NASDAQ",
        "BRK.B": "NYSE",
        "VOD.L": "LSE",
        "AIR.PA": "EURONEXT",
        "BTC-USD": "COINBASE",
        "0700.HK": None,
        "SAP": "XETR",
        "TSE:7203": "TSE",
    },
    complete=True,
)

SYMBOLS = st.text(string.ascii_uppercase + "0123456789.-:^=_&", min_size=1, max_size=8).filter(
    lambda text: any(letter.isalpha() for letter in text)
)
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=20)
SECTION_NAMES = NAMES.map(lambda text: " ".join(text.split())).filter(
    lambda text: text != "" and text.isprintable()
)
LISTS = st.tuples(
    st.lists(SYMBOLS, unique=True, max_size=8),
    st.lists(
        st.builds(Section, SECTION_NAMES, st.lists(SYMBOLS, max_size=3)),
        max_size=4,
        unique_by=lambda section: section.name,
    ),
).map(lambda made: grouped([*made[0], *(s for x in made[1] for s in x.symbols)], made[1]))
NUMBERS = st.decimals(-(10**9), 10**9, places=8, allow_nan=False).map(plain)


def symbols(text: str | bytes, listed: Listed = NOTHING) -> list[tuple[str | None, str | None]]:
    data = text.encode() if isinstance(text, str) else text
    return [(entry.symbol, entry.section) for entry in read_list(data, listed).entries]


@pytest.mark.parametrize(
    ("above", "unread"),
    [
        ("sep=;\n", []),
        ("My list\n\n", [Unread(1, "My list", "it stands above the table")]),
        (
            "\nExported;30.11.2026\nSEP=;\n",
            [Unread(2, "Exported;30.11.2026", "it stands above the table")],
        ),
    ],
)
def test_lines_above_a_table_are_no_symbols(above: str, unread: list[Unread]) -> None:
    """As programs of tables and brokers write them."""
    read = read_list(f"{above}Symbol;Shares\nAAPL;1,5\n".encode(), NOTHING)
    assert (read.kind, read.unread) == ("csv", unread)
    assert [(one.symbol, one.quantity) for one in read.entries] == [("AAPL", "1.5")]


@given(LISTS, st.data())
def test_what_is_written_as_csv_is_read_as_the_same(
    made: tuple[list[str], list[Section]], data: st.DataObject
) -> None:
    """Names of sections with commas, quotes and formulas, and numbers, to the last digit."""
    flat, sections = made
    figures = {
        symbol: (
            data.draw(NUMBERS),
            data.draw(st.none() | NUMBERS.map(lambda text: text.lstrip("-"))),
            data.draw(st.sampled_from([None, "USD", "GBp"])),
        )
        for symbol in flat[::2]
    }
    written = as_csv(flat, sections, figures)
    found = read_list(written.encode(), NOTHING)
    assert found.unread == []
    inside = {symbol: section.name for section in sections for symbol in section.symbols}
    nothing = (None, None, None)
    assert [(e.symbol, e.section, e.quantity, e.cost, e.currency) for e in found.entries] == [
        *((s, inside.get(s), *figures.get(s, nothing)) for s in flat if s not in inside),
        *(
            (symbol, section.name, *(figures.get(symbol or "", nothing)))
            for section in sections
            for symbol in (section.symbols or [None])
        ),
    ]
    for row in csv.reader(StringIO(written, newline="")):
        for value in row[:2]:
            assert not value.startswith(FORMULA_SIGNS)


@given(LISTS)
def test_what_is_written_as_text_is_read_as_the_same(
    made: tuple[list[str], list[Section]],
) -> None:
    """All but the commas in names of sections."""
    flat, sections = made
    found = read_list(as_text(flat, sections, NOTHING).encode(), NOTHING)
    expected = [f"{u.text}: {u.reason}" for u in found.unread]
    assert all("exchange" in told or "may be" in told for told in expected)
    if not expected:
        assert [e.symbol for e in found.entries if e.symbol] == flat


@given(NAMES | st.text("a;'=-"))
def test_no_cell_is_a_formula(text: str) -> None:
    """`=cmd`, `+1+1`, `-1+1`, `@SUM`: all of them are texts, and a section named -5 is one, too.
    Nor is a part of one, where cells end at semicolons.
    """
    assert not any(part.startswith(FORMULA_SIGNS) for part in cell(text).split(";"))
    assert bare_cell(cell(text)) == text
    assert as_csv(["A"], [], {"A": ("-12.5", "1", None)}).splitlines()[1] == "A,,-12.5,1,"
    assert cell("=cmd|' /C calc'!A0") == "'=cmd|' /C calc'!A0"


def test_a_number_is_no_symbol_however_it_is_written() -> None:
    for text in ("5", "-1.5", "1,5", "/0", " /0", "//7"):
        with pytest.raises(Unmapped, match="a number"):
            mapped(text, NOTHING)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_anything_is_read_or_refused(data: bytes) -> None:
    """By `NotReadable`, and by no other error; what is read is well-formed."""
    try:
        found = read_list(data, LISTED)
    except NotReadable:
        return
    for entry in found.entries:
        assert entry.symbol is None or mapped(entry.symbol, NOTHING)


def test_what_tradingview_exports_is_read() -> None:
    """Sections, exchanges, pairs; what cannot be mapped is told by line and text."""
    text = "NASDAQ:AAPL,###MY CARS,NYSE:BRK.B,LSE:VOD,\n"
    text += "COINBASE:BTCUSD,XXX:FOO,NASDAQ:AAPL/NYSE:IBM"
    found = read_list(text.encode(), LISTED)
    assert [(e.line, e.symbol, e.section) for e in found.entries] == [
        (1, "AAPL", None),
        (1, None, "MY CARS"),
        (1, "BRK.B", "MY CARS"),
        (1, "VOD.L", "MY CARS"),
        (2, "BTC-USD", "MY CARS"),
    ]
    assert found.unread == [
        Unread(2, "XXX:FOO", "the exchange XXX is not known here"),
        Unread(2, "NASDAQ:AAPL/NYSE:IBM", "a calculation with symbols, not a symbol"),
    ]


YAHOO = (
    "Symbol,Current Price,Date,Time,Change,Open,High,Low,Volume,Trade Date,Purchase Price,Quantity,"
    "Commission,High Limit,Low Limit,Comment,Transaction Type\n"
    'AAPL,229.0,2024/12/01,16:00 EST,-0.1,1,2,3,100,20240102,"1,185.25",10.5,,,,"a\nnote",BUY\n'
    "AAPL,229.0,2024/12/01,16:00 EST,-0.1,1,2,3,100,20240105,190.5,2,1.5,,,,SELL\n"
    "MSFT,400.0,,,,,,,,,,,,,,,\n"
    "$$CASH_TX,,,,,,,,,20251127,,200.0,,,,,DEPOSIT\n"
)


def test_what_yahoo_exports_is_read() -> None:
    """Lots with their price and their day; a line within quotes counts."""
    found = read_list(YAHOO.encode(), NOTHING)
    assert found.kind == "csv"
    assert found.entries == [
        Entry(2, "AAPL", None, "10.5", "1185.25", None, "bought", "2024-01-02"),
        Entry(4, "AAPL", None, "-2", "190.5", None, "sold", "2024-01-05", "1.5"),
        Entry(5, "MSFT"),
    ]
    assert [(u.line, u.reason) for u in found.unread] == [(6, CASH)]


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_files_of_all_machines_are_read(name: str, end: str) -> None:
    """With a mark at the beginning and without, and with each end of a line."""
    text = end.join(['"Ticker";"Shares";"Purchase price";"Section"', "SAP;1.234,5;99,5;Bücher", ""])
    found = read_list(text.encode(name), NOTHING)
    assert found.entries == [Entry(2, "SAP", "Bücher", "1234.5", "99.5")]
    assert found.unread == []


def test_what_windows_wrote_before_is_read() -> None:
    """Its letters, where the bytes are no UTF-8."""
    assert symbols("symbol,section\nSAP,Bücher\n".encode("cp1252")) == [("SAP", "Bücher")]


def test_plain_symbols_are_read_however_they_stand() -> None:
    """Lines, blanks, commas, semicolons; digits alone are a mistake that is told."""
    assert symbols("aapl msft\n\nTSLA;btc/usd , F") == [
        (symbol, None) for symbol in ("AAPL", "MSFT", "TSLA", "BTC-USD", "F")
    ]
    told = read_list(b"AAPL,10,150.25", NOTHING)
    assert [entry.symbol for entry in told.entries] == ["AAPL"]
    assert [found.text for found in told.unread] == ["10", "150.25"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"A" * (MOST_BYTES + 1), "at most 192 KB"),
        (b"A\n" * (MOST_LINES + 1), "at most 5,000 lines"),
        (b"A," * (MOST_LINES + 1), "at most 5,000 symbols"),
        (b"\x00\x01\x00\x02\x00", "no text"),
        (b"\xff\xfeA", "no text"),
    ],
)
def test_what_is_too_long_or_no_text_is_refused(data: bytes, why: str) -> None:
    """As a whole: a cut in the middle would lose the rest unsaid."""
    with pytest.raises(NotReadable, match=why):
        read_list(data, NOTHING)


def test_a_cell_too_long_for_the_reader_of_csv_is_told() -> None:
    """Its limit is below ours: such a first line names no column, a later one ends the reading."""
    long = b"A" * 150_000
    assert read_list(long, NOTHING).unread == [
        Unread(1, "A" * 80, "it has 150000 characters, at most 32 are allowed")
    ]
    (told,) = read_list(b"Symbol\n" + long, NOTHING).unread
    assert told.line == 2
    assert told.reason.startswith("it cannot be read from here on")


@pytest.mark.parametrize(
    ("text", "comma", "number"),
    [
        ("1,234.56", False, "1234.56"),
        ("1.234,56", True, "1234.56"),
        ("0.00000001", False, "0.00000001"),
        ("-2", False, "-2"),
        ("\u22122", False, "-2"),
        ("1'000", False, "1000"),
        ("1e3", False, "1000"),
        ("-0.0", False, "0"),
        ("1,5", True, "1.5"),
        ("1,5", False, None),
        ("1,5", None, "1.5"),
        ("1,234.5", None, "1234.5"),
        ("1.234.567", None, "1234567"),
        ("1,234", None, None),
        ("1.234", None, None),
        ("0.234", None, "0.234"),
        ("1,234.56", True, None),
        ("12.5", True, None),
        ("1,234", False, "1234"),
        ("$1,234.50", False, "1234.5"),
        ("($126.93)", False, "-126.93"),
        ("-$3566.55", False, "-3566.55"),
        ("1 234,50 €", True, "1234.5"),
        ("EUR 12", False, "12"),
        ("((1))", False, None),
        ("1" * 100, False, None),
        ("nan", False, None),
        ("1e400", False, None),
        ("1e-400", False, None),
        ("1e999999999", False, None),
        ("0x10", False, None),
        ("1_000", False, None),
        ("0.0000000000001", False, None),
        ("9" * 16, False, None),
        ("", False, None),
    ],
)
def test_numbers_are_read_to_the_last_digit_or_refused(
    text: str, comma: bool, number: str | None
) -> None:
    """Never by way of a binary one."""
    if number is None:
        with pytest.raises(Unmapped):
            number_of(text, decimal_comma=comma)
    else:
        assert Decimal(number_of(text, decimal_comma=comma)) == Decimal(number)
        assert number_of(text, decimal_comma=comma) == number


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("NASDAQ:AAPL", "AAPL"),
        ("HKEX:700", "0700.HK"),
        ("EURONEXT:AIR", "AIR.PA"),
        ("XETR:SAP", "SAP"),
        ("TSE:7203", "TSE:7203"),
        ("NASDAQ:NONE", None),
        ("aapl", "AAPL"),
        ("BRK/B", "BRK.B"),
        ("BRK-B", "BRK.B"),
        ("NEW", None),
    ],
)
def test_exchanges_lead_to_what_the_feeds_list(text: str, symbol: str | None) -> None:
    """And where nothing is listed, to the form that is usual."""
    if symbol is None:
        with pytest.raises(Unmapped, match="no feed lists"):
            mapped(text, LISTED)
    else:
        assert mapped(text, LISTED) == symbol
    assert mapped("NYSE:BRK.B", NOTHING) == "BRK.B"
    assert mapped("LSE:VOD", NOTHING) == "VOD.L"


def test_a_symbol_that_is_written_with_its_exchange_leads_back() -> None:
    """All that the feeds list."""
    written = {symbol: prefixed(symbol, LISTED) for symbol in LISTED.exchanges}
    assert {text: mapped(text, LISTED) for text in written.values()} == {
        text: symbol for symbol, text in written.items()
    }
    assert written["AAPL"] == "NASDAQ:AAPL"
    assert written["VOD.L"] == "LSE:VOD"
    assert written["BTC-USD"] == "COINBASE:BTCUSD"
