"""Whose prices a node listens to."""

from __future__ import annotations

import pytest

from stockstream.cluster.speakers import MOST_SILENT_TICKS, MOST_SPEAKERS, Speakers
from stockstream.shards import NodeId

A, B = NodeId("a", 1), NodeId("b", 1)


@pytest.mark.proves("N3")
def test_a_node_is_listened_to_from_its_first_heartbeat_until_it_leaves() -> None:
    """A new boot of a name is another node. What changes nothing is told as such."""
    speakers = Speakers()
    assert speakers.heard(A)
    assert not speakers.heard(A)
    assert speakers.heard(NodeId("a", 2))
    assert speakers.nodes == {A, NodeId("a", 2)}
    assert speakers.left(A)
    assert not speakers.left(A)
    assert speakers.nodes == {NodeId("a", 2)}


def test_who_has_been_silent_for_long_is_listened_to_no_more() -> None:
    """One that speaks now and then is."""
    speakers = Speakers()
    speakers.heard(A)
    speakers.heard(B)
    changes = []
    for _ in range(MOST_SILENT_TICKS + 1):
        speakers.heard(B)
        changes.append(speakers.tick())
    assert changes == [False] * MOST_SILENT_TICKS + [True]
    assert speakers.nodes == {B}


def test_names_that_somebody_makes_up_have_a_bound() -> None:
    """Those that speak already are listened to; one more is, once another has fallen silent."""
    speakers = Speakers()
    assert all(speakers.heard(NodeId(f"r{number}", 1)) for number in range(MOST_SPEAKERS))
    assert not speakers.heard(A)
    for _ in range(MOST_SILENT_TICKS + 1):
        speakers.heard(NodeId("r0", 1))
        speakers.tick()
    assert speakers.heard(A)
    assert speakers.nodes == {A, NodeId("r0", 1)}
