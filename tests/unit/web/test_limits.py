"""Token buckets by key, and how many of them are remembered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from web.limits import Buckets, Limit, Statistics

TEN = Limit("ten", burst=10, seconds=20.0, keys=100)


def test_a_burst_is_let_through_and_then_an_even_flow() -> None:
    """Who finds none is told how long to wait; others have their own."""
    buckets = Buckets(TEN)
    assert [buckets.take("a", 0.0) for _ in range(12)] == [0.0] * 10 + [2.0] * 2
    assert buckets.wait("a", 1.5) == 0.5
    assert (buckets.wait("b", 0.0), buckets.left("b", 0.0)) == (0.0, 10)
    assert buckets.take("a", 2.0) == 0.0
    assert buckets.left("a", 9.0) == 3
    assert buckets.statistics() == Statistics(keys=1, refused=2)


def test_what_was_taken_for_nothing_comes_back() -> None:
    """And never more than there were."""
    buckets = Buckets(TEN)
    buckets.take("a", 0.0)
    assert buckets.left("a", 0.0) == 9
    for _ in range(3):
        buckets.give_back("a", 0.0)
        buckets.give_back("nobody", 0.0)
    assert (buckets.left("a", 0.0), len(buckets)) == (10, 1)


def test_one_that_shuts_opens_when_it_is_full() -> None:
    """It shuts when it is found empty, not when its last one is taken."""
    buckets = Buckets(Limit("shut", burst=10, seconds=20.0, keys=100, shut=True))
    for _ in range(10):
        assert not buckets.take("a", 0.0)
    assert buckets.wait("a", 0.0) == 2.0, "nobody was told to wait yet"
    assert not buckets.take("a", 2.0)
    assert buckets.take("a", 2.0) == 20.0
    assert (buckets.wait("a", 3.0), buckets.left("a", 3.0)) == (19.0, 0)
    assert not buckets.take("a", 22.0)
    assert buckets.left("a", 22.0) == 9


def test_to_be_told_to_wait_is_news_until_something_was_taken_again() -> None:
    """So the log says it once."""
    buckets = Buckets(Limit("one", burst=1, seconds=10.0, keys=100))
    buckets.take("a", 0.0)
    assert [buckets.refuse("a"), buckets.refuse("a")] == [True, False]
    assert not buckets.take("a", 10.0)
    assert buckets.refuse("a")
    assert not buckets.refuse("nobody")


def test_no_more_keys_are_remembered_than_there_is_room_for() -> None:
    """Who was there longest ago is forgotten first, and who only asked was there, too."""
    buckets = Buckets(Limit("few", burst=1, seconds=1e9, keys=3))
    for key in "abc":
        assert not buckets.take(key, 0.0)
    assert buckets.wait("a", 0.0)
    assert not buckets.take("d", 0.0)
    assert len(buckets) == 3
    assert buckets.wait("a", 0.0)
    assert not buckets.wait("b", 0.0)


def test_who_came_once_is_forgotten() -> None:
    """Or a network with many addresses would fill the memory with them."""
    buckets = Buckets(Limit("many", burst=400, seconds=10.0, keys=65_536))
    for number in range(20_000):
        assert not buckets.take(str(number), number / 100)
    assert len(buckets) <= 1001


@given(
    st.integers(1, 50),
    st.floats(0.1, 1000),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 50), st.integers(1, 60)), min_size=1, max_size=60),
)
def test_no_more_than_burst_and_flow_ever_pass(
    burst: int, seconds: float, shut: bool, turns: list[tuple[float, int]]
) -> None:
    """However the attempts are spread; and who waits for as long as was said gets in."""
    buckets, now, passed = Buckets(Limit("any", burst, seconds, keys=2, shut=shut)), 1e6, 0
    for pause, attempts in turns:
        now += pause
        for _ in range(attempts):
            left = buckets.left("a", now)
            wait = buckets.take("a", now)
            passed += not wait
            assert bool(wait) == (left == 0)
        if wait:
            now += wait + 1e-6
            assert not buckets.take("a", now)
            passed += 1
        assert passed <= burst + (now - 1e6) * burst / seconds + 1e-3
