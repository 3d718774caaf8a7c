"""R14 to R19: how often a supervisor restarts before it gives up, and how soon."""

from __future__ import annotations

import random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from supervision import (
    NORMAL,
    SHUTDOWN,
    Actor,
    Backoff,
    ChildSpec,
    ChildState,
    Restart,
    SpecError,
    StartFailed,
    Strategy,
    dynamic_supervisor,
    restart_child,
    snapshot,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from supervision.events import Exited, IntensityExceeded, RestartScheduled
from supervision.policy import add_restart
from tests.conformance.support import Boom, Plan, Who, child


def used(tree, path="root"):
    (node,) = [node for node in snapshot(tree.system).walk() if node.path == path]
    return node.supervisor.restarts_in_window


@pytest.mark.proves("R14")
async def test_r14_one_unit_per_decision_however_many_siblings(start, probe):
    """Three children are restarted for one that crashed: one unit."""
    tree = await start(
        [child(name, probe) for name in "abc"], strategy=Strategy.ONE_FOR_ALL, intensity=2
    )
    await tree.crash("b")
    assert used(tree) == 1
    await tree.crash("a")
    assert used(tree) == 2
    await tree.crash("c")
    await tree.ended.wait()
    assert probe.of("init") == [*"abc"] * 3


@pytest.mark.proves("R14")
async def test_r14_each_failed_attempt_is_one_more(start, probe):
    """One for the crash, one for each start that failed; the third attempt works."""
    plan = Plan([None, Boom("1"), Boom("2")])
    tree = await start([child("a", probe, plan)], intensity=3)
    await tree.crash("a")
    assert used(tree) == 3
    assert await tree["a"].call(Who()) == ("a", 4)
    # With one unit less the third attempt would not have been made.
    plan.starts = [None, Boom("1"), Boom("2")]
    tree = await start([child("a", probe, plan)], intensity=2)
    before = len(probe.of("init"))
    await tree.crash("a")
    await tree.ended.wait()
    assert len(probe.of("init")) - before == 2


@pytest.mark.proves("R15")
def test_r15_window_is_inclusive():
    """A stamp exactly one period old counts; one a hair older does not."""
    assert add_restart([0.0], 5.0, intensity=1, period=5.0) == ([0.0, 5.0], False)
    assert add_restart([0.0], 5.0001, intensity=1, period=5.0) == ([5.0001], True)
    assert add_restart([], 0.0, intensity=0, period=5.0) == ([0.0], False)


@pytest.mark.proves("R15")
@given(
    st.lists(st.integers(0, 40), max_size=30).map(sorted),
    st.integers(0, 5),
    st.integers(1, 10),
)
def test_r15_the_window_agrees_with_counting_everything(times, intensity, period):
    """Whatever the history: allowed while the restarts since `now - period` are few enough."""
    stamps: list[float] = []
    for index, now in enumerate(times):
        stamps, fits = add_restart(stamps, float(now), intensity=intensity, period=float(period))
        recent = [time for time in times[: index + 1] if time >= now - period]
        assert stamps == recent
        assert fits == (len(recent) <= intensity)


@pytest.mark.proves("R16")
async def test_r16_all_children_share_one_budget(start, probe):
    """Each crashes once, and the third is one too many."""
    tree = await start([child(name, probe) for name in "abc"], intensity=2)
    await tree.crash("a")
    await tree.crash("b")
    assert not tree.ended.is_set()
    await tree.crash("c")
    await tree.ended.wait()


@pytest.mark.proves("R16")
async def test_r16_manual_calls_and_exits_without_restart_are_free(start, probe):
    """Terminate, restart, start, their failures, clean ends and temporary crashes."""
    plan = Plan()
    tree = await start(
        [child("a", probe, plan), child("t", probe, restart=Restart.TRANSIENT)], intensity=0
    )
    for _ in range(5):
        await terminate_child(tree.root, "a")
        plan.starts = [Boom("no")]
        with pytest.raises(StartFailed):
            await restart_child(tree.root, "a")
        await restart_child(tree.root, "a")
        with pytest.raises(StartFailed):
            await start_child(tree.root, child("b", probe, Plan([Boom("no")])))
        await tree.end("t", NORMAL)
        await restart_child(tree.root, "t")
        await start_child(tree.root, child("c", probe, restart=Restart.TEMPORARY))
        await tree.crash("c")
    assert used(tree) == 0
    assert not tree.ended.is_set()


@pytest.mark.proves("R17")
async def test_r17_giving_up(start, probe):
    """The offender is not restarted, the others stop in reverse, the reason is shutdown."""
    inner = supervisor("s", [child(name, probe) for name in ("a", "bad", "c")], intensity=1)
    tree = await start([child("first", probe), inner])
    gone = tree["s"].monitor()
    await tree.crash("s/bad")
    probe.clear()
    await tree.crash("s/bad")
    assert await gone.wait() == SHUTDOWN
    assert probe.of("terminate") == ["s/bad", "s/c", "s/a"]
    (exceeded,) = tree.seen(IntensityExceeded)
    assert (exceeded.path, exceeded.child) == ("s", "s/bad")
    assert [e.decision for e in tree.seen(Exited) if e.path == "s/bad"] == ["restart", "escalate"]
    # It is permanent, so its parent brings it back, with all of its children.
    assert probe.of("init") == ["s/a", "s/bad", "s/c"]
    assert "first" not in probe.of("init")


@pytest.mark.proves("R17")
@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
async def test_r17_only_a_permanent_supervisor_comes_back(start, probe, restart):
    """Shutdown is a clean exit for its parent."""
    inner = supervisor("s", [child("a", probe)], intensity=0, restart=restart)
    tree = await start([inner])
    await tree.crash("s/a")
    assert "s" not in tree
    assert not tree.ended.is_set()


@pytest.mark.proves("R17")
async def test_r17_it_comes_back_without_its_dynamic_children(start, probe):
    """What was added by hand is not in the initial list; a dynamic supervisor is empty again."""
    inner = supervisor("s", [child("a", probe)], intensity=0)
    tree = await start([inner, dynamic_supervisor("d", intensity=0)])
    await start_child(tree["s"], child("added", probe))
    for _ in range(3):
        await start_child(tree["d"], child("x", probe))
    await tree.crash("s/a")
    await tree.crash("d/2")
    assert [info.id for info in await which_children(tree["s"])] == ["a"]
    assert await which_children(tree["d"]) == []
    # Numbers are not used again, and nothing is remembered of paths that do not come back.
    assert (await start_child(tree["d"], child("x", probe))).path == "d/4"
    assert set(tree.system.paths) == {"root", "s", "s/a", "d", "d/4"}


@pytest.mark.proves("R18")
async def test_r18_crashes_farther_apart_than_the_period_never_escalate(start, probe):
    """Twenty of them, with a budget of one."""
    tree = await start([child("a", probe)], intensity=1, period=1.0)
    for _ in range(20):
        await tree.crash("a")
        await trio.sleep(1.001)
    assert await tree["a"].call(Who()) == ("a", 21)
    await tree.crash("a")
    await tree.crash("a")
    await tree.ended.wait()


@pytest.mark.proves("R19")
async def test_r19_backoff_waits_longer_each_time(start, probe):
    """Doubling from a tenth of a second up to its longest; it is told, and seen in the tree."""
    backoff = Backoff(first=0.1, longest=0.5, factor=2.0, jitter=0.0)
    plan = Plan([None, Boom("1"), Boom("2"), Boom("3")])
    tree = await start([child("a", probe, plan)], intensity=10, period=60.0, backoff=backoff)
    began = trio.current_time()
    await tree.crash("a")
    assert [info.state for info in await which_children(tree.root)] == [ChildState.RESTARTING]
    await trio.sleep(5)
    assert await tree["a"].call(Who()) == ("a", 5)
    assert [event.delay for event in tree.seen(RestartScheduled)] == [0.1, 0.2, 0.4, 0.5]
    attempts = [entry[2] - began for entry in probe if entry[0] == "init over"][1:]
    assert attempts == pytest.approx([0.1, 0.3, 0.7, 1.2])


@pytest.mark.proves("R19")
async def test_r19_a_child_that_lived_long_starts_from_the_first_wait_again(start, probe):
    """Long is the supervisor's period."""
    backoff = Backoff(first=0.1, longest=9.0, jitter=0.0)
    tree = await start([child("a", probe)], intensity=10, period=5.0, backoff=backoff)
    for lived in 0, 1, 1, 6:
        await trio.sleep(lived + 10 * (lived > 5))
        await tree.crash("a")
        await trio.sleep(1)
    assert [event.delay for event in tree.seen(RestartScheduled)] == [0.1, 0.2, 0.4, 0.1]


@pytest.mark.proves("R19")
async def test_r19_a_stop_interrupts_the_wait(start, probe):
    """Nobody sits out a back-off of an hour."""
    backoff = Backoff(first=3600.0, longest=3600.0)
    tree = await start([child("a", probe), child("b", probe)], backoff=backoff)
    await tree.crash("a")
    began = trio.current_time()
    assert await tree.stop() == SHUTDOWN
    assert trio.current_time() == began
    assert probe.of("init") == ["a", "b"]


@pytest.mark.proves("R19")
def test_r19_jitter_spreads_and_bounds_hold():
    """A wait lies between its jittered part and the whole, whatever the attempt."""
    backoff = Backoff(first=1.0, longest=8.0, factor=2.0, jitter=0.5)
    rng = random.Random(7)
    for attempt, whole in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (10_000, 8.0)]:
        waits = [backoff.wait(attempt, rng) for _ in range(200)]
        assert all(whole / 2 <= wait <= whole for wait in waits)
        assert max(waits) - min(waits) > whole / 4


@pytest.mark.proves("R19")
@pytest.mark.parametrize(
    "bad", [{"first": -1.0}, {"longest": 0.01}, {"factor": 0.5}, {"jitter": 1.5}]
)
def test_r19_a_bad_backoff_is_refused(bad):
    """By an error of its own."""
    with pytest.raises(SpecError, match=r"^invalid_backoff: "):
        Backoff(**bad)


@pytest.mark.proves("R19")
async def test_r19_backoff_is_off_by_default(start, probe):
    """The restart happens at once."""
    tree = await start([ChildSpec("x", Actor), child("a", probe)])
    began = trio.current_time()
    await tree.crash("a")
    assert "a" in tree
    assert trio.current_time() == began
    assert not tree.seen(RestartScheduled)


@pytest.mark.proves("R78")
async def test_r78_a_failed_attempt_is_charged_when_its_retry_has_its_turn(start, probe):
    """As in OTP: one that is called off costs nothing, so the supervisor lives."""
    plan = Plan([None, Boom("once")])
    tree = await start([child("a", probe, plan)], intensity=1, backoff=Backoff(1.0, 1.0, 1.0, 0.0))
    ref = await tree.crash("a")
    assert used(tree) == 1
    await trio.sleep(1.5)  # the first attempt has failed, and its retry is due in half a second
    assert used(tree) == 1
    await terminate_child(tree.root, ref)
    await trio.sleep(2)
    assert used(tree) == 1
    assert tree.root.alive
    await restart_child(tree.root, "a")
    assert "a" in tree


@pytest.mark.proves("R78", "R22")
async def test_r78_a_retry_that_a_group_restart_overtakes_costs_nothing(start, probe):
    """B fails to come back; before its retry, a crashes and takes b along: two units, not three."""
    plan = Plan([None, Boom("once")])
    tree = await start(
        [child("a", probe), child("b", probe, plan)],
        strategy=Strategy.REST_FOR_ONE,
        intensity=3,
        backoff=Backoff(1.0, 8.0, 4.0, 0.0),
    )
    await tree.crash("b")
    await trio.sleep(1.5)  # b's attempt at 1 s failed; its retry is due at 5 s
    await tree.crash("a")  # comes back at 2.5 s and takes b along
    await trio.sleep(1.1)
    assert [ref.generation for ref in tree.refs("a", "b")] == [2, 3]
    assert used(tree) == 2
    await trio.sleep(5)
    assert tree["b"].generation == 3
    assert tree.root.alive


@pytest.mark.proves("R78", "R14")
async def test_r78_one_retry_too_many_gives_up_with_the_reason_of_the_last_attempt(start, probe):
    """It gives up when the retry is due, not when the attempt fails."""
    plan = Plan([None, Boom("1"), Boom("2")])
    tree = await start([child("a", probe, plan)], intensity=1, backoff=Backoff(1.0, 1.0, 1.0, 0.0))
    await tree.crash("a")
    await trio.sleep(1.5)
    assert not tree.ended.is_set()
    await tree.ended.wait()
    assert trio.current_time() == 2.0
    (event,) = tree.seen(IntensityExceeded)
    assert str(event.reason) == "crash(Boom: 1)"
