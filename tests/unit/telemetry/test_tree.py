"""The tree as a document, with the children of a crowded supervisor folded."""

from __future__ import annotations

import trio

from stockstream.telemetry.tree import ActorDocument, tree_document
from supervision import (
    Actor,
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
    tree = snapshot(system)
    assert tree is not None

    def sessions(document: ActorDocument) -> ActorDocument:
        return next(child for child in document.children if child.path == "sessions")

    folded = tree_document(tree, 5).root
    assert len(folded.children) == 11
    assert folded.folded == 0
    assert [child.path for child in sessions(folded).children] == [
        f"sessions/{number}" for number in range(1, 6)
    ]
    assert sessions(folded).folded == 25
    whole = tree_document(tree).root
    assert len(sessions(whole).children) == 30
    assert sessions(whole).folded == 0
    nursery.cancel_scope.cancel()
