"""Errors of calls, registration, specs and management, each with a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exits import ExitReason
    from .ref import ActorRef


class SupervisionError(Exception):
    """Base of every error this package raises."""


class CallError(SupervisionError):
    """A call that ended without a reply. `target` is the path or name that was called."""

    def __init__(self, target: str, why: str) -> None:
        super().__init__(f"call to {target!r}: {why}")
        self.target = target


class NoProc(CallError):
    """Nobody has that name, or that incarnation has ended."""

    def __init__(self, target: str) -> None:
        super().__init__(target, "noproc: no such actor is running")


class CallTimeout(CallError):
    """No reply within the time given. The request may still be processed."""

    def __init__(self, target: str, seconds: float) -> None:
        super().__init__(target, f"timeout: no reply within {seconds:g} s")


class CallingSelf(CallError):
    """An actor called itself from its own handler: it would wait for itself for ever."""

    def __init__(self, target: str) -> None:
        super().__init__(
            target, "calling_self: a handler cannot wait for its own actor; cast, or just call"
        )


class Overloaded(CallError):
    """The mailbox is at its bound."""

    def __init__(self, target: str, bound: int) -> None:
        super().__init__(target, f"overloaded: {bound} messages are waiting already")


class ServerExited(CallError):
    """The actor ended, for `reason`, before it replied."""

    def __init__(self, target: str, reason: ExitReason) -> None:
        super().__init__(target, f"the actor ended first: {reason}")
        self.reason = reason


class UnhandledRequest(CallError):
    """The actor has no handler for this class of request."""

    def __init__(self, target: str, kind: type) -> None:
        super().__init__(
            target,
            f"no handler for {kind.__qualname__}; declare one with @handles({kind.__name__})",
        )


class AlreadyRegistered(SupervisionError):
    """The name is taken by `holder`, which is alive."""

    def __init__(self, name: str, holder: ActorRef) -> None:
        super().__init__(f"the name {name!r} is taken by {holder.path!r}")
        self.name = name
        self.holder = holder


class MonitorCancelled(SupervisionError):
    """A task waits on a monitor that was taken off: nothing would ever be told."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the monitor of {path!r} was cancelled: make a new one")


class NoTasks(SupervisionError):
    """An actor without tasks of its own asked for its nursery."""

    def __init__(self, path: str, actor: str) -> None:
        super().__init__(f"{path!r} has no tasks: declare `owns_tasks = True` in class {actor}")


class NotTheWriter(SupervisionError):
    """A table was written by somebody else than its one writer."""

    def __init__(self, table: str, writer: str, culprit: str) -> None:
        super().__init__(f"table {table!r} is written by {writer!r} only, not by {culprit!r}")


class InvalidHandler(SupervisionError, TypeError):
    """A handler's declaration contradicts itself."""


class BadInit(SupervisionError, TypeError):
    """`init` answered something else than None, IGNORE or Continue."""


class StartTimeout(SupervisionError):
    """`init` did not end within the start timeout."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(f"{path!r} was not up within its start_timeout of {seconds:g} s")


class SpecError(SupervisionError, ValueError):
    """A child spec or a supervisor's flag is wrong; `code` names which, as OTP does."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class ManagementError(SupervisionError):
    """A management call was refused. `code` is OTP's word for it."""

    code = "error"

    def __init__(self, child: str, why: str) -> None:
        super().__init__(f"{self.code}: child {child!r} {why}")
        self.child = child


class AlreadyStarted(ManagementError):
    """The child's id, or its name, is in use by the live actor `ref`."""

    code = "already_started"

    def __init__(self, child: str, ref: ActorRef) -> None:
        super().__init__(child, f"runs as {ref.path!r}")
        self.ref = ref


class AlreadyPresent(ManagementError):
    """The child's id is known but not running: restart it, or delete it first."""

    code = "already_present"


class StillRunning(ManagementError):
    """The child runs; terminate it first."""

    code = "running"


class Restarting(ManagementError):
    """The child waits for its next restart attempt; terminate it first."""

    code = "restarting"


class NotFound(ManagementError):
    """The supervisor has no such child."""

    code = "not_found"


class MaxChildren(ManagementError):
    """The dynamic supervisor is full."""

    code = "max_children"


class StartFailed(ManagementError):
    """The child did not start; `reason` is what it ended with."""

    code = "start_failed"

    def __init__(self, child: str, reason: ExitReason) -> None:
        super().__init__(child, f"did not start: {reason}")
        self.reason = reason
