"""R46 to R55: servers, calls and timers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import trio

from supervision import (
    IGNORE,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    BadInit,
    Caller,
    CallError,
    CallingSelf,
    CallTimeout,
    ChildSpec,
    Continue,
    Crash,
    InvalidHandler,
    MailboxPolicy,
    NoProc,
    NoTasks,
    Overloaded,
    Request,
    Restart,
    ServerExited,
    StartFailed,
    UnhandledRequest,
    dynamic_supervisor,
    handles,
    replies_later,
    start_child,
    terminate_child,
)
from supervision.events import CastToNobody, UnhandledMessage
from tests.conformance.support import Boom, Fail, Nap, Note, Plan, Probe, Raise, Sleep, Who, child


@dataclass(frozen=True)
class Ask(Request[str]):
    text: str


@dataclass(frozen=True)
class Answer:
    text: str


@dataclass(frozen=True)
class AskYourself(Request[str]):
    pass


class Oracle(Actor):
    """Keeps its callers, and answers when it is told to."""

    mailbox = MailboxPolicy(bound=3)

    def __init__(self, callers: dict[str, Caller[str]]) -> None:
        self.callers = callers

    @replies_later(Ask)
    def _ask(self, request: Ask, caller: Caller[str]) -> None:
        self.callers[request.text] = caller

    @handles(Answer)
    def _answer(self, message: Answer) -> None:
        self.callers[message.text].reply(f"{message.text}!")

    @handles(AskYourself)
    async def _ask_yourself(self, _request: AskYourself) -> str:
        try:
            return await self.ref.call(Ask("me"))
        except CallingSelf as error:
            return str(error)

    @handles(Nap)
    async def _nap(self, request: Nap) -> str:
        await trio.sleep(request.seconds)
        return "rested"

    @handles(Raise)
    def _raise(self, message: Raise) -> None:
        raise message.error


def oracle(callers=None, **spec):
    return ChildSpec("o", lambda: Oracle({} if callers is None else callers), **spec)


async def outcome_of(ref, request, timeout=5.0):
    """What the one outcome of a call was: the reply, or the error."""
    try:
        return await ref.call(request, timeout=timeout)
    except CallError as error:
        return error


@pytest.mark.proves("R46")
async def test_r46_each_outcome_of_a_call(start, probe):
    """Exactly one of them, with what was called in the error's text."""
    tree = await start([oracle(), child("a", probe)])
    o = tree["o"]
    assert await o.call(Nap(1.0)) == "rested"
    assert await outcome_of(tree.system.ref("nobody"), Who()) is not None
    with pytest.raises(NoProc, match=r"^call to 'nobody': noproc"):
        await tree.system.ref("nobody").call(Who())
    with pytest.raises(CallTimeout, match=r"^call to 'o': timeout: no reply within 0\.5 s"):
        await o.call(Ask("later"), timeout=0.5)
    assert "calling_self" in await o.call(AskYourself())
    with pytest.raises(UnhandledRequest, match=r"declare one with @handles\(Who\)"):
        await o.call(Who())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outcome_of, o, Nap(1.0))
        await tree.settle()
        for _ in range(3):
            nursery.start_soon(outcome_of, o, Ask("waiting"))
        await tree.settle()
        with pytest.raises(Overloaded, match=r"^call to 'o': overloaded: 3 messages"):
            await o.call(Ask("one too many"))
    with pytest.raises(ServerExited, match=r"the actor ended first: crash\(Boom: x\)") as caught:
        await tree["a"].call(Fail(Boom("x")))
    assert isinstance(caught.value.reason, Crash)


@pytest.mark.proves("R46")
@pytest.mark.parametrize("how", ["stop", "kill", "crash", "normal"])
async def test_r46_the_servers_end_is_the_outcome_of_what_it_holds(start, how):
    """Queued, running or kept for later: each caller hears the reason, once."""
    callers: dict[str, Caller[str]] = {}
    tree = await start([oracle(callers, restart=Restart.TEMPORARY, shutdown=math.inf)])
    o, outcomes = tree["o"], []

    async def ask(request: Request[str]) -> None:
        outcomes.append((await outcome_of(o, request)).reason)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, Ask("kept"))
        await tree.settle()
        if how == "kill":
            nursery.start_soon(ask, Nap(math.inf))
            await tree.settle()
            nursery.start_soon(ask, Ask("queued"))
            await tree.settle()
            o.kill()
            expected = [KILLED] * 3
        else:
            o.cast(Nap(1.0))
            await tree.settle()
            nursery.start_soon(ask, Ask("queued"))
            await tree.settle()
            match how:
                case "stop":
                    nursery.start_soon(terminate_child, tree.root, "o")
                    expected = [SHUTDOWN] * 2
                case "normal":
                    o.stop()
                    expected = [NORMAL] * 2
                case _:
                    nursery.start_soon(ask, Ask("also queued"))
                    o.cast(Raise(Boom("x")))
                    expected = None
    if expected is None:
        assert [str(reason) for reason in outcomes] == ["crash(Boom: x)"] * 3
    else:
        assert outcomes == expected
    callers["kept"].reply("too late, and no harm done")


@pytest.mark.proves("R46")
async def test_r46_an_actors_own_task_may_call_it(start):
    """Only the receive loop itself would wait for itself."""

    class Owner(Actor):
        owns_tasks = True
        answers: list[object] = []  # noqa: RUF012 - read by the test

        async def init(self) -> None:
            self.tasks.start_soon(self._work)

        async def _work(self) -> None:
            self.answers.append(await self.ref.call(Ask("boss")))

        @handles(Ask)
        def _ask(self, request: Ask) -> str:
            return request.text.upper()

    tree = await start([ChildSpec("a", Owner)])
    assert Owner.answers == ["BOSS"]
    assert "a" in tree


@pytest.mark.proves("R46")
async def test_r46_a_call_with_an_absurd_timeout_is_refused(start, probe):
    """Before anything is sent."""
    tree = await start([child("a", probe)])
    for timeout in -1.0, math.nan:
        with pytest.raises(ValueError, match="a timeout of"):
            await tree["a"].call(Who(), timeout=timeout)
    assert await tree["a"].call(Who(), timeout=math.inf) == ("a", 1)


@pytest.mark.proves("R46")
async def test_r46_a_caller_that_keeps_trying_lets_others_run(start):
    """A refused call is a checkpoint as any await is: it can be cancelled, and yields."""
    tree = await start([])
    attempts = 0
    with trio.CancelScope() as scope:
        while True:
            attempts += 1
            if attempts == 3:
                scope.cancel()
            with pytest.raises(NoProc):
                await tree.system.ref("nobody").call(Who())
    assert attempts == 3


@pytest.mark.proves("R46")
async def test_r46_a_cancelled_caller_leaves_nothing_behind(start):
    """The reply finds nobody, and the server is none the worse."""
    callers: dict[str, Caller[str]] = {}
    tree = await start([oracle(callers)])
    with trio.move_on_after(1.0) as scope:
        await tree["o"].call(Ask("patience"))
    assert scope.cancelled_caught
    assert tree["o"]._cell.calls == set()
    callers["patience"].reply("nobody hears this")
    assert await tree["o"].call(Nap(0.0)) == "rested"


@pytest.mark.proves("R47")
@pytest.mark.parametrize("stop_takes", [0.0, 4.0])
async def test_r47_a_handler_that_raises_ends_the_actor_and_tells_its_caller(
    start, probe, stop_takes
):
    """At once: the caller does not wait for terminate, and never hangs."""
    tree = await start([child("a", probe, Plan(stops=[stop_takes]))])
    ref, began = tree["a"], trio.current_time()
    with pytest.raises(ServerExited, match="Boom: in a handler"):
        await ref.call(Fail(Boom("in a handler")), timeout=60)
    assert trio.current_time() == began
    await trio.sleep(stop_takes)
    await tree.settle()
    assert not ref.alive
    assert await tree["a"].call(Who()) == ("a", 2)


@pytest.mark.proves("R48")
async def test_r48_a_timed_out_request_is_still_processed(start, probe):
    """Its late reply is discarded, and the next call gets its own."""
    callers: dict[str, Caller[str]] = {}
    tree = await start([oracle(callers)])
    o = tree["o"]
    with pytest.raises(CallTimeout):
        await o.call(Nap(3.0), timeout=1.0)
    with pytest.raises(CallTimeout):
        await o.call(Ask("queued behind it"), timeout=1.0)
    await trio.sleep(5)
    assert "queued behind it" in callers
    results = []

    async def ask(text: str) -> None:
        results.append(await o.call(Ask(text)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "new")
        await tree.settle()
        callers["queued behind it"].reply("WRONG")
        callers["new"].reply("right")
    assert results == ["right"]


@pytest.mark.proves("R48")
async def test_r48_timeouts_fire_when_they_are_due_in_any_mixture(start):
    """Long before short, short before long, and answered ones in between."""
    tree = await start([oracle()])
    began = trio.current_time()
    over: list[tuple[float, float]] = []

    async def ask(timeout: float, delay: float) -> None:
        await trio.sleep(delay)
        with pytest.raises(CallTimeout):
            await tree["o"].call(Ask(str(timeout)), timeout=timeout)
        over.append((timeout, trio.current_time() - began - delay))

    async with trio.open_nursery() as nursery:
        for timeout, delay in [(9.0, 0), (1.0, 0.5), (9.0, 1), (0.25, 0.75), (1.0, 0.25), (0.0, 2)]:
            nursery.start_soon(ask, timeout, delay)
    assert [timeout for timeout, _ in over] == [0.25, 1.0, 1.0, 0.0, 9.0, 9.0]
    assert [waited for _, waited in over] == [timeout for timeout, _ in over]


@pytest.mark.proves("R49")
async def test_r49_a_reply_may_come_from_anywhere_and_once(start):
    """From another message, from outside the actor; a second one is a no-op."""
    callers: dict[str, Caller[str]] = {}
    tree = await start([oracle(callers)])
    results: list[str] = []

    async def ask(text: str) -> None:
        results.append(await tree["o"].call(Ask(text)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "by message")
        nursery.start_soon(ask, "from outside")
        await tree.settle()
        tree["o"].cast(Answer("by message"))
        await tree.settle()
        callers["from outside"].reply("hello")
        callers["from outside"].reply("hello again")
    assert results == ["by message!", "hello"]
    callers["by message"].reply("again")


@pytest.mark.proves("R49")
async def test_r49_terminate_may_still_answer_those_that_were_kept(start):
    """They are told of the end only when it has passed."""

    class Polite(Oracle):
        async def terminate(self, reason: object) -> None:
            for caller in self.callers.values():
                caller.reply("we are closing")

    tree = await start([ChildSpec("o", lambda: Polite({}))])
    results: list[str] = []

    async def ask() -> None:
        results.append(await tree["o"].call(Ask("x")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await tree.settle()
        await terminate_child(tree.root, "o")
    assert results == ["we are closing"]


@pytest.mark.proves("R49")
async def test_r49_a_request_that_was_cast_has_nobody_to_answer(start):
    """The handler that keeps its caller may answer all the same."""
    callers: dict[str, Caller[str]] = {}
    tree = await start([oracle(callers)])
    before = tree["o"]
    tree["o"].cast(Ask("cast"))
    tree["o"].cast(Answer("cast"))
    tree["o"].cast(Nap(0.0))
    await tree.settle()
    assert tree["o"] == before


@pytest.mark.proves("R50")
async def test_r50_a_cast_to_nobody_is_ok(start, probe):
    """To a name nobody has, and to an incarnation that has ended: dropped and counted."""
    tree = await start([child("a", probe)])
    gone = await tree.crash("a")
    gone.cast(Note("late"))
    tree.system.ref("nobody").cast(Note("who?"))
    assert tree.system.casts_to_nobody == 2
    assert [(e.path, e.kind) for e in tree.seen(CastToNobody)] == [("a", Note), ("nobody", Note)]
    await tree.settle()
    assert probe.of("note") == []


@pytest.mark.proves("R51")
async def test_r51_an_unknown_message_is_told_and_dropped(start, probe):
    """The actor goes on."""
    tree = await start([child("a", probe)])
    tree["a"].cast(object())
    tree["a"].cast(Note("known"))
    assert await tree["a"].call(Who()) == ("a", 1)
    assert [(e.path, e.kind) for e in tree.seen(UnhandledMessage)] == [("a", object)]
    assert probe.details("note") == ["known"]


@pytest.mark.proves("R52")
@pytest.mark.parametrize("how", ["stop", "crash", "shutdown", "kill", "failed init"])
async def test_r52_when_terminate_runs(start, probe, how):
    """On a stop of its own, on a raise and on shutdown; not on a kill, nor if init failed."""
    tree = await start([child("a", probe, restart=Restart.TEMPORARY)])
    boom = Boom("x")
    match how:
        case "stop":
            await tree.end("a", NORMAL)
            expected = [NORMAL]
        case "crash":
            await tree.crash("a", boom)
            expected = [Crash(boom)]
        case "shutdown":
            await terminate_child(tree.root, "a")
            expected = [SHUTDOWN]
        case "kill":
            await tree.kill("a")
            expected = []
        case _:
            with pytest.raises(StartFailed):
                await start_child(tree.root, child("b", probe, Plan([boom])))
            expected = []
    assert probe.details("terminate") == expected


@pytest.mark.proves("R52")
async def test_r52_after_a_crash_of_its_own_task_terminate_runs_too(start):
    """A task that crashes is the actor's crash."""
    seen = []

    class Worker(Actor):
        owns_tasks = True

        async def init(self) -> None:
            self.tasks.start_soon(self._fail)

        async def _fail(self) -> None:
            await trio.sleep(1)
            raise Boom("in a task")

        async def terminate(self, reason: object) -> None:
            await trio.sleep(1)
            seen.append(str(reason))

    tree = await start([ChildSpec("a", Worker, restart=Restart.TEMPORARY)])
    assert str(await tree["a"].monitor().wait()) == "crash(Boom: in a task)"
    assert seen == ["crash(Boom: in a task)"]


@pytest.mark.proves("R53")
async def test_r53_callers_in_the_mailbox_hear_of_a_stop_at_once(start, probe):
    """They do not wait for terminate, which may take its time."""
    tree = await start([child("a", probe, Plan(stops=[4.0]), restart=Restart.TEMPORARY)])
    ref, heard = tree["a"], []

    async def ask() -> None:
        error = await outcome_of(ref, Who(), timeout=60)
        heard.append((error.reason, trio.current_time()))

    async with trio.open_nursery() as nursery:
        ref.cast(Sleep(1.0))
        for _ in range(5):
            nursery.start_soon(ask)
        await tree.settle()
        began = trio.current_time()
        await terminate_child(tree.root, "a")
        assert trio.current_time() - began == 5.0
    assert heard == [(SHUTDOWN, began + 1.0)] * 5


@pytest.mark.proves("R54")
async def test_r54_continue_is_handled_before_anything_else(start, probe):
    """The actor is up at once, its supervisor goes on, and others' messages wait."""

    class Slow(Actor):
        async def init(self) -> Continue:
            self.ref.cast(Note("sent before"))
            return Continue(Sleep(30.0))

        @handles(Sleep)
        async def _sleep(self, message: Sleep) -> None:
            await trio.sleep(message.seconds)
            probe.append(("note", self.path, "slow part"))

        @handles(Note)
        def _note(self, message: Note) -> None:
            probe.append(("note", self.path, message.text))

    began = trio.current_time()
    tree = await start([ChildSpec("slow", Slow), child("b", probe)])
    assert "b" in tree
    assert trio.current_time() == began
    await trio.sleep(31)
    assert probe.details("note") == ["slow part", "sent before"]


@pytest.mark.proves("R54")
async def test_r54_init_that_answers_anything_else_has_failed(start, probe):
    """Misuse has a name, and the path."""
    tree = await start([])
    with pytest.raises(StartFailed) as caught:
        await start_child(tree.root, child("a", probe, Plan(["ready"])))
    assert isinstance(caught.value.reason.error, BadInit)
    assert "a: init answered 'ready'" in str(caught.value)
    assert await start_child(tree.root, child("a", probe, Plan([IGNORE]))) is None


class Clock(Actor):
    """Uses timers as it is told to."""

    owns_tasks = False

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.timers = []

    @handles(Ask)
    def _ask(self, request: Ask) -> str:
        if request.text == "cancel":
            self.timers.pop().cancel()
        elif request.text == "every":
            self.timers.append(self.send_every(2.0, Note("tick")))
        else:
            self.timers.append(self.send_after(float(request.text), Note(request.text)))
        return "ok"

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.probe.append(("note", message.text, trio.current_time()))

    @handles(Sleep)
    async def _sleep(self, message: Sleep) -> None:
        await trio.sleep(message.seconds)


@pytest.mark.proves("R55")
async def test_r55_send_after_and_cancel(start, probe):
    """When due, in the order due; a cancelled one never, not even when it is queued already."""
    clock = Clock(probe)
    tree = await start([ChildSpec("c", lambda: clock)])
    c, began = tree["c"], trio.current_time()
    for text in "3.0", "1.0", "2.0":
        await c.call(Ask(text))
    await trio.sleep(10)
    assert [(e[1], e[2] - began) for e in probe] == [("1.0", 1.0), ("2.0", 2.0), ("3.0", 3.0)]
    probe.clear()
    await c.call(Ask("1.0"))
    c.cast(Sleep(5.0))
    await trio.sleep(2)
    assert clock.timers[-1].cancelled is False
    clock.timers[-1].cancel()  # its message waits behind the sleep now
    await trio.sleep(10)
    assert probe == []


@pytest.mark.proves("R55")
async def test_r55_an_interval_keeps_its_beat_and_piles_nothing_up(start, probe):
    """The next is due one interval after the last was due; a lagging actor finds one."""
    tree = await start([ChildSpec("c", lambda: Clock(probe))])
    c, began = tree["c"], trio.current_time()
    await c.call(Ask("every"))
    await trio.sleep(5)
    c.cast(Sleep(6.5))
    await trio.sleep(10)
    times = [entry[2] - began for entry in probe]
    assert times == [2.0, 4.0, 11.5, 11.5, 13.5]
    await c.call(Ask("cancel"))
    await trio.sleep(10)
    assert len(probe) == len(times)


@pytest.mark.proves("R55")
@pytest.mark.parametrize("how", ["stop", "kill", "crash"])
async def test_r55_timers_end_with_the_actor(start, probe, how):
    """The next incarnation gets nothing of them."""
    tree = await start([ChildSpec("c", lambda: Clock(probe)), child("a", probe)])
    await tree["c"].call(Ask("3.0"))
    await tree["c"].call(Ask("every"))
    match how:
        case "stop":
            await terminate_child(tree.root, "c")
        case "kill":
            await tree.kill("c")
        case _:
            monitor = tree["c"].monitor()
            with pytest.raises(ServerExited):
                await tree["c"].call(Ask("no number"))
            await monitor.wait()
    await trio.sleep(20)
    assert [entry for entry in probe if entry[0] == "note"] == []


@pytest.mark.proves("R55")
async def test_r55_a_timer_of_an_ended_actor_harms_nobody(start, probe):
    """Somebody may have kept the object; the system's clock goes on for the others."""
    clock = Clock(probe)
    tree = await start([ChildSpec("c", lambda: clock, restart=Restart.TEMPORARY), oracle()])
    await tree.kill("c")
    clock.send_after(1.0, Note("from the grave"))
    clock.send_every(1.0, Note("from the grave"))
    clock.stop()
    with pytest.raises(NoProc):
        clock.register("ghost")
    with pytest.raises(CallTimeout):
        await tree["o"].call(Ask("x"), timeout=5.0)
    assert probe == []


@pytest.mark.proves("R55")
async def test_r55_absurd_times_are_refused(start, probe):
    """With the path of the actor that asked."""
    clock = Clock(probe)
    await start([ChildSpec("c", lambda: clock)])
    for delay in -1.0, math.nan:
        with pytest.raises(ValueError, match=r"^c: a delay of"):
            clock.send_after(delay, Note("x"))
    for interval in 0.0, -1.0, math.nan:
        with pytest.raises(ValueError, match=r"^c: an interval of"):
            clock.send_every(interval, Note("x"))


def test_misdeclared_handlers_are_refused_when_the_class_is_made():
    """Wrong parameters, a wrong annotation, two for one class, an async one that keeps callers."""
    with pytest.raises(InvalidHandler, match="must take self and the message"):

        class _Short(Actor):
            @handles(Note)
            def _note(self) -> None: ...

    with pytest.raises(InvalidHandler, match="is declared for Note and annotated with Raise"):

        class _Wrong(Actor):
            @handles(Note)
            def _note(self, message: Raise) -> None: ...

    with pytest.raises(InvalidHandler, match="both handle Note"):

        class _Twice(Actor):
            @handles(Note)
            def _note(self, message: Note) -> None: ...

            @handles(Note)
            def _also(self, message: Note) -> None: ...

    with pytest.raises(InvalidHandler, match="keeps its caller and is async"):

        class _Waits(Actor):
            @replies_later(Ask)
            async def _ask(self, request: Ask, caller: Caller[str]) -> None: ...


async def test_one_method_may_handle_several_classes_and_be_overridden(start):
    """Its annotation is their union; an override takes its place without a declaration."""

    class Both(Actor):
        @handles(Nap)
        @handles(Ask)
        def _any(self, request: Nap | Ask) -> str:
            return type(request).__name__

    class Louder(Both):
        def _any(self, request: Nap | Ask) -> str:
            return super()._any(request).upper()

    tree = await start([ChildSpec("b", Both), ChildSpec("l", Louder)])
    assert [await tree[p].call(r) for p in "bl" for r in (Nap(0.0), Ask(""))] == [
        "Nap", "Ask", "NAP", "ASK",
    ]  # fmt: skip


async def test_a_handler_that_is_a_coroutine_function_in_disguise_is_awaited(start):
    """Wrapped by another decorator it does not look like one; its result does."""

    class Wrapped(Actor):
        _ask = handles(Ask)(lambda self, request: self._work(request))

        async def _work(self, request: Ask) -> str:
            await trio.sleep(1)
            return request.text * 2

    tree = await start([ChildSpec("w", Wrapped)])
    assert await tree["w"].call(Ask("ab")) == "abab"


async def test_tasks_that_were_not_declared_are_refused_by_name(start):
    """The error says what to declare, and where."""

    class Idle(Actor):
        async def init(self) -> None:
            self.tasks.start_soon(trio.sleep_forever)

    tree = await start([dynamic_supervisor("d")])
    with pytest.raises(StartFailed) as caught:
        await start_child(tree["d"], ChildSpec("x", Idle))
    assert isinstance(caught.value.reason.error, NoTasks)
    assert "'d/1' has no tasks: declare `owns_tasks = True` in class Idle" in str(caught.value)
