"""Prices that walk: near the last one, inside the range, never standing, the same for a seed."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.problems import FieldError
from mockserver.walks import MAX_NAME, MAX_WALKS, Walks
from tests.unit.mockserver.support import request, server, stub

if TYPE_CHECKING:
    from mockserver.json_types import Json
    from mockserver.mappings import StubMapping

pytestmark = pytest.mark.proves("M23")

START = datetime(2026, 11, 22, 10, tzinfo=UTC)


def walked(walks: Walks, steps: int, seconds: float = 1.0, seed: int = 7) -> list[float]:
    """So many prices of a stock between 145 and 155."""
    times = (START + timedelta(seconds=seconds * step) for step in range(steps))
    return [walks.at(seed, now)("AAPL", 145, 155) for now in times]


def prices_of(**parameters: Json) -> StubMapping:
    """A stub that answers the prices of its `stocks`."""
    each = "{{#each parameters.stocks}}{{randomDecimal lower=this.from upper=this.to}} {{/each}}"
    return stub(
        {"body": each, "transformers": ["response-template"], "transformerParameters": parameters},
        urlPath="/prices",
    )


@given(
    lower=st.floats(0, 1e6),
    width=st.floats(1e-6, 1e6),
    gaps=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    seed=st.integers(0, 2**53),
)
def test_whatever_the_range_and_the_clock_it_stays_inside_and_never_stands(
    lower: float, width: float, gaps: list[float], seed: int
) -> None:
    upper = lower + width
    walks, now = Walks(), START
    last = walks.at(seed, now)("A", lower, upper)
    for gap in gaps:
        now = START + timedelta(seconds=gap)
        value = walks.at(seed, now)("A", lower, upper)
        assert lower <= value < upper
        assert value != last
        if width > 0.06 and upper < 1e5:
            assert round(value, 2) != round(last, 2)
        last = value


@pytest.mark.parametrize("lower", [1.0, -1.0, 0.0, 1e16])
def test_a_range_that_holds_one_number_never_gives_its_upper_bound(lower: float) -> None:
    upper = math.nextafter(lower, math.inf)
    walks = Walks()
    for seed in range(20):
        assert walks.at(seed, START)("A", lower, upper) == lower
        assert walks.at(seed, START)("A", lower, upper) == lower


def test_a_step_is_small_and_an_hour_is_wide() -> None:
    """Unlike a draw from the range: that is a third of it from one to the next."""
    prices = walked(Walks(), 3600)
    steps = [abs(after - before) for before, after in itertools.pairwise(prices)]
    assert max(steps) < 0.2
    assert max(prices) - min(prices) > 2


def test_a_minute_has_a_direction() -> None:
    """Its way is longer than that of steps that know nothing of each other would be."""
    prices = walked(Walks(), 36_000)
    steps = [after - before for before, after in itertools.pairwise(prices)]
    alone = sum(step * step for step in steps) / len(steps)
    minutes = [prices[at + 60] - prices[at] for at in range(0, len(prices) - 60, 60)]
    together = sum(way * way for way in minutes) / len(minutes)
    assert together > 60 * alone * 1.5


def test_a_seed_tells_the_same_again_and_another_one_something_else() -> None:
    assert walked(Walks(), 50) == walked(Walks(), 50)
    assert walked(Walks(), 50) != walked(Walks(), 50, seed=8)
    walks = Walks()
    first = walked(walks, 50)
    walks.clear()
    assert walked(walks, 50) == first


def test_ranges_out_of_requests_fill_no_memory() -> None:
    walks = Walks()
    for number in range(MAX_WALKS + 50):
        walks.at(1, START)(str(number), 0, 1)
    assert len(walks) == MAX_WALKS
    walks.clear()
    for end in "AB":
        walks.at(1, START)("x" * MAX_NAME + end * 100_000, 0, 1)
    assert len(walks) == 1


def test_a_stub_walks_where_it_has_a_seed_and_each_symbol_by_itself() -> None:
    stocks: Json = [{"symbol": name, "from": 100, "to": 200} for name in ("A", "B")]
    running = server(prices_of(walkSeed=7, stocks=stocks))
    answers = [running.answer(request("/prices")).body.split() for _ in range(20)]
    for column in range(2):
        prices = [float(answer[column]) for answer in answers]
        assert all(before != after for before, after in itertools.pairwise(prices))
        assert max(prices) - min(prices) < 2  # its clock stands: the shortest steps there are
    assert all(first != second for first, second in answers)


def test_without_a_seed_each_value_is_drawn_for_itself() -> None:
    stocks: Json = [{"symbol": "A", "from": 100, "to": 200}]
    running = server(prices_of(stocks=stocks))
    prices = [float(running.answer(request("/prices")).body) for _ in range(20)]
    assert max(prices) - min(prices) > 20


@pytest.mark.parametrize("seed", ["seven", -1, 1.5, True, [7]])
def test_a_seed_is_a_whole_number(seed: Json) -> None:
    with pytest.raises(FieldError, match="walkSeed"):
        prices_of(walkSeed=seed)
