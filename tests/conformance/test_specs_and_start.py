"""R1 to R8: child specs, flags, and the start of a tree."""

from __future__ import annotations

import math
from functools import partial

import pytest
import trio

from supervision import (
    BRUTAL_KILL,
    IGNORE,
    Actor,
    AlreadyStarted,
    AutoShutdown,
    BadInit,
    ChildSpec,
    ChildState,
    Crash,
    FailedToStartChild,
    Flags,
    Kind,
    Restart,
    Shutdown,
    SpecError,
    StartFailed,
    StartTimeout,
    Strategy,
    count_children,
    dynamic_supervisor,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from supervision.events import FailedStart, IntensityExceeded, Started
from tests.conformance.support import HANG, Boom, Plan, child


@pytest.mark.proves("R1")
def test_r1_defaults():
    """What is not said is OTP's, with Elixir's budget of three restarts in five seconds."""
    flags = Flags()
    assert flags.strategy is Strategy.ONE_FOR_ONE
    assert (flags.intensity, flags.period) == (3, 5.0)
    assert flags.auto_shutdown is AutoShutdown.NEVER

    worker = ChildSpec("w", Actor)
    assert worker.restart is Restart.PERMANENT
    assert worker.kind is Kind.WORKER
    assert worker.shutdown_seconds == 5.0
    assert worker.start_seconds == 30.0
    assert not worker.significant

    assert supervisor("s", []).shutdown_seconds == math.inf
    assert dynamic_supervisor("d").shutdown_seconds == math.inf
    assert supervisor("s", []).kind is Kind.SUPERVISOR


BAD_FLAGS = [
    ("invalid_intensity", {"intensity": -1}),
    ("invalid_intensity", {"intensity": 1.5}),
    ("invalid_intensity", {"intensity": True}),
    ("invalid_intensity", {"intensity": math.inf}),
    ("invalid_period", {"period": 0}),
    ("invalid_period", {"period": -1.0}),
    ("invalid_period", {"period": math.nan}),
    ("invalid_period", {"period": math.inf}),
    ("invalid_period", {"period": "5"}),
    ("invalid_strategy", {"strategy": "one_for_some"}),
    ("invalid_auto_shutdown", {"auto_shutdown": None}),
    ("invalid_backoff", {"backoff": 0.1}),
]
BAD_CHILDREN = [
    ("missing_id", {"id": ""}),
    ("invalid_id", {"id": 7}),
    ("invalid_id", {"id": "a/b"}),
    ("missing_start", {"start": None}),
    ("invalid_start", {"start": "Actor"}),
    ("invalid_restart", {"restart": "always"}),
    ("invalid_shutdown", {"shutdown": -1}),
    ("invalid_shutdown", {"shutdown": math.nan}),
    ("invalid_shutdown", {"shutdown": "kill"}),
    ("invalid_shutdown", {"shutdown": True}),
    ("invalid_kind", {"kind": "actor"}),
    ("invalid_significant", {"significant": 1}),
    ("invalid_start_timeout", {"start_timeout": 0}),
    ("invalid_start_timeout", {"start_timeout": "30"}),
]


@pytest.mark.proves("R2")
@pytest.mark.parametrize(("code", "flags"), BAD_FLAGS)
def test_r2_each_bad_flag_is_refused_by_name(code, flags):
    """The error's code and text name the field; the spec of the supervisor cannot be made."""
    with pytest.raises(SpecError, match=rf"^{code}: ") as caught:
        supervisor("s", [], **flags)
    assert caught.value.code == code


@pytest.mark.proves("R2")
@pytest.mark.parametrize(("code", "fields"), BAD_CHILDREN)
def test_r2_each_bad_field_of_a_child_is_refused_by_name(code, fields):
    """A child spec that is wrong does not come into being."""
    with pytest.raises(SpecError, match=rf"^{code}: ") as caught:
        ChildSpec(**{"id": "a", "start": Actor} | fields)
    assert caught.value.code == code


@pytest.mark.proves("R2")
@pytest.mark.parametrize("value", [-1, math.nan, "5", True])
def test_r2_max_children_is_checked_before_anything_starts(value):
    """Also a dynamic supervisor's settings are checked when its spec is made."""
    with pytest.raises(SpecError, match=r"^invalid_max_children: "):
        dynamic_supervisor("d", max_children=value)


@pytest.mark.proves("R2")
async def test_r2_with_intensity_0_the_first_restart_escalates(start, probe):
    """No restart is allowed, so none happens."""
    tree = await start([child("a", probe)], intensity=0)
    await tree.crash("a")
    await tree.ended.wait()
    assert tree.reason == Shutdown()
    assert probe.of("init") == ["a"]
    assert [event.child for event in tree.seen(IntensityExceeded)] == ["a"]


@pytest.mark.proves("R3")
async def test_r3_a_duplicate_id_refuses_the_whole_start(start, probe):
    """Nothing is started, not even what stands before the duplicate."""
    tree = await start([child("a", probe), child("b", probe), child("a", probe)])
    assert isinstance(tree.reason, Crash)
    assert isinstance(tree.reason.error, SpecError)
    assert tree.reason.error.code == "duplicate_child_id"
    assert probe == []


@pytest.mark.proves("R3")
def test_r3_what_is_no_spec_refuses_the_whole_supervisor(probe):
    """A class in the list, say, is named in the error, before anything is started."""
    with pytest.raises(SpecError, match=r"^invalid_child_spec: .*Actor.> is not a ChildSpec"):
        supervisor("s", [child("a", probe), Actor])


@pytest.mark.proves("R4")
async def test_r4_significant_is_refused_where_it_could_never_matter(start, probe):
    """Permanent children never end for good; under `never` nobody looks."""
    with pytest.raises(SpecError, match=r"^bad_combination: "):
        child("a", probe, significant=True)
    significant = child("a", probe, significant=True, restart=Restart.TRANSIENT)
    tree = await start([significant])
    assert tree.reason.error.code == "bad_combination"
    tree = await start([child("s", probe), dynamic_supervisor("d")])
    for parent in tree.root, tree["d"]:
        with pytest.raises(SpecError, match=r"^bad_combination: "):
            await start_child(parent, significant)
    assert tree.seen(Started)[-1].path == "root"


@pytest.mark.proves("R5")
async def test_r5_children_start_one_after_another(start, probe):
    """The next start is not begun before the previous `init` has ended, slow as it may be."""
    specs = [
        child(name, probe, Plan([wait])) for name, wait in (("c", 3.0), ("a", 0.0), ("b", 1.0))
    ]
    tree = await start(specs)
    assert "root" in tree
    assert not tree.seen(Started)
    await trio.sleep(10)
    assert [(entry[0], entry[1]) for entry in probe if entry[0] in {"init", "up"}] == [
        ("init", "c"), ("up", "c"), ("init", "a"), ("up", "a"), ("init", "b"), ("up", "b"),
    ]  # fmt: skip
    # The supervisor itself is up when all of them are.
    assert [event.path for event in tree.seen(Started)] == ["c", "a", "b", "root"]


@pytest.mark.proves("R5")
async def test_r5_a_start_that_takes_too_long_has_failed(start, probe):
    """The child is cancelled, and gone before the start counts as failed."""
    tree = await start([child("a", probe, Plan([HANG]), start_timeout=7.0)])
    began = trio.current_time()
    await tree.ended.wait()
    assert trio.current_time() - began == pytest.approx(7.0)
    failure = tree.reason.term
    assert isinstance(failure, FailedToStartChild)
    assert isinstance(failure.reason.error, StartTimeout)
    assert "7 s" in str(tree.reason)
    assert ("init over", "a", trio.current_time()) in probe


@pytest.mark.proves("R5")
async def test_r5_an_init_that_never_noticed_its_cancellation_is_not_up(start, probe):
    """It returned after the timeout without another await: no actor may stay behind."""

    class Stubborn(Actor):
        async def init(self) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)

    tree = await start([child("a", probe), dynamic_supervisor("d")])
    with pytest.raises(StartFailed, match="start_timeout of 1 s"):
        await start_child(tree["d"], ChildSpec("x", Stubborn, start_timeout=1.0))
    assert [event.path for event in tree.seen(Started)] == ["a", "d", "root"]
    assert [event.path for event in tree.seen(FailedStart)] == ["d/1"]
    assert "d/1" not in tree


@pytest.mark.proves("R6")
async def test_r6_a_failed_start_stops_the_earlier_ones_in_reverse(start, probe):
    """No retry, no intensity used; the reason names the child and what happened to it."""
    boom = Boom("no")
    tree = await start(
        [child("a", probe), child("b", probe), child("c", probe, Plan(always=boom)),
         child("d", probe)]
    )  # fmt: skip
    assert tree.reason == Shutdown(FailedToStartChild("c", Crash(boom)))
    assert str(tree.reason) == "shutdown(failed_to_start_child, c, crash(Boom: no))"
    assert probe.of("init") == ["a", "b", "c"]
    assert probe.of("terminate") == ["b", "a"]
    assert not tree.seen(IntensityExceeded)
    assert tree.system.names == {}


@pytest.mark.proves("R6")
async def test_r6_a_failure_deep_in_the_tree_names_the_way_to_it(start, probe):
    """Each level adds its own child's id."""
    inner = supervisor("inner", [child("x", probe, Plan([Boom("no")]))])
    tree = await start([inner])
    assert str(tree.reason) == (
        "shutdown(failed_to_start_child, inner, "
        "shutdown(failed_to_start_child, x, crash(Boom: no)))"
    )


@pytest.mark.proves("R7")
async def test_r7_ignore_keeps_the_spec_of_static_children_that_could_come_back(start, probe):
    """Permanent and transient children stay listed without an actor, a temporary one does not."""
    tree = await start(
        [child(str(restart), probe, Plan([IGNORE]), restart=restart) for restart in Restart]
        + [dynamic_supervisor("d")]
    )
    infos = {info.id: (info.ref, info.state) for info in await which_children(tree.root)}
    assert infos["permanent"] == (None, ChildState.STOPPED)
    assert infos["transient"] == (None, ChildState.STOPPED)
    assert "temporary" not in infos
    assert await count_children(tree.root) == (3, 1, 1, 2)

    assert await start_child(tree["d"], child("x", probe, Plan([IGNORE]))) is None
    assert await count_children(tree["d"]) == (0, 0, 0, 0)
    assert not tree.seen(FailedStart)
    assert probe.of("terminate") == []


@pytest.mark.proves("R8")
async def test_r8_a_taken_name_answers_who_has_it(start, probe):
    """Also when the holder is somebody else's child, and nothing of the new one stays."""
    tree = await start(
        [supervisor("other", [child("holder", probe, name="quotes")]), dynamic_supervisor("d")]
    )
    holder = tree["other/holder"]
    for parent in tree.root, tree["d"]:
        with pytest.raises(AlreadyStarted) as caught:
            await start_child(parent, child("late", probe, name="quotes"))
        assert caught.value.ref == holder
        assert "other/holder" in str(caught.value)
    assert set(tree.system.names) == {"root", "other", "other/holder", "quotes", "d"}
    assert set(tree.system.paths) == {"root", "other", "other/holder", "d"}
    assert probe.of("init") == ["other/holder"]


@pytest.mark.proves("R8")
async def test_r8_the_name_is_free_when_the_starter_hears_of_a_failed_init(start, probe):
    """So it can be started anew, under the same names, in the next line."""
    tree = await start([])
    spec = child("a", probe, Plan([Boom("first")]), name="quotes")
    with pytest.raises(StartFailed):
        await start_child(tree.root, spec)
    assert "a" not in tree
    assert "quotes" not in tree
    assert await start_child(tree.root, spec) == tree["quotes"]
    await terminate_child(tree.root, "a")
    assert "quotes" not in tree


@pytest.mark.proves("R6")
@pytest.mark.parametrize("made", [None, "an actor", Actor])
async def test_a_factory_that_makes_something_else_is_a_failed_start(start, made):
    """The error says what it made, and at which path."""
    tree = await start([ChildSpec("a", lambda: made)])
    failure = tree.reason.term.reason.error
    assert isinstance(failure, BadInit)
    assert str(failure).startswith("a: ")


@pytest.mark.proves("R6")
async def test_a_factory_that_gives_the_same_actor_twice_is_refused(start, probe):
    """An old incarnation's state must not come back as a new one."""
    actor = child("a", probe).start()
    tree = await start([ChildSpec("a", lambda: actor)], intensity=2)
    await tree.crash("a")
    await tree.ended.wait()
    (exceeded,) = tree.seen(IntensityExceeded)
    assert isinstance(exceeded.reason.error, BadInit)
    assert "started before" in str(exceeded.reason.error)


@pytest.mark.proves("R38")
async def test_arguments_of_the_spec_reach_the_factory(start, probe):
    """`args` are passed on at every start."""
    made = []

    def factory(*arguments: object) -> Actor:
        made.append(arguments)
        return Actor()

    tree = await start([ChildSpec("a", partial(factory, 1), (2, 3))])
    await tree.kill("a")
    assert made == [(1, 2, 3), (1, 2, 3)]


@pytest.mark.proves("R26")
def test_brutal_kill_is_a_shutdown_of_its_own():
    """It is neither a number nor the default."""
    assert ChildSpec("a", Actor, shutdown=BRUTAL_KILL).shutdown_seconds == "brutal_kill"
