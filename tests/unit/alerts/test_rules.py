"""When a rule fires: once for each crossing, and armed again only by moving back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stockstream.alerts.rules import Kind, judge, quiet
from stockstream.alerts.window import Extremes, Window
from tests.unit.alerts.support import rule

# Near the threshold of 100, and on it, more often than anywhere else.
PRICE = st.one_of(st.floats(95, 105), st.sampled_from([99.0, 100.0, 101.0]), st.floats(0.01, 1e6))
PRICES = st.lists(PRICE, max_size=60)
HYSTERESIS = st.sampled_from([0.0, 0.1, 1.0, 5.0, 50.0])


def fired(kind: Kind, prices: list[float], hysteresis: float) -> list[int]:
    """The places of the prices that fire a rule at 100."""
    it, armed, places = rule(kind=kind, hysteresis=hysteresis), None, []
    for place, price in enumerate(prices):
        verdict = judge(it, armed, price, None)
        armed = verdict.armed
        if verdict.fired:
            places.append(place)
    return places


@given(st.sampled_from([Kind.ABOVE, Kind.BELOW]), PRICES, HYSTERESIS)
def test_it_fires_once_for_each_crossing_and_for_no_other_price(
    kind: Kind, prices: list[float], hysteresis: float
) -> None:
    """Told without standings: a price that holds fires when one that had moved back came since
    the last that fired; at first, when none has held yet.
    """
    back = 100 * (1 - hysteresis / 100 if kind is Kind.ABOVE else 1 + hysteresis / 100)

    def holds(price: float) -> bool:
        return price >= 100 if kind is Kind.ABOVE else price <= 100

    def is_back(price: float) -> bool:
        far = price <= back if kind is Kind.ABOVE else price >= back
        return far and not holds(price)

    expected: list[int] = []
    since = 0 if prices and holds(prices[0]) else None
    for place, price in enumerate(prices):
        if holds(price) and (since is None or any(map(is_back, prices[since:place]))):
            expected.append(place)
            since = place
    assert fired(kind, prices, hysteresis) == expected


@given(st.sampled_from([Kind.ABOVE, Kind.BELOW]), PRICE, HYSTERESIS, st.sampled_from([True, False]))
def test_a_price_in_the_quiet_band_changes_nothing(
    kind: Kind, price: float, hysteresis: float, armed: bool
) -> None:
    """And outside it, more than a hair away, one does."""
    it = rule(kind=kind, hysteresis=hysteresis)
    low, high = quiet(it, armed)
    verdict = judge(it, armed, price, None)
    if low < price < high:
        assert (verdict.armed, verdict.fired) == (armed, False)
    elif not low * 0.999 <= price <= high * 1.001 and price != 100.0:
        assert verdict.armed is not armed


def test_a_price_that_trembles_at_the_threshold_is_one_crossing() -> None:
    """It fires again after moving back by one percent, and not before."""
    prices = [99.5, 100.0, 99.5, 100.5, 99.1, 101.0, 99.0, 100.0, 102.0]
    assert fired(Kind.ABOVE, prices, 1.0) == [1, 7]


def test_a_condition_that_held_from_the_beginning_is_no_crossing() -> None:
    """Until the price has moved back once."""
    assert fired(Kind.ABOVE, [150.0, 151.0, 99.5, 150.0, 98.0, 150.0], 1.0) == [5]
    assert fired(Kind.BELOW, [50.0, 49.0, 102.0, 50.0], 1.0) == [3]


def test_a_move_is_measured_from_the_far_end_of_its_window() -> None:
    """Up from the lowest, down from the highest; the reference tells which."""
    it = rule(kind=Kind.MOVE, threshold=5.0, window=60, hysteresis=1.0)
    up = judge(it, True, 105.0, Extremes(100.0, 105.0))
    assert (up.fired, up.armed, up.reference) == (True, False, 100.0)
    down = judge(it, True, 95.0, Extremes(95.0, 100.0))
    assert (down.fired, down.armed, down.reference) == (True, False, 100.0)
    assert judge(it, False, 104.5, Extremes(100.0, 105.0)).armed is False
    assert judge(it, False, 103.9, Extremes(100.0, 105.0)).armed is True
    assert judge(it, True, 104.9, Extremes(100.0, 104.9)).fired is False


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(50, 150)), max_size=80),
    st.sampled_from([1.0, 5.0, 20.0]),
)
def test_between_two_moves_told_there_was_calm(
    steps: list[tuple[int, float]], threshold: float
) -> None:
    """Each one told is a move by the threshold; between two the size had fallen by a quarter."""
    it = rule(kind=Kind.MOVE, threshold=threshold, window=60, hysteresis=threshold / 4)
    window, armed, at = Window(60), None, 0
    calm = False
    for step, price in steps:
        at += 1000 * step
        extremes = window.add(at, price)
        size = 100 * max(price / extremes.low - 1, 1 - price / extremes.high)
        verdict = judge(it, armed, price, extremes)
        if verdict.fired:
            assert size >= threshold
            assert calm or armed is None
            calm = False
        elif size <= threshold - threshold / 4:
            calm = True
        armed = verdict.armed
