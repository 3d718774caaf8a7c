"""R74: a trace of one actor, and what is told of every message to whoever wants to know."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
import trio
import trio.lowlevel

from supervision import (
    Actor,
    Caller,
    ChildSpec,
    Conflate,
    DropOldest,
    Handled,
    MailboxPolicy,
    NoProc,
    Request,
    Restart,
    Sent,
    handles,
    observe,
    replies_later,
    trace,
)
from tests.conformance.support import Boom, Note, Raise, Sleep, Who, child


@dataclass(frozen=True)
class Add(Request[int]):
    amount: int


@dataclass(frozen=True)
class Ask(Request[str]):
    """Is answered when a note comes."""


class Odd:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise Boom("shown")


class Calculator(Actor):
    def __init__(self) -> None:
        self.total = 0
        self.callers: list[Caller[str]] = []

    @handles(Add)
    async def _add(self, request: Add) -> int:
        await trio.sleep(1)
        self.total += request.amount
        return self.total

    @replies_later(Ask)
    def _ask(self, _request: Ask, caller: Caller[str]) -> None:
        self.callers.append(caller)

    @handles(Note)
    def _note(self, message: Note) -> None:
        for caller in self.callers:
            if isinstance(message.text, Exception):
                caller.fail(message.text)
            else:
                caller.reply(str(message.text))
        self.callers = []

    @handles(Raise)
    def _raise(self, message: Raise) -> None:
        raise message.error

    @handles(Who)
    def _who(self, _request: Who) -> tuple[str, int]:
        self.postpone()

    @handles(object)
    def _other(self, message: object) -> None:
        self.total = -1


async def counter(start):
    tree = await start([ChildSpec("c", Calculator, restart=Restart.TEMPORARY)])
    return tree, tree["c"]


def told(found) -> list[tuple[str, str]]:
    return [(entry.what, entry.text) for entry in found.entries]


@pytest.mark.proves("R74")
async def test_r74_a_trace_shows_messages_replies_and_state(start):
    """In their order; then the actor is as it was."""
    tree, ref = await counter(start)
    with trace(ref) as found:
        assert await ref.call(Add(2)) == 2
        ref.cast("text")
        await tree.settle()
    await ref.call(Add(1))
    assert told(found) == [
        ("message", "Add(amount=2)"), ("state", "total = 2"), ("reply", "2"),
        ("message", "'text'"), ("state", "total = -1"),
    ]  # fmt: skip
    assert [entry.at for entry in found.entries] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert ref.incarnation.handlers is Calculator.handlers
    assert not found.active
    assert not ref.incarnation.at_end


@pytest.mark.proves("R74", "R69")
async def test_r74_late_answers_errors_and_what_is_postponed(start):
    """A caller that is kept is answered, or failed, in its time."""
    tree, ref = await counter(start)
    found = trace(ref)
    answers: list[object] = []

    async def ask() -> None:
        try:
            answers.append(await ref.call(Ask()))
        except Boom as error:
            answers.append(error)

    async with trio.open_nursery() as nursery:
        for answer in "yes", Boom("no"):
            nursery.start_soon(ask)
            await tree.settle()
            ref.cast(Note(answer))
            await tree.settle()
    ref.cast(Who())
    await tree.settle()
    assert answers[0] == "yes"
    assert isinstance(answers[1], Boom)
    kinds = [entry.what for entry in found.entries if entry.what not in {"state", "message"}]
    assert kinds == ["reply", "error", "postponed"]
    monitor = ref.monitor()
    ref.cast(Raise(Boom("end")))
    await monitor.wait()
    assert found.entries[-1].text == "Boom('end')"
    assert not found.active, "it ends with the actor"
    assert not tree.system.deadlines._timers or tree.system.deadlines._timers[0][2].cancelled


@pytest.mark.proves("R74")
async def test_r74_a_trace_ends_by_itself(start):
    """After so many entries, after so long; one that nobody stops too. Values may be odd."""
    tree, ref = await counter(start)
    few, short = trace(ref, limit=2), trace(ref, seconds=1.5)
    ref.cast(Odd())
    await ref.call(Add(1))
    await ref.call(Add(1))
    assert [entry.what for entry in few.entries] == ["message", "state"]
    assert few.entries[0].text == "<Odd, whose __repr__ raised>"
    assert not few.active
    assert not short.active
    assert len(short.entries) == 6
    assert ref.incarnation.handlers is Calculator.handlers
    few.stop()
    with pytest.raises(NoProc):
        trace(tree.system.ref("nobody"))
    for wrong in {"limit": 0}, {"seconds": 0}, {"seconds": float("nan")}:
        with pytest.raises(ValueError, match="both are above 0"):
            trace(ref, **wrong)


@pytest.mark.proves("R74")
async def test_r74_whoever_observes_is_told_of_every_message(start, probe):
    """Of actors that are there, and of those that come; until it is taken off."""
    tree = await start([child("a", probe)])
    seen: list[Sent | Handled] = []
    end = observe(tree.system, seen.append)
    tree["a"].cast(Sleep(2))
    await tree["a"].call(Who())
    assert seen == [
        Sent("a", Sleep), Sent("a", Who), Handled("a", Sleep, seen[2].seconds, None),
        Handled("a", Who, seen[3].seconds, None),
    ]  # fmt: skip
    seen.clear()
    error = Boom("x")
    tree["a"].cast(Raise(error))
    await tree.settle()
    assert tree["a"].generation == 2
    assert seen[1].error is error
    tree["a"].cast(Note("to the successor"))
    await tree.settle()
    assert [type(what).__name__ for what in seen if what.message is Note] == ["Sent", "Handled"]
    end()
    end()
    seen.clear()
    tree["a"].cast(Note("x"))
    await tree.kill("a")
    tree["a"].cast(Note("y"))
    await tree.settle()
    assert seen == []
    assert tree["a"].incarnation.handlers is type(tree["a"].incarnation.actor).handlers


@pytest.mark.proves("R74")
@pytest.mark.parametrize("policy", [DropOldest(), Conflate(type)], ids=repr)
async def test_r74_what_is_sent_is_told_of_every_mailbox(start, policy):
    """Two observers hear the same; one that raises harms nobody."""

    class Other(Calculator):
        mailbox = MailboxPolicy(bound=5, overflow=policy)

    tree = await start([ChildSpec("c", Other)])
    first: list[type] = []
    second: list[type] = []

    def fails(_what: object) -> None:
        raise Boom("observer")

    ends = [
        observe(tree.system, lambda what: isinstance(what, Sent) and first.append(what.message)),
        observe(tree.system, fails),
        observe(tree.system, lambda what: isinstance(what, Sent) and second.append(what.message)),
    ]
    for message in Note("x"), 5, "text":
        tree["c"].cast(message)
    await tree.settle()
    assert first == second == [Note, int, str]
    ends[0]()
    tree["c"].cast(2.5)
    await tree.settle()
    assert (len(first), second[-1]) == (3, float)
    ends[1]()
    ends[2]()
    assert tree["c"].incarnation.mailbox._told is None
    assert tree["c"].generation == 1
    assert Counter(second)[int] == 1


@pytest.mark.proves("R74", "R77")
async def test_r74_who_looked_leaves_nothing_at_the_actor(start):
    """However often; a wrong setting, which is refused, leaves nothing either."""
    tree, ref = await counter(start)
    cell = ref.locate()
    for _ in range(20):
        observe(tree.system, print)()
        with trace(ref):
            pass
    with pytest.raises(OverflowError):
        trace(ref, seconds=10**400)
    with pytest.raises(OverflowError):
        ref.send_after(10**400, Note("never"))
    assert (cell.at_end, cell.timers, tree.system.timers) == ((), set(), set())
    assert cell.handlers is Calculator.handlers


@pytest.mark.proves("R74")
async def test_r74_one_who_has_seen_enough_hides_nothing_from_the_next(start):
    """A kept caller's answer, and a sending, reach all who look."""
    tree, ref = await counter(start)
    few, more = trace(ref, limit=2), trace(ref)
    ends = []
    seen: list[object] = []
    ends = [observe(tree.system, lambda _what: ends[0]()), observe(tree.system, seen.append)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.call, Ask())
        await tree.settle()
        ref.cast(Note("now"))
    assert [entry.what for entry in few.entries] == ["message", "state"]
    assert "reply" in [entry.what for entry in more.entries]
    assert isinstance(seen[0], Sent)
    ends[1]()
