"""What a fault did to a watching client, and whether that may be."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
import trio

from stockstream.chaos.aftermath import Sample, left_over, once
from stockstream.chaos.effects import Bounds, Span, longest_gap, starved
from stockstream.chaos.report import Strike, gap_verdict
from stockstream.chaos.watchers import Watcher

BOUNDS = Bounds(interval=1.0, fresh=1.25)
_versions = itertools.count(1)


def price(watcher: Watcher) -> None:
    quote = {"symbol": "AAPL", "version": [1, next(_versions)], "price": 150.0}
    watcher._take({"type": "prices", "prices": [quote]})


async def prices(watcher: Watcher, seconds: int) -> None:
    for _ in range(seconds):
        price(watcher)
        await trio.sleep(1)


def status(
    watcher: Watcher, feed: str, circuit: str = "closed", probe: float | None = None
) -> None:
    at = None if probe is None else datetime.fromtimestamp(probe, UTC).isoformat()
    watcher._take(
        {"type": "status", "feed": feed, "circuit": circuit, "interval": 1.0, "next_probe": at}
    )


@pytest.mark.proves("C10")
@pytest.mark.parametrize(
    ("still", "pauses", "told_after", "bad"),
    [
        (1.0, False, None, False),
        (2.2, False, None, False),
        (2.3, False, None, True),
        (12.0, False, None, True),
        # Told or not, a hang of ours is no excuse.
        (12.0, False, 1.0, True),
        # A price that is not stale yet needs no word; later it does, and in time.
        (4.2, True, None, False),
        (4.3, True, None, True),
        (12.0, True, 4.0, False),
        (12.0, True, 4.5, True),
    ],
)
async def test_how_long_a_client_may_wait(
    still: float,
    pauses: bool,
    told_after: float | None,
    bad: bool,
    autojump_clock: trio.abc.Clock,
) -> None:
    """As long as the fetch that is hit and the next one take; or until prices are stale."""
    watcher = Watcher(0)
    status(watcher, "live")
    await prices(watcher, 3)
    last = trio.current_time() - 1
    struck = trio.current_time() - 0.5
    if told_after is not None:
        await trio.sleep_until(last + told_after)
        status(watcher, "stale")
    await trio.sleep_until(last + still)
    going_on = Span(struck, trio.current_time(), pauses)
    price(watcher)
    await prices(watcher, 2)
    over = Span(struck, trio.current_time(), pauses)
    for span in (going_on, over):
        assert starved(watcher, span, BOUNDS) == bad
        assert longest_gap(watcher, span) == pytest.approx(still if still > 1 else 0.0)


@pytest.mark.proves("C10")
async def test_gaps_before_and_after_a_fault_are_not_its_doing(
    autojump_clock: trio.abc.Clock,
) -> None:
    """Only what reaches into its time counts."""
    watcher = Watcher(0)
    price(watcher)
    await trio.sleep(20)
    await prices(watcher, 2)
    struck = trio.current_time()
    await prices(watcher, 3)
    span = Span(struck, trio.current_time(), pauses=False)
    await trio.sleep(20)
    price(watcher)
    assert not starved(watcher, span, BOUNDS)
    assert longest_gap(watcher, span) <= 1.0


async def test_a_client_that_does_not_read_waits_by_its_own_doing(
    autojump_clock: trio.abc.Clock,
) -> None:
    """`client-stop-reading` is a fault of ours beside the one that is judged."""
    watcher = Watcher(0)
    await prices(watcher, 2)
    struck = trio.current_time()
    watcher.stop_reading()
    await trio.sleep(20)
    span = Span(struck, trio.current_time(), pauses=False)
    assert not starved(watcher, span, BOUNDS)
    watcher.read_on()
    price(watcher)
    assert not starved(watcher, span, BOUNDS)


async def test_the_next_probe_is_known_by_the_servers_clock(
    autojump_clock: trio.abc.Clock,
) -> None:
    """Which may be hours away from ours."""
    watcher = Watcher(0)
    await trio.sleep(5)
    server = 1_000_000_000.0
    watcher._take(
        {"type": "welcome", "server_time": datetime.fromtimestamp(server, UTC).isoformat()}
    )
    status(watcher, "stale", "open", probe=server + 7)
    assert watcher.probe_at == pytest.approx(trio.current_time() + 7)
    status(watcher, "live")
    assert watcher.probe_at == 0.0


def strike(action: str, gap: float | None, starving: int) -> Strike:
    return Strike(
        0.0, action, "x", True, None, None, None, None, None, 0, "", gap, starving
    )  # fmt: skip


@pytest.mark.proves("C10")
def test_the_verdict_names_what_had_clients_wait() -> None:
    """And is broken by a single one."""
    held = gap_verdict([strike("kill", 1.0, 0), strike("client-vanish", None, 0)], 2.25)
    assert (held.held, held.detail) == (True, "longest gap 1.00 s of 2.25 s allowed")
    told = gap_verdict([strike("upstream-down", 9.0, 0)], 2.25)
    assert told.held
    assert "they were told" in told.detail
    broken = gap_verdict([strike("hang", 12.0, 3), strike("kill", 1.0, 0)], 2.25)
    assert not broken.held
    assert "3 clients waited 12.00 s: hang x" in broken.detail


@pytest.mark.proves("C16")
@pytest.mark.parametrize(
    ("versions", "newest", "problem"),
    [
        ([(1, 4), (1, 5), (1, 6)], (1, 6), None),
        ([(1, 4), (2, 1), (2, 2)], (2, 2), None),
        ([(1, 4), (1, 6)], (1, 6), "lacks 1 versions, the first [1, 5]"),
        ([(1, 4), (1, 5), (1, 5)], (1, 5), "has 1 versions twice, the first (1, 5)"),
        ([(1, 4), (1, 5)], (1, 6), "lacks version [1, 6]"),
        ([], (1, 1), "lacks version [1, 1]"),
    ],
)
def test_the_history_has_each_version_once(
    versions: list[tuple[int, int]], newest: tuple[int, int], problem: str | None
) -> None:
    """From the first that is there up to the newest that a client has."""
    assert once(versions, newest) == problem


@pytest.mark.proves("C15")
def test_what_is_left_over_is_named() -> None:
    """A tenth more memory is nothing, and a few connections come and go."""
    before = Sample(at=0, memory=400_000_000, files=50, tasks=60)
    assert left_over(before, Sample(9, 440_000_000, 58, 68)) is None
    assert left_over(before, Sample(9, 441_000_000, 50, 60)) == "memory went from 400 to 441 MB"
    assert left_over(before, Sample(9, 400_000_000, 59, 60)) == "open files went from 50 to 59"
    assert left_over(before, Sample(9, 400_000_000, None, 69)) == "tasks went from 60 to 69"
