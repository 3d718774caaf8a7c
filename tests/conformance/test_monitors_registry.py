"""R56 to R59: monitors, names, and what a name is resolved to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from supervision import (
    KILLED,
    NOPROC,
    NORMAL,
    Actor,
    AlreadyRegistered,
    ChildSpec,
    Down,
    MonitorCancelled,
    NoProc,
    Restart,
    ServerExited,
    StartFailed,
    handles,
    inject_crash,
    start_child,
    terminate_child,
)
from tests.conformance.support import Boom, Nap, Note, Plan, Sleep, Who, child

if TYPE_CHECKING:
    from supervision import Monitor


class Watcher(Actor):
    """Monitors what it is told to, and records each Down and each note in the order received."""

    def __init__(self) -> None:
        self.received: list[object] = []
        self.monitors: list[Monitor] = []

    @handles(Down)
    def _down(self, message: Down) -> None:
        self.received.append(message)

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.received.append(message.text)

    @handles(Sleep)
    async def _sleep(self, message: Sleep) -> None:
        await trio.sleep(message.seconds)


@pytest.fixture
async def watched(start, probe):
    """A tree of `w`, which watches, and `a`, which is temporary."""
    watcher = Watcher()
    tree = await start(
        [
            ChildSpec("w", lambda: watcher, restart=Restart.TEMPORARY),
            child("a", probe, restart=Restart.TEMPORARY),
        ]
    )
    return tree, watcher


@pytest.mark.proves("R56")
async def test_r56_exactly_one_down_per_monitor(start, watched):
    """Two monitors, two DOWNs, each with the reason and its own monitor."""
    tree, watcher = watched
    ref = tree["a"]
    monitors = [watcher.monitor(ref), watcher.monitor(tree.system.ref("a"))]
    await tree.end("a", NORMAL)
    await trio.sleep(1)
    assert [(down.monitor, down.reason) for down in watcher.received] in (
        [(monitors[0], NORMAL), (monitors[1], NORMAL)],
        [(monitors[1], NORMAL), (monitors[0], NORMAL)],
    )
    assert {down.ref.path for down in watcher.received} == {"a"}


@pytest.mark.proves("R56")
async def test_r56_already_dead_gives_one_at_once(start, watched):
    """With noproc, for an incarnation as for a name nobody has."""
    tree, watcher = watched
    gone = await tree.kill("a")
    watcher.monitor(gone)
    watcher.monitor(tree.system.ref("nobody"))
    await tree.settle()
    assert [down.reason for down in watcher.received] == [NOPROC, NOPROC]


@pytest.mark.proves("R56")
async def test_r56_none_after_demonitor(start, watched):
    """Neither later, nor one that is in the mailbox already."""
    tree, watcher = watched
    early, late, kept = (watcher.monitor(tree["a"]) for _ in range(3))
    watcher.demonitor(early)
    tree["w"].cast(Sleep(5.0))
    await tree.settle()
    await tree.kill("a")  # both DOWNs wait behind the sleep now
    watcher.demonitor(late)
    watcher.demonitor(late)
    await trio.sleep(10)
    assert [down.monitor for down in watcher.received] == [kept]


@pytest.mark.proves("R56")
async def test_r56_messages_sent_before_the_death_arrive_before_it(start, watched):
    """And those sent after it, after it."""
    tree, watcher = watched

    class Talker(Actor):
        async def terminate(self, reason: object) -> None:
            self.system.ref("w").cast(Note("last words"))

    watcher.received.clear()

    ref = await start_child(tree.root, ChildSpec("t", Talker, restart=Restart.TEMPORARY))
    watcher.monitor(ref)
    ref.stop()
    await ref.monitor().wait()
    tree["w"].cast(Note("afterwards"))
    await tree.settle()
    first, down, last = watcher.received
    assert (first, down.reason, last) == ("last words", NORMAL, "afterwards")


@pytest.mark.proves("R56")
async def test_r56_a_dead_watcher_is_told_nothing(start, watched):
    """Its monitors are taken off when it ends; its successor did not ask."""
    tree, watcher = watched
    watcher.monitor(tree["a"])
    await tree.kill("w")
    cell = tree["a"]._cell
    assert cell.monitors == set()
    await tree.kill("a")
    await tree.settle()
    assert watcher.received == []


@pytest.mark.proves("R57")
async def test_r57_a_task_that_is_no_actor_can_monitor(start, probe):
    """It waits for the reason, also when the end came before the wait."""
    tree = await start([child("a", probe, restart=Restart.TEMPORARY)])
    with tree["a"].monitor() as monitor:
        reasons = []

        async def wait() -> None:
            reasons.append(await monitor.wait())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(wait)
            await tree.settle()
            await tree.kill("a")
        assert [*reasons, await monitor.wait()] == [KILLED] * 3


@pytest.mark.proves("R57")
async def test_r57_a_monitor_that_was_taken_off_ends_its_waits(start, probe):
    """With an error that says so: waiting would be for ever."""
    tree = await start([child("a", probe)])
    monitor = tree["a"].monitor()
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(MonitorCancelled, match="'a'"):
                await monitor.wait()

        nursery.start_soon(wait)
        await tree.settle()
        monitor.cancel()
    with pytest.raises(MonitorCancelled):
        await monitor.wait()
    assert tree["a"]._cell.monitors == set()


class Named(Actor):
    """Takes the names it is given."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def init(self) -> None:
        for name in self._names:
            self.register(name)


@pytest.mark.proves("R58")
async def test_r58_a_second_registration_is_refused(start):
    """With who has it; the failed start leaves the holder, and the names it had, alone."""
    tree = await start([ChildSpec("a", Named, ("quotes",))])
    with pytest.raises(StartFailed) as caught:
        await start_child(tree.root, ChildSpec("b", Named, ("prices", "quotes")))
    error = caught.value.reason.error
    assert isinstance(error, AlreadyRegistered)
    assert (error.name, error.holder) == ("quotes", tree["a"])
    assert tree.system.whereis("quotes") == tree["a"]
    assert "prices" not in tree


@pytest.mark.proves("R58")
@pytest.mark.parametrize("how", ["stop", "kill", "crash"])
async def test_r58_a_name_is_free_when_its_owner_is_gone(start, probe, how):
    """All of its names, in the moment in which others hear of its end."""
    tree = await start([ChildSpec("a", Named, ("x", "y"), restart=Restart.TEMPORARY)])
    free: list[bool] = []
    monitor = tree["a"].monitor()
    match how:
        case "stop":
            tree["a"].stop()
        case "kill":
            tree["a"].kill()
        case _:
            inject_crash(tree.system, "a", Boom("x"))
    await monitor.wait()
    free += [name not in tree for name in ("a", "x", "y")]
    assert free == [True, True, True]


@pytest.mark.proves("R59")
async def test_r59_a_name_is_resolved_at_each_send(start, probe):
    """So it reaches the incarnation that is there; an unknown one is noproc, or a counted drop."""
    tree = await start([child("a", probe, name="alias")])
    ref = tree.system.ref("alias")
    assert await ref.call(Who()) == ("a", 1)
    await tree.crash("a")
    assert await ref.call(Who()) == ("a", 2)
    ref.cast(Note("to the second"))
    await tree.settle()  # a stop would overtake it
    await terminate_child(tree.root, "a")
    with pytest.raises(NoProc):
        await ref.call(Who())
    ref.cast(Note("to nobody"))
    assert tree.system.casts_to_nobody == 1
    assert probe.details("note") == ["to the second"]
    assert not ref.alive


@pytest.mark.proves("R59")
async def test_r59_a_call_in_flight_is_never_sent_again(start, probe):
    """It ends with the reason of the incarnation that had it; the successor never sees it."""
    tree = await start([child("a", probe, Plan())])
    ref = tree.system.ref("a")
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ServerExited) as caught:
                await ref.call(Nap(60.0))
            assert caught.value.reason == KILLED

        nursery.start_soon(ask)
        await tree.settle()
        await tree.kill("a")
    assert tree["a"].generation == 2
    assert tree["a"]._cell.handled == 0


async def test_refs_are_equal_when_they_mean_the_same(start, probe):
    """The same name, or the same incarnation; a name is not its holder."""
    tree = await start([child("a", probe)])
    by_name, first = tree.system.ref("a"), tree["a"]
    assert by_name == tree.system.ref("a")
    assert len({by_name, tree.system.ref("a"), first, tree["a"]}) == 2
    assert by_name != first
    await tree.crash("a")
    assert tree["a"] != first
    assert repr(first) == "<ActorRef a#1>"
    assert repr(by_name) == "<ActorRef a>"
    assert (first.alive, by_name.alive) == (False, True)
