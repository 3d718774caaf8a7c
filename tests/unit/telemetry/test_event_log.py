"""The event log: what it keeps, what it counts, and that a flood cannot wash it out."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio
import trio.testing

from stockstream.messages import CircuitMoved
from stockstream.statuses import CircuitState
from stockstream.telemetry.entries import EntryKind
from stockstream.telemetry.event_log import (
    KEPT_CRASHES,
    KEPT_ENTRIES,
    RESTART_SECONDS,
    EventLog,
)
from stockstream.telemetry.stories import BURST, BURST_SECONDS
from supervision import KILLED, SHUTDOWN, Crash, Decision, Exited, Started, System
from supervision.events import CastDropped, FailedStart, IntensityExceeded


class Clock:
    """Wall clock and monotonic clock, moved by hand; `now` in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def wall_clock_ms(self) -> int:
        return round(self.now * 1000)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> EventLog:
    return EventLog(clock.wall_clock_ms, clock.monotonic)


def a_crash(text: str = "boom") -> Crash:
    try:
        raise ValueError(text)
    except ValueError as error:
        return Crash(error)


def killed(path: str, generation: int = 1) -> Exited:
    return Exited(path, generation, KILLED, Decision.RESTART)


def test_entries_are_numbered_from_one_and_read_from_any_number(log: EventLog) -> None:
    """A reader that has seen number N gets N + 1 and what follows, at most as many as it asked."""
    for generation in range(1, 6):
        log(Started("market/streamer", generation))
    assert [entry.number for entry in log.entries(0)] == [1, 2, 3, 4, 5]
    assert [entry.number for entry in log.entries(3)] == [4, 5]
    assert [entry.number for entry in log.entries(1, limit=2)] == [2, 3]
    assert log.entries(5) == []
    assert log.last == 5


def test_the_oldest_entries_give_way(log: EventLog) -> None:
    """A thousand are kept; numbers go on, so a reader sees what it has missed."""
    for generation in range(1, KEPT_ENTRIES + 11):
        log(Started("market/streamer", generation))
    kept = log.entries(0, limit=KEPT_ENTRIES * 2)
    assert len(kept) == KEPT_ENTRIES
    assert kept[0].number == 11
    assert kept[-1].number == KEPT_ENTRIES + 10
    assert log.entries(5)[0].number == 11


def test_the_last_two_hundred_crashes_are_kept_with_trace_generation_and_decision(
    log: EventLog,
) -> None:
    """The bound holds, the newest are those kept, and each says what the supervisor did."""
    for generation in range(1, KEPT_CRASHES + 51):
        log(Exited("market/streamer", generation, a_crash(f"no {generation}"), Decision.RESTART))
    crashes = log.crashes()
    assert len(crashes) == KEPT_CRASHES == 200
    assert [crash.generation for crash in crashes] == list(range(51, 251))
    newest = crashes[-1]
    assert newest.path == "market/streamer"
    assert newest.decision == "restart"
    assert newest.reason == "crash(ValueError: no 250)"
    assert newest.trace is not None
    assert "raise ValueError(text)" in newest.trace
    assert [crash.generation for crash in log.crashes(since=crashes[-3].number)] == [249, 250]


def test_a_crash_is_kept_as_text_so_the_dead_actors_frames_are_not(log: EventLog) -> None:
    """Whatever the frames of the crash held can be collected, while its trace is still read."""

    class Heavy:
        pass

    def fail() -> weakref.ref[Heavy]:
        heavy = Heavy()
        try:
            raise ValueError("boom")
        except ValueError as error:
            log(Exited("market/streamer", 1, Crash(error), Decision.RESTART))
        return weakref.ref(heavy)

    heavy = fail()
    gc.collect()
    assert heavy() is None
    assert log.crashes()[0].trace is not None


def test_kills_and_failed_starts_are_crashes_and_what_was_asked_for_is_none(log: EventLog) -> None:
    """Ends nobody asked for are told apart from stops, and from children of what was killed."""
    log(killed("market/streamer"))
    log(Exited("market", 1, SHUTDOWN, Decision.KEEP))
    log(Exited("market/circuit_breaker", 1, KILLED, Decision.STOPPING))
    log(FailedStart("stub", 2, a_crash()))
    assert [(crash.path, crash.decision) for crash in log.crashes()] == [
        ("market/streamer", "restart"),
        ("stub", "start failed"),
    ]


def test_a_restart_says_why_and_how_long_nobody_was_there(log: EventLog, clock: Clock) -> None:
    """Down time counts from the first end, through starts that failed, to the start that held."""
    log(Started("market/streamer", 1))
    log(killed("market/streamer"))
    clock.now += 0.5
    log(FailedStart("market/streamer", 2, a_crash()))
    clock.now += 0.25
    log(Started("market/streamer", 3))
    (restart,) = log.restarts()
    assert (restart.path, restart.generation, restart.reason) == ("market/streamer", 3, "killed")
    assert restart.down_ms == 750.0
    assert log.entries(0)[-1].down_ms == 750.0


def test_restarts_older_than_ten_minutes_are_forgotten(log: EventLog, clock: Clock) -> None:
    """The time line's memory is ten minutes."""
    log(killed("pubsub"))
    log(Started("pubsub", 2))
    clock.now += RESTART_SECONDS - 1
    log(killed("web"))
    log(Started("web", 2))
    assert [restart.path for restart in log.restarts()] == ["pubsub", "web"]
    clock.now += 2
    assert [restart.path for restart in log.restarts()] == ["web"]


def test_the_ordinary_life_of_a_client_leaves_no_line(log: EventLog) -> None:
    """Ten thousand sessions come and go, and what happened before can still be read."""
    log(killed("market/streamer"))
    for number in range(1, 10_001):
        path = f"delivery/sessions/{number}"
        log(Started(path, 1))
        reason = SHUTDOWN if number % 2 else KILLED
        log(Exited(path, 1, reason, Decision.STOPPING if reason == KILLED else Decision.FORGET))
    assert [entry.path for entry in log.entries(0)] == ["market/streamer"]


def test_one_bug_in_every_session_is_one_story(log: EventLog, clock: Clock) -> None:
    """Of a thousand like crashes some get a line; the rest is counted, and told once it is over."""
    for number in range(1, 1_001):
        log(Exited(f"delivery/sessions/{number}", 1, a_crash(), Decision.FORGET))
    assert len(log.entries(0)) == BURST
    assert len(log.crashes()) == BURST
    log.tell_the_rest()
    assert len(log.entries(0)) == BURST, "told before the second was over"
    clock.now += BURST_SECONDS
    log.tell_the_rest()
    last = log.entries(0)[-1]
    assert last.path == "delivery/sessions/#"
    assert last.more == 1_000 - BURST


def test_a_flood_of_dropped_casts_is_counted(log: EventLog, clock: Clock) -> None:
    """A flooded mailbox drops a hundred thousand casts; the log tells of it in a few lines."""
    for dropped in range(1, 100_001):
        log(CastDropped("pubsub", int, dropped))
    clock.now += BURST_SECONDS
    log(CastDropped("pubsub", int, 100_001))
    clock.now += BURST_SECONDS
    log.tell_the_rest()
    entries = log.entries(0)
    assert len(entries) == BURST + 2
    assert sum(max(1, entry.more) for entry in entries) == 100_001


def test_restarts_of_a_static_child_are_never_left_out(log: EventLog) -> None:
    """A hundred restarts within a second have two lines each: their number is bounded anyway."""
    for generation in range(1, 101):
        log(killed("market/streamer", generation))
        log(Started("market/streamer", generation + 1))
    assert len(log.entries(0)) == 200
    assert len(log.restarts()) == 100


def test_the_circuit_breakers_changes_are_a_strip(log: EventLog) -> None:
    """Each change says from what, to what, why, and whether a hand was on it."""
    path = "market/circuit_breaker"
    log(CircuitMoved(path, CircuitState.CLOSED, CircuitState.OPEN, "it failed", forced=False))
    log(CircuitMoved(path, CircuitState.OPEN, CircuitState.CLOSED, "forced: disabled", forced=True))
    moves = [(move.left, move.entered, move.reason, move.forced) for move in log.transitions()]
    assert moves == [
        ("closed", "open", "it failed", False),
        ("open", "closed", "forced: disabled", True),
    ]
    assert [entry.kind for entry in log.entries(0)] == [EntryKind.CIRCUIT, EntryKind.CIRCUIT]


def test_a_supervisor_that_gives_up_is_a_line_that_names_the_child(log: EventLog) -> None:
    """What ends a subtree is told with its cause."""
    log(IntensityExceeded("market", "market/streamer", a_crash(), 3, 5.0))
    (entry,) = log.entries(0)
    assert entry.kind is EntryKind.GAVE_UP
    assert entry.path == "market"
    assert entry.detail == "market/streamer: more than 3 restarts in 5 s"


def test_attaching_again_does_not_listen_twice(log: EventLog) -> None:
    """Each life of the telemetry actor attaches; an event is one line all the same."""
    system = System()
    log.attach(system)
    log.attach(system)
    system.emit(Started("root", 1))
    assert len(log.entries(0)) == 1


async def test_a_waiting_reader_wakes_with_the_entry_it_waits_for(
    log: EventLog, autojump_clock: trio.testing.MockClock
) -> None:
    """Waiting ends with the first newer entry, at once when it is there already."""
    log(Started("pubsub", 1))
    with trio.fail_after(1):
        await log.wait(0)
    woken: list[int] = []

    async def read() -> None:
        await log.wait(1)
        woken.append(log.last)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == []
        log(Started("web", 1))
        with trio.fail_after(1):
            await trio.testing.wait_all_tasks_blocked()
    assert woken == [2, 2]
