"""R36 to R41: the dynamic supervisor."""

from __future__ import annotations

import pytest
import trio

from supervision import (
    IGNORE,
    ActorRef,
    Backoff,
    ChildState,
    Counts,
    MaxChildren,
    NotFound,
    Restart,
    SpecError,
    StartFailed,
    UnhandledRequest,
    count_children,
    delete_child,
    dynamic_supervisor,
    restart_child,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from tests.conformance.support import Boom, Obedient, Plan, Who, child


@pytest.mark.proves("R36", "R41")
async def test_r36_ids_are_running_numbers(start, probe):
    """The spec's own id is not asked: the same spec may be started again and again."""
    tree = await start([supervisor("s", [dynamic_supervisor("pool")])])
    pool = tree["s/pool"]
    refs = [await start_child(pool, child("same", probe)) for _ in range(3)]
    assert [ref.path for ref in refs] == ["s/pool/1", "s/pool/2", "s/pool/3"]
    await terminate_child(pool, refs[2])
    again = await start_child(pool, child("same", probe))
    assert again.path == "s/pool/4", "a path names one child, for good"
    assert [info.id for info in await which_children(pool)] == ["4", "2", "1"]


@pytest.mark.proves("R41")
async def test_r41_start_child_answers_the_ref(start, probe):
    """Of the incarnation it has started, ready to be used."""
    tree = await start([dynamic_supervisor("d")])
    ref = await start_child(tree["d"], child("x", probe))
    assert isinstance(ref, ActorRef)
    assert await ref.call(Who()) == ("d/1", 1)


@pytest.mark.proves("R37")
async def test_r37_max_children(start, probe):
    """Those waiting for a restart count; what is gone does not; restarts change nothing."""
    plan = Plan([None, Boom("later")])
    backoff = Backoff(first=10.0, jitter=0.0)
    tree = await start([dynamic_supervisor("d", max_children=2, backoff=backoff)])
    await start_child(tree["d"], child("x", probe, plan))
    other = await start_child(tree["d"], child("y", probe))
    await tree.crash("d/1")
    assert await count_children(tree["d"]) == Counts(2, 1, 0, 2)
    with pytest.raises(MaxChildren, match=r"^max_children: .*2 are allowed"):
        await start_child(tree["d"], child("z", probe))
    await trio.sleep(100)
    assert await count_children(tree["d"]) == Counts(2, 2, 0, 2)
    with pytest.raises(MaxChildren):
        await start_child(tree["d"], child("z", probe))
    await terminate_child(tree["d"], other)
    await start_child(tree["d"], child("z", probe))


@pytest.mark.proves("R37")
async def test_r37_zero_is_legal(start, probe):
    """Nothing can be started, and that is an answer."""
    tree = await start([dynamic_supervisor("d", max_children=0)])
    with pytest.raises(MaxChildren):
        await start_child(tree["d"], child("x", probe))
    assert probe == []


@pytest.mark.proves("R37")
async def test_r37_failed_and_ignored_starts_take_no_place(start, probe):
    """They leave nothing behind."""
    tree = await start([dynamic_supervisor("d", max_children=1)])
    for _ in range(3):
        with pytest.raises(StartFailed):
            await start_child(tree["d"], child("x", probe, Plan([Boom("no")])))
        assert await start_child(tree["d"], child("x", probe, Plan([IGNORE]))) is None
    await start_child(tree["d"], child("x", probe))


@pytest.mark.proves("R38")
async def test_r38_extra_arguments_come_first_also_on_restart(start, probe):
    """Before the spec's own arguments."""

    def make(shared: str, own: str) -> Obedient:
        return Obedient(probe, arguments=(shared, own))

    tree = await start([dynamic_supervisor("d", extra_arguments=("shared",))])
    spec = child("x", probe)
    spec = type(spec)("x", make, ("own",))
    await start_child(tree["d"], spec)
    await tree.crash("d/1")
    assert [entry[3] for entry in probe if entry[0] == "init"] == [("shared", "own")] * 2


@pytest.mark.proves("R39")
async def test_r39_terminate_child_by_ref(start, probe):
    """Of a running child, and only of one's own."""
    tree = await start([dynamic_supervisor("d"), dynamic_supervisor("e")])
    ref = await start_child(tree["d"], child("x", probe))
    with pytest.raises(NotFound):
        await terminate_child(tree["e"], ref)
    assert ref.alive
    await terminate_child(tree["d"], ref)
    assert not ref.alive
    assert probe.of("terminate") == ["d/1"]
    with pytest.raises(NotFound):
        await terminate_child(tree["d"], ref)
    for stranger in "1", "nobody", tree["e"]:
        with pytest.raises(NotFound):
            await terminate_child(tree["d"], stranger)


@pytest.mark.proves("R39")
async def test_r39_terminate_child_of_a_restarting_child(start, probe):
    """The ref of the incarnation that crashed finds it, and the retry is off."""
    backoff = Backoff(first=10.0, jitter=0.0)
    tree = await start([dynamic_supervisor("d", backoff=backoff)])
    ref = await start_child(tree["d"], child("x", probe))
    await tree.crash("d/1")
    assert [info.state for info in await which_children(tree["d"])] == [ChildState.RESTARTING]
    await terminate_child(tree["d"], ref)
    await trio.sleep(100)
    assert await which_children(tree["d"]) == []
    assert probe.of("init") == ["d/1"]


@pytest.mark.proves("R40")
async def test_r40_a_restart_that_answers_ignore_removes_the_entry(start, probe):
    """There is nobody to restart it later."""
    tree = await start([dynamic_supervisor("d")])
    ref = await start_child(tree["d"], child("x", probe, Plan([None, IGNORE])))
    await tree.crash("d/1")
    assert await count_children(tree["d"]) == Counts(0, 0, 0, 0)
    assert ref.path not in tree.system.paths


async def test_what_a_dynamic_supervisor_does_not_have(start, probe):
    """Restart and delete by id belong to the static one: asked for, they are refused."""
    tree = await start([dynamic_supervisor("d")])
    await start_child(tree["d"], child("x", probe))
    for manage in restart_child, delete_child:
        with pytest.raises(UnhandledRequest):
            await manage(tree["d"], "1")
    with pytest.raises(SpecError, match=r"^bad_combination: "):
        await start_child(tree["d"], child("x", probe, significant=True, restart=Restart.TRANSIENT))
    assert await count_children(tree["d"]) == Counts(1, 1, 0, 1)


async def test_supervisors_under_a_dynamic_supervisor(start, probe):
    """A child may be a whole tree; when it is gone, nothing is known of its paths."""
    tree = await start([dynamic_supervisor("d")])
    ref = await start_child(tree["d"], supervisor("room", [child("a", probe), child("b", probe)]))
    await tree.crash("d/1/a")
    assert await tree["d/1/a"].call(Who()) == ("d/1/a", 2)
    await terminate_child(tree["d"], ref)
    assert probe.of("terminate") == ["d/1/a", "d/1/b", "d/1/a"]
    assert set(tree.system.paths) == {"root", "d"}


async def test_a_dynamic_supervisor_can_be_the_root(start, probe):
    """Its children's paths are their numbers."""
    tree = await start(dynamic_supervisor("root", max_children=5))
    ref = await start_child(tree.root, child("x", probe))
    assert ref.path == "1"
    await terminate_child(tree.root, ref)
    assert await which_children(tree.root) == []


@pytest.mark.proves("R79")
@pytest.mark.parametrize("kind", ["static", "dynamic"])
async def test_r79_a_stale_ref_names_nobody(start, probe, kind):
    """Who handles a DOWN by terminating `down.ref` must not take down the successor."""
    tree = await start([supervisor("static", []), dynamic_supervisor("dynamic")])
    old = await start_child(tree[kind], child("a", probe))
    path = old.path
    await tree.kill(path)
    assert tree[path].generation == 2
    with pytest.raises(NotFound):
        await terminate_child(tree[kind], old)
    assert tree[path].alive
    await terminate_child(tree[kind], tree[path])
    assert path not in tree


@pytest.mark.proves("R79", "R39")
async def test_r79_the_last_incarnation_names_a_child_that_waits_for_its_restart(start, probe):
    """As in Elixir: until another one is up, it is the only name there is."""
    plan = Plan([None, Boom("1"), Boom("2")])
    tree = await start([dynamic_supervisor("d", backoff=Backoff(1.0, 1.0, 1.0, 0.0))])
    ref = await start_child(tree["d"], child("a", probe, plan))
    await tree.crash(ref.path)
    await trio.sleep(1.5)
    assert (await which_children(tree["d"]))[0].state is ChildState.RESTARTING
    await terminate_child(tree["d"], ref)
    assert await which_children(tree["d"]) == []


@pytest.mark.proves("R79")
async def test_a_ref_of_another_supervisors_child_is_not_found(start, probe):
    """Also where the ids are the same."""
    tree = await start([dynamic_supervisor("d"), dynamic_supervisor("e")])
    ref = await start_child(tree["d"], child("a", probe))
    await start_child(tree["e"], child("a", probe))
    for asked in ref, ref.path, tree.system.ref(ref.path):
        with pytest.raises(NotFound):
            await terminate_child(tree["e"], asked)
    assert "e/1" in tree
