"""Why an actor ended: the exit reasons of OTP as frozen classes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Normal:
    """The actor had nothing left to do."""

    def __str__(self) -> str:
        return "normal"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The actor was asked to stop, or gave up in an orderly way; `term` says more."""

    term: object = None

    def __str__(self) -> str:
        return "shutdown" if self.term is None else f"shutdown({self.term})"


@dataclass(frozen=True, slots=True)
class Killed:
    """The actor's scope, or one around it, was cancelled."""

    def __str__(self) -> str:
        return "killed"


@dataclass(frozen=True, slots=True)
class Crash:
    """The actor, or a task it owned, raised `error`."""

    error: BaseException

    def __str__(self) -> str:
        try:
            what = str(self.error)
        except Exception:  # noqa: BLE001 - somebody's __str__ must not break the epilogue of an actor
            what = "<its __str__ raised>"
        return f"crash({type(self.error).__name__}: {what})"


@dataclass(frozen=True, slots=True)
class NoProcess:
    """There was no such actor when it was looked for."""

    def __str__(self) -> str:
        return "noproc"


ExitReason = Normal | Shutdown | Killed | Crash | NoProcess

NORMAL = Normal()
SHUTDOWN = Shutdown()
KILLED = Killed()
NOPROC = NoProcess()


@dataclass(frozen=True, slots=True)
class FailedToStartChild:
    """The term of `Shutdown` when a supervisor's own start failed because of child `id`."""

    id: str
    reason: ExitReason

    def __str__(self) -> str:
        return f"failed_to_start_child, {self.id}, {self.reason}"


def check_reason(reason: ExitReason) -> ExitReason:
    """Give `reason` back.

    Raises:
        TypeError: it is no exit reason, so no supervisor would know what to do about it.
    """
    if not isinstance(reason, ExitReason):
        raise TypeError(f"{reason!r} is no exit reason: Normal, Shutdown, Killed, Crash, NoProcess")
    return reason


def is_clean(reason: ExitReason) -> bool:
    """Whether a transient child that ended so stays down: normal, shutdown, shutdown(term)."""
    return isinstance(reason, Normal | Shutdown)


def crash(error: Exception) -> ExitReason:
    """The reason for `error`; a group around one single error is taken off."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error.reason if isinstance(error, Exit) else Crash(error)


class Exit(Exception):
    """Raised by an actor, in `init` or a handler, to end with `reason`."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(str(check_reason(reason)))
        self.reason = reason
