"""A client's rate, and patience with its mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.delivery.limits import Strikes, TokenBucket


@pytest.mark.proves("W10")
def test_a_burst_is_let_through_and_then_the_rate() -> None:
    """100 at once, and after that one for every 20 ms."""
    bucket = TokenBucket(50, 100, now=0.0)
    assert [bucket.take(0.0) for _ in range(101)] == [True] * 100 + [False]
    assert not bucket.take(0.019)
    assert bucket.take(0.021)
    assert not bucket.take(0.021)
    assert [bucket.take(1000.0) for _ in range(101)] == [True] * 100 + [False]


@given(st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_more_than_burst_and_rate_allow_ever_pass(
    rate: float, burst: int, pauses: list[float]
) -> None:
    """However the attempts are spread."""
    bucket, now, passed = TokenBucket(rate, burst, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now)
    assert passed <= burst + now * rate + 1e-6


@pytest.mark.proves("W11")
def test_the_last_of_so_many_within_the_time_counts() -> None:
    """Ten in a minute are too many; ten in a minute and a bit are not."""
    strikes = Strikes(10, 60.0)
    assert [strikes.add(float(second)) for second in range(0, 60, 6)] == [False] * 9 + [True]
    patient = Strikes(10, 60.0)
    assert not any(patient.add(6.7 * number) for number in range(100))
