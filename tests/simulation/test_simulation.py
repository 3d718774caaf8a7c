"""Whole nodes in virtual time: seeds that must hold, and that a seed is always the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.finders import SCHEDULES, SEEDS
from tests.simulation.mutants import MUTANTS
from tests.support.deep import only_deep

MOST_SEEDS = 500
ROOT = Path(__file__).parents[2]
SEED = 2


def simulate(
    *arguments: str, hash_seed: str = "random", seconds: float = 600.0
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def test_a_seed_is_the_same_run_each_time_in_every_process() -> None:
    """What every client was sent, and when, is the same to the byte; also after another run."""
    short = "--print-traces", "--rounds", "2"
    first = simulate("--seeds", f"{SEED}", *short, hash_seed="1")
    second = simulate("--seeds", f"{SEED - 1}-{SEED}", *short, hash_seed="2")

    traces = [line for line in first.stdout.splitlines() if line.startswith("trace ")]
    assert len(traces) == 1, first.stdout + first.stderr
    assert traces[0] in second.stdout.splitlines(), second.stdout + second.stderr


@pytest.mark.proves("C12", "C13", "C14", "C15", "C16", "W17", "N3", "N4", "N5", "N7", "N8", "N14")
@pytest.mark.parametrize(("nodes", "seeds"), [(1, "0-7"), (3, "3-6")])
def test_what_is_promised_holds_whatever_happens(nodes: int, seeds: str) -> None:
    """Kills, hangs, freezes, clocks that jump, clients that vanish or stall, an upstream in
    trouble; and in a cluster nodes that are cut off, partitions, and a bus that is away.
    """
    found = simulate("--seeds", seeds, "--nodes", f"{nodes}")

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.proves("N2", "N6", "N9", "N17", "N19")
def test_what_once_found_a_fault_finds_none() -> None:
    """And finds it again in a product that has it."""
    found = simulate("--found")

    assert found.returncode == 0, found.stdout + found.stderr


def test_it_is_known_what_finds_each_mutant() -> None:
    """A seed or a schedule, and nothing else is kept."""
    assert {*SEEDS, *SCHEDULES} == MUTANTS.keys()
    assert not SEEDS.keys() & SCHEDULES.keys()
    assert max(SEEDS.values()) < MOST_SEEDS


@only_deep("takes out each rule of the product")
def test_each_rule_is_missed() -> None:
    """Within 500 seeds a client sees something that it must not, or a node does."""
    looked = simulate("--mutants")

    assert looked.returncode == 0, looked.stdout + looked.stderr
