"""R65, R69, R70, R72, R73: monitors at the start, failing calls, base classes, stops, timers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trio

from supervision import (
    IGNORE,
    KILLED,
    NORMAL,
    Actor,
    Caller,
    CallingSelf,
    CallTimeout,
    ChildSpec,
    Crash,
    Down,
    ExitReason,
    InvalidHandler,
    Monitor,
    NoProc,
    Request,
    Restart,
    ServerExited,
    Shutdown,
    StartFailed,
    UnhandledRequest,
    dynamic_supervisor,
    handles,
    replies_later,
    start_child,
)
from supervision.events import CastToNobody, UnhandledMessage
from tests.conformance.support import Boom, Note, Plan, Probe, Sleep, Who, child

if TYPE_CHECKING:
    from supervision import ActorRef


@dataclass(frozen=True)
class Begin:
    """Start a child and watch it."""

    spec: ChildSpec


class Watcher(Actor):
    """Starts children and is told of their ends."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    @handles(Begin)
    async def _begin(self, message: Begin) -> None:
        await start_child(self.system.ref("d"), message.spec, monitor=self)

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.probe.append(("note", self.path, message.text))

    @handles(Down)
    def _down(self, message: Down) -> None:
        self.probe.append(("down", message.ref.path, message.reason))


class FallsAtOnce(Actor):
    """Is up, says so, and ends before anybody can look at it."""

    def __init__(self, error: Exception | None, to: ActorRef | None = None) -> None:
        self.error = error
        self.to = to

    async def init(self) -> None:
        self.ref.cast(Note("now"))

    @handles(Note)
    def _note(self, _message: Note) -> None:
        if self.to is not None:
            self.to.cast(Note("last words"))
        if self.error is None:
            self.stop(Shutdown("done"))
        else:
            raise self.error


@pytest.mark.proves("R65")
@pytest.mark.parametrize("error", [Boom("at once"), None], ids=["crash", "stop"])
async def test_r65_a_start_that_monitors_loses_no_reason(start, error):
    """Each of two hundred children that end at once; `monitor` afterwards comes too late."""
    tree = await start([dynamic_supervisor("d", intensity=10**6)])
    for _ in range(200):
        monitor = await start_child(
            tree["d"], ChildSpec("x", FallsAtOnce, (error,), restart=Restart.TEMPORARY),
            monitor=True,
        )  # fmt: skip
        assert await monitor.wait() == (Shutdown("done") if error is None else Crash(error))
        assert monitor.ref.path.startswith("d/")


@pytest.mark.proves("R65", "R56")
async def test_r65_an_actor_is_told_by_a_down_after_what_was_sent_before(start, probe):
    """Exactly once, and the child's last words come before it."""
    tree = await start(
        [dynamic_supervisor("d", intensity=10**6), ChildSpec("w", Watcher, (probe,))]
    )
    error = Boom("at once")
    spec = ChildSpec("x", FallsAtOnce, (error, tree["w"]), restart=Restart.TEMPORARY)
    tree["w"].cast(Begin(spec))
    await tree.settle()
    assert probe == [("note", "w", "last words"), ("down", "d/1", Crash(error))]


@pytest.mark.proves("R65")
async def test_r65_what_does_not_start_has_no_monitor(start, probe):
    """An ignored start answers None, a failed one raises, as ever."""
    tree = await start([dynamic_supervisor("d")])
    ignoring = child("x", probe, Plan([IGNORE]))
    assert await start_child(tree["d"], ignoring, monitor=True) is None
    with pytest.raises(StartFailed):
        await start_child(tree["d"], child("x", probe, Plan([Boom("no")])), monitor=True)
    with pytest.raises(TypeError, match="True, False or an actor, not 'yes'"):
        await start_child(tree["d"], child("x", probe), monitor="yes")  # type: ignore[call-overload]
    living = await start_child(tree["d"], child("x", probe), monitor=True)
    assert isinstance(living, Monitor)
    assert living.reason is None
    living.ref.kill()
    assert await living.wait() == KILLED


@dataclass(frozen=True)
class Fetch(Request[str]):
    """Ask for something that may go wrong."""

    what: str


class Clerk(Actor):
    """Keeps its callers, and fails them when told."""

    def __init__(self) -> None:
        self.callers: list[Caller[str]] = []

    @replies_later(Fetch)
    def _fetch(self, request: Fetch, caller: Caller[str]) -> None:
        if request.what == "nonsense":
            caller.fail("no error")  # type: ignore[arg-type]
        self.callers.append(caller)

    @handles(Note)
    def _note(self, message: Note) -> None:
        for caller in self.callers:
            if isinstance(message.text, Exception):
                caller.fail(message.text)
            else:
                caller.reply(str(message.text))


@pytest.mark.proves("R69", "R46", "R49")
async def test_r69_a_caller_may_be_failed(start):
    """The call raises that error, the server lives, and a second answer is a no-op."""
    tree = await start([ChildSpec("a", Clerk)])

    async def ask() -> None:
        with pytest.raises(Boom, match="not to be had"):
            await tree["a"].call(Fetch("x"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await tree.settle()
        tree["a"].cast(Note(Boom("not to be had")))
        tree["a"].cast(Note("too late"))
        tree["a"].cast(Note(Boom("too late")))
    tree["a"].cast(Fetch("cast, so nobody waits"))
    tree["a"].cast(Note(Boom("for nobody")))
    await tree.settle()
    assert tree["a"].generation == 1


@pytest.mark.proves("R69", "R47")
async def test_r69_a_call_fails_with_an_exception_only(start):
    """Anything else is the server's mistake."""
    tree = await start([ChildSpec("a", Clerk, restart=Restart.TEMPORARY)])
    with pytest.raises(ServerExited, match="fails with an exception, not with 'no error'"):
        await tree["a"].call(Fetch("nonsense"))


class Animal:
    pass


class Dog(Animal):
    pass


class Puppy(Dog):
    pass


class Barking(Request[str]):
    pass


class Loud(Barking):
    pass


class Router(Actor):
    """Has handlers of several heights."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    @handles(Animal)
    def _animal(self, message: Animal) -> None:
        self.probe.append(("animal", type(message).__name__))

    @handles(Dog)
    async def _dog(self, message: Dog) -> None:
        self.probe.append(("dog", type(message).__name__))

    @handles(object)
    def _other(self, message: object) -> None:
        self.probe.append(("other", type(message).__name__))

    @handles(Barking)
    def _bark(self, request: Barking) -> str:
        return type(request).__name__


class Proxy(Actor):
    """Passes every request on, from a task of its own."""

    owns_tasks = True

    @replies_later(Request)
    def _any(self, request: Request[object], caller: Caller[object]) -> None:
        self.tasks.start_soon(self._pass_on, request, caller)

    async def _pass_on(self, request: Request[object], caller: Caller[object]) -> None:
        try:
            caller.reply(await self.system.ref("router").call(request))
        except UnhandledRequest as error:
            caller.fail(error)


@pytest.mark.proves("R70")
async def test_r70_the_nearest_class_wins(start, probe):
    """Its own, then the nearest base, then everything else."""
    tree = await start([ChildSpec("router", Router, (probe,))])
    for message in Puppy(), Dog(), Animal(), "text", 5, Note("x"):
        tree["router"].cast(message)
    await tree.settle()
    assert probe == [
        ("dog", "Puppy"), ("dog", "Dog"), ("animal", "Animal"),
        ("other", "str"), ("other", "int"), ("other", "Note"),
    ]  # fmt: skip
    assert not tree.seen(UnhandledMessage)


@pytest.mark.proves("R70", "R46")
async def test_r70_a_request_is_never_answered_by_what_answers_nothing(start, probe):
    """A handler of everything takes no request that somebody waits for; one of requests does."""
    tree = await start([ChildSpec("router", Router, (probe,)), ChildSpec("proxy", Proxy)])
    assert await tree["router"].call(Loud()) == "Loud"
    with pytest.raises(UnhandledRequest):
        await tree["router"].call(Who())
    assert await tree["proxy"].call(Loud()) == "Loud"
    with pytest.raises(UnhandledRequest):
        await tree["proxy"].call(Who())
    tree["router"].cast(Who())
    await tree.settle()
    assert probe == [("other", "Who")]


def test_two_handlers_of_one_base_class_are_refused():
    """As of any class."""
    with pytest.raises(InvalidHandler, match="both handle Animal"):

        class Twice(Actor):
            @handles(Animal)
            def _one(self, message: Animal) -> None: ...

            @handles(Animal)
            def _two(self, message: Animal) -> None: ...


class Closing(Actor):
    """Takes a second over its end."""

    async def terminate(self, reason: ExitReason) -> None:
        await trio.sleep(1)

    @handles(Sleep)
    async def _sleep(self, message: Sleep) -> None:
        await trio.sleep(message.seconds)

    @handles(Note)
    async def _stop_self(self, _message: Note) -> None:
        await self.ref.stop_and_wait()


@pytest.mark.proves("R72")
async def test_r72_it_returns_when_the_actor_has_ended(start):
    """`terminate` included, and what stands in its way."""
    tree = await start([ChildSpec("a", Closing, restart=Restart.TEMPORARY)])
    ref = tree["a"]
    ref.cast(Sleep(2))
    await tree.settle()
    await ref.stop_and_wait()
    assert (trio.current_time(), ref.alive) == (3.0, False)
    with pytest.raises(NoProc):
        await ref.stop_and_wait()
    with pytest.raises(NoProc):
        await tree.system.ref("nobody").stop_and_wait()


@pytest.mark.proves("R72")
async def test_r72_a_timeout_is_only_the_callers(start):
    """The actor goes on ending."""
    tree = await start([ChildSpec("a", Closing, restart=Restart.TEMPORARY)])
    ref = tree["a"]
    with pytest.raises(CallTimeout):
        await ref.stop_and_wait(timeout=0.5)
    await ref.monitor().wait()
    assert trio.current_time() == 1.0


@pytest.mark.proves("R72")
async def test_r72_another_reason_is_an_error(start, probe):
    """As `gen_server:stop`: killed, or a terminate that raises."""
    plan = Plan(stops=[Boom("terminate")])
    tree = await start(
        [ChildSpec("a", Closing, restart=Restart.TEMPORARY), child("b", probe, plan)]
    )
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(ServerExited, match="killed"):
                await ref.stop_and_wait(Shutdown("x"))

        ref = tree["a"]
        nursery.start_soon(wait)
        await trio.sleep(0.5)
        ref.kill()
    with pytest.raises(ServerExited, match="Boom: terminate"):
        await tree["b"].stop_and_wait()
    await tree.settle()
    await tree["b"].stop_and_wait(NORMAL)


@pytest.mark.proves("R72")
async def test_r72_nobody_waits_for_its_own_end(start):
    """From the actor's own handler it is an error at once."""
    tree = await start([ChildSpec("a", Closing, restart=Restart.TEMPORARY)])
    with tree["a"].monitor() as monitor:
        tree["a"].cast(Note("stop"))
        reason = await monitor.wait()
    assert isinstance(reason.error, CallingSelf)


@pytest.mark.proves("R73")
async def test_r73_a_timer_may_send_to_another(start, probe):
    """Whoever sets it; it is the receiver's, and ends with it. It tells the time left."""
    tree = await start([child("a", probe), child("b", probe)])
    timer = tree["a"].send_after(3, Note("later"))
    called_off = tree["a"].send_after(3, Note("never"))
    await trio.sleep(1)
    assert (timer.remaining, timer.cancelled) == (2.0, False)
    called_off.cancel()
    assert called_off.remaining is None
    await trio.sleep(2)
    await tree.settle()
    assert probe.details("note") == ["later"]
    assert timer.remaining is None
    # The setter's end changes nothing, the receiver's does.
    to_b = tree["b"].send_after(2, Note("gone"))
    await tree.kill("b")
    assert (to_b.cancelled, to_b.remaining) == (True, None)
    await trio.sleep(5)
    assert probe.details("note") == ["later"]
    assert tree["a"].send_after(0, Note("at once")).remaining == 0.0


@pytest.mark.proves("R73", "R59")
async def test_r73_a_name_is_looked_up_when_the_time_has_come(start, probe):
    """So the successor gets it; nobody is told by an event. A mailbox's bound does not matter."""
    tree = await start([child("a", probe, name="clerk")])
    timer = tree.system.ref("clerk").send_after(2, Note("to whoever"))
    await tree.kill("a")
    assert timer.remaining == 2.0
    await trio.sleep(3)
    assert probe.details("note") == ["to whoever"]
    tree.system.ref("nobody").send_after(1, Note("lost"))
    off = tree.system.ref("clerk").send_after(1, Note("called off"))
    off.cancel()
    await trio.sleep(2)
    assert [event.path for event in tree.seen(CastToNobody)] == ["nobody"]
    assert probe.details("note") == ["to whoever"]
    assert not tree.system.timers
    for delay in -1, float("nan"):
        with pytest.raises(ValueError, match="is not 0 or more"):
            tree.system.ref("clerk").send_after(delay, Note("x"))
