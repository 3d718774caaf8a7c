"""The requests to the chaos controller, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from stockstream.chaos.catalogue import Value
from stockstream.chaos.targets import BlastRadius
from supervision import Request

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not done: `code` for programs, `reason` for people."""

    code: str
    reason: str


class Injection(msgspec.Struct, frozen=True):
    """A fault that was injected. `verified` says that its effect was seen, not only ordered.

    `until` is the wall clock, in ms since 1970, at which a lasting fault is rolled back.
    """

    id: str
    at: int
    action: str
    target: str
    who: str
    experiment: str | None
    generation_before: int | None
    generation_after: int | None
    verified: bool
    recovered_seconds: float | None
    until: int | None
    blast_radius: BlastRadius | None
    detail: str


class Experiment(msgspec.Struct, frozen=True):
    """An experiment that has the node; times in ms since 1970."""

    id: str
    title: str
    who: str
    started: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Inject(Request[Injection | Refusal]):
    """Do an action to the system, and answer when its effect was seen."""

    action: str
    target: str
    parameters: Mapping[str, object]
    who: str
    experiment: str | None = None
    expected_generation: int | None = None
    allow_escalation: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Begin(Request[Experiment | Refusal]):
    """Reserve the node for some seconds: one experiment at a time."""

    title: str
    seconds: float
    who: str


@dataclass(frozen=True, slots=True)
class End(Request[int]):
    """End an experiment and roll its faults back; the answer is how many."""

    experiment: str
    who: str


@dataclass(frozen=True, slots=True)
class Halt(Request[int]):
    """Roll everything back and end any experiment; the answer is how many faults."""

    who: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was refused before it came to us: for the audit log."""

    who: str
    call: str
    reason: str


class ActiveFault(msgspec.Struct, frozen=True):
    """A lasting fault that is on; times in ms since 1970."""

    id: str
    action: str
    target: str
    who: str
    experiment: str | None
    since: int
    until: int
    parameters: dict[str, Value]


class AuditRow(msgspec.Struct, frozen=True):
    """One request, done or refused, and its outcome."""

    id: str
    at: int
    who: str
    action: str
    target: str
    outcome: str
    detail: str
    experiment: str | None = None
