"""Kill random members of random trees: exactly the predicted subtrees die, and come back."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import pytest
import trio
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from supervision import (
    SHUTDOWN,
    Actor,
    ChildSpec,
    Restart,
    Strategy,
    dynamic_supervisor,
    start_child,
    supervisor,
)
from tests.conformance.support import start_tree
from tests.support.deep import DEEP

PERIOD = 4.0


@dataclass
class Plan:
    """A node to be: a worker, a supervisor with a list of children, or a dynamic one."""

    kind: str
    restart: str = "permanent"
    strategy: str = "one_for_one"
    intensity: int = 1
    children: list[Plan] = field(default_factory=list)


versions = count()


class Node:
    """The model of one actor: which incarnation it is, and what is under it."""

    def __init__(self, plan: Plan, path: str, parent: Node | None) -> None:
        self.plan = plan
        self.path = path
        self.parent = parent
        self.alive = False
        self.version = -1
        self.stamps: list[float] = []
        self.children: dict[str, Node] = {}

    def start(self, *, with_dynamic: bool = False) -> None:
        """Come up with the initial children, which a dynamic supervisor has none of."""
        self.alive, self.version, self.stamps, self.children = True, next(versions), [], {}
        if self.plan.kind == "dynamic" and not with_dynamic:
            return
        for number, plan in enumerate(self.plan.children, start=1):
            path = f"{self.path}/{number}".removeprefix("root/")
            node = self.children[path] = Node(plan, path, self)
            node.start(with_dynamic=with_dynamic)

    def ended(self, now: float, *, clean: bool) -> None:
        """What its supervisor does about its end; everything under it is gone."""
        self.alive, self.children = False, {}
        parent = self.parent
        if parent is None:
            return
        if self.plan.restart == "temporary" or (self.plan.restart == "transient" and clean):
            if self.plan.restart == "temporary" or parent.plan.kind == "dynamic":
                del parent.children[self.path]
            return
        parent.stamps.append(now)
        recent = [stamp for stamp in parent.stamps if stamp >= now - PERIOD]
        if len(recent) > parent.plan.intensity:
            parent.ended(now, clean=True)
            return
        paths = list(parent.children)
        strategy = "one_for_one" if parent.plan.kind == "dynamic" else parent.plan.strategy
        if strategy == "one_for_one":
            paths = [self.path]
        elif strategy == "rest_for_one":
            paths = paths[paths.index(self.path) :]
        for path in paths:
            node = parent.children[path]
            if node is not self and node.plan.restart == "temporary":
                del parent.children[path]
            else:
                node.start()

    def living(self) -> dict[str, int]:
        """Versions of all that is alive here, by path."""
        if not self.alive:
            return {}
        found = {self.path: self.version}
        for child in self.children.values():
            found |= child.living()
        return found

    def find(self, path: str) -> Node:
        """The node at that path, somewhere below."""
        if self.path == path:
            return self
        for child in self.children.values():
            if path == child.path or path.startswith(f"{child.path}/"):
                return child.find(path)
        raise LookupError(path)


def spec_of(plan: Plan, child_id: str) -> ChildSpec:
    restart = Restart(plan.restart)
    if plan.kind == "worker":
        return ChildSpec(child_id, Actor, restart=restart)
    if plan.kind == "dynamic":
        return dynamic_supervisor(
            child_id, intensity=plan.intensity, period=PERIOD, restart=restart
        )
    return supervisor(
        child_id,
        [spec_of(child, str(number)) for number, child in enumerate(plan.children, start=1)],
        strategy=Strategy(plan.strategy),
        intensity=plan.intensity,
        period=PERIOD,
        restart=restart,
    )


restarts = st.sampled_from([str(restart) for restart in Restart])
workers = st.builds(Plan, kind=st.just("worker"), restart=restarts)


def supervisors(children: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        kind=st.sampled_from(["static", "static", "dynamic"]),
        restart=restarts,
        strategy=st.sampled_from([str(strategy) for strategy in Strategy]),
        intensity=st.integers(0, 3),
        children=st.lists(children, max_size=4),
    )


plans = supervisors(st.recursive(workers, supervisors, max_leaves=12)).map(
    lambda plan: Plan("static", "permanent", plan.strategy, plan.intensity, plan.children)
)
kills = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from([0.0, 0.0, 1.0, PERIOD, 5.0])), max_size=12
)


@pytest.mark.proves("R9", "R10", "R11", "R14", "R15", "R16", "R17", "R20", "R21", "R22")
@settings(
    max_examples=3_000 if DEEP else 250,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(plan=plans, kills=kills)
def test_exactly_the_predicted_subtrees_die(plan, kills):
    """After each kill the model says who is gone, who is new, and who has noticed nothing."""
    trio.run(play, plan, kills, clock=MockClock(autojump_threshold=0))


async def play(plan: Plan, kills: list[tuple[int, float]]) -> None:
    note(
        "import trio\nfrom trio.testing import MockClock\n"
        "from tests.conformance.test_random_trees import Plan, play\n"
        f"trio.run(play, {plan!r}, {kills!r}, clock=MockClock(autojump_threshold=0))"
    )
    async with trio.open_nursery() as nursery:
        tree = await start_tree(nursery, spec_of(plan, "root"))
        model = Node(plan, "root", None)
        model.start(with_dynamic=True)
        await fill(tree, model)
        before_model, before = model.living(), refs(tree)
        assert before_model.keys() == before.keys()
        for pick, wait in kills:
            await trio.sleep(wait)
            paths = sorted(model.living())
            if not paths:
                break
            path = paths[pick % len(paths)]
            await tree.kill(path)
            model.find(path).ended(trio.current_time(), clean=False)
            after_model, after = model.living(), refs(tree)
            assert after.keys() == after_model.keys(), path
            for kept in after_model.keys() & before_model.keys():
                same = after_model[kept] == before_model[kept]
                assert (after[kept] == before[kept]) == same, (path, kept)
            assert all(not ref.alive for ref in set(before.values()) - set(after.values()))
            before_model, before = after_model, after
        assert tree.ended.is_set() == (not model.alive)
        if model.alive:
            assert await tree.stop() == SHUTDOWN
        assert tree.system.names == {}
        nursery.cancel_scope.cancel()


async def fill(tree, node: Node) -> None:
    """Start the children of the dynamic supervisors, which no list starts."""
    for child in node.children.values():
        if node.plan.kind == "dynamic":
            ref = await start_child(tree[node.path], spec_of(child.plan, "any"))
            assert ref.path == child.path
        await fill(tree, child)


def refs(tree):
    """Who has which path now."""
    return {path: tree[path] for path in tree.system.names}
