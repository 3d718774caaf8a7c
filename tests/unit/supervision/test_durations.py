"""Quantiles of how long messages took, from counts per geometric bucket."""

from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from supervision import Actor, ChildSpec, cell, handles, snapshot
from supervision.durations import HALVED_AT, LAST_BUCKET, SHORTEST_SECONDS, Durations

TEN_MINUTES = 600.0


def test_nothing_counted_has_no_quantile():
    """There is nothing to tell of an actor that handled nothing."""
    assert Durations().quantiles(0.5, 0.95) == (None, None)


@given(st.lists(st.floats(1e-6, TEN_MINUTES), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_within_nine_percent(times, share):
    """By the nearest-rank definition over what was put in."""
    durations = Durations()
    for seconds in times:
        durations.add(seconds, 1)
    exact = sorted(times)[max(0, math.ceil(share * len(times)) - 1)]
    [found] = durations.quantiles(share)
    assert found == pytest.approx(exact, rel=0.1)


def test_many_at_once_weigh_as_many():
    """Ninety-four short ones and six long ones: half are short, and the 95th is long."""
    durations = Durations()
    durations.add(0.001, 94)
    durations.add(1.0, 6)
    assert durations.quantiles(0.5, 0.95) == (
        pytest.approx(0.001, rel=0.1),
        pytest.approx(1.0, rel=0.1),
    )


def test_what_was_long_ago_fades():
    """An actor that was slow for its first thousand messages is not called slow for ever."""
    durations = Durations()
    for _ in range(1_000):
        durations.add(1.0, 1)
    for _ in range(5 * HALVED_AT):
        durations.add(0.001, 1)
    assert durations.quantiles(0.95) == (pytest.approx(0.001, rel=0.1),)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=500))
def test_memory_is_bounded(times):
    """Whatever is put in, there are so many buckets; no time and an age count as the ends."""
    durations = Durations()
    for seconds in times:
        durations.add(seconds, 1)
    lowest, highest = durations.quantiles(0.0, 1.0)
    assert lowest is not None
    assert highest is not None
    assert SHORTEST_SECONDS <= lowest <= highest
    assert highest <= SHORTEST_SECONDS * 2 ** ((LAST_BUCKET + 1) / 4)


class Mixed(Actor):
    """Takes its time for some."""

    @handles(float)
    async def _float(self, seconds: float) -> None:
        await trio.sleep(seconds)


async def test_a_slow_message_among_quick_ones_is_seen(start, monkeypatch):
    """Each of a few waiting messages is timed by itself: their average hides none."""
    actor = Mixed()
    clock = trio.lowlevel.current_clock()
    monkeypatch.setattr(cell, "perf_counter", clock.current_time)
    tree = await start([ChildSpec("actor", lambda: actor)])
    for seconds in (0.001,) * 9 + (2.0,):
        tree.system.ref("actor").cast(seconds)
    await trio.sleep(5)
    shown = next(node for node in snapshot(tree.system).walk() if node.path == "actor")
    assert shown.handled == 10
    assert shown.handling_p50 == pytest.approx(0.001, rel=0.1)
    assert shown.handling_p95 == pytest.approx(2.0, rel=0.1)
