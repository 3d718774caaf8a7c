"""The actor that tells operators; in virtual time, without an address."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import trio
import trio.testing
from structlog.testing import capture_logs

from stockstream import paths
from stockstream.alerts.signing import Signer
from stockstream.alerts.targets import TargetPolicy
from stockstream.messages import CircuitMoved, NoticeTold
from stockstream.notices.notifier import NoticeRecords, Notices, NoticeSettings
from stockstream.statuses import CircuitState, FeedState, FeedStatus
from stockstream.tables import Tables
from stockstream.telemetry.event_log import EventLog
from stockstream.times import Moment
from supervision import Actor, ChildSpec, Event, ExitReason, System, supervisor
from supervision.context import current_cell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


OPEN = CircuitMoved(
    paths.circuit_breaker("api"), CircuitState.CLOSED, CircuitState.OPEN, "why", forced=False
)
TEXT = "the circuit breaker of api is open: why"


@asynccontextmanager
async def running(tables: Tables, events: list[Event], *others: ChildSpec) -> AsyncIterator[System]:
    system, up = System(), trio.Event()
    settings = NoticeSettings("n1", lambda: None, TargetPolicy(), Signer("s"))
    notices = partial(Notices, settings, NoticeRecords(lambda: 0), tables)
    system.subscribe(events.append)
    async with trio.open_nursery() as nursery:
        root = supervisor("root", [ChildSpec("notices", notices), *others])
        nursery.start_soon(partial(system.run, root, on_start=lambda _system: up.set()))
        await up.wait()
        yield system
        system.stop()


async def test_a_notice_is_a_line_a_figure_and_an_event(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The same again within the minute is one more of each of these, after it."""
    tables, events, log = Tables(), list[Event](), EventLog()
    with capture_logs() as lines:
        async with running(tables, events) as system:
            log.attach(system)
            for _ in range(5):
                system.emit(OPEN)
                await trio.sleep(3)
            row = tables.notices.value
            assert row is not None
            assert (dict(row.said), row.held, row.waiting) == ({"circuit": 5}, 4, 0)
            assert [line["text"] for line in lines if line["event"] == "notice"] == [TEXT]
            await trio.sleep(60)
    told = [event for event in events if isinstance(event, NoticeTold)]
    assert [(event.path, event.kind, event.times) for event in told] == [
        ("notices", "circuit", 1),
        ("notices", "circuit", 4),
    ]
    assert [line.get("times") for line in lines if line["event"] == "notice"] == [None, 4]
    shown = [entry.detail for entry in log.entries(0) if entry.kind.value == "notice"]
    assert shown == [TEXT, f"{TEXT} (4 times)"]


class Slow(Actor):
    """Takes long to stop, and the actors above it go on meanwhile."""

    async def terminate(self, _reason: ExitReason) -> None:
        """Take half a minute."""
        await trio.sleep(30)


async def test_a_stop_is_no_trouble(autojump_clock: trio.testing.MockClock) -> None:
    """Feeds end early in it, and their prices get old before the rest has ended."""
    tables, events = Tables(), list[Event]()
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.feed("api"))))
    row = FeedStatus(FeedState.LIVE, Moment.now(), 1.0, listed=True)
    tables.feeds.put("api", row)
    current_cell.reset(token)
    async with running(tables, events, ChildSpec("slow", Slow, shutdown=60.0)):
        pass
    assert trio.current_time() >= 30
    assert not [event for event in events if isinstance(event, NoticeTold)]


async def test_what_happens_while_it_is_killed_is_told_by_its_successor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Once; and the minute of what was told before goes on."""
    tables, events = Tables(), list[Event]()
    async with running(tables, events) as system:
        system.emit(OPEN)
        await trio.sleep(2)
        assert system.ref(paths.NOTICES).kill()
        system.emit(OPEN)
        system.emit(
            CircuitMoved(OPEN.path, CircuitState.OPEN, CircuitState.CLOSED, "well", forced=False)
        )
        await trio.sleep(2)
    told = [event.text for event in events if isinstance(event, NoticeTold)]
    assert told == [TEXT, "the circuit breaker of api is closed: well"]
