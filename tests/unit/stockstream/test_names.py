"""The names that are in the package: the file's form, and what they are names of."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import stockstream.names
from stockstream.names import KINDS, all_bundled, bundled_name, known
from stockstream.quotes import parse_symbol

FILE = Path(stockstream.names.__file__).with_name("names.csv")


def test_the_file_has_a_kind_a_symbol_and_a_name_in_each_line_once() -> None:
    """A stock and a fund have no symbol in common; a coin may be called like a stock."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["kind", "symbol", "name"]
    assert {len(row) for row in rows} == {3}
    kinds = [kind for kind, _symbol, _name in rows[1:]]
    assert set(kinds) == set(KINDS)
    assert len(rows) > 800
    seen = set()
    for kind, symbol, name in rows[1:]:
        assert parse_symbol(symbol) == symbol
        assert name == name.strip()
        assert 0 < len(name) <= 80
        assert name.isprintable()
        one = ("security" if kind in {"stock", "fund"} else kind, symbol)
        assert one not in seen
        seen.add(one)
    assert FILE.read_bytes().count(b"\r") == 0
    assert len(known().securities) == kinds.count("stock") + kinds.count("fund")


@pytest.mark.parametrize(
    ("symbol", "exchange", "currency", "name"),
    [
        ("AAPL", None, None, "Apple"),
        ("AAPL", "NASDAQ", "USD", "Apple"),
        ("AAPL", "XNAS", "USD", "Apple"),
        ("NASDAQ:AAPL", None, None, "Apple"),
        ("AAPL", "LSE", "USD", None),
        ("V", "TSX Venture", "CAD", None),
        ("V", None, "CAD", None),
        ("BRK-B", None, "USD", "Berkshire Hathaway, class B"),
        ("BRK.B", "NYSE", "USD", "Berkshire Hathaway, class B"),
        ("SAP.DE", "XETRA", "EUR", "SAP"),
        ("NESN.SW", None, "CHF", "Nestlé"),
        ("NOVO-B.CO", None, None, "Novo Nordisk"),
        ("LSE:AAPL", None, None, None),
        ("BTC-USD", "Kraken", "USD", "Bitcoin / US dollar"),
        ("ETH-BTC", None, None, "Ether / Bitcoin"),
        ("X:BTC-USD", None, None, "Bitcoin / US dollar"),
        ("EUR-USD", None, None, "Euro / US dollar"),
        ("EURUSD=X", None, None, "Euro / US dollar"),
        ("C:EURUSD", None, None, "Euro / US dollar"),
        ("EURUSD", None, None, None),
        ("NOBODY", None, None, None),
        ("AAPL.L", None, None, None),
    ],
)
def test_a_symbol_has_the_name_of_what_it_is_and_no_other(
    symbol: str, exchange: str | None, currency: str | None, name: str | None
) -> None:
    assert bundled_name(symbol, exchange, currency) == name


def test_all_that_may_be_searched_are_symbols() -> None:
    found = dict(all_bundled())
    assert all(parse_symbol(symbol) == symbol for symbol in found)
    assert found["BTC-USD"] == "Bitcoin / US dollar"
