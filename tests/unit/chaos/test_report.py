"""Percentiles, durations, verdicts and the HTML page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.chaos.catalogue import ACTIONS, BadParameters, action_named
from stockstream.chaos.html_report import html_report
from stockstream.chaos.quantities import parse_duration, parse_rate, percentile
from stockstream.chaos.report import Report, Strike, Verdict, fresh_verdict, recoveries


def strike(target: str = "a", recovered: float | None = 0.1, **changes: object) -> Strike:
    values: dict[str, object] = {
        "at": 1.0,
        "action": "kill",
        "target": target,
        "verified": True,
        "generation_before": 1,
        "generation_after": 2,
        "recovered": recovered,
        "fresh_p50": 0.1,
        "fresh_max": 0.2,
        "late": 0,
        "detail": "",
    }
    return Strike(**{**values, **changes})


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_and_enough_do_not_exceed_it(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("2s", 2), ("1.5m", 90), ("1h", 3600), ("3", 3)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "2 fortnights", "-1s", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_rates_are_per_second_or_per_minute() -> None:
    assert parse_rate("2/s") == 2
    assert parse_rate("30/m") == 0.5
    with pytest.raises(ValueError, match="no rate"):
        parse_rate("0/s")


@pytest.mark.proves("C10")
def test_recovery_is_reported_by_target() -> None:
    found = recoveries([strike("a", 0.1), strike("a", 0.3), strike("b", None)])
    assert set(found) == {"a"}
    assert (found["a"].count, found["a"].p50, found["a"].max) == (2, 0.1, 0.3)


@pytest.mark.proves("C10", "C14")
def test_one_late_client_breaks_the_verdict() -> None:
    assert fresh_verdict([strike()], 1.25).held
    assert not fresh_verdict([strike(), strike(late=1)], 1.25).held


@pytest.mark.proves("C10")
def test_the_page_escapes_what_it_shows() -> None:
    """The time line is drawn, and nothing of the data becomes markup."""
    report = Report(
        title="<script>alert(1)</script>",
        exit_code=3,
        verdict="deviated",
        started="2026-11-22T10:00:00.000Z",
        seconds=10,
        seed=7,
        experiment=None,
        strikes=[strike("market/<b>")],
        skipped=["<i>"],
        recovery=recoveries([strike("market/<b>")]),
        clients=None,
        verdicts=[Verdict("<u>", False, "<s>")],
    )
    page = html_report(report)
    assert "<svg" in page
    for tag in ("<script>", "<b>", "<i>", "<u>", "<s>"):
        assert tag not in page


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_action_has_defaults_that_it_accepts_itself(name: str) -> None:
    action = action_named(name)
    assert action.read({}) == action.read(action.read({}))


@pytest.mark.parametrize(
    ("action", "parameters", "says"),
    [
        ("hang", {"seconds": "long"}, "seconds must be a number"),
        ("hang", {"seconds": True}, "seconds must be a number"),
        ("hang", {"seconds": float("nan")}, "seconds must be from"),
        ("mailbox-flood", {"messages": 1.5}, "whole number"),
        ("crash", {"exception": "SystemExit"}, "exception must be one of"),
        ("kill", {"hard": 1}, "no parameter 'hard'"),
        ("explode", {}, "no action 'explode'"),
    ],
)
def test_bad_parameters_are_named(action: str, parameters: dict[str, object], says: str) -> None:
    with pytest.raises(BadParameters, match=says):
        action_named(action).read(parameters)
