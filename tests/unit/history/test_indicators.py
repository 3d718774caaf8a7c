"""SMA, EMA, RSI and volatility: other libraries' values, their own definitions, and their edges."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.history.indicators import (
    STREAMING,
    IndicatorKind,
    ema,
    prices_before_first,
    prices_until_settled,
    rsi,
    sma,
    volatility,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Batch = Callable[[Sequence[float], int], list[float | None]]

BATCH: dict[IndicatorKind, Batch] = {
    IndicatorKind.SMA: sma,
    IndicatorKind.EMA: ema,
    IndicatorKind.RSI: rsi,
    IndicatorKind.VOLATILITY: volatility,
}
# scripts/indicator_reference.py wrote it, and it says with which libraries.
REFERENCE = json.loads(
    (Path(__file__).parent / "indicator_reference.json").read_text(encoding="utf-8")
)
KINDS = pytest.mark.parametrize("kind", list(IndicatorKind))
PRICES = st.lists(st.floats(min_value=0.01, max_value=1e6), max_size=80)


@KINDS
@pytest.mark.parametrize("period", [2, 5, 14, 20])
def test_values_are_those_of_a_well_kept_library(kind: IndicatorKind, period: int) -> None:
    """TA-Lib for the averages and RSI, pandas for volatility: at each price, also where none is."""
    ours = BATCH[kind](REFERENCE["prices"], period)
    theirs = REFERENCE["values"][kind][str(period)]
    assert [value is None for value in ours] == [value is None for value in theirs]
    defined = [value for value in theirs if value is not None]
    assert [value for value in ours if value is not None] == pytest.approx(defined, rel=1e-9)


@KINDS
@given(prices=PRICES, period=st.integers(min_value=2, max_value=30))
def test_price_by_price_and_whole_series_agree(
    kind: IndicatorKind, prices: list[float], period: int
) -> None:
    """The streaming form answers at every price what the function has at that place."""
    indicator = STREAMING[kind](period)
    assert [indicator.update(price) for price in prices] == BATCH[kind](prices, period)


@KINDS
@given(prices=PRICES, period=st.integers(min_value=2, max_value=30))
def test_the_first_value_comes_when_it_is_said_to(
    kind: IndicatorKind, prices: list[float], period: int
) -> None:
    """None for exactly so many prices, then never again; one value per price."""
    values = BATCH[kind](prices, period)
    before = min(len(prices), prices_before_first(kind, period))
    assert values[:before] == [None] * before
    assert None not in values[before:]
    assert len(values) == len(prices)


@KINDS
@given(
    first=st.lists(st.floats(min_value=50, max_value=150), min_size=3, max_size=3),
    period=st.integers(min_value=2, max_value=20),
    seed=st.integers(min_value=0, max_value=1_000_000),
)
def test_settled_values_do_not_show_where_the_series_began(
    kind: IndicatorKind, first: list[float], period: int, seed: int
) -> None:
    """Two series that began differently have one value once the settling stretch is over."""
    stretch = prices_until_settled(kind, period) + 1
    chance = random.Random(seed)
    walk = [100 + chance.uniform(-5, 5) for _ in range(stretch)]
    other = first + walk
    settled = BATCH[kind](walk, period)[-1]
    assert settled is not None
    assert BATCH[kind](other, period)[-1] == pytest.approx(settled, rel=1e-4)


@given(prices=st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=3, max_size=60))
def test_averages_stay_between_the_lowest_and_the_highest_price(prices: list[float]) -> None:
    """An average outside of what was averaged would be none."""
    slack = 1e-9 * max(prices)
    for batch in (sma, ema):
        for value in batch(prices, 3):
            assert value is None or min(prices) - slack <= value <= max(prices) + slack


def test_rsi_knows_its_extremes() -> None:
    """Only gains: 100. Only losses: 0. Nothing moved: 50. As much of each: 50."""
    assert rsi([1, 2, 3, 4], 3)[-1] == 100
    assert rsi([4, 3, 2, 1], 3)[-1] == 0
    assert rsi([2, 2, 2, 2], 3)[-1] == 50
    assert rsi([2, 3, 2, 3, 2], 4)[-1] == 50


def test_volatility_of_a_steady_rise_is_zero_and_is_not_annualised() -> None:
    """Equal returns do not deviate; returns of plus and minus r deviate by r times a root."""
    assert volatility([100, 110, 121, 133.1], 3)[-1] == pytest.approx(0, abs=1e-12)
    step = math.log(1.01)
    there_and_back = [100, 101, 100, 101, 100]
    assert volatility(there_and_back, 4)[-1] == pytest.approx(step * math.sqrt(4 / 3))


def _whole_series(kind: IndicatorKind, prices: Sequence[float]) -> None:
    BATCH[kind](prices, 2)


def _price_by_price(kind: IndicatorKind, prices: Sequence[float]) -> None:
    indicator = STREAMING[kind](2)
    for price in prices:
        indicator.update(price)


FORMS = pytest.mark.parametrize("form", [_whole_series, _price_by_price])


@KINDS
@FORMS
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_price_that_is_no_number_is_refused(
    kind: IndicatorKind, form: Callable[[IndicatorKind, Sequence[float]], None], bad: float
) -> None:
    """One NaN let in would make every later average NaN."""
    with pytest.raises(ValueError, match="finite"):
        form(kind, [1.0, bad, 2.0])


@FORMS
def test_volatility_refuses_a_price_that_has_no_logarithm(
    form: Callable[[IndicatorKind, Sequence[float]], None],
) -> None:
    """Zero or less is named."""
    with pytest.raises(ValueError, match=r"above zero, not -1"):
        form(IndicatorKind.VOLATILITY, [1.0, -1.0, 2.0])


@KINDS
def test_a_period_too_short_is_refused(kind: IndicatorKind) -> None:
    """The least period is 1 for averages and 2 where a spread is measured."""
    least = STREAMING[kind].least_period
    assert BATCH[kind]([1.0, 2.0, 3.0], least)[-1] is not None
    with pytest.raises(ValueError, match=f"at least {least}, not {least - 1}"):
        BATCH[kind]([1.0, 2.0, 3.0], least - 1)
    with pytest.raises(ValueError, match=f"at least {least}, not {least - 1}"):
        STREAMING[kind](least - 1)


@KINDS
def test_no_prices_no_values(kind: IndicatorKind) -> None:
    """An empty series is no error."""
    assert BATCH[kind]([], 5) == []


@pytest.mark.parametrize("kind", list(IndicatorKind))
def test_every_price_that_is_kept_has_a_figure(kind: IndicatorKind) -> None:
    """Also the largest and the smallest that a float holds: a number, and the same both ways."""
    largest, smallest = 1.7976931348623157e308, 5e-324
    for prices in (
        [largest, smallest] * 4,
        [largest] * 8,
        [smallest] * 8,
        [smallest, largest, largest, smallest, 1.0, largest, 2.0, smallest],
    ):
        whole = BATCH[kind](prices, 3)
        indicator = STREAMING[kind](3)
        assert [indicator.update(price) for price in prices] == whole
        values = [value for value in whole if value is not None]
        assert values
        assert all(math.isfinite(value) for value in values)
        if kind is IndicatorKind.RSI:
            assert all(0 <= value <= 100 for value in values)
