"""When the garbage collector looks, with the real one."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from stockstream import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator


class Node:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _only_when_asked() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(0)
    gc.collect()
    yield
    gc.set_threshold(*before)


def test_a_sweep_finds_what_is_young() -> None:
    lost = weakref.ref(Node())
    kept: list[list[object]] = [[] for _ in range(garbage.YOUNG_THRESHOLD + 100)]
    assert lost() is not None
    garbage.sweep()
    assert lost() is None
    assert gc.get_count()[0] < len(kept)


def test_a_sweep_leaves_a_few_objects_alone() -> None:
    """To look for nothing has its price, and sweeps are frequent."""
    lost = weakref.ref(Node())
    garbage.sweep()
    assert lost() is not None


def test_a_sweep_finds_what_the_collector_has_left_over() -> None:
    """Of the young it looks at all, also at those that were still needed the first time."""
    node = Node()
    lost = weakref.ref(node)
    gc.collect(0)
    del node
    kept: list[list[object]] = [[] for _ in range(garbage.YOUNG_THRESHOLD + 100)]
    garbage.sweep()
    assert lost() is None
    del kept
