"""When jobs are due: texts, time zones, and clocks that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.jobs.schedule import Daily, Every, InvalidSchedule, read_schedule
from stockstream.jobs.timing import Past, Timing
from stockstream.times import DAY_MS, HOUR_MS, to_ms

NOON = to_ms(datetime(2026, 11, 30, 12, tzinfo=UTC))


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("text", "schedule", "told"),
    [
        ("every 6h", Every(21_600), "every 6h"),
        ("90m", Every(5_400), "every 90m"),
        (" every 2 d ", Every(172_800), "every 2d"),
        ("03:30", Daily(3, 30), "daily at 03:30 UTC"),
        (
            "daily at 3:05 Europe/Berlin",
            Daily(3, 5, "Europe/Berlin"),
            "daily at 03:05 Europe/Berlin",
        ),
    ],
)
def test_what_people_write(text: str, schedule: Every | Daily, told: str) -> None:
    """And what is told of it, which is a schedule again."""
    assert read_schedule(text) == schedule
    assert str(schedule) == told
    assert read_schedule(told) == schedule


@pytest.mark.parametrize("text", ["", "6", "every 0m", "24:00", "3:60", "3:30 Mars/Base", "../x"])
def test_what_is_no_schedule_is_named(text: str) -> None:
    """With what would be one, or what is wrong with it."""
    with pytest.raises(InvalidSchedule, match=r"schedule|zone|minute"):
        read_schedule(text)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-11-30T01:29+00:00", "2026-11-30T01:30+00:00"),
        ("2026-11-30T01:30+00:00", "2026-12-01T01:30+00:00"),
        # The clock is put forward from 2 to 3: there is no 2:30, and it is 3:30 instead.
        ("2026-03-29T00:00+00:00", "2026-03-29T01:30+00:00"),
        ("2026-03-29T01:30+00:00", "2026-03-30T00:30+00:00"),
        # It is put back from 3 to 2: there are two 2:30, and the first one counts.
        ("2026-10-25T00:00+00:00", "2026-10-25T00:30+00:00"),
        ("2026-10-25T00:30+00:00", "2026-10-26T01:30+00:00"),
    ],
)
def test_a_time_of_the_day_is_the_zones(after: str, due: str) -> None:
    """Also on the days on which the clock changes: once each."""
    assert Daily(2, 30, "Europe/Berlin").after(at(after)) == at(due)


@given(
    st.integers(0, 4_000_000_000_000), st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])
)
def test_a_day_has_one_due_time(moment: int, zone: str) -> None:
    """Twenty-three to twenty-five hours lie between two."""
    schedule = Daily(2, 30, zone)
    first = schedule.after(moment)
    assert moment < first <= moment + 25 * HOUR_MS
    assert 23 * HOUR_MS <= schedule.after(first) - first <= 25 * HOUR_MS


def runs_of(schedule: Every | Daily, jumps: list[tuple[float, int]], look: float) -> list[float]:
    """When a job ran, by the steady clock, while the wall clock jumps by so many ms after so many
    seconds. A run takes no time. The row is read every `look` seconds at least.
    """
    timing = Timing(schedule, retry=5, at_start=False)
    steady, offset, base = 0.0, NOON, NOON
    runs: list[float] = []
    for seconds, jump in jumps:
        end = steady + seconds
        while True:
            now = offset + round(steady * 1000)
            wait = timing.wait(Past(base), now, steady)
            if wait == 0:
                runs.append(steady)
                timing.started(steady)
                base = now
                continue
            if steady + min(wait, look) > end:
                break
            steady += min(wait, look)
        steady = end
        offset += jump
    return runs


JUMPS = st.lists(
    st.tuples(st.floats(1, 40 * 3600), st.integers(-400 * DAY_MS, 400 * DAY_MS) | st.just(0)),
    min_size=1,
    max_size=12,
)


@given(
    JUMPS,
    st.sampled_from([Every(3600), Every(6 * 3600), Daily(3, 30), Daily(3, 30, "Asia/Kolkata")]),
)
def test_a_clock_that_jumps_neither_stops_a_job_nor_has_it_run_all_the_time(
    jumps: list[tuple[float, int]], schedule: Every | Daily
) -> None:
    """By any number of years, forward and back: the bounds of the monotonic clock hold."""
    runs = runs_of(schedule, jumps, 900.0)
    total = sum(seconds for seconds, _ in jumps)
    for before, after in pairwise([0.0, *runs, total]):
        assert after - before <= schedule.longest + 901
    for before, after in pairwise(runs):
        assert after - before >= schedule.shortest - 1e-6  # of floats that were added


@pytest.mark.parametrize(
    ("schedule", "base", "wait"),
    [
        (Every(600), NOON, 600),
        (Every(600), NOON - 590_000, 10),
        (Every(600), NOON - 9 * DAY_MS, 0),
        (Every(600), NOON + HOUR_MS, 0),  # its last start is still to come: a clock was set back
        (Daily(12, 30), NOON, 1800),
        (Daily(12, 30), NOON - DAY_MS, 0),  # nobody was up yesterday at half past
        (Daily(12, 30), NOON - 23 * HOUR_MS, 1800),
    ],
)
def test_how_long_a_job_waits_after_a_restart(
    schedule: Every | Daily, base: int, wait: float
) -> None:
    """By what its row says alone."""
    assert Timing(schedule, retry=5, at_start=False).wait(Past(base), NOON, 77.0) == wait


def test_what_failed_is_tried_again_and_what_asks_for_more_runs_on() -> None:
    """Sooner than the schedule says; at the start, at once."""
    timing = Timing(Every(600), retry=5, at_start=True)
    assert timing.wait(Past(NOON), NOON, 0.0) == 0
    timing.started(0.0)
    assert timing.wait(Past(NOON), NOON + 1000, 1.0) == 599
    assert timing.wait(Past(NOON, NOON), NOON + 1000, 1.0) == 4
    assert timing.wait(Past(NOON, NOON + DAY_MS), NOON + 1000, 1.0) == 4  # set back since
    timing.ask_again(2.0, 60.0)
    assert timing.wait(Past(NOON), NOON + 3000, 3.0) == 59
    timing.started(62.0)
    assert timing.wait(Past(NOON + 62_000), NOON + 63_000, 63.0) == 599
