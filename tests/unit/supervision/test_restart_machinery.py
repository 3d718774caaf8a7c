"""Failures inside the machinery of starts, stops and restarts itself."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from supervision import (
    BRUTAL_KILL,
    KILLED,
    SHUTDOWN,
    Actor,
    AlreadyRegistered,
    AlreadyStarted,
    BadInit,
    ChildSpec,
    Counts,
    Restart,
    StartFailed,
    StartTimeout,
    Strategy,
    System,
    count_children,
    dynamic_supervisor,
    handles,
    restart_child,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from supervision.events import Exited, IntensityExceeded, ShutdownTimedOut, TerminateFailed
from tests.conformance.support import (
    HANG,
    Boom,
    Note,
    Plan,
    Probe,
    Sleep,
    StopWith,
    Who,
    child,
    start_tree,
)


class TakesNames(Actor):
    async def init(self) -> None:
        self.register("taken")


TROUBLES = {
    "init raises": (lambda probe: child("a", probe, Plan([Boom("in init")])), Boom),
    "init hangs": (lambda probe: child("a", probe, Plan([HANG]), start_timeout=2.0), StartTimeout),
    "init answers nonsense": (lambda probe: child("a", probe, Plan([42])), BadInit),
    "init takes a taken name": (lambda _: ChildSpec("a", TakesNames), AlreadyRegistered),
    "the factory raises": (lambda _: ChildSpec("a", lambda: 1 / 0), ZeroDivisionError),
    "the factory makes nonsense": (lambda _: ChildSpec("a", object), BadInit),
    "the factory takes other arguments": (lambda _: ChildSpec("a", Actor, (1, 2)), TypeError),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_start_that_fails_in_any_way(start, probe, trouble):
    """By hand: the error is told to who asked, nothing stays, the siblings notice nothing."""
    make, expected = TROUBLES[trouble]
    tree = await start(
        [ChildSpec("holder", TakesNames), child("b", probe), dynamic_supervisor("d")]
    )
    before = tree.refs("holder", "b")
    for parent in tree.root, tree["d"]:
        with pytest.raises(StartFailed) as caught:
            await start_child(parent, make(probe))
        assert isinstance(caught.value.reason.error, expected)
    assert tree.refs("holder", "b") == before
    assert set(tree.system.names) == {"root", "holder", "taken", "b", "d"}
    assert set(tree.system.paths) == {"root", "holder", "b", "d"}
    assert await count_children(tree["d"]) == Counts(0, 0, 0, 0)


class Moody(Actor):
    """Well at its first start, then in whatever trouble the test has planned."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    async def init(self) -> object:
        step = self.plan.starts.pop(0) if self.plan.starts else None
        if step == "register":
            self.register("taken")
        elif step == "hang":
            await trio.sleep_forever()
        elif isinstance(step, Exception):
            raise step
        else:
            return step
        return None


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("trouble", ["hang", "register", 42, Boom("in init"), "factory"])
async def test_a_restart_that_fails_in_any_way(start, probe, trouble, strategy):
    """It is tried again while the budget lasts, and is well when its trouble is over."""
    plan = Plan([None, trouble, trouble])

    def factory() -> Actor:
        if plan.starts[:1] == ["factory"]:
            raise plan.starts.pop(0) and Boom("in the factory")
        return Moody(plan)

    tree = await start(
        [ChildSpec("holder", TakesNames) if strategy is Strategy.ONE_FOR_ONE
         else child("holder", probe, name="taken"),
         ChildSpec("a", factory, start_timeout=1.0), child("z", probe)],
        strategy=strategy,
    )  # fmt: skip
    assert "a" in tree
    await tree.kill("a")
    await trio.sleep(5)
    assert tree["a"].alive
    assert tree["z"].alive
    assert len(await which_children(tree.root)) == 3
    assert tree["holder"].alive


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_a_restart_that_never_works_ends_in_escalation(start, probe, strategy):
    """The others stop in reverse, whatever state the group was left in."""
    plan = Plan([None], always=Boom("never"))
    tree = await start([child(n, probe, plan if n == "b" else None) for n in "abc"],
                       strategy=strategy)  # fmt: skip
    await tree.kill("b")
    await tree.ended.wait()
    assert tree.reason == SHUTDOWN
    assert tree.system.names == {}
    (exceeded,) = tree.seen(IntensityExceeded)
    assert exceeded.child == "b"
    ups, downs = probe.of("up"), probe.of("terminate")
    assert sorted(ups) == sorted([*downs, "b"]), "what came up, and was not killed, was stopped"


@pytest.mark.parametrize("how", ["raises", "hangs", "hangs, shielded"])
@pytest.mark.parametrize("why", ["stop", "crash", "terminate_child", "group restart"])
async def test_a_terminate_that_fails(start, probe, how, why):
    """Whoever asked gets on; the child is gone, and was told of."""

    class Awkward(Actor):
        async def terminate(self, reason: object) -> None:
            if how == "raises":
                raise Boom("in terminate")
            with trio.CancelScope(shield=how != "hangs"):
                await trio.sleep(9.0 if how != "hangs" else 10_000)

        @handles(StopWith)
        def _stop(self, message: StopWith) -> None:
            raise Boom("in a handler")

    tree = await start(
        [child("a", probe), ChildSpec("b", Awkward, shutdown=2.0)], strategy=Strategy.ONE_FOR_ALL
    )
    before, began = tree["b"], trio.current_time()
    monitor = before.monitor()
    match why:
        case "stop":
            tree.system.stop()
        case "crash":
            before.cast(StopWith(SHUTDOWN))
        case "terminate_child":
            await terminate_child(tree.root, "b")
        case _:
            tree["a"].kill()
    reason = await monitor.wait()
    took = trio.current_time() - began
    assert took == {"raises": 0.0, "hangs": 2.0, "hangs, shielded": 9.0}[how]
    if why == "crash":
        assert str(reason) == "crash(Boom: in a handler)"
        assert len(tree.seen(TerminateFailed)) == 1
    elif how == "raises":
        assert str(reason) == "crash(Boom: in terminate)"
    else:
        assert reason == KILLED
        assert [event.path for event in tree.seen(ShutdownTimedOut)] == ["b"]
    await tree.settle()
    assert [event.path for event in tree.seen(Exited)].count("b") == 1
    if why in {"crash", "group restart"}:
        assert tree["b"] != before


async def test_a_name_that_is_taken_at_a_restart_is_waited_for(start, probe):
    """By retries, each of which costs a unit, as a start that fails does."""
    tree = await start([child("a", probe, name="shared"), dynamic_supervisor("d")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(terminate_child, tree.root, "a")
    thief = await start_child(tree["d"], child("x", probe, name="shared"))

    with pytest.raises(AlreadyStarted) as caught:
        await restart_child(tree.root, "a")
    assert caught.value.ref == thief
    await terminate_child(tree["d"], thief)
    assert (await restart_child(tree.root, "a")).alive


async def test_subscribers_may_use_the_system_while_they_are_told(start, probe):
    """An event comes in the middle of an epilogue or of a restart; what they send is in time."""
    tree = await start([child("a", probe), child("b", probe), dynamic_supervisor("d")])

    def meddle(event: object) -> None:
        if isinstance(event, Exited):
            unsubscribe()
            tree.system.ref("a").cast(Note(event.path))
            tree.system.ref("b").stop()
            tree.system.ref("d").kill()
            assert tree.system.whereis(event.path) is None

    unsubscribe = tree.system.subscribe(meddle)
    await tree.crash("a")
    await tree.settle()
    assert tree.system.subscriber_failures == 0
    assert await tree["a"].call(Who()) == ("a", 2)
    assert (tree["b"].generation, tree["d"].generation) == (2, 2)
    assert probe.details("note") == []
    assert tree.system.casts_to_nobody == 1


def check_everything_ended(system: System) -> None:
    assert system.names == {}
    assert system.root is not None
    assert system.root.ended


SCENES = ["idle", "starting", "stopping", "restarting", "calling", "brutal", "dynamic"]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("after", range(24))
def test_a_cancellation_from_outside_at_every_turn(scene, after):
    """The system is cancelled after `after` turns of the scheduler, wherever it stands then.

    Everything ends, nothing hangs, no error comes out, and every task is gone.
    """

    async def main() -> None:
        probe = Probe()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                specs = [
                    child("a", probe, Plan(starts=[0.0, 0.0], stops=[0.0])),
                    child("b", probe, shutdown=BRUTAL_KILL if scene == "brutal" else 1.0),
                    dynamic_supervisor("d"),
                    supervisor("s", [child("x", probe), child("y", probe)],
                               strategy=Strategy.ONE_FOR_ALL),
                ]  # fmt: skip
                system = System()
                nursery.start_soon(
                    system.run, supervisor("root", specs, strategy=Strategy.REST_FOR_ONE)
                )
                if scene != "starting":
                    await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(play, scene, system, probe)
                for _ in range(after):
                    await trio.lowlevel.cancel_shielded_checkpoint()
                scope.cancel()
        check_everything_ended(system)
        assert trio.lowlevel.current_statistics().tasks_living <= 3

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def play(scene: str, system: System, probe: Probe) -> None:
    """Get the system into the scene."""
    match scene:
        case "stopping" | "brutal":
            system.stop()
        case "restarting":
            system.ref("a").kill()
            system.ref("s/x").kill()
        case "calling":
            async with trio.open_nursery() as nursery:
                for path in "a", "b", "s/x", "s/y":
                    system.ref(path).cast(Sleep(1.0))
                    nursery.start_soon(ask, system, path)
        case "dynamic":
            for _ in range(3):
                spec = child("n", probe, restart=Restart.TRANSIENT)
                ref = await start_child(system.ref("d"), spec)
            assert ref is not None
            await terminate_child(system.ref("d"), ref)


async def ask(system: System, path: str) -> None:
    await system.ref(path).call(Who())


@pytest.mark.parametrize("after", range(0, 30, 3))
def test_a_kill_of_a_supervisor_at_every_turn_of_a_restart(after):
    """Its parent brings it back whole, wherever it stood."""

    async def main() -> None:
        probe = Probe()
        async with trio.open_nursery() as nursery:
            inner = supervisor(
                "s",
                [child(n, probe, Plan([0.0, 0.0], stops=[0.0, 0.0])) for n in "abc"],
                strategy=Strategy.ONE_FOR_ALL,
            )
            tree = await start_tree(nursery, [inner, child("other", probe)])
            other = tree["other"]
            tree["s/b"].kill()
            for _ in range(after):
                await trio.lowlevel.checkpoint()
            tree["s"].kill()
            await trio.sleep(1)
            assert len(await which_children(tree["s"])) == 3
            assert all(tree[f"s/{n}"].alive for n in "abc")
            assert tree["other"] == other
            assert await tree.stop() == SHUTDOWN
            assert tree.system.names == {}
            exits = [(event.path, event.generation) for event in tree.seen(Exited)]
            assert len(exits) == len(set(exits)), "each end is told once"
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
