"""R20 to R25: whom a supervisor restarts, and what it answers meanwhile."""

from __future__ import annotations

import pytest
import trio

from supervision import (
    NORMAL,
    SHUTDOWN,
    AlreadyPresent,
    Backoff,
    ChildState,
    Restart,
    Restarting,
    Strategy,
    count_children,
    delete_child,
    restart_child,
    start_child,
    terminate_child,
    which_children,
)
from supervision.events import StillAlive
from tests.conformance.support import Boom, Note, Plan, Who, child

ABCD = ("a", "b", "c", "d")


def states(infos):
    return {info.id: str(info.state) for info in infos}


@pytest.mark.proves("R20")
async def test_r20_one_for_one_leaves_siblings_alone(start, probe):
    """They keep identity and state; only the one that failed is new."""
    tree = await start([child(name, probe) for name in ABCD], strategy=Strategy.ONE_FOR_ONE)
    before = tree.refs(*ABCD)
    await tree.crash("b")
    after = tree.refs(*ABCD)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]
    assert probe.of("init") == [*ABCD, "b"]
    assert probe.of("terminate") == ["b"]


@pytest.mark.proves("R21")
async def test_r21_one_for_all(start, probe):
    """The others stop in reverse start order, then all but temporary ones start in order."""
    tree = await start(
        [child(name, probe, restart=Restart.TEMPORARY if name == "c" else Restart.PERMANENT)
         for name in ABCD],
        strategy=Strategy.ONE_FOR_ALL,
    )  # fmt: skip
    before = tree.refs("a", "b", "d")
    probe.clear()
    await tree.crash("b")
    assert [(entry[0], entry[1]) for entry in probe if entry[0] in {"terminate", "up"}] == [
        ("terminate", "b"), ("terminate", "d"), ("terminate", "c"), ("terminate", "a"),
        ("up", "a"), ("up", "b"), ("up", "d"),
    ]  # fmt: skip
    assert not set(before) & set(tree.refs("a", "b", "d"))
    assert states(await which_children(tree.root)) == dict.fromkeys("abd", "running")


@pytest.mark.proves("R21")
async def test_r21_each_is_gone_before_the_next_is_asked(start, probe):
    """Slow stops add up, and nothing starts before the last is over."""
    plans = {name: Plan(stops=[2.0]) for name in ABCD}
    tree = await start(
        [child(name, probe, plans[name]) for name in ABCD], strategy=Strategy.ONE_FOR_ALL
    )
    began = trio.current_time()
    tree["a"].kill()
    await trio.sleep(7)
    asked = {entry[1]: entry[3] - began for entry in probe if entry[0] == "terminate"}
    assert asked == {"d": 0.0, "c": 2.0, "b": 4.0}
    over = [entry for entry in probe if entry[0] == "init over"][len(ABCD) :]
    assert [entry[1:] for entry in over] == [(name, began + 6.0) for name in ABCD]


@pytest.mark.proves("R22")
async def test_r22_rest_for_one(start, probe):
    """Those started after it stop in reverse, and start again with it; earlier ones stay."""
    tree = await start([child(name, probe) for name in ABCD], strategy=Strategy.REST_FOR_ONE)
    before = tree.refs(*ABCD)
    probe.clear()
    await tree.crash("b")
    assert probe.of("terminate") == ["b", "d", "c"]
    assert probe.of("up") == ["b", "c", "d"]
    after = tree.refs(*ABCD)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True] + [False] * 3


@pytest.mark.proves("R22")
async def test_r22_what_was_added_later_counts_as_later(start, probe):
    """Start order, not the order of ids."""
    tree = await start([child("m", probe), child("z", probe)], strategy=Strategy.REST_FOR_ONE)
    await start_child(tree.root, child("a", probe))
    probe.clear()
    await tree.crash("z")
    assert probe.of("up") == ["z", "a"]


@pytest.mark.proves("R21", "R28")
async def test_r21_siblings_that_crash_together_cost_one_restart_each(start, probe):
    """The second exit is of an incarnation that the group restart has replaced already."""
    tree = await start([child(name, probe) for name in ABCD], strategy=Strategy.ONE_FOR_ALL)
    tree["b"].kill()
    tree["d"].kill()
    await tree.settle()
    assert probe.of("init") == [*ABCD] * 2


@pytest.mark.proves("R23")
async def test_r23_one_for_all_begins_anew_after_a_failed_start(start, probe):
    """What it restarted already is stopped again first."""
    plan = Plan([None, Boom("c is not well")])
    tree = await start(
        [child(name, probe, plan if name == "c" else None) for name in ABCD],
        strategy=Strategy.ONE_FOR_ALL,
        backoff=Backoff(first=1.0, jitter=0.0),
    )
    await tree.crash("d")
    probe.clear()
    await trio.sleep(1.5)
    assert probe.of("up") == ["a", "b"]
    assert states(await which_children(tree.root)) == {
        "a": "running", "b": "running", "c": "restarting", "d": "stopped",
    }  # fmt: skip
    probe.clear()
    await trio.sleep(2)
    assert probe.of("terminate") == ["b", "a"]
    assert probe.of("up") == [*ABCD]


@pytest.mark.proves("R23")
async def test_r23_rest_for_one_goes_on_from_the_failed_one(start, probe):
    """What it restarted before that stays."""
    plan = Plan([None, Boom("c is not well")])
    tree = await start(
        [child(name, probe, plan if name == "c" else None) for name in ABCD],
        strategy=Strategy.REST_FOR_ONE,
        backoff=Backoff(first=1.0, jitter=0.0),
    )
    await tree.crash("b")
    await trio.sleep(1.5)
    restarted = tree.refs("a", "b")
    assert states(await which_children(tree.root)) == {
        "a": "running", "b": "running", "c": "restarting", "d": "stopped",
    }  # fmt: skip
    probe.clear()
    await trio.sleep(2)
    assert probe.of("terminate") == []
    assert probe.of("up") == ["c", "d"]
    assert tree.refs("a", "b") == restarted


@pytest.mark.proves("R23")
async def test_r23_a_sibling_that_crashes_during_the_wait_takes_the_group_along(start, probe):
    """The pending retry of another child has lost its meaning then."""
    plan = Plan([None, Boom("no")])
    tree = await start(
        [child("a", probe), child("b", probe, plan)],
        strategy=Strategy.ONE_FOR_ALL,
        intensity=5,
        backoff=Backoff(first=4.0, factor=1.0, jitter=0.0),
    )
    await tree.crash("a")  # restarted at 4 s, where b fails: its retry is due at 8 s
    await trio.sleep(5)
    await tree.crash("a")  # restarted at 9 s at the soonest
    await trio.sleep(3.5)
    assert states(await which_children(tree.root)) == {"a": "running", "b": "running"}
    refs = tree.refs("a", "b")
    await trio.sleep(20)
    assert tree.refs("a", "b") == refs


async def hopeless(start, probe, **flags):
    """A tree whose child `a` has crashed and fails at each further start."""
    plan = Plan([None], always=Boom("never again"))
    tree = await start(
        [child("a", probe, plan), child("b", probe)],
        intensity=10_000_000,
        **flags,
    )
    tree["a"].kill()
    return tree


@pytest.mark.proves("R24")
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_r24_a_supervisor_in_a_restart_loop_still_answers(start, probe, strategy):
    """Attempts follow each other without a pause, and yet management calls come in between."""
    tree = await hopeless(start, probe, strategy=strategy)
    for _ in range(20):
        infos = await which_children(tree.root)
    assert states(infos)["a"] == "restarting"
    assert len([path for path in probe.of("init") if path == "a"]) > 5
    await start_child(tree.root, child("c", probe))
    assert "c" in probe.of("up")
    assert await tree.stop() == SHUTDOWN


@pytest.mark.proves("R24")
async def test_r24_the_loop_can_be_ended_by_terminate_child(start, probe):
    """And the child started again by hand, when its trouble is over."""
    tree = await hopeless(start, probe)
    await which_children(tree.root)
    await terminate_child(tree.root, "a")
    attempts = len(probe.of("init"))
    await trio.sleep(60)
    assert len(probe.of("init")) == attempts
    assert states(await which_children(tree.root)) == {"a": "stopped", "b": "running"}


@pytest.mark.proves("R25")
async def test_r25_answers_while_a_child_waits_for_its_retry(start, probe):
    """It shows `restarting`, has a name in each refusal, and terminate takes the retry off."""
    plan = Plan([None, Boom("no")])
    tree = await start([child("a", probe, plan)], backoff=Backoff(first=10.0, jitter=0.0))
    await tree.crash("a")
    (info,) = await which_children(tree.root)
    assert (info.ref, info.state) == (None, ChildState.RESTARTING)
    assert await count_children(tree.root) == (1, 0, 0, 1)
    with pytest.raises(AlreadyPresent, match="already_present: child 'a' is restarting"):
        await start_child(tree.root, child("a", probe))
    with pytest.raises(Restarting, match=r"^restarting: "):
        await restart_child(tree.root, "a")
    with pytest.raises(Restarting, match=r"^restarting: "):
        await delete_child(tree.root, "a")
    await terminate_child(tree.root, "a")
    await trio.sleep(100)
    assert "a" not in tree
    assert probe.of("init") == ["a"]
    plan.starts.clear()
    assert await restart_child(tree.root, "a") == tree["a"]


@pytest.mark.proves("R21")
async def test_r21_nothing_starts_beside_a_live_predecessor(start, probe):
    """One that cannot be cancelled is reported every five seconds, and waited for."""

    async def shielded():
        with trio.CancelScope(shield=True):
            await trio.sleep(12)

    plan = Plan()
    tree = await start(
        [child("a", probe), child("b", probe, plan, shutdown=1.0)], strategy=Strategy.ONE_FOR_ALL
    )
    plan.follow = lambda script: shielded() if script is plan.stops else _nothing()
    began = trio.current_time()
    probe.clear()
    tree["a"].kill()
    await trio.sleep(20)
    assert probe[-1][:2] == ("up", "b")
    assert {entry[2] - began for entry in probe if entry[0] == "init over"} == {12.0}
    reports = tree.seen(StillAlive)
    assert [(event.path, event.seconds) for event in reports] == [("b", 5.0), ("b", 10.0)]
    assert "in shielded" in reports[0].stack


async def _nothing():
    return None


@pytest.mark.proves("R24")
async def test_a_stop_is_noticed_between_the_starts_of_a_group(start, probe):
    """What was not started yet need not be."""
    tree = await start(
        [child(name, probe, Plan([None, 5.0])) for name in ABCD], strategy=Strategy.ONE_FOR_ALL
    )
    probe.clear()
    tree["a"].kill()
    await trio.sleep(2)
    assert await tree.stop() == SHUTDOWN
    assert probe.of("init") == ["a"]


async def test_one_for_all_brings_back_what_was_down(start, probe):
    """As in OTP: a child that was terminated, or had ended cleanly, starts with its group."""
    tree = await start(
        [child("a", probe), child("b", probe), child("t", probe, restart=Restart.TRANSIENT)],
        strategy=Strategy.ONE_FOR_ALL,
    )
    await terminate_child(tree.root, "b")
    await tree.end("t", NORMAL)
    await tree.crash("a")
    tree["b"].cast(Note("here"))
    assert await tree["t"].call(Who()) == ("t", 2)
    assert probe.details("note", "b") == ["here"]
