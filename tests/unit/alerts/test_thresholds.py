"""Rules sorted by the prices that mean something to them, beside a search through all."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stockstream.alerts.rules import NOWHERE, Band
from stockstream.alerts.thresholds import Thresholds
from tests.unit.alerts.support import rule

PRICES = st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])
BANDS = st.one_of(
    st.just(NOWHERE),
    PRICES.map(lambda price: Band(-math.inf, price)),
    PRICES.map(lambda price: Band(price, math.inf)),
    st.tuples(PRICES, PRICES).map(lambda pair: Band(*pair)),
)
STEPS = st.lists(st.tuples(st.integers(1, 5), st.none() | BANDS, PRICES), max_size=60)


@given(STEPS)
def test_a_price_reaches_all_that_it_is_not_quiet_for_and_no_others(
    steps: list[tuple[int, Band | None, float]],
) -> None:
    """Whatever was put, moved and dropped before."""
    thresholds, model = Thresholds(), dict[int, Band]()
    for number, band, price in steps:
        if band is not None:
            thresholds.put(rule(number), band)
            model[number] = band
        elif model.pop(number, None) is not None:
            thresholds.drop(number)
        reached = {found.id for found in thresholds.reached(price)}
        assert reached == {n for n, (low, high) in model.items() if not low < price < high}
        assert len(thresholds) == len(model)


def test_a_rule_that_is_put_again_is_the_new_one() -> None:
    """With the same quiet band too."""
    thresholds = Thresholds()
    for revision in (1, 2):
        thresholds.put(rule(1, revision=revision), Band(-math.inf, 100.0))
    assert [found.revision for found in thresholds.reached(100.0)] == [2]
    assert thresholds.reached(99.0) == []
