"""The whole tree at one moment, read from memory without a message, so hung actors show too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain, islice
from typing import TYPE_CHECKING

import trio

from .cell import State
from .dynamic import DynamicSupervisor
from .supervising import Supervising

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from .cell import Cell
    from .children import Child, ChildState
    from .last_exit import LastExit
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
    """One actor, up or down, and the children under it. Times are seconds."""

    path: str
    kind: Kind
    actor: str
    """The name of its class; empty while it is down."""
    state: str
    """A value of `State` while there is an incarnation, else of `ChildState`."""
    restart: Restart
    generation: int
    """Starts of this path, the running one included."""
    restarts: int
    """Starts of this path after its first."""
    last_exit: LastExit | None
    """Why the incarnation before this one ended; None when there was none."""
    last_exit_ago: float | None
    uptime: float | None
    """Since `init` ended; None while it is down."""
    mailbox: MailboxStatistics | None
    """None while it is down."""
    unanswered_calls: int
    """Calls that wait in the mailbox, are being handled, or were kept to be answered later."""
    handled: int
    """Messages since it started."""
    handling_seconds: float
    """Wall time inside handlers since it started, the waiting of async ones included."""
    handling_p50: float | None
    """What half of the last thousands of messages took at most; None before the first."""
    handling_p95: float | None
    """What 95 % of them took at most."""
    supervisor: SupervisorSnapshot | None
    """None for a worker, and while it is down."""
    children: tuple[ActorSnapshot, ...]
    """In start order."""
    left_out: Mapping[str, int]
    """By state, how many children are not listed."""

    def walk(self) -> Iterator[ActorSnapshot]:
        """This actor and all under it, parents before children."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class _Limits:
    """Which children of a large supervisor are listed: at most `most`, and those in `always`."""

    most: int | None
    always: Collection[str]


def snapshot(
    system: System, *, most_dynamic: int | None = None, always: Collection[str] = ()
) -> ActorSnapshot | None:
    """The tree as it is at this moment; None when nothing has been started.

    With `most_dynamic`, no more than so many children of each dynamic supervisor are listed:
    those that are down or on their way, then those whose mailboxes drop or fill, then the
    oldest; and besides them those whose paths are in `always`. The others are counted. So the
    cost of a snapshot of ten thousand actors is bounded.
    """
    root = system.root
    if root is None:
        return None
    return _of_cell(system, root, str(root.state), _Limits(most_dynamic, always))


def _of_cell(system: System, cell: Cell, state: str, limits: _Limits) -> ActorSnapshot:
    now = trio.current_time()
    record = system.paths[cell.path]
    actor = None if cell.ended else cell.actor
    supervising = None
    children: tuple[ActorSnapshot, ...] = ()
    left_out: Mapping[str, int] = {}
    if isinstance(actor, Supervising):
        supervising = SupervisorSnapshot(
            actor.flags.strategy,
            actor.flags.intensity,
            actor.flags.period,
            actor.restarts_in_window,
        )
        listed: Iterable[Child] = actor.children.values()
        if isinstance(actor, DynamicSupervisor):
            listed, left_out = _selected(actor, limits)
        children = tuple(_of_child(system, actor, child, limits) for child in listed)
    p50, p95 = cell.durations.quantiles(0.5, 0.95)
    return ActorSnapshot(
        path=cell.path,
        kind=cell.spec.kind,
        actor=cell.actor_type.__name__,
        state=state,
        restart=cell.spec.restart,
        generation=cell.generation,
        restarts=record.generation - 1,
        last_exit=record.last_exit,
        last_exit_ago=None if record.last_exit is None else now - record.last_exit.at,
        uptime=None if cell.ended else now - cell.started_at,
        mailbox=None if cell.ended else cell.mailbox.statistics(),
        unanswered_calls=len(cell.calls),
        handled=cell.handled,
        handling_seconds=cell.handling_seconds,
        handling_p50=p50,
        handling_p95=p95,
        supervisor=supervising,
        children=children,
        left_out=left_out,
    )


def _selected(
    supervisor: DynamicSupervisor, limits: _Limits
) -> tuple[Iterable[Child], Mapping[str, int]]:
    """The children to list, in start order, and how many more there are, by state."""
    children, most = supervisor.children, limits.most
    if most is None or len(children) <= most:
        return children.values(), {}
    # There may be ten thousand, so little is read of each.
    calm: list[Child] = []
    pressed: list[Child] = []
    odd: list[Child] = []
    for child in children.values():
        cell = child.cell
        if cell is None or cell.state is not State.RUNNING:
            odd.append(child)
        elif cell.mailbox.dropped or cell.mailbox.queued:
            pressed.append(child)
        else:
            calm.append(child)
    worst = nlargest(most, pressed, key=_pressure)
    chosen = {child.id: child for child in islice(chain(odd, worst, calm), most)}
    for path in limits.always:
        above, _, child_id = path.rpartition("/")
        if above == supervisor.path and child_id in children:
            chosen[child_id] = children[child_id]
    left_out = Counter(str(_state_of(child)) for child in odd if child.id not in chosen)
    running = len(children) - len(chosen) - left_out.total()
    if running:
        left_out[str(State.RUNNING)] += running
    return [chosen[child_id] for child_id in sorted(chosen, key=int)], left_out


def _pressure(child: Child) -> tuple[int, int]:
    """How a running child's mailbox does: what it dropped, and what waits in it."""
    mailbox = None if child.cell is None else child.cell.mailbox
    return (0, 0) if mailbox is None else (mailbox.dropped, mailbox.queued)


def _state_of(child: Child) -> State | ChildState:
    return child.state if child.cell is None else child.cell.state


def _of_child(system: System, parent: Supervising, child: Child, limits: _Limits) -> ActorSnapshot:
    if child.cell is not None:
        return _of_cell(system, child.cell, str(child.cell.state), limits)
    path = parent.child_path(child.id)
    record = system.paths.get(path)
    last_exit = None if record is None else record.last_exit
    generation = 0 if record is None else record.generation
    return ActorSnapshot(
        path=path,
        kind=child.spec.kind,
        actor="",
        state=str(child.state),
        restart=child.spec.restart,
        generation=generation,
        restarts=max(0, generation - 1),
        last_exit=last_exit,
        last_exit_ago=None if last_exit is None else trio.current_time() - last_exit.at,
        uptime=None,
        mailbox=None,
        unanswered_calls=0,
        handled=0,
        handling_seconds=0.0,
        handling_p50=None,
        handling_p95=None,
        supervisor=None,
        children=(),
        left_out={},
    )
