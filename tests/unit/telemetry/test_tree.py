"""The tree as a document, with the children of a crowded supervisor folded."""

from __future__ import annotations

import trio

from stockstream.telemetry.tree import ActorDocument, tree_document
from supervision import (
    Actor,
    ActorSnapshot,
    ChildSpec,
    Request,
    Restart,
    System,
    dynamic_supervisor,
    handles,
    snapshot,
    start_child,
    supervisor,
)


class Nothing(Request[None]):
    """Ask for nothing."""


class Idle(Actor):
    """Does nothing."""

    @handles(Nothing)
    def _on_nothing(self, _request: Nothing) -> None:
        pass


async def test_numbered_children_beyond_the_most_are_counted_and_static_ones_never_folded(
    nursery: trio.Nursery,
) -> None:
    """Of 30 sessions 5 are shown and 25 counted; without a limit all are there."""
    system, up = System(), trio.Event()
    static = [ChildSpec(f"worker{number}", Idle) for number in range(10)]
    root = supervisor("root", [*static, dynamic_supervisor("sessions")])

    async def run() -> None:
        await system.run(root, on_start=lambda _system: up.set())

    nursery.start_soon(run)
    with trio.fail_after(5):
        await up.wait()
        for _ in range(30):
            await start_child(
                system.ref("sessions"), ChildSpec("one", Idle, restart=Restart.TEMPORARY)
            )

    def sessions(tree: ActorSnapshot | None) -> ActorDocument:
        assert tree is not None
        children = tree_document(tree).root.children
        assert len(children) == 11
        return next(child for child in children if child.path == "sessions")

    few = sessions(snapshot(system, most_dynamic=5))
    assert [child.path for child in few.children] == [f"sessions/{n}" for n in range(1, 6)]
    assert few.folded == {"running": 25}
    whole = sessions(snapshot(system))
    assert len(whole.children) == 30
    assert whole.folded == {}
    nursery.cancel_scope.cancel()
