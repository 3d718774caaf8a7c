"""Runs seeds, shows what fails, and makes it short: `make simulate SEEDS=0-999`."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.simulation.finders import finder
from tests.simulation.found import FOUND
from tests.simulation.mutants import MUTANTS
from tests.simulation.shrink import shrink
from tests.simulation.troubles import draw
from tests.simulation.world import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.checks import Violation
    from tests.simulation.troubles import Schedule
    from tests.simulation.world import Outcome

FOUND_SOMETHING, INTERRUPTED = 1, 130
MOST_VARIANTS = 20
SHOWN_LINES = 40


@dataclass(slots=True)
class Summary:
    """What was run so far."""

    began: float = field(default_factory=monotonic)
    seeds: int = 0
    failed: list[int] = field(default_factory=list)
    virtual: float = 0.0
    cpu: float = 0.0
    requests: int = 0
    double: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.seeds += 1
        self.virtual += outcome.virtual_seconds
        self.cpu += outcome.cpu_seconds
        self.requests += outcome.requests
        self.double += outcome.double
        if outcome.violation is not None:
            self.failed.append(outcome.schedule.seed)

    def __str__(self) -> str:
        speed = self.virtual / self.cpu if self.cpu else 0.0
        failed = f"{len(self.failed)} failed: {self.failed[:20]}" if self.failed else "none failed"
        return (
            f"{self.seeds} seeds, {failed}; {self.virtual / 60:.1f} virtual minutes in "
            f"{monotonic() - self.began:.0f} s, {speed:.0f} for each of one core; "
            f"{self.requests} requests, {self.double} of them double"
        )


def seeds_of(text: str) -> Iterator[int]:
    """`7`, `0-99`, or `100-` for ever."""
    found = re.fullmatch(r"(\d+)(?:(-)(\d*))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 7 nor 0-99 nor 100-")
    first, dash, last = found.groups()
    number = int(first)
    end = number if dash is None else int(last) if last else None
    while end is None or number <= end:
        yield number
        number += 1


def main(arguments: list[str]) -> int:
    """Run seeds; 0 when all held, 1 when one did not, 130 after Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="0-99", help="7, 0-99, or 100- until Ctrl+C")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4, help="of 30 virtual seconds each")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--no-shrink", action="store_true", help="show the failing run as it is")
    parser.add_argument("--print-traces", action="store_true", help="what identifies each run")
    parser.add_argument("--lines", type=int, default=SHOWN_LINES, help="of the trace to show")
    parser.add_argument("--mutant", choices=MUTANTS, help="a rule of the product to take out")
    parser.add_argument("--found", action="store_true", help="only what once found a fault")
    parser.add_argument("--mutants", action="store_true", help="only what finds each mutant")
    given = parser.parse_args(arguments)
    if given.found:
        return look_again()
    if given.mutants:
        return look_for_all()
    patch = pytest.MonkeyPatch()
    if given.mutant is not None:
        MUTANTS[given.mutant](patch)
    summary = Summary()
    try:
        for seed in seeds_of(given.seeds):
            schedule = draw(seed, nodes=given.nodes, clients=given.clients, rounds=given.rounds)
            outcome = run(schedule)
            summary.add(outcome)
            if given.print_traces:
                print(f"trace {seed} {outcome.trace}")
            if outcome.violation is None:
                _progress(f"{seed} {outcome.trace}  {summary}")
                continue
            _progress("")
            if given.mutant is not None:
                patch.undo()
                as_it_is = run(schedule)
                MUTANTS[given.mutant](patch)
                if as_it_is.violation is not None:
                    summary.failed.pop()
                    print(f"seed {seed} fails in the product as it is: {as_it_is.violation}")
                    continue
            print(f"seed {seed}: {outcome.violation}", flush=True)
            if given.keep_going:
                continue
            if not given.no_shrink:
                outcome = shortest(outcome)
            report(outcome, given.lines)
            break
    except KeyboardInterrupt:
        _progress("")
        print(summary)
        return INTERRUPTED
    _progress("")
    print(summary)
    return FOUND_SOMETHING if summary.failed else 0


def look_again() -> int:
    """Run the schedules that once found a fault: now they must not, but in what has it again."""
    failed = 0
    for name, found in FOUND.items():
        outcome = run(found.schedule)
        holds = outcome.violation is None
        if not holds or _found(found.without, found.schedule, first_holds=True) is None:
            failed = FOUND_SOMETHING
            print(f"{name}: {found.what}")
            print(f"  now: {outcome.violation or 'nothing'}")
            if holds:
                print(f"  with {found.without}: nothing")
    return failed


def look_for_all() -> int:
    """Run what finds each mutant; 1 where something does not any more."""
    failed = 0
    for mutant in MUTANTS:
        by = _found(mutant, finder(mutant))
        print(f"{mutant}: {by or 'NOT FOUND'}", flush=True)
        if by is None:
            failed = FOUND_SOMETHING
    return failed


def _found(mutant: str, schedule: Schedule, *, first_holds: bool = False) -> Violation | None:
    """By what a product with the mutant fails, in a run in which one without it does not.

    Any new timer in the product makes another run of a schedule: then a few others are tried.
    """
    for seed in range(schedule.seed, schedule.seed + MOST_VARIANTS):
        variant = replace(schedule, seed=seed)
        with pytest.MonkeyPatch.context() as patch:
            MUTANTS[mutant](patch)
            faulty = run(variant)
        if faulty.violation is None:
            continue
        if (first_holds and seed == schedule.seed) or run(variant).violation is None:
            return faulty.violation
    return None


def shortest(outcome: Outcome) -> Outcome:
    """The failing run, made as short as it can be."""
    best = outcome

    def fails(schedule: Schedule) -> bool:
        nonlocal best
        tried = run(schedule)
        rule = outcome.violation and outcome.violation.rule
        same = tried.violation is not None and tried.violation.rule == rule
        if same:
            best = tried
            _progress(f"{len(schedule.troubles)} troubles, {schedule.seconds:g} virtual seconds")
        return same

    shrink(outcome.schedule, fails)
    _progress("")
    return best


def report(outcome: Outcome, lines: int) -> None:
    """Show a failing run: how it can be had again, and how it ended."""
    print(outcome.violation)
    print(outcome.schedule)
    print(f"replay: {outcome.schedule!r}")
    if lines:
        print("the end of it:")
        print(*(line[:300] for line in outcome.lines[-lines:]), sep="\n")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:150]}", end="", file=sys.stderr, flush=True)
