"""What `stockstream load` makes of what its clients met: delivery times, pauses, and a verdict."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.chaos.quantities import percentile as by_list
from stockstream.cli.load.delivery import SAME_CLOCK_MS, Delays, percentile
from stockstream.cli.load.report import BUSY, Wanted, lines, report
from stockstream.cli.load.tally import MOST_WORDS, OTHERS, Tally
from stockstream.quotes import Version

if TYPE_CHECKING:
    from stockstream.cli.load.plan import Findings
    from stockstream.cli.load.report import Report

NOTHING = Wanted(None, None, None)


def judged(*found: Findings, wanted: Wanted = NOTHING) -> Report:
    return report(
        found, wanted, url="http://x", clients=2, symbols=1, of_symbols=1, seed=1, interrupted=False
    )


@given(st.lists(st.integers(0, 300), min_size=1), st.floats(0.01, 1))
def test_percentiles_of_counted_times_are_those_of_the_times(
    times: list[int], share: float
) -> None:
    assert percentile(Counter(times), share) == by_list(times, share)


@given(
    st.lists(st.tuples(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 5_000), min_size=1)))
)
def test_times_do_not_depend_on_what_the_clocks_say(servers: list[tuple[int, list[int]]]) -> None:
    """Each server's least is the quickest; the rest follow from that, however far clocks are."""
    delays = Delays()
    expected: Counter[int] = Counter()
    for number, (offset, times) in enumerate(servers):
        delays.add(f"s{number}", Counter(offset + time for time in times))
        expected.update(time - min(times) + 3 for time in times)
    assert delays.times(6.0) == expected


def test_a_restarted_server_has_another_clock() -> None:
    delays = Delays()
    delays.add("a", {1_000: 1, 1_005: 2})
    delays.add("a", {1_010: 1})
    delays.add("a", {1_000 + SAME_CLOCK_MS: 1, 1_007 + SAME_CLOCK_MS: 1})
    assert delays.times(None) == {0: 2, 5: 2, 10: 1, 7: 1}


def test_an_older_price_is_counted_and_forgets_nothing() -> None:
    tally = Tally()
    client = tally.client()
    client.welcomed("a", 0.0, 1.0)
    for version in (Version(1, 1), Version(1, 3), Version(1, 2), Version(1, 2), Version(1, 3)):
        client.told({"AAPL": version}, 2.0)
    told = judged(tally.findings(3.0, cpu=0.0, seconds=1.0))
    assert (told.older, told.prices, told.exit_code) == (2, 5, 3)
    assert [one.what for one in told.judged] == ["no older price after a newer one: 2"]


def test_a_pause_goes_on_over_a_loss_and_not_over_a_leave() -> None:
    tally = Tally()
    lost, left = tally.client(), tally.client()
    for client in (lost, left):
        client.welcomed("a", 0.0, 0.0)
        client.told({"AAPL": Version(1, 1)}, 1.0)
    tally.measure(100.0)
    for client in (lost, left):
        client.told({"AAPL": Version(1, 2)}, 200.0)
    lost.closed()
    left.left()
    left.closed()
    for client in (lost, left):
        client.welcomed("a", 900.0, 1_000.0)
        client.told({"AAPL": Version(1, 3)}, 1_300.0)
    told = judged(tally.findings(1_350.0, cpu=0.0, seconds=1.25), wanted=Wanted(0, None, 1_099))
    assert (told.pause.p50, told.pause.longest) == (100, 1_100)
    assert (told.churned, told.connects, told.open) == (1, 2, 2)
    assert [one.held for one in told.judged] == [True, True, False]


def test_a_client_that_never_came_waits_all_the_time() -> None:
    tally = Tally()
    tally.client().tried()
    tally.measure(1_000.0)
    told = judged(tally.findings(3_000.0, cpu=0.0, seconds=2.0), wanted=Wanted(None, 10, None))
    assert (told.pause.longest, told.delivery.p99) == (2_000, None)
    assert [one.held for one in told.judged] == [True, False]
    assert told.judged[1].what == "99 % of deliveries take no more than 10 ms: none came"


def test_reasons_are_told_apart_up_to_a_limit() -> None:
    tally = Tally()
    for number in range(MOST_WORDS + 10):
        tally.note(tally.refused, f"reason {number}")
    assert (len(tally.refused), tally.refused[OTHERS]) == (MOST_WORDS + 1, 10)


@pytest.mark.parametrize(
    ("word", "hint"), [("too_many_connections: at most 3", True), ("full: no room", False)]
)
def test_how_to_go_past_a_limit_is_said_where_a_token_helps(word: str, *, hint: bool) -> None:
    tally = Tally()
    tally.note(tally.refused, word)
    found = tally.findings(1.0, cpu=BUSY, seconds=1.0)
    said = dict(lines(judged(found)))
    assert said["refused"] == f"1 times: {word}"
    assert ("stockstream tokens create" in said.get("", "")) is hint
    assert "too busy to believe" in said["own CPU"]
