"""The judgement over a client's signs of life."""

from __future__ import annotations

from itertools import pairwise

import pytest

from stockstream.delivery.lanes import Health, Lane, Patience, health
from tests.unit.delivery.support import MemoryClient

PATIENCE = Patience()  # 25 s between pings, 10 s for a pong, slow from 10 s, too slow from 30 s


def lane_of(client: MemoryClient, *, pinged: float | None, behind: float | None = None) -> Lane:
    lane = Lane(1, client, seen=0, now=0.0)
    if pinged is not None:
        lane.ping_sent, lane.pings = pinged, 1
    lane.behind_since = behind
    return lane


@pytest.mark.proves("W9")
@pytest.mark.parametrize(
    ("now", "verdict"), [(124.9, Health.WELL), (125.0, Health.PING), (160.0, Health.PING)]
)
def test_a_client_is_pinged_when_nothing_was_asked_for_a_heartbeat(
    now: float, verdict: Health
) -> None:
    """Counted from the last ping, which was answered."""
    client = MemoryClient(last_received=100.1)
    assert health(lane_of(client, pinged=100.0), now, PATIENCE) is verdict


@pytest.mark.proves("W9")
@pytest.mark.parametrize("first", [1, 12_345])
def test_clients_that_came_together_are_not_pinged_together(first: int) -> None:
    """Within a heartbeat all are, and about as many in each second of it."""
    lanes = [Lane(number, MemoryClient(), seen=0, now=0.0) for number in range(first, first + 1000)]
    due = [
        sum(health(lane, float(now), PATIENCE) is Health.PING for lane in lanes)
        for now in range(26)
    ]
    assert due[0] == 0
    assert due[25] == 1000
    assert all(35 <= after - before <= 45 for before, after in pairwise(due))


@pytest.mark.proves("W9")
def test_whatever_comes_back_after_a_ping_answers_it() -> None:
    """A client that sends nothing but pongs stays, and is pinged again."""
    client = MemoryClient(last_received=25.1, last_progress=25.0)
    lane = lane_of(client, pinged=25.0)
    assert health(lane, 49.0, PATIENCE) is Health.WELL
    assert health(lane, 50.0, PATIENCE) is Health.PING


@pytest.mark.proves("W9", "W17")
def test_without_pong_and_without_progress_a_client_is_gone() -> None:
    """10 s after the ping, which was the last thing the kernel took."""
    lane = lane_of(MemoryClient(last_received=3.0, last_progress=25.0), pinged=25.0)
    assert health(lane, 34.9, PATIENCE) is Health.WELL
    assert health(lane, 35.0, PATIENCE) is Health.GONE


@pytest.mark.proves("W16")
def test_a_late_pong_with_progress_is_lag() -> None:
    """Slow from 10 s, too slow from 30 s, while something still goes out."""
    client = MemoryClient(last_received=3.0, last_progress=33.0)
    lane = lane_of(client, pinged=25.0)
    assert health(lane, 35.0, PATIENCE) is Health.SLOW
    client.last_progress = 54.0
    assert health(lane, 54.9, PATIENCE) is Health.SLOW
    assert health(lane, 55.0, PATIENCE) is Health.TOO_SLOW


@pytest.mark.proves("W16")
def test_a_client_that_takes_no_more_is_slow_and_then_stuck() -> None:
    """Behind for 10 s: slow. For 30 s: a close frame if it trickles, a reset if not."""
    trickling = MemoryClient(last_received=100.0, last_progress=125.0)
    stuck = MemoryClient(last_received=100.0, last_progress=100.0)
    for client, last in ((trickling, Health.TOO_SLOW), (stuck, Health.GONE)):
        lane = lane_of(client, pinged=99.0, behind=100.0)
        assert health(lane, 109.9, PATIENCE) is Health.WELL
        assert health(lane, 110.0, PATIENCE) is Health.SLOW
        assert health(lane, 130.0, PATIENCE) is last


@pytest.mark.proves("W9")
def test_talking_does_not_excuse_not_reading() -> None:
    """A client that sends all the time and never reads is judged by what it does not take."""
    client = MemoryClient(last_received=130.0, last_progress=100.0)
    assert health(lane_of(client, pinged=99.0, behind=100.0), 130.0, PATIENCE) is Health.GONE
