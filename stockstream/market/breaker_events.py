"""What a circuit breaker tells its listeners (B20). ``at`` is monotonic seconds of its clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.market.breaker_types import Forced, State


@dataclass(frozen=True, slots=True)
class CallSucceeded:
    """A call counted as a success; ``slow`` ones count for the slow rate all the same."""

    name: str
    at: float
    duration: float
    slow: bool


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call counted as a failure, by its error or by its result."""

    name: str
    at: float
    duration: float
    slow: bool
    error: str


@dataclass(frozen=True, slots=True)
class CallIgnored:
    """A call whose error counts as nothing."""

    name: str
    at: float
    duration: float
    error: str


@dataclass(frozen=True, slots=True)
class CallRejected:
    """A call was not permitted; ``remaining`` as in `NotPermitted`."""

    name: str
    at: float
    remaining: float | None


@dataclass(frozen=True, slots=True)
class StateTransition:
    """The computed state has changed."""

    name: str
    at: float
    left: State
    entered: State
    reason: str


@dataclass(frozen=True, slots=True)
class ForceChanged:
    """The forced state has changed, by hand or by its expiry."""

    name: str
    at: float
    left: Forced | None
    entered: Forced | None


@dataclass(frozen=True, slots=True)
class WindowReset:
    """The breaker was reset by hand."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class FailureRateExceeded:
    """The failure rate came to its threshold; told once until it has been below it again."""

    name: str
    at: float
    percent: float


@dataclass(frozen=True, slots=True)
class SlowRateExceeded:
    """The slow rate came to its threshold; told once until it has been below it again."""

    name: str
    at: float
    percent: float


BreakerEvent = (
    CallSucceeded
    | CallFailed
    | CallIgnored
    | CallRejected
    | StateTransition
    | ForceChanged
    | WindowReset
    | FailureRateExceeded
    | SlowRateExceeded
)
