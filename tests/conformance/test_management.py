"""R30 to R35: managing the children of a static supervisor."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from supervision import (
    IGNORE,
    NORMAL,
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    ChildSpec,
    ChildState,
    Counts,
    Kind,
    NoProc,
    NotFound,
    Restart,
    StartFailed,
    StillRunning,
    count_children,
    delete_child,
    dynamic_supervisor,
    replace_child,
    restart_child,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from tests.conformance.support import Boom, Plan, Who, child


@pytest.mark.proves("R30")
async def test_r30_start_child(start, probe):
    """The ref of what was started, or the reason why not."""
    tree = await start([child("a", probe)])
    ref = await start_child(tree.root, child("b", probe))
    assert ref == tree["b"]
    with pytest.raises(AlreadyStarted) as caught:
        await start_child(tree.root, child("a", probe))
    assert caught.value.ref == tree["a"]
    await terminate_child(tree.root, "a")
    with pytest.raises(AlreadyPresent, match=r"^already_present: child 'a' is stopped"):
        await start_child(tree.root, child("a", probe))


@pytest.mark.proves("R30")
@pytest.mark.parametrize("how", ["init raises", "factory raises", "factory lies"])
async def test_r30_a_failed_start_drops_the_spec(start, probe, how):
    """The error names the child and carries the reason; the id is free."""

    def factory():
        if how == "factory raises":
            raise Boom("in the factory")
        return "no actor"

    spec = child("a", probe, Plan([Boom("in init")])) if how == "init raises" else (
        ChildSpec("a", factory)
    )  # fmt: skip
    tree = await start([])
    with pytest.raises(
        StartFailed, match=r"^start_failed: child 'a' did not start: crash"
    ) as caught:
        await start_child(tree.root, spec)
    assert caught.value.child == "a"
    assert await which_children(tree.root) == []
    assert "a" not in tree.system.paths
    await start_child(tree.root, child("a", probe))


@pytest.mark.proves("R31")
async def test_r31_terminate_child(start, probe):
    """Idempotent; the spec stays, unless temporary; unknown ids are not found."""
    tree = await start([child("a", probe), child("t", probe, restart=Restart.TEMPORARY)])
    for _ in range(2):
        await terminate_child(tree.root, "a")
        assert "a" not in tree
    await terminate_child(tree.root, "t")
    assert [(info.id, info.state) for info in await which_children(tree.root)] == [
        ("a", ChildState.STOPPED)
    ]
    for unknown in "t", "nobody":
        with pytest.raises(NotFound, match=rf"^not_found: child '{unknown}'.*'root'"):
            await terminate_child(tree.root, unknown)
    assert probe.of("terminate") == ["a", "t"]


@pytest.mark.proves("R31")
@pytest.mark.parametrize("auto", [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT])
async def test_r31_terminate_child_never_triggers_auto_shutdown(start, probe, auto):
    """Neither for a transient nor for a temporary child."""
    tree = await start(
        [
            child("tr", probe, significant=True, restart=Restart.TRANSIENT),
            child("te", probe, significant=True, restart=Restart.TEMPORARY),
        ],
        auto_shutdown=auto,
    )
    await terminate_child(tree.root, "te")
    await terminate_child(tree.root, "tr")
    await tree.settle()
    assert not tree.ended.is_set()


@pytest.mark.proves("R32")
async def test_r32_restart_and_delete_only_what_is_stopped(start, probe):
    """`running` and `not_found` have errors of their own (for `restarting` see R25)."""
    tree = await start([child("a", probe)])
    for manage in restart_child, delete_child:
        with pytest.raises(StillRunning, match=r"^running: child 'a'"):
            await manage(tree.root, "a")
        with pytest.raises(NotFound):
            await manage(tree.root, "b")
    await terminate_child(tree.root, "a")
    ref = await restart_child(tree.root, "a")
    assert await ref.call(Who()) == ("a", 2)
    await terminate_child(tree.root, "a")
    await delete_child(tree.root, "a")
    assert await which_children(tree.root) == []
    with pytest.raises(NotFound):
        await delete_child(tree.root, "a")


@pytest.mark.proves("R32")
async def test_r32_a_failed_restart_child_keeps_the_spec(start, probe):
    """It is down, costs nothing, and can be tried again; ignore is no failure."""
    plan = Plan([None, Boom("no"), IGNORE])
    tree = await start([child("a", probe, plan)], intensity=0)
    await terminate_child(tree.root, "a")
    with pytest.raises(StartFailed, match="Boom: no"):
        await restart_child(tree.root, "a")
    assert await restart_child(tree.root, "a") is None
    assert await count_children(tree.root) == Counts(1, 0, 0, 1)
    assert (await restart_child(tree.root, "a")).alive


@pytest.mark.proves("R33")
async def test_r33_which_children_lists_the_last_started_first(start, probe):
    """With ids, refs, states and kinds; a restart does not change a child's place."""
    tree = await start([child("c", probe), child("a", probe), supervisor("s", [])])
    await start_child(tree.root, child("b", probe))
    await tree.crash("a")
    await terminate_child(tree.root, "c")
    infos = await which_children(tree.root)
    assert [(info.id, info.ref, info.state, info.kind) for info in infos] == [
        ("b", tree["b"], "running", Kind.WORKER),
        ("s", tree["s"], "running", Kind.SUPERVISOR),
        ("a", tree["a"], "running", Kind.WORKER),
        ("c", None, "stopped", Kind.WORKER),
    ]


@pytest.mark.proves("R34")
async def test_r34_count_children(start, probe):
    """Specs and kinds whether up or not; active means alive now."""
    tree = await start(
        [child("a", probe), child("b", probe, restart=Restart.TRANSIENT), supervisor("s", []),
         dynamic_supervisor("d"), child("i", probe, Plan([IGNORE]))]
    )  # fmt: skip
    counts = await count_children(tree.root)
    assert counts == Counts(specs=5, active=4, supervisors=2, workers=3)
    await tree.end("b", NORMAL)
    await terminate_child(tree.root, "s")
    assert await count_children(tree.root) == Counts(5, 2, 2, 3)
    assert await count_children(tree["d"]) == Counts(0, 0, 0, 0)


@pytest.mark.proves("R35")
async def test_r35_a_supervisor_that_is_gone_is_noproc(start, probe):
    """For each management call, by name and by incarnation."""
    tree = await start([supervisor("s", [child("a", probe)])])
    gone = tree["s"]
    await terminate_child(tree.root, "s")
    for target in gone, tree.system.ref("s"):
        for manage in (
            lambda ref: start_child(ref, child("x", probe)),
            lambda ref: terminate_child(ref, "a"),
            lambda ref: restart_child(ref, "a"),
            lambda ref: delete_child(ref, "a"),
            which_children,
            count_children,
        ):
            with pytest.raises(NoProc, match=r"call to 's': noproc"):
                await manage(target)


@pytest.mark.proves("R30")
async def test_a_start_by_hand_waits_its_turn(start, probe):
    """A slow init holds the supervisor, not its callers' requests, which queue."""
    tree = await start([])
    began = trio.current_time()
    order = []

    async def add(name: str, wait: float) -> None:
        await start_child(tree.root, child(name, probe, Plan([wait])))
        order.append((name, trio.current_time() - began))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(add, "a", 3.0)
        await trio.sleep(1)
        nursery.start_soon(add, "b", 2.0)
    assert order == [("a", 3.0), ("b", 5.0)]


async def test_replace_child_costs_no_budget_and_touches_no_other(start, probe):
    """Stopped in order and started again, whatever the strategy; the path has a new generation."""
    plan = Plan()
    tree = await start([child("a", probe, plan), child("b", probe)], intensity=0)
    first, other = tree["a"], tree["b"]
    for _ in range(3):
        ref = await replace_child(tree.root, "a")
        assert ref == tree["a"]
    assert first.alive is False
    assert tree["b"] == other
    assert tree["a"].generation == 4


async def test_replace_child_by_reference_means_that_incarnation(start, probe):
    """One that another has succeeded names nobody; a child that is down is started."""
    tree = await start([child("a", probe)])
    first = tree["a"]
    await replace_child(tree.root, first)
    for gone in (first, "nobody"):
        with pytest.raises(NotFound):
            await replace_child(tree.root, gone)
    await terminate_child(tree.root, "a")
    assert await replace_child(tree.root, "a") == tree["a"]


async def test_replace_child_that_does_not_come_up_is_tried_again(start, probe, autojump_clock):
    """As after a crash: nobody has to be there to see to it."""
    tree = await start([child("a", probe, Plan([None, Boom("in init"), None]))])
    with pytest.raises(StartFailed, match=r"did not start: crash"):
        await replace_child(tree.root, "a")
    await trio.testing.wait_all_tasks_blocked()
    assert tree["a"].alive
