"""The lowest and highest price of the last seconds, against counting them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stockstream.alerts.window import SLICES, Window

SECONDS = st.integers(1, 3_600)
PRICES = st.lists(st.tuples(st.integers(0, 20_000), st.floats(0.01, 1e9)), min_size=1, max_size=200)


@given(SECONDS, PRICES)
def test_extremes_are_those_of_the_window_and_of_one_slice_more_at_most(
    seconds: int, steps: list[tuple[int, float]]
) -> None:
    """No price of the window is left out, and none older than a slice beyond it counts."""
    window, at = Window(seconds), 0
    slice_ms = max(1, seconds * 1000 // SLICES)
    seen: list[tuple[int, float]] = []
    for step, price in steps:
        at += step
        seen.append((at, price))
        extremes = window.add(at, price)
        inside = [p for t, p in seen if t > at - seconds * 1000]
        nearly = [p for t, p in seen if t > at - seconds * 1000 - 2 * slice_ms]
        assert min(nearly) <= extremes.low <= min(inside)
        assert max(inside) <= extremes.high <= max(nearly)


@given(SECONDS, st.lists(st.floats(0.01, 1e9), min_size=1, max_size=2_000))
def test_memory_has_an_end_however_fast_prices_come(seconds: int, prices: list[float]) -> None:
    """Also for prices that only rise, or only fall, which are all extremes in their turn."""
    for series in (prices, sorted(prices), sorted(prices, reverse=True)):
        window = Window(seconds)
        for place, price in enumerate(series):
            window.add(place * 7, price)
            assert len(window) <= 2 * (2 * SLICES + 2)
