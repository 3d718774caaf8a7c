"""The dynamic supervisor: any number of children, started on demand, each for itself."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import trio

from .children import Child, StartChild, TerminateChild, refusal
from .errors import ManagementError, MaxChildren, NotFound, SpecError
from .messages import handles
from .policy import Backoff, Restart
from .spec import BRUTAL_KILL, ChildSpec, Flags, Kind
from .supervising import Supervising

if TYPE_CHECKING:
    from .cell import Cell
    from .children import StartRefusal
    from .exits import ExitReason
    from .monitor import Monitor
    from .ref import ActorRef


class DynamicSupervisor(Supervising):
    """Children get running numbers as ids; the ids of their specs are not asked for.

    `max_children` counts those that wait for a restart too; `extra_arguments` come before
    each spec's own, on restart too.
    """

    def __init__(
        self,
        flags: Flags,
        max_children: float = math.inf,
        extra_arguments: tuple[Any, ...] = (),
    ) -> None:
        check_max_children(max_children)
        check_extra_arguments(extra_arguments)
        super().__init__(flags)
        self.max_children = max_children
        self._extra_arguments = extra_arguments

    def arguments(self) -> tuple[object, ...]:
        """What every child is started with first."""
        return self._extra_arguments

    def kept(self, child: Child) -> None:
        """A dynamic child that is down is gone."""
        self.forget(child)

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002
        """Ask all children at once: the longest shutdown time is the longest wait."""
        asked_at = trio.current_time()
        running = [child.cell for child in self.children.values() if child.cell is not None]
        for cell in running:
            self.ask_to_stop(cell)
        # Shortest first: each is cancelled when its own time is up, not when it is its turn.
        # Only then are the ends waited for, as one that cannot be cancelled may take for ever.
        for cell in sorted(running, key=_shutdown_seconds):
            await self.kill_when_due(cell, asked_at)
        for child in self.children.values():
            if child.cell is not None:
                await self.end_of(child.cell)
            self.stopped(child)

    @handles(StartChild)
    async def _start_child(self, request: StartChild) -> ActorRef | Monitor | StartRefusal | None:
        spec = request.spec
        if spec.significant:
            return SpecError("bad_combination", "a dynamic child cannot be significant")
        if len(self.children) >= self.max_children:
            return MaxChildren(spec.id, f"is one too many: {self.max_children} are allowed")
        child_id = str(self.system.next_number(self.path))
        child = self.children[child_id] = Child(child_id, spec)
        failure = await self.start(child)
        if failure is not None:
            self.forget(child)
            return refusal(child, failure)
        return request.answer(child.cell)

    @handles(TerminateChild)
    async def _terminate_child(self, request: TerminateChild) -> ManagementError | None:
        asked = request.child
        child = self.child_by_ref(self.system.ref(asked) if isinstance(asked, str) else asked)
        if child is None:
            return NotFound(str(asked), f"is not known to {self.path!r}")
        await self.stop_child(child)
        self.forget(child)
        return None


def check_max_children(value: float) -> None:
    """Pass for a number of 0 or more.

    Raises:
        SpecError: `invalid_max_children`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise SpecError("invalid_max_children", f"{value!r} is not a number of 0 or more")


def check_extra_arguments(value: object) -> None:
    """Pass for a tuple.

    Raises:
        SpecError: `invalid_extra_arguments`.
    """
    if not isinstance(value, tuple):
        raise SpecError("invalid_extra_arguments", f"{value!r} is not a tuple")


def _shutdown_seconds(cell: Cell) -> float:
    seconds = cell.spec.shutdown_seconds
    return 0.0 if seconds == BRUTAL_KILL else seconds


def dynamic_supervisor(
    child_id: str,
    *,
    max_children: float = math.inf,
    extra_arguments: tuple[Any, ...] = (),
    intensity: int = 3,
    period: float = 5.0,
    backoff: Backoff | None = None,
    restart: Restart = Restart.PERMANENT,
    shutdown: float | Literal["brutal_kill"] | None = None,
    name: str | None = None,
) -> ChildSpec:
    """The spec of a dynamic supervisor; its settings are checked at once."""
    check_max_children(max_children)
    check_extra_arguments(extra_arguments)
    flags = Flags(intensity=intensity, period=period, backoff=backoff)
    start = partial(DynamicSupervisor, flags, max_children, extra_arguments)
    return ChildSpec(
        child_id, start, restart=restart, shutdown=shutdown, kind=Kind.SUPERVISOR, name=name
    )
