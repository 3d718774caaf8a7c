"""The static supervisor: a list of children, started in order, with a strategy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from .children import (
    Child,
    ChildState,
    DeleteChild,
    ReplaceChild,
    RestartChild,
    StartChild,
    TerminateChild,
    refusal,
)
from .errors import (
    AlreadyPresent,
    AlreadyStarted,
    ManagementError,
    NotFound,
    Restarting,
    SpecError,
    StillRunning,
)
from .exits import Exit, ExitReason, FailedToStartChild, Shutdown, is_clean
from .messages import handles
from .policy import AutoShutdown, Backoff, Restart, Strategy, affected
from .spec import ChildSpec, Flags, Kind, check_child_spec, check_children, check_significant
from .supervising import Supervising

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .children import StartRefusal
    from .monitor import Monitor
    from .ref import ActorRef


class Supervisor(Supervising):
    """Starts `children` one after another, restarts them by `flags`, stops them in reverse.

    Raises:
        SpecError: the list cannot be started as a whole; nothing is started then.
    """

    def __init__(self, children: Iterable[ChildSpec], flags: Flags) -> None:
        super().__init__(flags)
        self._initial = tuple(children)
        check_children(self._initial, flags.auto_shutdown)
        self._initial_ids = frozenset(spec.id for spec in self._initial)

    async def init(self) -> None:
        """Start the children in order; if one fails, stop the earlier ones and fail."""
        for spec in self._initial:
            child = self.children[spec.id] = Child(spec.id, spec)
            failure = await self.start(child)
            if failure is not None:
                del self.children[spec.id]
                await self._stop_all()
                raise Exit(Shutdown(FailedToStartChild(spec.id, failure)))
            asked = self._cell.mailbox.stop_reason
            if asked is not None:
                await self._stop_all()
                raise Exit(asked)

    def comes_back(self, child: Child) -> bool:
        """Those of the initial list do."""
        return child.id in self._initial_ids

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002
        """Stop the children strictly one after another, the last started first."""
        await self._stop_all()

    async def _stop_all(self) -> None:
        for child in reversed(list(self.children.values())):
            await self.stop_child(child)

    def ends_with(self, child: Child, reason: ExitReason) -> bool:
        """R42 and R43: a significant child that ended for good, and was not taken down."""
        ended_for_good = child.spec.restart is Restart.TEMPORARY or is_clean(reason)
        if not (child.spec.significant and ended_for_good):
            return False
        match self.flags.auto_shutdown:
            case AutoShutdown.NEVER:
                return False
            case AutoShutdown.ANY_SIGNIFICANT:
                return True
            case AutoShutdown.ALL_SIGNIFICANT:
                # One that waits for its restart, or whose exit is still to be judged, counts.
                return not any(
                    other.spec.significant
                    and (other.cell is not None or other.state is ChildState.RESTARTING)
                    for other in self.children.values()
                )

    async def restart(self, child: Child) -> tuple[Child, ExitReason] | None:
        """Restart those the strategy names: stop them in reverse, start them in order."""
        ids = affected(self.flags.strategy, list(self.children), child.id)
        for sibling in [self.children[child_id] for child_id in reversed(ids)]:
            if sibling is not child:
                await self.stop_child(sibling)
                if sibling.spec.restart is Restart.TEMPORARY:
                    self.forget(sibling)
        for sibling in [self.children[child_id] for child_id in ids if child_id in self.children]:
            if self._cell.mailbox.stop_reason is not None:
                return None  # asked to stop meanwhile: those not started yet need not be
            failure = await self.start(sibling)
            if failure is not None:
                if sibling is not child and child.cell is None:
                    child.state = ChildState.STOPPED
                return sibling, failure
        return None

    @handles(StartChild)
    async def _start_child(self, request: StartChild) -> ActorRef | Monitor | StartRefusal | None:
        spec = request.spec
        known = self.children.get(spec.id)
        if known is not None:
            if known.cell is not None:
                return AlreadyStarted(spec.id, known.cell.ref)
            return AlreadyPresent(spec.id, f"is {known.state}: restart it, or delete it first")
        try:
            check_significant(spec, self.flags.auto_shutdown)
        except SpecError as error:
            return error
        child = self.children[spec.id] = Child(spec.id, spec)
        failure = await self.start(child)
        if failure is not None:
            self.forget(child)
            return refusal(child, failure)
        return request.answer(child.cell)

    @handles(TerminateChild)
    async def _terminate_child(self, request: TerminateChild) -> ManagementError | None:
        child = self._named(request.child)
        if child is None:
            return NotFound(str(request.child), f"is not known to {self.path!r}")
        await self.stop_child(child)
        if child.spec.restart is Restart.TEMPORARY:
            self.forget(child)
        return None

    def _named(self, child: str | ActorRef) -> Child | None:
        if isinstance(child, str):
            return self.children.get(child)
        return self.child_by_ref(child)

    @handles(RestartChild)
    async def _restart_child(self, request: RestartChild) -> ActorRef | ManagementError | None:
        child = self.children.get(request.child)
        refused = self._not_stopped(request.child, child)
        if refused is not None or child is None:
            return refused
        failure = await self.start(child)
        if failure is not None:
            return refusal(child, failure)
        return None if child.cell is None else child.cell.ref

    @handles(ReplaceChild)
    async def _replace_child(self, request: ReplaceChild) -> ActorRef | ManagementError | None:
        child = self._named(request.child)
        if child is None:
            return NotFound(str(request.child), f"is not known to {self.path!r}")
        await self.stop_child(child)
        if self._cell.mailbox.stop_reason is not None:
            return None  # asked to stop meanwhile: all children end
        failure = await self.start(child)
        if failure is None:
            return None if child.cell is None else child.cell.ref
        # Whoever asked may be gone, and the child was up: it comes back as after a crash.
        child.failure = failure
        self._schedule(child)
        return refusal(child, failure)

    @handles(DeleteChild)
    def _delete_child(self, request: DeleteChild) -> ManagementError | None:
        child = self.children.get(request.child)
        refused = self._not_stopped(request.child, child)
        if refused is None and child is not None:
            self.forget(child)
        return refused

    def _not_stopped(self, child_id: str, child: Child | None) -> ManagementError | None:
        if child is None:
            return NotFound(child_id, f"is not known to {self.path!r}")
        if child.state is ChildState.RESTARTING:
            return Restarting(child_id, "waits for its restart; terminate it first")
        if child.cell is not None:
            return StillRunning(child_id, "runs; terminate it first")
        return None


def supervisor(
    child_id: str,
    children: Iterable[ChildSpec],
    *,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: int = 3,
    period: float = 5.0,
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    backoff: Backoff | None = None,
    restart: Restart = Restart.PERMANENT,
    shutdown: float | Literal["brutal_kill"] | None = None,
    significant: bool = False,
    name: str | None = None,
) -> ChildSpec:
    """The spec of a supervisor over `children`; its settings are checked at once.

    `intensity` restarts are allowed within `period` seconds, then it gives up.
    """
    flags = Flags(strategy, intensity, period, auto_shutdown, backoff)
    initial = tuple(children)
    for spec in initial:
        check_child_spec(spec)
    return ChildSpec(
        child_id,
        partial(Supervisor, initial, flags),
        restart=restart,
        shutdown=shutdown,
        kind=Kind.SUPERVISOR,
        significant=significant,
        name=name,
    )
