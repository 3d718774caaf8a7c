"""Sections of a list: which symbols are in which, whoever has changed the symbols since."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.users.sections import Section, arranged, grouped
from stockstream.users.watchlists import ListChange, WantedList, Watchlist

NAMES = st.sampled_from("ABCDEFG")
SYMBOLS = st.lists(NAMES, unique=True)
SECTIONS = st.lists(st.builds(Section, st.sampled_from(["x", "y"]), st.lists(NAMES), st.booleans()))


def watchlist(symbols: str, *sections: Section) -> Watchlist:
    return Watchlist(1, "Mine", list(symbols), 0, 0, list(sections), {})


@given(SYMBOLS, SECTIONS)
def test_no_symbol_is_lost_or_twice_and_arranging_again_changes_nothing(
    symbols: list[str], sections: list[Section]
) -> None:
    """All are there, once; each section is in one piece; folded ones stay so."""
    for arrange in (arranged, grouped):
        flat, made = arrange(symbols, sections)
        assert sorted(flat) == sorted(symbols)
        inside = [symbol for section in made for symbol in section.symbols]
        assert flat[len(flat) - len(inside) :] == inside
        assert [(s.name, s.folded) for s in made] == [(s.name, s.folded) for s in sections]
        assert arranged(flat, made) == (flat, made)
        assert grouped(flat, made) == (flat, made)


def test_a_version_without_sections_changes_the_symbols_and_they_stay_where_they_were() -> None:
    """What it adds is in no section; what it moves is moved within its section."""
    stored = [Section("Tech", ["C", "D"]), Section("Cars", ["E"], folded=True)]
    assert arranged(list("ADCEX"), stored) == (
        list("AXDCE"),
        [Section("Tech", ["D", "C"]), Section("Cars", ["E"], folded=True)],
    )


@pytest.mark.parametrize(
    ("change", "symbols", "sections"),
    [
        (ListChange(add=["X"], remove=["C"]), "ABXD", [Section("Tech", ["D"])]),
        (ListChange(order=["B", "D", "GONE"]), "BADC", [Section("Tech", ["D", "C"])]),
        (ListChange(sections=[]), "ABCD", []),
        (ListChange(sections=[Section("T", ["D", "Z", "C"])]), "ABDC", [Section("T", ["D", "C"])]),
        (
            ListChange(order=["D", "B"], sections=[Section("New", ["C", "A"])], add=["X"]),
            "DBXCA",
            [Section("New", ["C", "A"])],
        ),
        (ListChange(symbols=["D", "Y"]), "YD", [Section("Tech", ["D"])]),
    ],
)
def test_a_change_moves_what_it_names_and_leaves_the_rest(
    change: ListChange, symbols: str, sections: list[Section]
) -> None:
    """What is gone stays gone, and what another tab added stays."""
    after = change.of(watchlist("ABCD", Section("Tech", ["C", "D"])))
    assert after == WantedList("Mine", list(symbols), sections)
