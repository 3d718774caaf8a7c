"""A child as its supervisor knows it, what is asked of any supervisor, and what it tells itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from .actor import Actor
from .errors import AlreadyStarted, ManagementError, NotFound, SpecError, StartFailed
from .exits import Crash
from .messages import Request
from .monitor import Monitor, watch
from .ref import ActorRef
from .spec import check_child_spec

if TYPE_CHECKING:
    from .cell import Cell
    from .exits import ExitReason
    from .spec import ChildSpec, Kind


StartRefusal = ManagementError | SpecError
"""Why a child was not started: what its supervisor answers instead of a reference."""


class ChildState(StrEnum):
    """Where a supervisor has a child."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """Down, and waiting for its next restart attempt."""
    STOPPED = "stopped"


class Child:
    """A child as its supervisor knows it; `cell` is set while it is up, or starting."""

    __slots__ = ("attempts", "cell", "failure", "generation", "id", "retry", "spec", "state")

    def __init__(self, child_id: str, spec: ChildSpec) -> None:
        self.id = child_id
        self.spec = spec
        self.cell: Cell | None = None
        self.state = ChildState.STOPPED
        self.attempts = 0
        self.retry: Retry | None = None
        self.failure: ExitReason | None = None
        """Why the last restart attempt failed; to be told if the next one is not allowed."""
        self.generation = 0
        """The generation that was up last: it names the child until another one is up."""

    def is_named_by(self, ref: ActorRef) -> bool:
        """Whether `ref` is this child: by name, or by its last incarnation."""
        incarnation = ref.incarnation
        if incarnation is None:
            return True
        if self.cell is not None:
            return incarnation is self.cell
        return incarnation.generation == self.generation


@dataclass(frozen=True, slots=True, eq=False)
class ChildExited:
    """A child's incarnation ended; told by the child's cell."""

    cell: Cell


@dataclass(frozen=True, slots=True, eq=False)
class Retry:
    """Time for the next restart attempt; told by the supervisor to itself."""

    child: Child


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One row of `which_children`; `ref` is None while the child is down."""

    id: str
    ref: ActorRef | None
    state: ChildState
    kind: Kind


class Counts(NamedTuple):
    """The answer of `count_children`. `active` are alive now; the other three, alive or not."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True, slots=True)
class WhichChildren(Request[list[ChildInfo]]):
    """List the children."""


@dataclass(frozen=True, slots=True)
class CountChildren(Request[Counts]):
    """Count the children."""


@dataclass(frozen=True, slots=True)
class StartChild(Request["ActorRef | Monitor | None | StartRefusal"]):
    """Add a child and start it; None is answered when it ignored its start.

    With `monitor` the answer is a monitor of the child: for any task to wait on, or for the actor
    that is given.

    These requests are checked when they are made, so that what is wrong is an error of whoever
    makes them and never reaches the supervisor.

    Raises:
        SpecError: `invalid_child_spec`.
        TypeError: `monitor` is neither a truth value nor an actor that was started.
    """

    spec: ChildSpec
    monitor: bool | Actor = False

    def __post_init__(self) -> None:
        check_child_spec(self.spec)
        if not isinstance(self.monitor, bool | Actor):
            raise TypeError(f"monitor is True, False or an actor, not {self.monitor!r}")
        if isinstance(self.monitor, Actor) and not hasattr(self.monitor, "_cell"):
            raise TypeError(f"{self.monitor!r} was not started by a supervisor: it has no mailbox")

    def answer(self, cell: Cell | None) -> ActorRef | Monitor | None:
        """What is answered when the start has not failed."""
        if cell is None:
            return None
        if self.monitor is False:
            return cell.ref
        watcher = self.monitor if isinstance(self.monitor, Actor) else None
        return watch(cell.ref, cell, None if watcher is None else watcher._cell)  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class TerminateChild(Request["ManagementError | None"]):
    """Take a child down; `child` is an id (static), a path (dynamic), or a reference.

    Raises:
        NotFound: it is neither a string nor a reference.
    """

    child: str | ActorRef

    def __post_init__(self) -> None:
        if not isinstance(self.child, ActorRef):
            check_id(self.child)


@dataclass(frozen=True, slots=True)
class RestartChild(Request["ActorRef | None | ManagementError"]):
    """Start a stopped child again.

    Raises:
        NotFound: the id is no string.
    """

    child: str

    def __post_init__(self) -> None:
        check_id(self.child)


@dataclass(frozen=True, slots=True)
class ReplaceChild(Request["ActorRef | None | ManagementError"]):
    """Stop a child if it is up, and start it again; `child` is an id or a reference.

    Raises:
        NotFound: it is neither a string nor a reference.
    """

    child: str | ActorRef

    def __post_init__(self) -> None:
        if not isinstance(self.child, ActorRef):
            check_id(self.child)


@dataclass(frozen=True, slots=True)
class DeleteChild(Request["ManagementError | None"]):
    """Forget a stopped child.

    Raises:
        NotFound: the id is no string.
    """

    child: str

    def __post_init__(self) -> None:
        check_id(self.child)


def check_id(child_id: object) -> None:
    """Pass for a string.

    Raises:
        NotFound: nothing else can be a child's id.
    """
    if not isinstance(child_id, str):
        raise NotFound(repr(child_id), "cannot be an id, which is a string")


def refusal(child: Child, failure: ExitReason) -> ManagementError:
    """The error for a child that did not start: a taken name has one of its own."""
    if isinstance(failure, Crash) and isinstance(failure.error, AlreadyStarted):
        return failure.error
    return StartFailed(child.id, failure)
