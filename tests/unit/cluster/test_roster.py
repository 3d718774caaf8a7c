"""Who else is there: no more than can be."""

from __future__ import annotations

from stockstream.cluster.roster import MOST_NODES, Roster
from stockstream.cluster.wire import Heartbeat
from stockstream.shards import NodeId

ME = NodeId("me", 1)


def a_beat(name: str, boot: int = 1) -> Heartbeat:
    return Heartbeat(name=name, boot=boot, number=1)


def test_names_that_somebody_makes_up_fill_no_memory_and_drive_nobody_out() -> None:
    """The nodes that were known stay, come back under a newer boot, and die as ever."""
    roster = Roster(ME, {})
    assert roster.hear(a_beat("real"), agrees=True)
    came = [roster.hear(a_beat(f"made-up-{number}"), agrees=True) for number in range(5_000)]
    assert sum(came) == MOST_NODES - 1
    assert len(roster.beats()) == MOST_NODES
    assert roster.hear(a_beat("real", boot=2), agrees=True)
    assert NodeId("real", 2) in roster
    assert NodeId("real", 1) not in roster
    for _ in range(10):
        roster.hear(a_beat("real", boot=2), agrees=True)
        roster.echo()
    assert list(roster.beats()) == [NodeId("real", 2)]
    assert roster.hear(a_beat("another"), agrees=True)


def test_a_newer_node_of_this_ones_name_is_heard_however_many_there_are() -> None:
    """This one has to stop for it."""
    roster = Roster(ME, {})
    for number in range(2 * MOST_NODES):
        roster.hear(a_beat(f"n{number}"), agrees=True)
    roster.hear(a_beat("me", boot=2), agrees=True)
    assert roster.newer_namesake() == NodeId("me", 2)
