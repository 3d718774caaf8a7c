"""A child as its supervisor knows it, what is asked of any supervisor, and what it tells itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from .messages import Request

if TYPE_CHECKING:
    from .cell import Cell
    from .ref import ActorRef
    from .spec import ChildSpec, Kind


class ChildState(StrEnum):
    """Where a supervisor has a child."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """Down, and waiting for its next restart attempt."""
    STOPPED = "stopped"


class Child:
    """A child as its supervisor knows it; `cell` is set while it is up, or starting."""

    __slots__ = ("attempts", "cell", "id", "retry", "spec", "state")

    def __init__(self, child_id: str, spec: ChildSpec) -> None:
        self.id = child_id
        self.spec = spec
        self.cell: Cell | None = None
        self.state = ChildState.STOPPED
        self.attempts = 0
        self.retry: Retry | None = None


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
