"""R9 to R13: what becomes of a child that ended, by its restart type and its reason."""

from __future__ import annotations

import pytest
import trio

from supervision import (
    IGNORE,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    AlreadyStarted,
    ChildSpec,
    ChildState,
    Crash,
    Exit,
    ExitReason,
    Killed,
    NoProc,
    NotFound,
    Restart,
    ServerExited,
    Shutdown,
    Strategy,
    System,
    count_children,
    delete_child,
    dynamic_supervisor,
    handles,
    restart_child,
    start_child,
    which_children,
)
from supervision.events import Exited, TaskFailed, UnhandledMessage
from tests.conformance.support import Boom, Note, Plan, Probe, Raise, Sleep, StopWith, Who, child

CLEAN = [NORMAL, SHUTDOWN, Shutdown("done")]


@pytest.mark.proves("R9")
@pytest.mark.parametrize("reason", [*CLEAN, "crash", "kill"])
async def test_r9_permanent_is_restarted_on_every_exit(start, probe, reason):
    """Normal and shutdown included."""
    tree = await start([child("a", probe)])
    before = tree["a"]
    match reason:
        case "crash":
            await tree.crash("a")
        case "kill":
            await tree.kill("a")
        case _:
            await tree.end("a", reason)
    assert tree["a"] != before
    assert await tree["a"].call(Who()) == ("a", 2)
    assert [event.decision for event in tree.seen(Exited)] == ["restart"]


@pytest.mark.proves("R10")
@pytest.mark.parametrize("reason", CLEAN)
async def test_r10_transient_stays_down_after_a_clean_end(start, probe, reason):
    """normal, shutdown and shutdown(term) are clean."""
    tree = await start([child("a", probe, restart=Restart.TRANSIENT)])
    await tree.end("a", reason)
    assert "a" not in tree
    assert probe.of("init") == ["a"]
    assert [(event.reason, event.decision) for event in tree.seen(Exited)] == [(reason, "keep")]


@pytest.mark.proves("R10")
async def test_r10_transient_is_restarted_after_anything_else(start, probe):
    """A crash, and a kill."""
    tree = await start([child("a", probe, restart=Restart.TRANSIENT)])
    await tree.crash("a")
    await tree.kill("a")
    assert await tree["a"].call(Who()) == ("a", 3)


@pytest.mark.proves("R10")
async def test_r10_a_handler_may_end_its_actor_with_any_reason(start, probe):
    """`Exit` says which: what was raised is not a crash then."""
    tree = await start([child("a", probe, restart=Restart.TRANSIENT)])
    await tree.crash("a", Exit(Shutdown("enough")))
    assert "a" not in tree
    assert probe.details("terminate") == [Shutdown("enough")]


@pytest.mark.proves("R10")
async def test_r10_an_exit_is_understood_from_inside_nurseries(start, probe):
    """Trio wraps what a task raises in a group; around one error it is taken off again."""

    class Worker(Actor):
        owns_tasks = True

        async def init(self) -> None:
            self.tasks.start_soon(self._work)

        async def _work(self) -> None:
            async with trio.open_nursery() as nursery:
                await trio.sleep(1)
                nursery.start_soon(self._give_up)

        async def _give_up(self) -> None:
            raise Exit(Shutdown("no more work"))

    tree = await start([ChildSpec("a", Worker, restart=Restart.TRANSIENT)])
    assert await tree["a"].monitor().wait() == Shutdown("no more work")


async def test_what_tasks_raise_at_the_end_is_told_together(start, probe):
    """What tasks raise after the handler is only told, together: the handler was the first."""

    class Twice(Actor):
        owns_tasks = True

        async def init(self) -> None:
            for _ in range(2):
                self.tasks.start_soon(self._fail)

        async def _fail(self) -> None:
            await trio.sleep(1)
            try:
                await trio.sleep_forever()
            finally:
                raise Boom("cleanup")

        @handles(Raise)
        def _raise(self, message: Raise) -> None:
            raise message.error

    tree = await start([ChildSpec("a", Twice, restart=Restart.TEMPORARY)])
    monitor = tree["a"].monitor()
    await trio.sleep(2)
    tree["a"].cast(Raise(ValueError("handler")))
    reason = await monitor.wait()
    assert isinstance(reason.error, ValueError)
    (told,) = tree.seen(TaskFailed)
    assert told.reason == reason
    assert [type(error) for error in told.failure.error.exceptions] == [Boom, Boom]


@pytest.mark.proves("R11")
@pytest.mark.parametrize("reason", [*CLEAN, "crash", "kill"])
async def test_r11_temporary_is_never_restarted_and_its_id_is_free(start, probe, reason):
    """Its spec is gone at once: neither restart nor delete know it, start_child takes its id."""
    spec = child("a", probe, restart=Restart.TEMPORARY)
    tree = await start([spec])
    match reason:
        case "crash":
            await tree.crash("a")
        case "kill":
            await tree.kill("a")
        case _:
            await tree.end("a", reason)
    assert "a" not in tree
    assert await which_children(tree.root) == []
    for manage in restart_child, delete_child:
        with pytest.raises(NotFound):
            await manage(tree.root, "a")
    assert await start_child(tree.root, spec) == tree["a"]


@pytest.mark.proves("R11")
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_r11_temporary_bystander_is_not_restarted_with_its_group(start, probe, strategy):
    """A sibling's restart takes it down and does not bring it back."""
    tree = await start(
        [child("a", probe), child("t", probe, restart=Restart.TEMPORARY), child("z", probe)],
        strategy=strategy,
    )
    await tree.crash("a")
    assert probe.of("terminate") == ["a", "z", "t"]
    assert probe.of("init") == ["a", "t", "z", "a", "z"]
    assert [info.id for info in await which_children(tree.root)] == ["z", "a"]


@pytest.mark.proves("R12")
async def test_r12_after_a_clean_end_a_static_transients_spec_stays(start, probe):
    """It is down, counted as a spec, and can be started again."""
    tree = await start([child("a", probe, restart=Restart.TRANSIENT)])
    await tree.end("a", NORMAL)
    (info,) = await which_children(tree.root)
    assert (info.id, info.ref, info.state) == ("a", None, ChildState.STOPPED)
    assert await count_children(tree.root) == (1, 0, 0, 1)
    assert await restart_child(tree.root, "a") == tree["a"]


@pytest.mark.proves("R12")
async def test_r12_after_a_clean_end_a_dynamic_transient_is_gone(start, probe):
    """With its spec, and what was known of its path."""
    tree = await start([dynamic_supervisor("d")])
    ref = await start_child(tree["d"], child("x", probe, restart=Restart.TRANSIENT))
    await tree.end(ref.path, NORMAL)
    assert await which_children(tree["d"]) == []
    assert ref.path not in tree.system.paths


@pytest.mark.proves("R13")
async def test_r13_stray_messages_do_not_end_a_supervisor(start, probe):
    """They are told of and dropped."""
    tree = await start([child("a", probe), dynamic_supervisor("d")])
    parents = tree.refs("root", "d")
    for parent in parents:
        parent.cast(Note("not for you"))
        parent.cast("neither is this")
        with pytest.raises(Exception, match="no handler for Who"):
            await parent.call(Who())
    await tree.settle()
    assert tree.refs("root", "d") == parents
    assert [event.kind for event in tree.seen(UnhandledMessage)] == [Note, str, Who] * 2
    assert probe.of("init") == ["a"]


@pytest.mark.proves("R13")
async def test_r13_an_exit_that_was_dealt_with_is_not_dealt_with_again(start, probe):
    """The child crashed, and was terminated by hand before its exit was looked at."""
    tree = await start([child("a", probe), child("slow", probe, Plan([0.0, 5.0]))])
    await tree.kill("slow")  # the supervisor is busy now, with a start of five seconds
    tree["a"].kill()
    await tree.settle()
    with pytest.raises(NoProc):
        await tree.system.ref("a").call(Who())
    await trio.sleep(6)
    assert await tree["a"].call(Who()) == ("a", 2)
    assert [event.path for event in tree.seen(Exited)] == ["slow", "a"]


async def test_a_kill_of_the_ancestor_kills_everything_below(start, probe):
    """A subtree goes at once, without terminate; errors of cleanups on the way stay inside."""

    class Untidy(Actor):
        async def init(self) -> None:
            self.register("untidy")

        @handles(Note)
        async def _note(self, _message: Note) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise Boom("in a finally")

    tree = await start([dynamic_supervisor("d"), child("a", probe)])
    await start_child(tree["d"], child("x", probe))
    untidy = await start_child(tree["d"], ChildSpec("u", Untidy))
    untidy.cast(Note("be busy"))
    await tree.settle()
    monitors = [ref.monitor() for ref in (tree["d/1"], untidy)]
    await tree.kill("d")
    assert [await monitor.wait() for monitor in monitors] == [KILLED, KILLED]
    assert probe.of("terminate") == []
    assert "d" in tree
    assert "untidy" not in tree
    assert await count_children(tree["d"]) == (0, 0, 0, 0)
    exits = {event.path: event.reason for event in tree.seen(Exited)}
    assert exits == {"d/1": Killed(), "d/2": Killed(), "d": Killed()}


async def test_a_cancelled_system_leaks_no_error_of_a_cleanup():
    """What an actor raises while it is killed from outside is not the canceller's business."""

    class Untidy(Actor):
        async def init(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise Boom("in a finally")

    with trio.move_on_after(0.01) as scope:
        await System().run(ChildSpec("root", Untidy))
    assert scope.cancelled_caught


async def test_an_actor_that_cancels_its_own_nursery_was_killed(start):
    """It ended without terminate, and was not asked to: nothing of that is normal."""

    class Suicidal(Actor):
        owns_tasks = True

        @handles(Note)
        def _note(self, _message: Note) -> None:
            self.tasks.cancel_scope.cancel()

    tree = await start([ChildSpec("a", Suicidal, restart=Restart.TEMPORARY)])
    monitor = tree["a"].monitor()
    tree["a"].cast(Note("go"))
    assert await monitor.wait() == KILLED


async def test_an_error_that_cannot_be_printed_settles_everything_all_the_same(start, probe):
    """The epilogue must not fail for somebody's `__str__`."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    tree = await start([child("a", probe)])
    await tree.crash("a", Unprintable())
    assert await tree["a"].call(Who()) == ("a", 2)
    (exited,) = tree.seen(Exited)
    assert str(exited.reason) == "crash(Unprintable: <its __str__ raised>)"
    assert isinstance(exited.reason, Crash)


async def test_what_is_no_exit_reason_is_refused_where_it_is_said(start, probe):
    """A text would be neither clean nor a crash to a supervisor."""
    tree = await start([child("a", probe)])
    with pytest.raises(TypeError, match="'done' is no exit reason"):
        tree["a"].stop("done")
    with pytest.raises(TypeError, match="'done' is no exit reason"):
        Exit("done")
    assert await tree["a"].call(Who()) == ("a", 1)


async def test_ignore_of_a_restart_keeps_the_static_child_down(start, probe):
    """The spec stays, restart_child may try again."""
    tree = await start([child("a", probe, Plan([None, IGNORE]))])
    await tree.crash("a")
    (info,) = await which_children(tree.root)
    assert (info.ref, info.state) == (None, ChildState.STOPPED)
    assert await restart_child(tree.root, "a") == tree["a"]
    with pytest.raises(AlreadyStarted):
        await start_child(tree.root, child("a", probe))


class Closes(Actor):
    """Ends as it is told; its task fails once it is cancelled, or once `terminate` runs."""

    owns_tasks = True

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.closing = trio.Event()

    async def init(self) -> None:
        self.tasks.start_soon(self._read)

    async def _read(self) -> None:
        try:
            await self.closing.wait()
        finally:
            self.probe.append(("task over", self.path))
            raise trio.ClosedResourceError

    async def terminate(self, reason: ExitReason) -> None:
        self.probe.append(("terminate", self.path, reason))
        self.closing.set()
        await trio.sleep(1)
        self.probe.append(("terminated", self.path))

    @handles(StopWith)
    def _stop(self, message: StopWith) -> None:
        self.stop(message.reason)

    @handles(Raise)
    def _raise(self, message: Raise) -> None:
        raise message.error


class ClosesWithTasks(Closes):
    tasks_run_in_terminate = True


@pytest.mark.proves("R76", "R10")
@pytest.mark.parametrize("kind", [Closes, ClosesWithTasks])
@pytest.mark.parametrize("reason", [NORMAL, Shutdown("done")], ids=str)
async def test_r76_what_tasks_raise_at_the_end_changes_no_reason(start, probe, kind, reason):
    """So a transient child that ended cleanly stays down. The error is told."""
    tree = await start([ChildSpec("a", kind, (probe,), restart=Restart.TRANSIENT)])
    monitor = tree["a"].monitor()
    tree["a"].cast(StopWith(reason))
    assert await monitor.wait() == reason
    await tree.settle()
    assert "a" not in tree
    (told,) = tree.seen(TaskFailed)
    assert isinstance(told.failure.error, trio.ClosedResourceError)
    assert (told.path, told.reason) == ("a", reason)


@pytest.mark.proves("R76")
@pytest.mark.parametrize("kind", [Closes, ClosesWithTasks])
async def test_r76_the_error_of_a_handler_stays_the_reason(start, probe, kind):
    """The task's comes after it."""
    tree = await start([ChildSpec("a", kind, (probe,), restart=Restart.TEMPORARY)])
    monitor = tree["a"].monitor()
    error = Boom("first")
    tree["a"].cast(Raise(error))
    assert await monitor.wait() == Crash(error)


@pytest.mark.proves("R76")
async def test_r76_own_tasks_have_ended_before_terminate(start, probe):
    """Unless the class declares otherwise."""
    tree = await start([ChildSpec("a", Closes, (probe,), restart=Restart.TEMPORARY)])
    await tree.end("a", NORMAL)
    assert [entry[0] for entry in probe] == ["task over", "terminate", "terminated"]
    probe.clear()
    tree = await start([ChildSpec("b", ClosesWithTasks, (probe,), restart=Restart.TEMPORARY)])
    await tree.end("b", NORMAL)
    # The task's error cuts terminate short.
    assert [entry[0] for entry in probe] == ["terminate", "task over"]


@pytest.mark.proves("R76", "R53")
async def test_r76_callers_hear_of_a_stop_before_the_tasks_have_ended(start):
    """A task that takes its time over its end lets nobody wait."""

    class Slow(Actor):
        owns_tasks = True

        async def init(self) -> None:
            self.tasks.start_soon(self._cling)

        async def _cling(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3)

        @handles(Sleep)
        async def _sleep(self, message: Sleep) -> None:
            await trio.sleep(message.seconds)

    tree = await start([ChildSpec("a", Slow, restart=Restart.TEMPORARY)])
    ref = tree["a"]
    ref.cast(Sleep(1))
    await tree.settle()
    ref.stop()
    with pytest.raises(ServerExited):
        await ref.call(Who())
    assert trio.current_time() == 1.0
    await ref.monitor().wait()
    assert trio.current_time() == 4.0


@pytest.mark.proves("R52", "R76")
async def test_a_kill_while_tasks_end_leaves_terminate_out(start, probe):
    """The stop has begun, the kill comes before `terminate` would."""

    class Clinging(Closes):
        async def _read(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3)

    tree = await start([ChildSpec("a", Clinging, (probe,), restart=Restart.TEMPORARY)])
    ref, monitor = tree["a"], tree["a"].monitor()
    ref.stop()
    await trio.sleep(1)
    ref.kill()
    assert await monitor.wait() == KILLED
    assert probe.of("terminate") == []
