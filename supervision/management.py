"""Management of a supervisor's children, as calls from anywhere.

Each waits until the supervisor is done with it, for at most `timeout` seconds: a stop may
take the child's whole shutdown time. Beside the errors named, each raises what any call
does, `NoProc` when there is no such supervisor above all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from .children import (
    CountChildren,
    DeleteChild,
    ReplaceChild,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)

if TYPE_CHECKING:
    from .actor import Actor
    from .children import ChildInfo, Counts
    from .monitor import Monitor
    from .ref import ActorRef
    from .spec import ChildSpec

MANAGEMENT_TIMEOUT_SECONDS = 60.0


@overload
async def start_child(
    supervisor: ActorRef, spec: ChildSpec, *, timeout: float = ...
) -> ActorRef | None: ...
@overload
async def start_child(
    supervisor: ActorRef, spec: ChildSpec, *, monitor: Literal[False], timeout: float = ...
) -> ActorRef | None: ...
@overload
async def start_child(
    supervisor: ActorRef, spec: ChildSpec, *, monitor: Literal[True] | Actor, timeout: float = ...
) -> Monitor | None: ...
async def start_child(
    supervisor: ActorRef,
    spec: ChildSpec,
    *,
    monitor: bool | Actor = False,
    timeout: float = MANAGEMENT_TIMEOUT_SECONDS,
) -> ActorRef | Monitor | None:
    """Add a child; the answer is that incarnation, or None when it ignored its start.

    With `monitor=True` the answer is a monitor, whose `ref` is that incarnation. It was made before
    the child could end unseen, as `spawn_monitor` does: the reason of a child that crashes at once
    is not lost. With `monitor=self` in an actor, that actor is told by a `Down` too.

    Raises:
        AlreadyStarted: its id runs, or its name is taken.
        AlreadyPresent: its id is known, but it is down.
        MaxChildren: the dynamic supervisor is full.
        StartFailed: it did not come up; its spec is not kept.
        SpecError: it cannot be a child of this supervisor.
    """
    answer = await supervisor.call(StartChild(spec, monitor), timeout=timeout)
    if isinstance(answer, Exception):
        try:
            raise answer
        finally:
            del answer  # as its traceback names this frame: a circle
    return answer


async def terminate_child(
    supervisor: ActorRef, child: str | ActorRef, *, timeout: float = MANAGEMENT_TIMEOUT_SECONDS
) -> None:
    """Take a child down, by id (static) or by the ref that `start_child` gave.

    Idempotent. A static child's spec stays unless it is temporary. The reference of an incarnation
    that another one has succeeded names nobody; the last incarnation names a child that waits for
    its restart.

    Raises:
        NotFound: the supervisor does not know it.
    """
    answer = await supervisor.call(TerminateChild(child), timeout=timeout)
    if answer is not None:
        try:
            raise answer
        finally:
            del answer


async def restart_child(
    supervisor: ActorRef, child_id: str, *, timeout: float = MANAGEMENT_TIMEOUT_SECONDS
) -> ActorRef | None:
    """Start a stopped child again.

    Raises:
        NotFound: the supervisor does not know it.
        StillRunning: it is up.
        Restarting: it waits for its next restart attempt.
        StartFailed: it did not come up; its spec stays.
    """
    answer = await supervisor.call(RestartChild(child_id), timeout=timeout)
    if isinstance(answer, Exception):
        try:
            raise answer
        finally:
            del answer  # as its traceback names this frame: a circle
    return answer


async def replace_child(
    supervisor: ActorRef, child: str | ActorRef, *, timeout: float = MANAGEMENT_TIMEOUT_SECONDS
) -> ActorRef | None:
    """Have a child of a static supervisor succeeded by a new incarnation, as on purpose.

    It is stopped in order and started again in one step, which goes on when the caller is gone; no
    other child is touched, whatever the strategy. This does not count against the intensity. One
    that is down is started. If it does not come up, it is tried again as after a crash.

    Raises:
        NotFound: the supervisor does not know it, or the reference names an earlier incarnation.
        StartFailed: it did not come up at once.
    """
    answer = await supervisor.call(ReplaceChild(child), timeout=timeout)
    if isinstance(answer, Exception):
        try:
            raise answer
        finally:
            del answer  # as its traceback names this frame: a circle
    return answer


def replace_soon(supervisor: ActorRef, child: str | ActorRef) -> None:
    """The same without an answer, for who would wait for its own end."""
    supervisor.cast(ReplaceChild(child))


async def delete_child(
    supervisor: ActorRef, child_id: str, *, timeout: float = MANAGEMENT_TIMEOUT_SECONDS
) -> None:
    """Forget a stopped child.

    Raises:
        NotFound: the supervisor does not know it.
        StillRunning: it is up.
        Restarting: it waits for its next restart attempt.
    """
    answer = await supervisor.call(DeleteChild(child_id), timeout=timeout)
    if answer is not None:
        try:
            raise answer
        finally:
            del answer


async def which_children(
    supervisor: ActorRef, *, timeout: float = MANAGEMENT_TIMEOUT_SECONDS
) -> list[ChildInfo]:
    """The children, the last started first."""
    return await supervisor.call(WhichChildren(), timeout=timeout)


async def count_children(
    supervisor: ActorRef, *, timeout: float = MANAGEMENT_TIMEOUT_SECONDS
) -> Counts:
    """How many children there are, of which kind, and how many are up."""
    return await supervisor.call(CountChildren(), timeout=timeout)
