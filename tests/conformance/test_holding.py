"""R71 and R74: messages kept for later, and looking into one actor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from supervision import (
    Actor,
    Caller,
    CallingSelf,
    CallTimeout,
    CastDropped,
    ChildSpec,
    Conflate,
    Crash,
    DropOldest,
    MailboxPolicy,
    NoProc,
    Overloaded,
    Request,
    Restart,
    ServerExited,
    get_state,
    handles,
    replies_later,
    resume,
    snapshot,
    suspend,
)
from tests.conformance.support import Note, Sleep, Who, child, start_tree


@dataclass(frozen=True)
class Open:
    """The door is open from now on."""


@dataclass(frozen=True)
class Shut:
    """And shut again."""


@dataclass(frozen=True)
class Enter(Request[str]):
    """Go in, once the door is open."""

    who: str


@dataclass(frozen=True)
class Later(Enter):
    """The same, answered by hand."""


class Door(Actor):
    """Lets in whoever comes when it is open; the others wait."""

    mailbox = MailboxPolicy(bound=7)

    def __init__(self) -> None:
        self.open = False
        self.inside: list[str] = []

    @handles(Open)
    def _open(self, _message: Open) -> None:
        self.open = True
        self.state_changed()

    @handles(Shut)
    def _shut(self, _message: Shut) -> None:
        self.open = False

    @handles(Enter)
    async def _enter(self, request: Enter) -> str:
        await trio.lowlevel.checkpoint()
        return self._let_in(request)

    @replies_later(Later)
    def _later(self, request: Later, caller: Caller[str]) -> None:
        caller.reply(self._let_in(request))

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.inside.append(f"note {message.text}")

    def _let_in(self, request: Enter) -> str:
        if not self.open:
            self.postpone()
        self.inside.append(request.who)
        return f"{request.who} is in"


async def door(start):
    actor = Door()
    tree = await start([ChildSpec("d", lambda: actor, restart=Restart.TEMPORARY)])
    return actor, tree, tree["d"]


def mailbox(tree, path="d"):
    (found,) = [node for node in snapshot(tree.system).walk() if node.path == path]
    return found.mailbox


@pytest.mark.proves("R71")
async def test_r71_a_postponed_message_waits_for_the_change_of_state(start):
    """In its order, before all that came after it; its caller goes on waiting."""
    actor, tree, ref = await door(start)
    answers: list[str] = []

    async def enter(request: Enter) -> None:
        answers.append(await ref.call(request, timeout=60))

    async with trio.open_nursery() as nursery:
        for request in Enter("a"), Later("b"), Enter("c"):
            nursery.start_soon(enter, request)
            await tree.settle()
        ref.cast(Note("x"))
        await trio.sleep(10)
        assert (actor.inside, answers) == (["note x"], [])
        ref.cast(Open())
        ref.cast(Note("y"))
        ref.cast(Note("z"))
    assert actor.inside == ["note x", "a", "b", "c", "note y", "note z"]
    assert sorted(answers) == ["a is in", "b is in", "c is in"]
    assert mailbox(tree).queued == 0


@pytest.mark.proves("R71")
async def test_r71_what_does_not_fit_yet_is_postponed_again(start):
    """It keeps its place among the postponed."""
    actor, tree, ref = await door(start)
    for message in Enter("a"), Enter("b"), Open(), Shut(), Enter("c"), Enter("d"):
        ref.cast(message)
    await tree.settle()
    assert actor.inside == ["a", "b"]
    actor.state_changed()  # nothing has changed
    await tree.settle()
    assert mailbox(tree).queued == 2
    ref.cast(Open())
    await tree.settle()
    assert actor.inside == ["a", "b", "c", "d"]
    actor.state_changed()
    assert mailbox(tree).queued == 0


@pytest.mark.proves("R71")
async def test_r71_the_bound_counts_them(start):
    """Whoever postpones for ever is full, not endless."""
    actor, tree, ref = await door(start)
    for number in range(10):
        ref.cast(Enter(str(number)))
        await tree.settle()
    assert (mailbox(tree).queued, mailbox(tree).dropped) == (7, 3)
    with pytest.raises(Overloaded):
        await ref.call(Enter("x"))
    ref.stop()
    await ref.monitor().wait()
    assert actor.inside == []


@pytest.mark.proves("R71", "R53", "R46")
@pytest.mark.parametrize("end", ["stop", "kill", "timeout", "crash"])
async def test_r71_a_postponed_call_ends_as_any(start, end):
    """With the server's end, or its timeout."""
    _, tree, ref = await door(start)
    async with trio.open_nursery() as nursery:

        async def enter() -> None:
            with pytest.raises(CallTimeout if end == "timeout" else ServerExited):
                await ref.call(Later("a"), timeout=5)

        nursery.start_soon(enter)
        await tree.settle()
        match end:
            case "stop":
                ref.stop()
            case "kill":
                ref.kill()
            case "crash":
                ref.cast(Open())
                ref.incarnation.actor.inside = None
    assert not ref.incarnation.calls
    assert trio.current_time() == (5.0 if end == "timeout" else 0.0)


@pytest.mark.proves("R71")
async def test_r71_only_a_handler_postpones(start):
    """Not init, nor a task, nor anybody else."""

    class Wrong(Actor):
        owns_tasks = True

        def __init__(self, where: str) -> None:
            self.where = where

        async def init(self) -> None:
            if self.where == "init":
                self.postpone()
            if self.where == "task":
                self.tasks.start_soon(self._run)

        async def _run(self) -> None:
            self.postpone()

    actor, _, _ = await door(start)
    with pytest.raises(RuntimeError, match="only a handler can postpone"):
        actor.postpone()
    for where in "init", "task":
        failed = await start([ChildSpec("w", Wrong, (where,))], intensity=0)
        await failed.ended.wait()


class Machine(Actor):
    """Handles even numbers in one state, odd ones in the other; 0 changes it."""

    def __init__(self, done: list[int]) -> None:
        self.parity = 0
        self.done = done

    @handles(int)
    def _number(self, number: int) -> None:
        if number == 0:
            self.parity = 1 - self.parity
            self.state_changed()
        elif number % 2 != self.parity:
            self.postpone()
        else:
            self.done.append(number)


@pytest.mark.proves("R71")
@given(st.lists(st.integers(0, 9), max_size=30), st.booleans())
def test_r71_the_order_is_that_of_gen_statem(numbers, at_once):
    """As a list model has it: at each change the postponed come first, in their order."""
    done: list[int] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            tree = await start_tree(nursery, [ChildSpec("m", Machine, (done,))])
            for number in numbers:
                tree["m"].cast(number)
                if not at_once:
                    await tree.settle()
            await tree.settle()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    expected: list[int] = []
    parity, postponed = 0, []
    queue = list(numbers)
    while queue:
        number = queue.pop(0)
        if number == 0:
            parity = 1 - parity
            queue[:0], postponed = postponed, []
        elif number % 2 != parity:
            postponed.append(number)
        else:
            expected.append(number)
    assert done == expected


# Looking into one


class Counter(Actor):
    owns_tasks = True

    def __init__(self) -> None:
        self.count = 0
        self.seen: list[object] = []

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.count += 1
        self.seen.append(message.text)

    @handles(Sleep)
    async def _sleep(self, message: Sleep) -> None:
        await trio.sleep(message.seconds)

    @handles(Who)
    async def _who(self, _request: Who) -> tuple[str, int]:
        await get_state(self.ref)
        return self.path, self.generation


async def counter(start, kind=Counter):
    tree = await start([ChildSpec("c", kind, restart=Restart.TEMPORARY)])
    return tree, tree["c"]


@pytest.mark.proves("R74")
async def test_r74_the_state_is_read_between_two_messages(start):
    """After those that came before; what the runtime put there is left out."""
    tree, ref = await counter(start)
    ref.cast(Sleep(2))
    ref.cast(Note("a"))
    assert await get_state(ref) == {"count": 1, "seen": ["a"]}
    assert trio.current_time() == 2.0
    assert await get_state(tree.system.ref("c")) == {"count": 1, "seen": ["a"]}


@pytest.mark.proves("R74")
async def test_r74_a_suspended_actor_handles_nothing(start):
    """Until it is resumed; its state can be read, and messages keep their order."""
    tree, ref = await counter(start)
    ref.cast(Note("before"))
    await suspend(ref)
    for text in "abc":
        ref.cast(Note(text))
    await trio.sleep(10)
    assert (await get_state(ref))["seen"] == ["before"]
    assert mailbox(tree, "c").queued == 3
    assert ref.alive
    resume(ref)
    ref.cast(Note("d"))
    resume(ref)  # a no-op
    await tree.settle()
    assert (await get_state(ref))["seen"] == ["before", *"abcd"]


@pytest.mark.proves("R74")
@pytest.mark.parametrize(
    "policy", [DropOldest(), Conflate(lambda message: message)], ids=["drop_oldest", "conflate"]
)
async def test_r74_messages_of_every_mailbox_wait(start, policy):
    """Whatever its policy."""

    class Other(Counter):
        mailbox = MailboxPolicy(bound=3, overflow=policy)

    tree, ref = await counter(start, Other)
    await suspend(ref)
    for text in "abcde":
        ref.cast(Note(text))
    await tree.settle()
    assert mailbox(tree, "c").queued == 3
    resume(ref)
    await tree.settle()
    seen = (await get_state(ref))["seen"]
    assert seen == (["c", "d", "e"] if policy == DropOldest() else ["a", "b", "c"])


@pytest.mark.proves("R74", "R26")
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_r74_a_suspended_actor_can_be_ended(start, end):
    """A stop and a kill reach it; its successor is not suspended."""
    tree = await start([ChildSpec("c", Counter)])
    ref = tree["c"]
    await suspend(ref)
    ref.cast(Note("lost"))
    with ref.monitor() as monitor:
        ref.stop() if end == "stop" else ref.kill()
        await monitor.wait()
    await tree.settle()
    tree["c"].cast(Note("a"))
    assert (await get_state(tree["c"]))["seen"] == ["a"]


@pytest.mark.proves("R74")
async def test_r74_whom_it_cannot_reach(start):
    """Nobody, the actor itself, one that is busy, one that ends meanwhile."""
    tree, ref = await counter(start)
    for look in get_state, suspend:
        with pytest.raises(NoProc):
            await look(tree.system.ref("nobody"))
    with pytest.raises(NoProc):
        resume(tree.system.ref("nobody"))
    ref.cast(Sleep(60))
    await tree.settle()
    with pytest.raises(CallTimeout):
        await get_state(ref, timeout=1)
    async with trio.open_nursery() as nursery:

        async def refused(look) -> None:
            with pytest.raises(NoProc):
                await look(ref)

        nursery.start_soon(refused, get_state)
        nursery.start_soon(refused, suspend)
        await tree.settle()
        ref.kill()
    tree, ref = await counter(start)
    monitor = ref.monitor()
    with pytest.raises(ServerExited):
        await ref.call(Who())
    reason = await monitor.wait()
    assert isinstance(reason, Crash)
    assert isinstance(reason.error, CallingSelf)


@pytest.mark.proves("R74")
async def test_r74_nothing_is_there_when_nobody_looks(start, probe):
    """Neither a replay nor another receive."""
    tree = await start([child("a", probe)])
    await get_state(tree["a"])
    assert tree["a"].incarnation._replay is None


class Stubborn(Actor):
    """Postpones all, and says each time that its state changed; or only postpones its ticks."""

    mailbox = MailboxPolicy(bound=5)

    @handles(Note)
    def _note(self, _message: Note) -> None:
        self.state_changed()
        self.postpone()

    @handles(Open)
    def _tick(self, _message: Open) -> None:
        self.postpone()


@pytest.mark.proves("R71")
async def test_r71_postponing_without_end_fills_no_mailbox(start):
    """Two that postpone for each other are handled for ever, and the others live."""
    tree = await start([ChildSpec("s", Stubborn)])
    ref = tree["s"]
    for text in "ab":
        ref.cast(Note(text))
    for _ in range(500):
        await trio.lowlevel.checkpoint()
    cell = ref.incarnation
    waiting = cell.mailbox._receive_channel.statistics().current_buffer_used
    assert (cell.mailbox.queued, waiting) == (2, 0)
    assert cell.handled > 100
    ref.stop()
    await tree.settle()
    assert tree["s"].generation == 2


@pytest.mark.proves("R71")
async def test_r71_postponed_timers_are_bounded_too(start):
    """They do not count while they are queued; once postponed they do, and what is over is told."""
    tree = await start([ChildSpec("s", Stubborn)])
    ref = tree["s"]
    ref.incarnation.send_every(1, Open())
    await trio.sleep(100.5)
    found = mailbox(tree, "s")
    assert (found.queued, found.dropped) == (5, 95)
    assert sum(isinstance(event, CastDropped) for event in tree.events) == 95
    with pytest.raises(Overloaded):
        await ref.call(Enter("x"))


@pytest.mark.proves("R74")
@pytest.mark.parametrize("timeout", [-1, math.nan, 10**400, "x"], ids=str)
async def test_r74_a_wrong_timeout_suspends_nobody(start, timeout):
    """It is an error of who asks, before anything is asked for."""
    tree = await start([ChildSpec("d", Door)])
    for look in suspend, get_state:
        with pytest.raises((ValueError, TypeError, OverflowError)):
            await look(tree["d"], timeout=timeout)
    await tree.settle()
    assert not tree["d"].incarnation.is_suspended


@pytest.mark.proves("R74")
async def test_r74_two_may_suspend_one_actor(start):
    """Both are told at once, as by `sys:suspend`, and one `resume` lets it go on."""
    _, tree, ref = await door(start)
    await suspend(ref)
    await suspend(ref)
    ref.cast(Note("x"))
    await tree.settle()
    assert trio.current_time() == 0
    resume(ref)
    await tree.settle()
    assert (await get_state(ref))["inside"] == ["note x"]
    assert not ref.incarnation.is_suspended
