"""The range and the volume of a day: what is read, how long it holds, and that it is no news."""

from __future__ import annotations

import msgspec
import pytest

from stockstream.market.acceptance import accept, take_in
from stockstream.market.day_figures import before, read_figures, said_later
from stockstream.market.feeds.fill import Lacking
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading
from stockstream.quotes import Base, Basis, DayFigures, Observation, Symbol, TradingSession

AAPL = Symbol("AAPL")
NOON = 1_795_453_200_000  # 2026-11-23T12:00:00-05:00, a Monday
HOUR = 3_600_000


def read(**told):
    unread: list[str] = []
    return read_figures(AAPL, 150.0, unread, **told), unread


def test_numbers_and_texts_are_figures_and_zero_is_no_price():
    assert read(high=151.5, low="149", open_=150, volume="27631112") == (
        DayFigures(151.5, 149.0, 150.0, 27_631_112.0),
        [],
    )
    assert read(high=0, low="0.0", open_=0.0, volume=0) == (None, [])
    assert read(high=150.0, low=0, volume=0) == (DayFigures(150.0, volume=0.0), [])
    assert read() == (None, [])
    assert read(high=0) == (None, [])


@pytest.mark.parametrize("bad", [-1, "x", True, [], {}, "NaN", float("inf"), 1e25, 10**400, "1_0"])
def test_a_bad_figure_costs_itself_only(bad):
    for name in ("high", "low", "open_", "volume"):
        figures, unread = read(
            **{"high": 151.0, "low": 149.0, "open_": 150.0, "volume": 7} | {name: bad}
        )
        assert figures is not None
        assert getattr(figures, name.strip("_")) is None
        assert len(unread) == 1
        assert unread[0].startswith(f"{name.strip('_')} of AAPL is ")


def test_a_high_below_its_low_is_neither():
    figures, unread = read(high=149.0, low=151.0, volume=7)
    assert figures == DayFigures(volume=7.0)
    assert unread == ["the high of AAPL, 149, is below its low, 151"]


def test_a_change_tells_the_price_before_it():
    assert before(105899.4, 0.1) == 105899.3
    assert before(0.00001234, "-0.00000001") == 0.00001235
    assert before(5.0, None) is None
    assert before(5.0, "x") == "x"


def take(rows, price, at, source="us", **more):
    observed = Observed(
        source, (Observation(AAPL, price, at, "NASDAQ", **more),), Reading(0, at), 0
    )
    accepted = accept(observed, rows, epoch=7)
    rows.update({row.quote.symbol: row for row in accepted.rows})
    return accepted.rows


def test_what_was_told_holds_beside_the_prices_that_follow():
    """Whose high and low are those of the day; the time of what was told says how old it is."""
    rows: dict = {}
    told = DayFigures(151.0, 149.0, 150.0, 7e6)
    take(rows, 150.0, NOON, figures=told, previous_close=148.0, name="Apple Inc.")
    for price, high, low in ((150.5, 151.0, 149.0), (152.0, 152.0, 149.0), (148.5, 152.0, 148.5)):
        take(rows, price, NOON + HOUR)
        quote = rows[AAPL].quote
        assert quote.figures == DayFigures(high, low, 150.0, 7e6, at=NOON)
        assert (quote.previous_close, quote.name) == (148.0, "Apple Inc.")
    take(rows, 153.0, NOON + HOUR, session=TradingSession.POST)
    assert rows[AAPL].quote.figures == DayFigures(152.0, 148.5, 150.0, 7e6, at=NOON)
    take(rows, 153.0, NOON + 2 * HOUR, figures=DayFigures(volume=8e6))
    assert rows[AAPL].quote.figures == DayFigures(153.0, 148.5, 150.0, 8e6)
    take(rows, 154.0, NOON + 3 * HOUR, figures=DayFigures(155.0))
    volume_of = NOON + 2 * HOUR
    assert rows[AAPL].quote.figures == DayFigures(155.0, 148.5, 150.0, 8e6, at=volume_of)


def test_figures_end_with_the_day_and_with_their_source():
    """A previous close does with the day only: it is the same whoever tells it."""
    rows: dict = {}
    take(rows, 150.0, NOON, figures=DayFigures(volume=7.0), previous_close=148.0, name="Apple Inc.")
    take(rows, 151.0, NOON + HOUR, source="us2")
    quote = rows[AAPL].quote
    assert (quote.figures, quote.previous_close, quote.name) == (None, 148.0, "Apple Inc.")
    take(rows, 151.0, NOON + 13 * HOUR, source="us2")
    quote = rows[AAPL].quote
    assert (quote.figures, quote.previous_close, quote.name) == (None, None, "Apple Inc.")


def test_what_comes_late_is_said_beside_the_newer_price():
    """The answer of REST is older than the trade that came meanwhile; the version stays."""
    rows: dict = {}
    take(rows, 152.0, NOON)
    (row,) = rows.values()
    late = Observation(
        AAPL,
        150.0,
        NOON - 1,
        previous_close=148.0,
        name="Apple Inc.",
        figures=DayFigures(151.0, 149.0, 150.0, 7e6),
    )
    said = said_later(row, late)
    assert said.quote.figures == DayFigures(152.0, 149.0, 150.0, 7e6, at=NOON - 1)
    assert (said.quote.previous_close, said.quote.name) == (148.0, "Apple Inc.")
    assert said.base == Base(148.0, Basis.PREVIOUS_CLOSE, None)
    assert said.quote.version == row.quote.version
    assert said_later(said, late) is said
    other = msgspec.structs.replace(late, figures=DayFigures(volume=6e6), timestamp=NOON - 2)
    assert said_later(said, other) is said, "it is older still"
    newer = msgspec.structs.replace(late, figures=DayFigures(volume=8e6), timestamp=NOON)
    assert said_later(said, newer).quote.figures == DayFigures(152.0, 149.0, 150.0, 8e6)


@pytest.mark.parametrize("more", [{"timestamp": NOON - 24 * HOUR}, {"currency": "EUR"}])
def test_what_is_of_another_day_or_currency_is_not_said(more):
    rows: dict = {}
    take(rows, 152.0, NOON, currency="USD")
    late = msgspec.structs.replace(Observation(AAPL, 150.0, NOON, previous_close=148.0), **more)
    assert said_later(rows[AAPL], late) is rows[AAPL]


def test_other_nodes_take_what_is_said_later_and_keep_it():
    """Whichever of the two rows of a version comes last."""
    rows: dict = {}
    take(rows, 152.0, NOON)
    (row,) = rows.values()
    late = Observation(AAPL, 150.0, NOON - 1, previous_close=148.0, figures=DayFigures(151.0))
    said = said_later(row, late)
    assert take_in([said], {AAPL: row}).amended == (said,)
    assert take_in([row], {AAPL: said}) == ((), (), 1)
    named = said_later(row, Observation(AAPL, 150.0, NOON - 1, name="Apple Inc."))
    (both,) = take_in([named], {AAPL: said}).amended
    assert (both.quote.name, both.quote.previous_close) == ("Apple Inc.", 148.0)
    assert both.base == said.base


def test_a_previous_close_is_asked_for_once_a_day():
    """Of what this upstream tells, and as long as it has none."""
    rows: dict = {}
    lacking = Lacking()
    assert lacking.look([AAPL], rows, "us") == frozenset()
    take(rows, 150.0, NOON)
    assert lacking.look([AAPL], rows, "us2") == frozenset()
    assert lacking.look([AAPL], rows, "us") == {AAPL}
    assert lacking.look([AAPL], rows, "us") == frozenset()
    take(rows, 150.0, NOON + HOUR, previous_close=148.0)
    assert lacking.look([AAPL], rows, "us") == frozenset()
    take(rows, 151.0, NOON + 13 * HOUR)
    assert lacking.look([AAPL], rows, "us") == {AAPL}


def test_another_volume_is_no_quote():
    """Nor are other figures of the day: no version rises and no row is made of them alone."""
    rows: dict = {}
    more = {"previous_close": 148.0, "name": "Apple Inc."}
    take(rows, 150.0, NOON, figures=DayFigures(volume=7.0), **more)
    assert not take(rows, 150.0, NOON, figures=DayFigures(volume=8.0), **more)
    assert not take(rows, 150.0, NOON)
    assert rows[AAPL].quote.version == (7, 1)
    (row,) = take(rows, 150.0, NOON + 1, figures=DayFigures(volume=8.0), **more)
    assert row.quote.figures == DayFigures(volume=8.0)
