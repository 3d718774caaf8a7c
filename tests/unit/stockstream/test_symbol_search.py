"""Which symbol somebody means: by its beginning, or by words of its name."""

from __future__ import annotations

from time import process_time

import pytest

from stockstream.names import all_bundled
from stockstream.symbol_search import Searched, SymbolIndex, folded

ENTRIES = [
    Searched("AAPL", "Apple Inc."),
    Searched("APP", "AppLovin"),
    Searched("AP", None),
    Searched("MC.PA", "LVMH Moët Hennessy Louis Vuitton"),
    Searched("OR.PA", "L’Oréal"),  # noqa: RUF001
    Searched("T", "AT&T"),
    Searched("BAC", "Bank of America"),
    Searched("BK", "Bank of New York Mellon"),
    Searched("NASDAQ:APPN", "Appian"),
    Searched("ORSTED.CO", "Ørsted"),
    Searched("BTC-USD", "Bitcoin / US dollar"),
    Searched("ZAPP", None),
    Searched("APPX", None, listed=False),
]
INDEX = SymbolIndex(ENTRIES)


def found(text: str, most: int = 8) -> list[str]:
    return [entry.symbol for entry in INDEX.find(text, most)]


def test_the_symbol_itself_is_first_then_its_beginning_then_names_then_what_holds_it() -> None:
    """Shorter ones before longer ones; what no list has after what one has."""
    assert found("app") == ["APP", "NASDAQ:APPN", "APPX", "AAPL", "ZAPP"]
    assert found("APP", 2) == ["APP", "NASDAQ:APPN"]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("apple", ["AAPL"]),
        ("moet", ["MC.PA"]),
        ("MOËT vuit", ["MC.PA"]),
        ("vuitton louis", ["MC.PA"]),
        ("l'oreal", ["OR.PA"]),
        ("loreal", ["OR.PA"]),
        ("orsted", ["ORSTED.CO"]),
        ("at&t", ["T"]),
        ("bank of am", ["BAC"]),
        ("bank of", ["BK", "BAC"]),
        ("btc/usd", ["BTC-USD"]),
        ("bitcoin", ["BTC-USD"]),
        ("ank", []),
        ("&", []),
        ("", []),
        ("   ", []),
        ("<script>", []),
    ],
)
def test_words_are_found_by_their_beginnings_without_accents(text: str, symbols: list[str]) -> None:
    assert found(text) == symbols


def test_letters_are_folded() -> None:
    assert folded("STRAẞE Łódź Ærø") == "strasse lodz aero"


def test_one_of_20_000_is_found_at_once() -> None:
    """A name, a single letter, and nothing at all; each well below what a frame takes."""
    many = [
        Searched(f"S{number:05}", f"Company {number} of {name}")
        for number, (_symbol, name) in enumerate(list(all_bundled()) * 24)
    ]
    index = SymbolIndex(many[:20_000])
    assert len(index) > 19_000
    begun = process_time()
    for _ in range(5):
        for text in ("nestle", "s", "c", "zzzz", "company 19000"):
            index.find(text, 20)
    assert process_time() - begun < 25 * 0.02
    (one,) = index.find("company 19000", 20)
    assert one.symbol == "S19000"
