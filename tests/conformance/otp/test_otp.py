"""This runtime beside OTP's own supervisor, which recorded what it did in the same scenarios.

Where an OTP is installed, it is asked again: some scenarios by `make test`, thousands that nobody
has seen yet by `make test-deep`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.conformance.otp.differences import DIFFERENCES, last_step, scenario_of
from tests.conformance.otp.real import (
    IN_PARALLEL,
    RECORDED_SEEDS,
    installed,
    real_traces,
    recorded_traces,
    release,
)
from tests.conformance.otp.replay import comparable, replay
from tests.conformance.otp.scenarios import generate
from tests.support.deep import DEEP, only_deep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.conformance.otp.scenarios import Scenario

    Record = Callable[[str, object], None]

EACH = 1 if DEEP else 5
"""Every so many of the recorded ones are compared; all three kinds are among them."""
NEW_SEEDS = 5_000

real = pytest.mark.skipif(not installed(), reason="no Erlang here (scripts/erlang)")


def report(scenario: Scenario, otp: str, here: str) -> str:
    """The first step in which they differ."""
    steps = [("start",), *scenario.steps, ("stop",)]
    theirs, ours = comparable(otp).split("; "), comparable(here).split("; ")
    for step, expected, seen in zip(steps, theirs, ours, strict=True):
        if expected != seen:
            return f"seed {scenario.seed}, {step}\n  OTP  {expected}\n  here {seen}\n{scenario}"
    return ""


def disagreements(scenarios: Iterable[Scenario], traces: Iterable[str]) -> dict[int, str]:
    """By seed, what differs."""
    found = {}
    for scenario, otp in zip(scenarios, traces, strict=True):
        difference = report(scenario, otp, replay(scenario))
        if difference:
            found[scenario.seed] = difference
    return found


@pytest.mark.proves(
    "R5", "R6", "R7", "R9", "R10", "R11", "R12", "R14", "R16", "R17", "R18", "R20", "R21", "R22",
    "R23", "R24", "R25", "R26", "R27", "R28", "R30", "R31", "R32", "R42", "R43", "R44", "R45",
)  # fmt: skip
def test_it_does_what_otp_was_seen_to_do(record_property: Record):
    """Answers, the order of starts and stops, and all children after each step are the same."""
    seeds = RECORDED_SEEDS[::EACH]
    found = disagreements(map(generate, seeds), recorded_traces()[::EACH])
    record_property("agreement", f"recorded OTP: {len(seeds) - len(found)} of {len(seeds)} agree")
    assert not found, "\n\n".join(list(found.values())[:5])


@pytest.mark.parametrize("name", DIFFERENCES)
def test_it_differs_on_purpose(name: str):
    """Each class of difference is as the README says."""
    difference = DIFFERENCES[name]
    assert last_step(replay(scenario_of(difference))) == difference.here
    assert difference.here != difference.otp


@real
def test_otp_does_what_is_said_of_it():
    """The differences are there on a real OTP, and the record is one of a real OTP."""
    differences = list(DIFFERENCES.values())
    quick = [seed for seed in RECORDED_SEEDS[::25] if ("wait",) not in generate(seed).steps]
    traces = real_traces([*map(scenario_of, differences), *map(generate, quick)])
    told = [last_step(trace) for trace in traces[: len(differences)]]
    number = release()
    assert told == [difference.of_release(number) for difference in differences]
    recorded = recorded_traces()
    seen = {seed: comparable(trace) for seed, trace in zip(quick, traces[len(told) :], strict=True)}
    assert seen == {seed: comparable(recorded[seed]) for seed in quick}


@real
@only_deep("asks a real OTP about thousands of new scenarios")
def test_it_does_what_otp_does_in_scenarios_nobody_has_seen(record_property: Record):
    """As with the recorded ones, by new seeds each time."""
    first = random.SystemRandom().randrange(10**6, 10**9)
    seeds = range(first, first + NEW_SEEDS)
    found = disagreements(map(generate, seeds), real_traces(map(generate, seeds)))
    # OTP runs in real time: where the machine stood still, it is asked once more, by itself.
    again = [generate(seed) for seed in found]
    found = disagreements(again, real_traces(again, parallel=max(1, min(len(again), IN_PARALLEL))))
    agree = f"OTP here: {NEW_SEEDS - len(found)} of {NEW_SEEDS} agree, seeds from {first}"
    record_property("agreement", agree)
    assert not found, "\n\n".join([agree, *list(found.values())[:5]])
