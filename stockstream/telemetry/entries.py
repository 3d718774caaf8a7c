"""The entries of the event log, as plain values for the admin API."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EntryKind(StrEnum):
    """The kind of an event."""

    STARTED = "started"
    EXITED = "exited"
    START_FAILED = "start_failed"
    START_IGNORED = "start_ignored"
    RESTART_SCHEDULED = "restart_scheduled"
    GAVE_UP = "gave_up"
    STOPPED_BY_CHILD = "stopped_by_child"
    STOP_TIMED_OUT = "stop_timed_out"
    STILL_RUNNING = "still_running"
    TERMINATE_FAILED = "terminate_failed"
    UNHANDLED = "unhandled"
    DROPPED = "dropped"
    TO_NOBODY = "to_nobody"
    KEY_FAILED = "key_failed"
    CIRCUIT = "circuit"
    CLOCK = "clock"
    CLUSTER = "cluster"
    NOTICE = "notice"
    OPERATOR = "operator"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the event log. `number` rises by one; `at` is ms since 1970.

    `down_ms` is how long the path had no actor, for a start after an exit. `more` counts events
    like this one that came too fast for lines of their own, since the last line of the kind.
    `correlation` is the id of what it came of, as lines of the log have it.
    """

    number: int
    at: int
    kind: EntryKind
    path: str
    generation: int | None = None
    reason: str | None = None
    decision: str | None = None
    down_ms: float | None = None
    detail: str | None = None
    more: int = 0
    correlation: str | None = None


class CrashEntry(msgspec.Struct, frozen=True):
    """An unrequested end; `decision` is the supervisor's reaction."""

    number: int
    at: int
    path: str
    generation: int
    reason: str
    decision: str
    trace: str | None
    correlation: str | None = None


class RestartEntry(msgspec.Struct, frozen=True):
    """A start of a path that ran before; `reason` is why its predecessor ended."""

    number: int
    at: int
    path: str
    generation: int
    reason: str | None
    down_ms: float | None


class TransitionEntry(msgspec.Struct, frozen=True):
    """The circuit breaker at `path` changed to `entered`, forced states counted as what they do."""

    number: int
    at: int
    path: str
    left: str
    entered: str
    reason: str
    forced: bool
