"""Epochs of nodes that cannot hear each other."""

from __future__ import annotations

import pytest

from stockstream.shards import EPOCHS_PER_NODE, next_epoch


@pytest.mark.proves("N5", "N14")
@pytest.mark.parametrize("ahead", [-10_000, -1, 0, 600_000])
def test_nodes_that_know_the_same_never_give_the_same_epoch(ahead: int) -> None:
    """Also where the highest epoch is ahead of their clocks, and each gives the next one.

    Found by the simulation: two sides of a partition gave two prices one version.
    """
    now = 1_800_000_000_000
    names = ["a", "b", "server-1", "server-2"]

    given = {name: next_epoch(name, now, now + ahead) for name in names}

    assert len({epoch % EPOCHS_PER_NODE for epoch in given.values()}) == len(names)
    for epoch in given.values():
        assert 0 <= epoch - max(now, now + ahead + 1) < EPOCHS_PER_NODE


def test_epochs_of_a_node_rise() -> None:
    epoch = next_epoch("a", 100, 0)

    assert next_epoch("a", 100, epoch) == epoch + EPOCHS_PER_NODE
    assert next_epoch("a", 100, epoch - 1) == epoch
