"""What is counted of the tree's events."""

from __future__ import annotations

from stockstream.telemetry.tally import Tally
from supervision import NORMAL, SHUTDOWN, Crash, Decision, Killed
from supervision.events import CastDropped, Exited, FailedStart, IntensityExceeded, Started

CRASH = Crash(ValueError("broken"))


def test_restarts_and_ends_are_counted_by_path() -> None:
    """What was asked for is none; numbered children are one place."""
    tally = Tally()
    for event in (
        Started("market/streamer", 1),
        Exited("market/streamer", 1, CRASH, Decision.RESTART),
        Started("market/streamer", 2),
        Exited("market/streamer", 2, Killed(), Decision.RESTART),
        Started("market/streamer", 3),
        Exited("market/streamer", 3, SHUTDOWN, Decision.STOPPING),
        Exited("delivery/sessions/1", 1, CRASH, Decision.FORGET),
        Exited("delivery/sessions/2", 1, CRASH, Decision.FORGET),
        Exited("delivery/sessions/3", 1, NORMAL, Decision.FORGET),
        Exited("delivery/sessions/4", 1, Killed(), Decision.STOPPING),
        FailedStart("web", 1, CRASH),
        CastDropped("pubsub", int, 1),
        CastDropped("pubsub", int, 2),
        IntensityExceeded("delivery", "delivery/broadcaster", CRASH, 3, 5.0),
    ):
        tally(event)
    assert tally.restarts == {"market/streamer": 2}
    assert tally.ends == {
        ("market/streamer", "crash"): 1,
        ("market/streamer", "kill"): 1,
        ("delivery/sessions/#", "crash"): 2,
        ("web", "failed_start"): 1,
    }
    assert tally.dropped == {"pubsub": 2}
    assert tally.gave_up == {"delivery": 1}
