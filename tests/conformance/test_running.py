"""R60 to R62: a tree as a program, its log, and the thread through its log lines."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from supervision import (
    Actor,
    ChildSpec,
    Conflate,
    CrashLog,
    Exited,
    MailboxPolicy,
    Request,
    Restart,
    correlation_id,
    dynamic_supervisor,
    handles,
    run,
    start_child,
    supervisor,
)
from supervision.events import KeyFailed
from tests.conformance.support import Boom, Note, Plan, Raise, child

ROOT_DIRECTORY = Path(__file__).parents[2]
SECONDS = 20


@contextmanager
def program(mode: str):
    """The program of `program.py` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.program", mode],
        cwd=ROOT_DIRECTORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(SECONDS)
        process.stdout.close()
        process.stderr.close()


def finish(process):
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output.splitlines(), errors


@pytest.mark.proves("R60")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_r60_a_signal_stops_the_tree_in_order(number):
    """Exit code 0, every child in reverse start order, each with its terminate."""
    with program("plain") as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        code, output, errors = finish(process)
    assert code == 0
    assert output == ["inner/b shutdown", "inner/a shutdown", "first shutdown"]
    assert "Traceback" not in errors
    assert number.name in errors


@pytest.mark.proves("R60")
def test_r60_a_second_signal_forces():
    """Though a child takes ten minutes to terminate; the code says which signal it was."""
    with program("hangs") as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)
        code, output, errors = finish(process)
    assert code == 128 + signal.SIGINT
    assert output == []
    assert "second signal" in errors


@pytest.mark.proves("R60")
def test_r60_a_signal_during_the_start_is_kept():
    """The tree stops as soon as the child that is starting is up; it is never reported up."""
    with program("slow start") as process:
        assert process.stdout.readline() == "starting\n"
        process.send_signal(signal.SIGTERM)
        code, output, _ = finish(process)
    assert code == 0
    assert output == ["inner/b shutdown", "inner/a shutdown", "first shutdown"]


@pytest.mark.proves("R60")
def test_r60_a_root_that_gives_up():
    """Exit code 1, and the log names the child that caused it, by path."""
    with program("crash") as process:
        code, output, errors = finish(process)
    assert code == 1
    assert output[0] == "up"
    assert output.count("first shutdown") >= 1
    assert "supervisor root gives up: inner exceeded 3 restarts in 5 s" in errors
    assert "supervisor inner gives up: inner/b exceeded 3 restarts in 5 s" in errors
    assert "crash(ValueError: hopeless)" in errors
    assert "ERROR the root ended: shutdown" in errors


@pytest.mark.proves("R60")
def test_r60_a_root_that_does_not_start():
    """Exit code 1, and the reason with the way to the child."""
    with program("bad start") as process:
        code, output, errors = finish(process)
    assert code == 1
    assert "up" not in output
    assert "failed_to_start_child, inner, shutdown(failed_to_start_child, b, crash(Val" in errors


@pytest.mark.proves("R60")
def test_r60_a_root_that_ends_normally():
    """That is no failure."""
    with program("done") as process:
        code, _, errors = finish(process)
    assert code == 0
    assert "ERROR" not in errors


@pytest.mark.proves("R60")
def test_system_exit_goes_through():
    """The exit code is the one that was asked for."""
    with program("exit 7") as process:
        code, _, _ = finish(process)
    assert code == 7


def test_keyboard_interrupt_goes_up():
    """Raised in an actor, it ends the tree and reaches the caller of `run` as itself."""

    class Interrupted(Actor):
        async def init(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(supervisor("root", [supervisor("s", [ChildSpec("a", Interrupted)])]))


@pytest.mark.proves("R61")
async def test_r61_a_crash_is_logged_once(start, probe, caplog):
    """With path, generation, exception and what the supervisor did about it."""
    tree = await start([supervisor("s", [child("a", probe)])])
    tree.system.subscribe(CrashLog())
    await tree.crash("s/a", Boom("first"))
    await tree.crash("s/a", Boom("second"))
    first, second = caplog.records
    assert first.getMessage() == "s/a (generation 1) crashed, decision: restart: crash(Boom: first)"
    assert second.getMessage().startswith("s/a (generation 2) crashed")
    assert first.levelno == logging.ERROR
    assert isinstance(first.exc_info[1], Boom)
    assert "in _raise" in caplog.text, "the traceback leads to the handler"


@pytest.mark.proves("R61")
async def test_r61_a_loop_of_crashes_is_counted(start, probe, caplog):
    """One line per ten seconds for one reason, with the number of those not logged."""
    tree = await start([child("a", probe)], intensity=1000)
    tree.system.subscribe(CrashLog())
    for _ in range(50):
        await tree.crash("a", Boom("again"))
    await trio.sleep(10)
    await tree.crash("a", Boom("again"))
    lines = [record.getMessage() for record in caplog.records]
    first, later = lines
    assert first == "a (generation 1) crashed, decision: restart: crash(Boom: again)"
    assert later.startswith("a (generation 51) crashed")
    assert later.endswith("(49 more like it since the last line)")


@pytest.mark.proves("R61")
async def test_r61_so_is_a_loop_of_failing_starts(start, probe, caplog):
    """Attempts without a pause do not flood the log either."""
    tree = await start([child("a", probe, Plan([None], Boom("stays broken")))], intensity=500)
    tree.system.subscribe(CrashLog())
    tree["a"].kill()
    await tree.settle()
    lines = [record.getMessage() for record in caplog.records]
    tree["a"].cast(Raise(Boom("x")))
    assert len(lines) <= 3
    assert await start_child(tree.root, child("b", probe)) == tree["b"]


@pytest.mark.proves("R61")
async def test_r61_numbered_children_dying_of_one_bug_are_one_story(start, probe, caplog):
    """Each has a path of its own; the log would be flooded by a hundred sessions."""
    tree = await start([dynamic_supervisor("d", intensity=1000)])
    tree.system.subscribe(CrashLog())
    for _ in range(100):
        ref = await start_child(tree["d"], child("x", probe, restart=Restart.TEMPORARY))
        await tree.crash(ref.path, Boom("the bug"))
    (record,) = caplog.records
    assert record.getMessage().startswith("d/1 (generation 1) crashed, decision: forget")


async def test_a_key_function_that_raises_harms_no_sender(start, caplog):
    """The cast is dropped, counted and told: the fault is the receiver's."""

    class Conflating(Actor):
        mailbox = MailboxPolicy(overflow=Conflate(lambda message: message.no_such_field))

        @handles(Note)
        def _note(self, message: Note) -> None: ...

    tree = await start([ChildSpec("a", Conflating)])
    tree.system.subscribe(CrashLog())
    tree["a"].cast(Note("x"))
    tree["a"].cast(Note("y"))
    assert [event.kind for event in tree.seen(KeyFailed)] == [Note, Note]
    assert tree["a"]._cell.mailbox.statistics().dropped == 2
    (record,) = caplog.records
    assert "a: the mailbox's key function failed on Note" in record.getMessage()


async def test_a_subscriber_that_raises_harms_nobody(start, probe, caplog):
    """It is logged and counted; the other subscribers hear everything."""
    tree = await start([child("a", probe)])

    def broken(_event: object) -> None:
        raise Boom("in a subscriber")

    unsubscribe = tree.system.subscribe(broken)
    await tree.crash("a")
    assert tree.system.subscriber_failures == 2  # Exited, Started
    assert "event subscriber" in caplog.text
    unsubscribe()
    await tree.crash("a")
    assert tree.system.subscriber_failures == 2
    assert tree["a"].generation == 3


@dataclass(frozen=True)
class Trace(Request[list[str | None]]):
    """Ask an actor, and those behind it, for the correlation id they work under."""


class Link(Actor):
    """Passes the question on to `behind`; remembers what it saw when it was cast a note."""

    owns_tasks = True

    def __init__(self, behind: str | None) -> None:
        self.behind = behind
        self.seen: list[str | None] = []

    @handles(Trace)
    async def _trace(self, request: Trace) -> list[str | None]:
        own = [correlation_id.get(), *self.seen]
        return (
            own if self.behind is None else own + await self.system.ref(self.behind).call(request)
        )

    @handles(Note)
    async def _note(self, message: Note) -> None:
        self.seen.append(correlation_id.get())
        if self.behind is not None:
            self.tasks.start_soon(self._pass_on, message)

    async def _pass_on(self, message: Note) -> None:
        await trio.sleep(1)
        self.system.ref(self.behind or "").cast(message)


@pytest.mark.proves("R62")
async def test_r62_a_message_carries_its_senders_correlation_id(start):
    """Through calls, casts and tasks of actors; each request keeps its own."""
    tree = await start([ChildSpec("a", Link, ("b",)), ChildSpec("b", Link, (None,))])
    results = {}

    async def request(name: str | None) -> None:
        correlation_id.set(name)
        results[name] = await tree["a"].call(Trace())
        assert correlation_id.get() == name, "an answer does not change the asker's"

    async with trio.open_nursery() as nursery:
        for name in "r1", "r2", None:
            nursery.start_soon(request, name)
    assert results == {name: [name, name] for name in ("r1", "r2", None)}

    correlation_id.set("note")
    tree["a"].cast(Note("x"))
    await trio.sleep(2)
    correlation_id.set("other")
    assert await tree["a"].call(Trace()) == ["other", "note", "other", "note"]


@pytest.mark.proves("R62")
async def test_r62_a_crash_is_told_with_the_correlation_of_its_message(start):
    """Whoever hears of it knows what request it came of; the next life belongs to none."""
    told = []

    class Fragile(Actor):
        async def init(self) -> None:
            told.append(("init", correlation_id.get()))

        @handles(Note)
        def _note(self, message: Note) -> None:
            raise Boom(message.text)

    tree = await start([ChildSpec("a", Fragile)])
    tree.system.subscribe(
        lambda event: (
            told.append(("exited", correlation_id.get())) if isinstance(event, Exited) else None
        )
    )
    before = correlation_id.set("r1")
    tree["a"].cast(Note("x"))
    correlation_id.reset(before)
    await trio.testing.wait_all_tasks_blocked()
    assert told == [("init", None), ("exited", "r1"), ("init", None)]


@pytest.mark.proves("R62")
async def test_r62_what_the_runtime_sends_belongs_to_no_request(start):
    """A timer set while a request was handled fires under none."""
    seen = []

    class Timed(Actor):
        @handles(Note)
        def _note(self, message: Note) -> None:
            seen.append((message.text, correlation_id.get()))
            if message.text == "set":
                self.send_after(1.0, Note("fired"))

    tree = await start([ChildSpec("a", Timed)])
    correlation_id.set("r")
    tree["a"].cast(Note("set"))
    await trio.sleep(2)
    assert seen == [("set", "r"), ("fired", None)]
