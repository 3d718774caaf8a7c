"""Random faults on a real cluster, beside clients on all nodes that check what they are told.

`python -m tests.support.cluster_check --minutes 30` does it with 300 clients and 1,000 symbols.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.support import chosen_seed
from tests.support.cluster_check.run import Plan, check
from tests.support.deep import DEEP

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.chaos, pytest.mark.alone]

LONGEST_PAUSE_SECONDS = 12.0
"""A client whose node hangs waits 6.5 s before it goes to another one, and that may be ill too."""


@pytest.mark.proves("T10", "T15", "T17", "T19", "T21", "C12", "C13", "N4", "N8", "N21")
def test_whatever_breaks_versions_only_rise_and_all_is_equal_afterwards(tmp_path: Path) -> None:
    """Kills, freezes and cuts of nodes, NATS, the database and actors, at random."""
    seed = chosen_seed()
    if DEEP:
        plan = Plan(clients=300, symbols=1_000, seed=seed, longest=8.0, seconds=600)
    else:
        plan = Plan(clients=30, symbols=100, seed=seed, longest=0.7, faults=2)
    verdict = check(plan, tmp_path)
    print(verdict.figures)
    assert verdict.violations == []
    assert verdict.figures["longest pause of a client, max"] < LONGEST_PAUSE_SECONDS
