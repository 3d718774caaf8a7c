"""What is worth a notice, by events and by tables; in virtual time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
import trio.testing

from stockstream import paths
from stockstream.messages import CircuitMoved
from stockstream.notices.notice import NoticeKind
from stockstream.notices.watch import STALE_SECONDS, Watch, said_by
from stockstream.shards import shard
from stockstream.statuses import CircuitState, FeedState, FeedStatus, Holding, RecorderStatus
from stockstream.tables import Tables
from stockstream.times import Moment
from supervision import KILLED, IntensityExceeded
from supervision.context import current_cell

if TYPE_CHECKING:
    from supervision import Event

BREAKER = paths.circuit_breaker("api")
CLOSED, OPEN, HALF = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            CircuitMoved(BREAKER, CLOSED, OPEN, "5 of 9 calls failed", forced=False),
            ("circuit", "api", "open", "the circuit breaker of api is open: 5 of 9 calls failed"),
        ),
        (
            CircuitMoved(BREAKER, HALF, CLOSED, "asked", forced=True),
            (
                "circuit",
                "api",
                "closed",
                "the circuit breaker of api is closed, set by hand: asked",
            ),
        ),
        (
            IntensityExceeded("market", "one", KILLED, 9, 9.0),
            (
                "supervisor",
                "market",
                "gave_up",
                "the supervisor market gave up: one ended once more, after over 9 restarts in 9 s",
            ),
        ),
        (CircuitMoved(BREAKER, OPEN, OPEN, "forced", forced=True), None),
    ],
)
def test_events_that_are_worth_one(event: Event, told: tuple[str, str, str, str] | None) -> None:
    """A breaker that has moved, and a supervisor that gave up; nothing else."""
    said = said_by(event)
    assert (None if said is None else said[:4]) == told


def write(path: str, table: str, key: str | None, row: object) -> None:
    token = current_cell.set(cast("Any", SimpleNamespace(path=path)))
    try:
        place = getattr(TABLES[0], table)
        place.put(row) if key is None else place.put(key, row)
    finally:
        current_cell.reset(token)


TABLES: list[Tables] = []


@pytest.fixture(autouse=True)
def tables() -> Tables:
    TABLES[:] = [Tables()]
    return TABLES[0]


def fetched(upstream: str = "api", *, ago: float = 0.0) -> None:
    row = FeedStatus(FeedState.LIVE, Moment.now().after(-ago), 1.0, True, "status 500")
    write(paths.feed(upstream), "feeds", upstream, row)


def said(watch: Watch) -> list[tuple[NoticeKind, str, str, bool]]:
    found = watch.look(TABLES[0], trio.current_time())
    return [(each.kind, each.subject, each.state, each.bad) for each in found]


async def test_a_feed_is_told_of_when_it_is_stale_for_a_while_and_when_it_is_well_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Once each, however long it lasts; a short break wakes nobody."""
    watch = Watch()
    fetched()
    assert said(watch) == []
    await trio.sleep(STALE_SECONDS)
    assert said(watch) == []  # it is seen now
    fetched()
    assert said(watch) == []  # a short break
    await trio.sleep(4)
    assert said(watch) == []
    await trio.sleep(STALE_SECONDS - 0.1)
    assert said(watch) == []
    await trio.sleep(0.1)
    assert said(watch) == [(NoticeKind.FEED, "api", "stale", True)]
    await trio.sleep(1000)
    assert said(watch) == []
    fetched()
    assert said(watch) == [(NoticeKind.FEED, "api", "live", False)]
    assert said(watch) == []


async def test_in_a_cluster_the_node_that_fetches_tells_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Or one that is alone. One that hands it over says so."""
    fetched(ago=100)
    fetched("other@n2", ago=100)
    others, mine = Watch(), Watch()
    write(paths.MEMBERSHIP, "holding", None, Holding())
    said(others)
    write(paths.MEMBERSHIP, "holding", None, Holding({shard("api", 0): 1}))
    said(mine)
    await trio.sleep(STALE_SECONDS)
    assert said(mine) == [(NoticeKind.FEED, "api", "stale", True)]
    write(paths.MEMBERSHIP, "holding", None, Holding())
    assert said(others) == []
    assert said(mine) == [(NoticeKind.FEED, "api", "elsewhere", False)]
    write(paths.MEMBERSHIP, "holding", None, Holding(alone=True))
    said(others)
    await trio.sleep(STALE_SECONDS)
    assert said(others) == [(NoticeKind.FEED, "api", "stale", True)]


def test_lost_ticks_are_told_when_there_are_more() -> None:
    """Of the spool and of memory, and batches that could not be read."""
    watch, tables = Watch(), TABLES[0]

    def texts(**figures: Any) -> list[str]:
        write(paths.RECORDER, "recorder", None, RecorderStatus(**figures))
        return [each.text for each in watch.look(tables, 0.0)]

    assert texts() == []
    assert texts(lost=3, dropped=2) == ["5 ticks were lost for the history, 5 ticks in all"]
    assert texts(lost=3, dropped=2) == []
    assert texts(lost=4, dropped=2, unread_batches=1) == [
        "1 ticks and 1 batches that could not be read were lost for the history, 6 ticks in all"
    ]
