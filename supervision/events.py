"""What the runtime tells: frozen typed events to subscribers, through one hook.

Logging and metrics are subscribers. A subscriber is called synchronously and must be quick;
one that raises is logged and harms nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exits import ExitReason
    from .policy import Decision

_log = logging.getLogger("supervision")


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; `path` is the actor's, ids from the root joined by slashes."""

    path: str


@dataclass(frozen=True, slots=True)
class Started(Event):
    """`init` ended well. `generation` counts the starts of this path, from 1."""

    generation: int


@dataclass(frozen=True, slots=True)
class StartIgnored(Event):
    """`init` answered ignore."""

    generation: int


@dataclass(frozen=True, slots=True)
class FailedStart(Event):
    """The actor ended before it was up."""

    generation: int
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Exited(Event):
    """The actor ended, and this is what its supervisor does about it."""

    generation: int
    reason: ExitReason
    decision: Decision


@dataclass(frozen=True, slots=True)
class RestartScheduled(Event):
    """The next restart attempt is due in `delay` seconds."""

    attempt: int
    delay: float


@dataclass(frozen=True, slots=True)
class IntensityExceeded(Event):
    """Supervisor `path` gives up: child `child` ended for `reason` once too often."""

    child: str
    reason: ExitReason
    intensity: int
    period: float


@dataclass(frozen=True, slots=True)
class AutoShutdownTriggered(Event):
    """Supervisor `path` stops because its significant child `child` ended."""

    child: str


@dataclass(frozen=True, slots=True)
class ShutdownTimedOut(Event):
    """The actor did not stop within its shutdown time and is cancelled now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StillAlive(Event):
    """The actor was cancelled `seconds` ago and has not ended: here is where it stands."""

    seconds: float
    stack: str


@dataclass(frozen=True, slots=True)
class TerminateFailed(Event):
    """`terminate` raised, or took longer than the shutdown time, after `reason`."""

    reason: ExitReason
    error: Exception | None


@dataclass(frozen=True, slots=True)
class TaskFailed(Event):
    """A task of the actor raised while the actor ended for `reason`, which stays its reason."""

    reason: ExitReason
    failure: ExitReason


@dataclass(frozen=True, slots=True)
class UnhandledMessage(Event):
    """A message of a class the actor does not handle was dropped."""

    kind: type


@dataclass(frozen=True, slots=True)
class CastDropped(Event):
    """The mailbox was at its bound; `dropped` counts since the actor started."""

    kind: type
    dropped: int


@dataclass(frozen=True, slots=True)
class KeyFailed(Event):
    """The key function of the actor's mailbox raised, so the cast was dropped."""

    kind: type
    error: Exception


@dataclass(frozen=True, slots=True)
class CastToNobody(Event):
    """A cast to a name nobody has was dropped."""

    kind: type


Subscriber = Callable[[Event], None]


class EventHook:
    """The list of subscribers; owned by the system."""

    def __init__(self) -> None:
        self._subscribers: tuple[Subscriber, ...] = ()
        self.failures = 0

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Add a subscriber; the answer is a function that takes it off again."""
        self._subscribers = (*self._subscribers, subscriber)

        def unsubscribe() -> None:
            self._subscribers = tuple(s for s in self._subscribers if s is not subscriber)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Tell everyone."""
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:  # noqa: BLE001 - a subscriber harms nobody
                self.failures += 1
                _log.exception("event subscriber %r failed on %r", subscriber, event)
