"""A picture of the whole tree, read from memory without a message: a hung actor cannot hide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from .supervising import Supervising

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .cell import Cell
    from .children import Child
    from .exits import ExitReason
    from .mailbox import MailboxStatistics
    from .policy import Restart, Strategy
    from .spec import Kind
    from .system import System


@dataclass(frozen=True, slots=True)
class SupervisorSnapshot:
    """What only a supervisor has: `restarts_in_window` of `intensity` within `period` seconds."""

    strategy: Strategy
    intensity: int
    period: float
    restarts_in_window: int


@dataclass(frozen=True, slots=True)
class ActorSnapshot:
    """One actor, up or down, and the children under it in start order.

    Times are seconds. `restarts` counts the starts of this path after its first.
    `handling_seconds` is wall time inside handlers, waiting of async ones included.
    """

    path: str
    kind: Kind
    actor: str
    state: str
    restart: Restart
    generation: int
    restarts: int
    last_exit: ExitReason | None
    last_exit_ago: float | None
    uptime: float | None
    mailbox: MailboxStatistics | None
    unanswered_calls: int
    handled: int
    handling_seconds: float
    supervisor: SupervisorSnapshot | None
    children: tuple[ActorSnapshot, ...]

    def walk(self) -> Iterator[ActorSnapshot]:
        """This actor and all under it, parents before children."""
        yield self
        for child in self.children:
            yield from child.walk()


def snapshot(system: System) -> ActorSnapshot | None:
    """The tree as it is at this moment; None when nothing has been started."""
    root = system.root
    if root is None:
        return None
    return _of_cell(system, root, str(root.state))


def _of_cell(system: System, cell: Cell, state: str) -> ActorSnapshot:
    now = trio.current_time()
    record = system.paths[cell.path]
    actor = cell.actor
    supervising = None
    children: tuple[ActorSnapshot, ...] = ()
    if isinstance(actor, Supervising):
        supervising = SupervisorSnapshot(
            actor.flags.strategy,
            actor.flags.intensity,
            actor.flags.period,
            actor.restarts_in_window,
        )
        children = tuple(_of_child(system, actor, child) for child in actor.children.values())
    return ActorSnapshot(
        path=cell.path,
        kind=cell.spec.kind,
        actor=type(actor).__name__,
        state=state,
        restart=cell.spec.restart,
        generation=cell.generation,
        restarts=record.generation - 1,
        last_exit=record.last_exit,
        last_exit_ago=None if record.last_exit_at is None else now - record.last_exit_at,
        uptime=None if cell.ended else now - cell.started_at,
        mailbox=None if cell.ended else cell.mailbox.statistics(),
        unanswered_calls=len(cell.calls),
        handled=cell.handled,
        handling_seconds=cell.handling_seconds,
        supervisor=supervising,
        children=children,
    )


def _of_child(system: System, parent: Supervising, child: Child) -> ActorSnapshot:
    if child.cell is not None:
        return _of_cell(system, child.cell, str(child.cell.state))
    path = parent.child_path(child.id)
    record = system.paths.get(path)
    ended_at = None if record is None else record.last_exit_at
    generation = 0 if record is None else record.generation
    return ActorSnapshot(
        path=path,
        kind=child.spec.kind,
        actor="",
        state=str(child.state),
        restart=child.spec.restart,
        generation=generation,
        restarts=max(0, generation - 1),
        last_exit=None if record is None else record.last_exit,
        last_exit_ago=None if ended_at is None else trio.current_time() - ended_at,
        uptime=None,
        mailbox=None,
        unanswered_calls=0,
        handled=0,
        handling_seconds=0.0,
        supervisor=None,
        children=(),
    )
