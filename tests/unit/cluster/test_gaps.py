"""What was missed of the prices of others, by the numbers of their messages."""

from __future__ import annotations

import pytest

from stockstream.cluster.gaps import MOST_NODES, Gaps, first_number
from stockstream.shards import NodeId

A = NodeId("a", 1)
FIRST = first_number(1)


def begun(*numbers: int) -> Gaps:
    gaps = Gaps()
    for number in numbers:
        gaps.heard(A, number)
    gaps.begin()
    return gaps


@pytest.mark.proves("N9")
def test_numbers_in_a_row_are_no_gap():
    """Nor is the number that a heartbeat tells after them."""
    gaps = begun(FIRST + 5)
    gaps.heard(A, FIRST + 6)
    gaps.told(A, FIRST + 6)
    assert (gaps.missed, gaps.count) == (set(), 0)


@pytest.mark.proves("N9")
@pytest.mark.parametrize("how", ["heard", "told"])
def test_a_number_that_skips_is_a_gap_once(how: str):
    """Its messages are counted, its node is to be asked."""
    gaps = begun(FIRST + 5)
    if how == "heard":
        gaps.heard(A, FIRST + 9)
    else:
        gaps.told(A, FIRST + 8)
    assert (gaps.missed, gaps.count) == ({A}, 3)
    gaps.missed.clear()
    gaps.told(A, FIRST + (9 if how == "heard" else 8))
    assert gaps.missed == set()


def test_a_new_life_of_a_bus_is_a_gap():
    """What the last one had in hand is lost, whether anybody was told of it or not."""
    gaps = begun(FIRST + 5)
    gaps.told(A, first_number(2))
    assert (gaps.missed, gaps.count) == ({A}, 1)


def test_a_node_that_has_said_nothing_yet_has_no_gap():
    """It has just begun; one that comes with prices behind it has."""
    gaps = begun()
    gaps.told(A, FIRST)
    gaps.heard(A, FIRST + 1)
    assert gaps.missed == set()
    late = begun()
    late.told(A, FIRST + 1)
    reborn = begun()
    reborn.told(A, first_number(2))
    assert late.missed == reborn.missed == {A}


def test_before_the_table_is_full_nothing_is_missed_yet():
    """All there is will be asked for anyway; from the numbers of that time on, gaps count."""
    gaps = Gaps()
    gaps.told(A, FIRST + 3)
    assert gaps.missed == set()
    gaps.begin()
    gaps.heard(A, FIRST + 5)
    assert gaps.missed == {A}


def test_made_up_names_do_not_fill_the_memory():
    """The oldest ones give way."""
    gaps = Gaps()
    for number in range(MOST_NODES + 10):
        gaps.told(NodeId(f"n{number}", 1), FIRST)
    assert len(gaps._last) == MOST_NODES


@pytest.mark.proves("N9")
def test_where_what_came_was_lost_each_node_is_asked():
    """With the streamer dies what waits for it, from whichever node it came."""
    gaps = begun(FIRST + 5)
    gaps.heard(NodeId("b", 1), FIRST + 1)
    gaps.missed.clear()
    gaps.lost()
    assert gaps.missed == {A, NodeId("b", 1)}
