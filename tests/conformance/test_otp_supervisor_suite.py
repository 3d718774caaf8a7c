"""The cases of OTP's own supervisor test suite, by their names, written anew for this API.

Left out: code change, `which_child`, and what belongs to Erlang's processes alone. Where this
runtime says something of its own (a term in the reason, a default), the case says so.
"""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest
import trio

from supervision import (
    BRUTAL_KILL,
    IGNORE,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    Backoff,
    BadInit,
    ChildSpec,
    ChildState,
    Counts,
    Crash,
    NotFound,
    Restart,
    Shutdown,
    SpecError,
    StartFailed,
    StillRunning,
    Strategy,
    System,
    count_children,
    delete_child,
    dynamic_supervisor,
    restart_child,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from supervision.events import IntensityExceeded, StartIgnored
from tests.conformance.support import HANG, Boom, Note, Plan, Probe, Who, child

P, TR, TE = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY
pytestmark = pytest.mark.proves("R13", "R17", "R30", "R31", "R32")


# A. Start


async def test_sup_start_normal(start):
    """It starts empty and stops with shutdown."""
    tree = await start([])
    assert await which_children(tree.root) == []
    assert await tree.stop() == SHUTDOWN


async def test_sup_start_ignore_init(start):
    """A supervisor whose own init answers ignore leaves no trace."""

    class Ignoring(Actor):
        async def init(self) -> object:
            return IGNORE

    tree = await start([ChildSpec("s", Ignoring)])
    assert "s" not in tree
    assert [event.path for event in tree.seen(StartIgnored)] == ["s"]
    assert await System().run(ChildSpec("root", Ignoring)) == NORMAL


async def test_sup_start_ignore_child(start, probe):
    """The ignored permanent child stays listed, without an actor."""
    tree = await start([child("a", probe, Plan([IGNORE])), child("b", probe)])
    assert [(i.id, i.ref) for i in await which_children(tree.root)] == [
        ("b", tree["b"]), ("a", None),
    ]  # fmt: skip
    assert await count_children(tree.root) == Counts(2, 1, 0, 2)


@pytest.mark.parametrize("parent", ["initial", "start_child", "start_child_simple"])
async def test_sup_start_ignore_temporary_child(start, probe, parent):
    """Its spec is not kept, however it was started."""
    spec = child("a", probe, Plan([IGNORE]), restart=TE)
    tree = await start([dynamic_supervisor("d"), *([spec] if parent == "initial" else [])])
    if parent != "initial":
        target = tree.root if parent == "start_child" else tree["d"]
        assert await start_child(target, spec) is None
    assert [info.id for info in await which_children(tree.root)] == ["d"]
    assert await which_children(tree["d"]) == []


async def test_sup_start_ignore_permanent_child_start_child_simple(start, probe):
    """Not kept under a dynamic supervisor, which stops cleanly all the same."""
    tree = await start([dynamic_supervisor("d")])
    assert await start_child(tree["d"], child("a", probe, Plan([IGNORE]))) is None
    monitor = tree["d"].monitor()
    await tree.stop()
    assert await monitor.wait() == SHUTDOWN


@pytest.mark.parametrize("answer", ["error", Boom("raised")])
async def test_sup_start_error_return(start, answer):
    """A bad answer of init, or a raise, is the exact error of the start (and sup_start_fail)."""

    class Bad(Actor):
        async def init(self) -> object:
            if isinstance(answer, Exception):
                raise answer
            return answer

    reason = await System().run(ChildSpec("root", Bad))
    assert isinstance(reason, Crash)
    if isinstance(answer, Exception):
        assert reason.error is answer
    else:
        assert isinstance(reason.error, BadInit)


@pytest.mark.parametrize("simple", [False, True])
async def test_sup_start_child_returns_error(start, probe, simple):
    """Nothing is stored."""
    tree = await start([dynamic_supervisor("d")])
    target = tree["d"] if simple else tree.root
    with pytest.raises(StartFailed):
        await start_child(target, child("a", probe, Plan([Boom("no")])))
    assert len(await which_children(target)) == (0 if simple else 1)


async def test_sup_start_restart_child_returns_error(start, probe):
    """restart_child fails; the child stays, without an actor."""
    tree = await start([child("a", probe, Plan([None, Boom("no")]))])
    await terminate_child(tree.root, "a")
    with pytest.raises(StartFailed):
        await restart_child(tree.root, "a")
    assert [(i.id, i.ref) for i in await which_children(tree.root)] == [("a", None)]


async def test_faulty_application_shutdown(probe):
    """The error of a nested failed start carries the way to it, and the traceback."""
    inner = supervisor("inner", [child("a", probe, Plan([Boom("no")]))])
    reason = await System().run(supervisor("root", [child("x", probe), inner]))
    failed = reason.term.reason.term
    assert failed.id == "a"
    assert failed.reason.error.__traceback__ is not None


async def test_already_started_outside_supervisor(start, probe):
    """A name taken elsewhere gives its holder."""
    tree = await start([dynamic_supervisor("d"), child("x", probe, name="taken")])
    with pytest.raises(AlreadyStarted) as caught:
        await start_child(tree["d"], child("a", probe, name="taken"))
    assert caught.value.ref == tree["x"]


# B. Specs and flags


def test_sup_start_map_faulty_specs():
    """Missing id, missing start, and what is no spec at all; each by name (see also R2)."""
    with pytest.raises(SpecError, match=r"^missing_id"):
        ChildSpec("", Actor)
    with pytest.raises(SpecError, match=r"^missing_start"):
        ChildSpec("a", None)
    with pytest.raises(TypeError):
        ChildSpec("a", Actor, shutdwon=1)  # OTP ignores unknown keys; Python must not


@pytest.mark.parametrize("auto", list(AutoShutdown))
@pytest.mark.parametrize("significant", [False, True])
@pytest.mark.parametrize("restart", list(Restart))
async def test_child_specs_map(probe, auto, significant, restart):
    """The full product: significant needs a restart type and a supervisor it can matter to."""
    legal = not significant or (restart is not P and auto is not AutoShutdown.NEVER)
    if significant and restart is P:
        with pytest.raises(SpecError, match=r"^bad_combination"):
            child("a", probe, restart=restart, significant=True)
        return
    spec = child("a", probe, Plan([IGNORE]), restart=restart, significant=significant)
    system = System()
    outcome = await system.run(
        supervisor("root", [spec], auto_shutdown=auto), on_start=lambda s: s.stop()
    )
    assert (outcome == SHUTDOWN) == legal


# C. Stop


@pytest.mark.parametrize(
    ("shutdown", "stops", "expected"),
    [
        (float("inf"), 100.0, SHUTDOWN),
        (2.0, 1.0, SHUTDOWN),
        (2.0, HANG, KILLED),
        (BRUTAL_KILL, 0.0, KILLED),
    ],
)
@pytest.mark.parametrize("dynamic", [False, True])
async def test_sup_stop(start, probe, shutdown, stops, expected, dynamic):
    """sup_stop_infinity, _timeout, _brutal_kill, and the same with ten dynamic children."""
    number = 10 if dynamic else 2
    specs = [child(str(n), probe, Plan(stops=[stops]), shutdown=shutdown) for n in range(number)]
    tree = await start([dynamic_supervisor("d")] if dynamic else specs)
    if dynamic:
        refs = [await start_child(tree["d"], spec) for spec in specs]
    else:
        refs = tree.refs(*(spec.id for spec in specs))
    monitors = [ref.monitor() for ref in refs]
    assert await tree.stop() == SHUTDOWN
    assert [await monitor.wait() for monitor in monitors] == [expected] * number


async def test_sup_stop_race(start, probe):
    """Twelve children, three types by four reasons, end while the supervisor stops (see R28)."""
    reasons = [NORMAL, SHUTDOWN, Shutdown("x"), Crash(Boom("odd"))]
    tree = await start([supervisor("s", [
        child(f"{restart}{index}", probe, Plan(stops=[0.5]), restart=restart)
        for restart, index in itertools.product(Restart, range(len(reasons)))
    ])])  # fmt: skip
    refs = [ref for ref in (info.ref for info in await which_children(tree["s"])) if ref]
    monitor = tree["s"].monitor()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(terminate_child, tree.root, "s")
        for ref, reason in zip(refs, itertools.cycle(reasons)):
            await trio.sleep(0.1)
            ref.stop(reason)
    assert await monitor.wait() == SHUTDOWN


async def test_sup_stop_non_shutdown_exit_dynamic(start, probe):
    """Dynamic children that end for odd reasons do not disturb the stop."""
    tree = await start([dynamic_supervisor("d")])
    for _ in range(5):
        await start_child(tree["d"], child("a", probe, Plan(stops=[Boom("odd")])))
    monitor = tree["d"].monitor()
    await terminate_child(tree.root, "d")
    assert await monitor.wait() == SHUTDOWN


async def test_order_of_children(start, probe):
    """Start order, a partial and a full stop in reverse; the ids are not in order."""
    names = ["c", "a", "e", "b", "d"]
    tree = await start([child(n, probe) for n in names], strategy=Strategy.REST_FOR_ONE)
    assert probe.of("init") == names
    await tree.kill("e")
    assert probe.of("terminate") == ["d", "b"]
    probe.clear()
    await tree.stop()
    assert probe.of("terminate") == names[::-1]


async def test_child_unlink(start):
    """A child that does all it can to be left alone cannot hang terminate_child."""

    class Naughty(Actor):
        owns_tasks = True

        async def init(self) -> None:
            self.tasks.start_soon(self._cling)

        async def _cling(self) -> None:
            while True:
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(3)

        async def terminate(self, reason: object) -> None:
            await trio.sleep_forever()

    tree = await start([ChildSpec("n", Naughty, shutdown=1.0)])
    began = trio.current_time()
    await terminate_child(tree.root, "n")
    assert trio.current_time() - began == 3.0


# D. Management


async def test_child_adm(start, probe):
    """The whole table of answers of a static supervisor."""
    tree = await start([])
    for call in terminate_child, restart_child, delete_child:
        with pytest.raises(NotFound):
            await call(tree.root, "a")
    ref = await start_child(tree.root, child("a", probe))
    with pytest.raises(AlreadyStarted):
        await start_child(tree.root, child("a", probe))
    for call in restart_child, delete_child:
        with pytest.raises(StillRunning):
            await call(tree.root, "a")
    assert [i.ref for i in await which_children(tree.root)] == [ref]
    await terminate_child(tree.root, "a")
    with pytest.raises(AlreadyPresent):
        await start_child(tree.root, child("a", probe))
    assert [i.ref for i in await which_children(tree.root)] == [None]
    again = await restart_child(tree.root, "a")
    assert again != ref
    await terminate_child(tree.root, "a")
    await delete_child(tree.root, "a")
    assert await count_children(tree.root) == Counts(0, 0, 0, 0)


async def test_child_adm_simple(start, probe):
    """The same for a dynamic one: by ref, and nothing to restart or to delete."""
    tree = await start([dynamic_supervisor("d")])
    refs = [await start_child(tree["d"], child("a", probe)) for _ in range(2)]
    assert [i.ref for i in await which_children(tree["d"])] == refs[::-1]
    await terminate_child(tree["d"], refs[0])
    with pytest.raises(NotFound):
        await terminate_child(tree["d"], refs[0])
    with pytest.raises(NotFound):
        await terminate_child(tree["d"], tree["d"])
    assert await count_children(tree["d"]) == Counts(1, 1, 0, 1)


async def test_which_children(start, probe):
    """Contents through start, terminate and delete."""
    tree = await start([child("a", probe), supervisor("s", [])])
    await terminate_child(tree.root, "a")
    rows = [(i.id, i.ref, str(i.kind)) for i in await which_children(tree.root)]
    assert rows == [("s", tree["s"], "supervisor"), ("a", None, "worker")]
    await delete_child(tree.root, "a")
    assert [i.id for i in await which_children(tree.root)] == ["s"]


@pytest.mark.parametrize("kind", ["worker", "supervisor"])
async def test_count_children(start, probe, kind):
    """A thousand, then two thousand; the counts agree with the list (and _supervisor)."""
    tree = await start([dynamic_supervisor("d")])
    spec = child("a", Probe()) if kind == "worker" else supervisor("s", [])
    for thousand in (1, 2):
        for _ in range(1000):
            await start_child(tree["d"], spec)
        n = thousand * 1000
        expected = Counts(n, n, 0, n) if kind == "worker" else Counts(n, n, n, 0)
        assert await count_children(tree["d"]) == expected
        assert len(await which_children(tree["d"])) == n


async def test_count_restarting_children(start, probe):
    """Restarting ones are counted, and are not active."""
    backoff = Backoff(first=60.0, longest=60.0)
    tree = await start([dynamic_supervisor("d", backoff=backoff, intensity=10)])
    for _ in range(3):
        await start_child(tree["d"], child("a", probe))
    await tree.kill("d/1")
    await tree.kill("d/2")
    assert await count_children(tree["d"]) == Counts(3, 1, 0, 3)
    states = [i.state for i in await which_children(tree["d"])]
    assert states == [ChildState.RUNNING, ChildState.RESTARTING, ChildState.RESTARTING]


# E. Restart types

REASONS = {
    "normal": (NORMAL, {P}),
    "shutdown": (SHUTDOWN, {P}),
    "shutdown, info": (Shutdown("info"), {P}),
    "abnormal": (Crash(Boom("abnormal")), {P, TR}),
}


@pytest.mark.parametrize("restart", list(Restart))
@pytest.mark.parametrize("name", list(REASONS))
async def test_restart_types(start, probe, restart, name):
    """permanent_, transient_, temporary_ by normal, shutdown, abnormal: who comes back."""
    reason, comes_back = REASONS[name]
    tree = await start([child("a", probe, restart=restart)])
    ref = tree["a"]
    with ref.monitor() as monitor:
        ref.stop(reason)
        assert await monitor.wait() == reason
    await tree.settle()
    infos = await which_children(tree.root)
    assert ("a" in tree) == (restart in comes_back)
    assert len(infos) == (0 if restart is TE else 1)
    assert ref not in [info.ref for info in infos]


async def test_temporary_bystander(start, probe):
    """Killed by a sibling's restart it is not restarted, and the supervisor is none the worse."""
    for strategy in Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE:
        tree = await start([child("a", probe), child("t", probe, restart=TE)], strategy=strategy)
        await tree.kill("a")
        assert [i.id for i in await which_children(tree.root)] == ["a"]


async def test_do_not_save_specs_of_temporary_children(start, probe):
    """Neither the spec nor its start arguments are kept alive by the supervisor."""

    class Large:
        pass

    tree = await start([dynamic_supervisor("d")])
    tree.remembers = False
    watch = []
    for parent in tree.root, tree["d"]:
        large = Large()
        watch.append(weakref.ref(large))
        spec = ChildSpec("t", lambda _large: Actor(), (large,), restart=TE)
        ref = await start_child(parent, spec)
        ref.kill()
        await ref.monitor().wait()
        await tree.settle()
        del spec, large, ref
    gc.collect()
    assert [reference() for reference in watch] == [None, None]


# F. Strategies and escalation


@pytest.mark.parametrize(
    ("strategy", "new"),
    [
        (Strategy.ONE_FOR_ONE, "b"),
        (Strategy.ONE_FOR_ALL, "abc"),
        (Strategy.REST_FOR_ONE, "bc"),
    ],
)
async def test_strategies(start, probe, strategy, new):
    """Who is new and who is not; the third crash ends the supervisor (intensity 2)."""
    tree = await start([child(n, probe) for n in "abc"], strategy=strategy, intensity=2)
    before = dict(zip("abc", tree.refs(*"abc"), strict=True))
    await tree.crash("b")
    assert {n for n in "abc" if tree[n] != before[n]} == set(new)
    await tree.crash("b")
    await tree.crash("b")
    await tree.ended.wait()
    assert tree.reason == SHUTDOWN


@pytest.mark.parametrize("strategy", [*Strategy, "simple_one_for_one"])
async def test_escalation(start, probe, strategy):
    """A child whose restart keeps failing ends its supervisor, and its siblings with it."""
    plan = Plan([None], always=Boom("never again"))
    specs = [child("a", probe, plan), child("b", probe)]
    if strategy == "simple_one_for_one":
        tree = await start([dynamic_supervisor("s", intensity=4, restart=TE)])
        first, sibling = [await start_child(tree["s"], spec) for spec in specs]
    else:
        inner = supervisor("s", specs, strategy=strategy, intensity=4, restart=TE)
        tree = await start([inner])
        first, sibling = tree.refs("s/a", "s/b")
    monitor = tree["s"].monitor()
    first.kill()
    assert await monitor.wait() == SHUTDOWN
    assert not sibling.alive
    assert len([path for path in probe.of("init") if path == first.path]) == 5
    assert [event.path for event in tree.seen(IntensityExceeded)] == ["s"]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_other_child_fails_restart(start, probe, strategy):
    """one_for_all_ and rest_for_one_: the retry begins anew, or at the failed one."""
    plan = Plan([None, Boom("once")])
    tree = await start(
        [child("a", probe), child("b", probe, plan), child("c", probe)], strategy=strategy
    )
    probe.clear()
    await tree.kill("a")
    ups = [(entry[0], entry[1]) for entry in probe if entry[0] in {"up", "terminate"}]
    stopped = [("terminate", "c"), ("terminate", "b"), ("up", "a")]
    again = [("terminate", "a"), ("up", "a")] if strategy is Strategy.ONE_FOR_ALL else []
    assert ups == [*stopped, *again, ("up", "b"), ("up", "c")]


async def test_multiple_restarts(start, probe):
    """Intensity 1 in 1 s: crashes two seconds apart are survived for ever."""
    tree = await start([child("a", probe)], intensity=1, period=1.0)
    for _ in range(10):
        await tree.crash("a")
        await trio.sleep(2)
    assert tree["a"].generation == 11


async def test_simple_one_for_one_shutdown(start, probe):
    """All at once: between one and two of their times, not five."""
    tree = await start([dynamic_supervisor("d")])
    for _ in range(5):
        await start_child(tree["d"], child("a", probe, Plan(stops=[1.0])))
    began = trio.current_time()
    await terminate_child(tree.root, "d")
    assert trio.current_time() - began == 1.0


async def test_tree(start, probe):
    """An escalation restarts the tree below without what was added by hand."""
    leafs = [child("x", probe), child("y", probe)]
    inner = supervisor("s", [supervisor("t", leafs, intensity=0), child("z", probe)], intensity=0)
    tree = await start([inner, child("other", probe)])
    other = tree["other"]
    await start_child(tree["s"], child("added", probe))
    await start_child(tree["s/t"], child("added", probe))
    await tree.crash("s/t/x")
    assert sorted(tree.system.names) == [
        "other", "root", "s", "s/t", "s/t/x", "s/t/y", "s/z",
    ]  # fmt: skip
    assert [tree[path].generation for path in ("s", "s/t", "s/t/x", "s/z")] == [2, 2, 2, 2]
    assert tree["other"] == other


# G. Restart loops


@pytest.mark.parametrize("kind", ["hanging", "rest_for_one", "simple"])
async def test_hanging_restart_loop(start, probe, kind):
    """While restarts fail without end, calls are answered and the stop works."""
    plan = Plan([None], always=Boom("never again"))
    millions = 10_000_000
    if kind == "simple":
        tree = await start([dynamic_supervisor("s", intensity=millions)])
        ref = await start_child(tree["s"], child("a", probe, plan))
    else:
        strategy = Strategy.REST_FOR_ONE if kind == "rest_for_one" else Strategy.ONE_FOR_ONE
        specs = [child("a", probe, plan), child("b", probe)]
        tree = await start([supervisor("s", specs, strategy=strategy, intensity=millions)])
        ref = tree["s/a"]
    ref.kill()
    for _ in range(10):
        assert (await count_children(tree["s"])).specs >= 1
    if kind != "simple":
        with pytest.raises(AlreadyPresent):
            await start_child(tree["s"], child("a", probe))
        with pytest.raises(Exception, match=r"^restarting"):
            await restart_child(tree["s"], "a")
        behind = [i.ref for i in await which_children(tree["s"]) if i.id == "b"]
        assert (behind == [None]) == (kind == "rest_for_one")
        await terminate_child(tree["s"], "a")
    assert await tree.stop() == SHUTDOWN


# H. auto_shutdown


@pytest.mark.parametrize("restart", [TR, TE])
async def test_nonsignificant(start, probe, restart):
    """nonsignificant_temporary and _transient: nobody else ends."""
    tree = await start(
        [child("a", probe, restart=restart), child("b", probe)],
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    await tree.end("a", NORMAL)
    assert "b" in tree


@pytest.mark.parametrize("restart", [TR, TE])
@pytest.mark.parametrize("auto", [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT])
async def test_significant(start, probe, restart, auto):
    """significant_temporary and _transient: one of two, or both."""
    tree = await start(
        [child(n, probe, restart=restart, significant=True) for n in "ab"], auto_shutdown=auto
    )
    await tree.end("a", NORMAL)
    assert tree.ended.is_set() == (auto is AutoShutdown.ANY_SIGNIFICANT)
    if not tree.ended.is_set():
        await tree.end("b", NORMAL)
    await tree.ended.wait()
    assert tree.reason == SHUTDOWN


async def test_significant_simple(start, probe):
    """A dynamic supervisor has no significant children."""
    tree = await start([dynamic_supervisor("d")])
    with pytest.raises(SpecError, match=r"^bad_combination"):
        await start_child(tree["d"], child("a", probe, restart=TE, significant=True))


async def test_significant_bystander(start, probe):
    """Taken down with its group, a significant child ends nobody (see R45)."""
    tree = await start(
        [child("a", probe), child("s", probe, restart=TE, significant=True)],
        strategy=Strategy.ONE_FOR_ALL,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    await tree.kill("a")
    assert tree.root.alive
    assert "s" not in tree


async def test_significant_escalation(start, probe):
    """An automatic shutdown climbs through a supervisor that is significant itself."""
    flags = {"auto_shutdown": AutoShutdown.ANY_SIGNIFICANT}
    leaf = child("a", probe, restart=TR, significant=True)
    inner = supervisor("s", [leaf], restart=TR, significant=True, **flags)
    tree = await start([inner, child("b", probe)], **flags)
    await tree.end("s/a", NORMAL)
    await tree.ended.wait()
    assert probe.of("terminate") == ["s/a", "b"]


# I. Scaling (by count of calls in R64)


async def test_scale_many_temporary_children(start, probe):
    """Three thousand temporary children that end by themselves leave an empty supervisor."""
    tree = await start([dynamic_supervisor("d")])
    tree.remembers = False
    quiet = Probe()
    refs = [await start_child(tree["d"], child("t", quiet, restart=TE)) for _ in range(3_000)]
    for ref in refs:
        ref.stop()
    await refs[-1].monitor().wait()
    await tree.settle()
    assert await count_children(tree["d"]) == Counts(0, 0, 0, 0)
    assert len(tree.system.paths) == 2


async def test_scale_start_stop_many_children(start, probe):
    """A hundred times the children, still stopped in reverse order, one after another."""
    quiet = Probe()
    tree = await start([supervisor("s", [child(str(n), quiet) for n in range(2_000)])])
    tree["s/0"].cast(Note("still here"))
    assert await tree["s/1999"].call(Who()) == ("s/1999", 1)
    quiet.clear()
    await tree.stop()
    assert quiet.of("terminate") == [f"s/{n}" for n in range(1999, -1, -1)]
