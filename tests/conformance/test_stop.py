"""R26 to R29: ordered stops."""

from __future__ import annotations

import math

import pytest
import trio

from supervision import (
    BRUTAL_KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    AutoShutdown,
    ChildSpec,
    Crash,
    NoProc,
    Restart,
    ServerExited,
    Shutdown,
    System,
    dynamic_supervisor,
    handles,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from supervision.events import Exited, ShutdownTimedOut, StillAlive, TerminateFailed
from tests.conformance.support import (
    HANG,
    Boom,
    Note,
    Plan,
    Raise,
    Sleep,
    StopWith,
    Who,
    child,
)


async def stop_times(tree, probe, paths):
    began = trio.current_time()
    await tree.stop()
    asked = {entry[1]: entry[3] - began for entry in probe if entry[0] == "terminate"}
    return [asked[path] for path in paths], trio.current_time() - began


@pytest.mark.proves("R26")
async def test_r26_timeout_asks_waits_and_cancels(start, probe):
    """A child that needs less is done in its own time, one that needs more is cancelled."""
    tree = await start(
        [
            child("quick", probe, Plan(stops=[1.0]), shutdown=2.0),
            child("hung", probe, Plan(stops=[HANG]), shutdown=2.0),
        ]
    )
    began = trio.current_time()
    monitors = [ref.monitor() for ref in tree.refs("quick", "hung")]
    assert await tree.stop() == SHUTDOWN
    assert [await monitor.wait() for monitor in monitors] == [SHUTDOWN, KILLED]
    assert trio.current_time() - began == 3.0
    assert probe.of("terminated") == ["quick"]
    (event,) = tree.seen(ShutdownTimedOut)
    assert (event.path, event.seconds) == ("hung", 2.0)


@pytest.mark.proves("R26")
async def test_r26_a_handler_that_does_not_return_is_cancelled_in_time(start, probe):
    """The flag is not seen before the handler is done, so its time runs out."""
    tree = await start([child("a", probe, shutdown=2.0)])
    tree["a"].cast(Sleep(HANG))
    await tree.settle()
    monitor = tree["a"].monitor()
    began = trio.current_time()
    await tree.stop()
    assert await monitor.wait() == KILLED
    assert trio.current_time() - began == 2.0
    assert probe.of("terminate") == []


@pytest.mark.proves("R26")
async def test_r26_infinity_asks_and_waits(start, probe):
    """However long it takes."""
    tree = await start([child("a", probe, Plan(stops=[9_999.0]), shutdown=math.inf)])
    monitor = tree["a"].monitor()
    await tree.stop()
    assert await monitor.wait() == SHUTDOWN
    assert probe.of("terminated") == ["a"]


@pytest.mark.proves("R26")
async def test_r26_brutal_kill_cancels_and_waits(start, probe):
    """No terminate, and the wait is for its end, not for a time."""

    class Shielding(Actor):
        owns_tasks = True

        async def init(self) -> None:
            self.tasks.start_soon(self._work)

        async def _work(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(11)

    tree = await start(
        [ChildSpec("a", Shielding, shutdown=BRUTAL_KILL), child("b", probe, shutdown=BRUTAL_KILL)]
    )
    monitors = [ref.monitor() for ref in tree.refs("a", "b")]
    began = trio.current_time()
    await tree.stop()
    assert [await monitor.wait() for monitor in monitors] == [KILLED, KILLED]
    assert trio.current_time() - began == 11.0
    assert probe.of("terminate") == []
    reports = tree.seen(StillAlive)
    assert [(event.path, event.seconds) for event in reports] == [("a", 5.0), ("a", 10.0)]
    assert "in _work" in reports[0].stack, "where its own task stands must be told"


@pytest.mark.proves("R27")
async def test_r27_static_children_stop_one_after_another(start, probe):
    """In reverse start order; the worst case is the sum."""
    tree = await start([child(name, probe, Plan(stops=[2.0])) for name in ("c", "a", "b")])
    asked, total = await stop_times(tree, probe, ["b", "a", "c"])
    assert asked == [0.0, 2.0, 4.0]
    assert total == 6.0


@pytest.mark.proves("R27")
async def test_r27_dynamic_children_are_asked_at_once(start, probe):
    """The worst case is the largest shutdown time, whichever child has it."""
    tree = await start([dynamic_supervisor("d")])
    for seconds in 3.0, 1.0, 2.0:
        await start_child(tree["d"], child("x", probe, Plan(stops=[HANG]), shutdown=seconds))
    kills = {}
    tree.system.subscribe(
        lambda event: (
            kills.setdefault(event.path, trio.current_time() - began)
            if isinstance(event, ShutdownTimedOut)
            else None
        )
    )
    began = trio.current_time()
    asked, total = await stop_times(tree, probe, ["d/1", "d/2", "d/3"])
    assert asked == [0.0, 0.0, 0.0]
    assert total == 3.0
    assert kills == {"d/1": 3.0, "d/2": 1.0, "d/3": 2.0}


@pytest.mark.proves("R27")
async def test_r27_one_that_cannot_be_cancelled_delays_no_siblings_end(start, probe):
    """It is waited for after the others have been cancelled in their own time."""

    class Shielded(Actor):
        async def terminate(self, reason: object) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

    tree = await start([dynamic_supervisor("d")])
    await start_child(tree["d"], ChildSpec("x", Shielded, shutdown=1.0))
    late = await start_child(tree["d"], child("y", probe, Plan(stops=[HANG]), shutdown=2.0))
    monitor = late.monitor()
    began = trio.current_time()
    tree.system.stop()
    await monitor.wait()
    assert trio.current_time() - began == 2.0
    await tree.ended.wait()
    assert trio.current_time() - began == 60.0


@pytest.mark.proves("R28")
async def test_r28_ends_of_their_own_accord_during_a_stop(start, probe):
    """Twelve children end themselves, for odd reasons, while another holds the stop up."""
    reasons = [NORMAL, SHUTDOWN, Shutdown("done"), "crash"]
    specs = [
        child(
            f"{restart}-{index}", probe, restart=restart, significant=restart != Restart.PERMANENT
        )
        for restart in Restart
        for index in range(len(reasons))
    ]
    slow = child("slow", probe, Plan(stops=[4.0]))
    tree = await start([*specs, slow], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    probe.clear()
    tree.system.stop()
    for spec in specs:
        reason = reasons[int(spec.id[-1])]
        tree[spec.id].cast(Raise(Boom("odd")) if reason == "crash" else StopWith(reason))
    await tree.ended.wait()
    assert tree.reason == SHUTDOWN
    assert probe.of("init") == []
    told = {event.path: (event.reason, event.decision) for event in tree.seen(Exited)}
    for spec in specs:
        reason, decision = told[spec.id]
        expected = reasons[int(spec.id[-1])]
        assert isinstance(reason, Crash) if expected == "crash" else reason == expected
        assert decision == "stopping"
    assert len(tree.seen(Exited)) == len(specs) + 2


@pytest.mark.proves("R28")
async def test_r28_a_terminate_that_raises_stops_nothing(start, probe):
    """It is a crash of that child, reported, and the rest stops as if nothing were."""
    tree = await start([child("a", probe), child("b", probe, Plan(stops=[Boom("in terminate")]))])
    assert await tree.stop() == SHUTDOWN
    assert probe.of("terminate") == ["b", "a"]
    told = {event.path: event.reason for event in tree.seen(Exited)}
    assert str(told["b"]) == "crash(Boom: in terminate)"
    assert told["a"] == SHUTDOWN


@pytest.mark.proves("R29")
async def test_r29_a_supervisor_ends_after_its_children(start, probe):
    """With its parent's reason, at each level."""
    inner = supervisor("s", [supervisor("t", [child("x", probe, Plan(stops=[3.0]))])])
    tree = await start([child("a", probe), inner])
    await tree.stop()
    exits = [(event.path, event.reason) for event in tree.seen(Exited)]
    assert exits == [(path, SHUTDOWN) for path in ("s/t/x", "s/t", "s", "a", "root")]


@pytest.mark.proves("R29")
async def test_r29_any_reason_a_supervisor_is_stopped_with_is_its_own(start, probe):
    """Its children still get shutdown."""
    tree = await start([supervisor("s", [child("x", probe)], restart=Restart.TEMPORARY)])
    monitor = tree["s"].monitor()
    tree["s"].stop(Shutdown("maintenance"))
    assert await monitor.wait() == Shutdown("maintenance")
    assert probe.details("terminate") == [SHUTDOWN]


async def test_a_stop_during_the_start_is_kept(start, probe):
    """A child asked to stop before it was up stops as soon as it is, and handles nothing."""
    tree = await start([])
    plan = Plan([2.0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            start_child, tree.root, child("a", probe, plan, restart=Restart.TEMPORARY)
        )
        await trio.sleep(1)
        ref = tree["a"]
        ref.cast(Note("early"))
        ref.stop(Shutdown("changed our mind"))
    assert await ref.monitor().wait() is not None
    await tree.settle()
    assert probe.details("terminate") == [Shutdown("changed our mind")]
    assert probe.of("note") == []


async def test_a_stop_of_the_tree_during_its_start_ends_it_in_order(start, probe):
    """What is up is stopped in reverse; what was not started yet never is."""
    tree = await start([child("a", probe), child("b", probe, Plan([5.0])), child("c", probe)])
    await trio.sleep(1)
    assert await tree.stop() == SHUTDOWN
    assert probe.of("init") == ["a", "b"]
    assert probe.of("terminate") == ["b", "a"]


async def test_a_stop_before_the_start_is_not_forgotten(nursery, probe):
    """A signal may come before the system runs."""
    system = System()
    system.stop()
    assert await system.run(supervisor("root", [child("a", probe)])) == SHUTDOWN
    system.stop()  # and one that comes too late harms nobody


@pytest.mark.proves("R26")
async def test_stop_does_not_wait_behind_a_flood(start, probe):
    """It is a flag, looked at before each message."""

    class Flooded(Actor):
        def __init__(self) -> None:
            self.handled = 0

        @handles(Note)
        def _note(self, _message: Note) -> None:
            self.handled += 1
            self.ref.cast(Note("and another two"))
            self.ref.cast(Note("for each"))

    flooded = Flooded()
    tree = await start([ChildSpec("a", lambda: flooded, restart=Restart.TEMPORARY)])
    tree["a"].cast(Note("begin"))
    for _ in range(20):
        await trio.lowlevel.checkpoint()
    handled = flooded.handled
    assert handled > 1000
    await terminate_child(tree.root, "a")
    assert flooded.handled - handled <= 10 * 128


@pytest.mark.proves("R52")
async def test_an_actor_that_stops_itself_has_its_shutdown_time_too(start, probe):
    """Nobody has asked it, so nobody else looks at the clock while it terminates."""
    plan = Plan(stops=[HANG])
    tree = await start([child("a", probe, plan, shutdown=3.0)])
    began = trio.current_time()
    await tree.end("a", NORMAL)
    assert trio.current_time() - began == 3.0
    assert [event.error for event in tree.seen(TerminateFailed)] == [None]
    assert await tree["a"].call(Who()) == ("a", 2)


@pytest.mark.proves("R52")
async def test_a_crash_with_a_hanging_terminate_is_restarted_in_time(start, probe):
    """Also when a stop would have been a brutal kill, which has no time of its own."""
    tree = await start([child("a", probe, Plan(stops=[HANG]), shutdown=BRUTAL_KILL)])
    began = trio.current_time()
    await tree.crash("a")
    assert trio.current_time() - began == 5.0
    assert await tree["a"].call(Who()) == ("a", 2)


async def test_calls_to_what_has_stopped_have_an_answer(start, probe):
    """Waiting in the mailbox, or too late: never a hang."""
    tree = await start([child("a", probe)])
    ref = tree["a"]
    caught = []

    async def ask() -> None:
        try:
            await ref.call(Who())
        except ServerExited as error:
            caught.append(error.reason)

    async with trio.open_nursery() as nursery:
        ref.cast(Sleep(1.0))
        nursery.start_soon(ask)
        await tree.settle()
        await terminate_child(tree.root, "a")
    assert caught == [SHUTDOWN]
    with pytest.raises(NoProc):
        await ref.call(Who())
    assert await which_children(tree.root) != []
