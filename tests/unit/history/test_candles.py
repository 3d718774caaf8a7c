"""Candles: what the ticks of a minute come to, in whatever parts and order they are joined."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.history.candles import (
    INTERVALS,
    MADE_OF,
    STORED,
    Candle,
    Tick,
    begin_of,
    first_begin,
    fold,
)
from stockstream.times import MINUTE_MS, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

prices = st.floats(0.01, 1e6, allow_nan=False)


def tick(
    price: float, ts: int, symbol: str = "AAPL", seq: int = 1, currency: str | None = None
) -> Tick:
    return Tick(symbol, None, price, ts, ts, 1, seq, currency)


@pytest.mark.proves("H5")
def test_a_candle_tells_first_highest_lowest_and_last_price() -> None:
    """Starts are whole minutes, inclusive; the next minute is another candle."""
    found = fold(
        [tick(10, 60_000), tick(12, 61_000), tick(8, 62_000), tick(9, 119_999), tick(7, 120_000)]
    )
    assert found == [
        Candle("AAPL", 60_000, 10, 12, 8, 9, 4, 60_000, 119_999),
        Candle("AAPL", 120_000, 7, 7, 7, 7, 1, 120_000, 120_000),
    ]


@pytest.mark.proves("H5")
def test_a_minute_without_ticks_has_no_candle() -> None:
    """A gap is left out, never invented; symbols are kept apart, in order."""
    found = fold([tick(5, 10 * MINUTE_MS, "MSFT"), tick(1, 0), tick(2, 3 * MINUTE_MS)])
    assert [(c.symbol, c.start // MINUTE_MS) for c in found] == [
        ("AAPL", 0),
        ("AAPL", 3),
        ("MSFT", 10),
    ]


@given(st.lists(prices, min_size=1, max_size=30), st.data())
@pytest.mark.proves("H5")
def test_parts_of_a_candle_join_in_any_order(values: Sequence[float], data: st.DataObject) -> None:
    """Batches replayed from a spool after newer ones come to the same candle."""
    ticks = [tick(price, place * 1000, seq=place) for place, price in enumerate(values)]
    (whole,) = fold(ticks)
    cut = data.draw(st.integers(0, len(ticks)))
    parts = [fold(part)[0] for part in (ticks[:cut], ticks[cut:]) if part]
    for order in (parts, parts[::-1]):
        joined = order[0]
        for part in order[1:]:
            joined = joined.joined(part)
        assert joined == whole


currencies = st.sampled_from((None, "GBP", "GBX"))


@given(st.lists(st.tuples(prices, st.integers(0, 5), currencies), min_size=1, max_size=30))
@pytest.mark.proves("H5")
def test_folding_is_joining_ticks_one_by_one(
    values: Sequence[tuple[float, int, str | None]],
) -> None:
    """In the order in which they came, late ones and ones of the same time among them, and of two
    currencies the later one.
    """
    ticks = [tick(price, at * 1000, currency=told) for price, at, told in values]
    (whole,) = fold(ticks)
    singles = [fold([single])[0] for single in ticks]
    joined = singles[0]
    for single in singles[1:]:
        joined = joined.joined(single)
    assert whole == joined


def test_a_candle_is_in_one_currency() -> None:
    """The later one; what was told in none is taken as it is."""
    found = fold(
        [
            tick(7.4, 0, currency="GBP"),
            tick(740, 1_000, currency="GBX"),
            tick(7.5, 500, currency="GBP"),
            tick(742, 2_000),
        ]
    )
    assert found == [Candle("AAPL", 0, 740, 742, 740, 742, 2, 1_000, 2_000, currency="GBX")]


def test_intervals_divide_a_day() -> None:
    """So that coarser candles are made of whole finer ones, and days begin at midnight UTC."""
    for lengths in (STORED.values(), INTERVALS.values()):
        assert all(b % a == 0 for a, b in pairwise(lengths))
    assert {*STORED, *MADE_OF} == {*INTERVALS}
    assert all(INTERVALS[name] % STORED[source] == 0 for name, source in MADE_OF.items())


@pytest.mark.parametrize(
    ("day", "monday"), [("2026-11-30", "2026-11-30"), ("2026-12-06", "2026-11-30"),
                        ("1969-12-31", "1969-12-29"), ("2027-01-01", "2026-12-28")],
)  # fmt: skip
def test_weeks_begin_on_monday(day: str, monday: str) -> None:
    """At midnight UTC, before 1970 too."""
    week = INTERVALS["1w"]
    last = to_ms(datetime.fromisoformat(f"{day}T23:59:59.999Z"))
    begin = to_ms(datetime.fromisoformat(f"{monday}T00:00:00Z"))
    assert begin_of(last, week) == begin == begin_of(begin, week) == first_begin(begin, week)
    assert first_begin(last, week) == begin + week
