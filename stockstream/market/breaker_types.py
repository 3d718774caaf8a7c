"""The words of the circuit breaker: its states, settings, permits, refusals and statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.market.outcome_window import Totals


class State(StrEnum):
    """What the machine has come to by the outcomes it was told."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Forced(StrEnum):
    """What an operator or an experiment has put beside the computed state (B18).

    ``forced_open`` rejects all, ``disabled`` permits all and records nothing, ``metrics_only``
    permits all and records, but never opens.
    """

    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


class WindowType(StrEnum):
    """What the size of the window counts."""

    COUNT = "count"
    TIME = "time"


def _never(_result: object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When to open, for how long, and what counts. Rates in percent, times in seconds.

    ``window`` is a number of outcomes or of seconds by ``window_type``. ``jitter`` is the part of
    a wait that is random, up and down. An error of a class in ``ignored`` counts as nothing, one
    of ``recorded`` as a failure, any other as a success; ``is_failure`` may call a returned value
    a failure. ``max_retry_after`` bounds what an upstream may ask for.
    """

    window_type: WindowType = WindowType.COUNT
    window: int = 20
    minimum_calls: int = 5
    failure_rate: float = 50.0
    slow_call: float = 2.0
    slow_rate: float = 80.0
    wait: float = 5.0
    max_wait: float = 60.0
    jitter: float = 0.1
    probes: int = 2
    max_half_open: float = 10.0
    max_retry_after: float = 300.0
    recorded: tuple[type[Exception], ...] = (Exception,)
    ignored: tuple[type[Exception], ...] = ()
    is_failure: Callable[[object], bool] = _never

    def __post_init__(self) -> None:
        for name in ("window", "minimum_calls", "probes"):
            count: int = getattr(self, name)
            if count < 1:
                raise ValueError(f"{name} must be at least 1, not {count}")
        for name in ("failure_rate", "slow_rate"):
            percent: float = getattr(self, name)
            if not 0 < percent <= 100:
                raise ValueError(f"{name} must be above 0 and at most 100 percent, not {percent}")
        for name in ("slow_call", "wait", "max_wait", "max_half_open", "max_retry_after"):
            seconds: float = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} must be above 0 seconds, not {seconds}")
        if self.max_wait < self.wait:
            raise ValueError(
                f"max_wait must not be below wait ({self.wait:g}), not {self.max_wait}"
            )
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be at least 0 and below 1, not {self.jitter}")


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """The right to make one call, to be settled once by its outcome or by giving it back.

    It is itself and equals no other: a permit of another generation, or of another breaker, is
    simply not known any more.
    """

    generation: int
    forced: Forced | None


class NotPermitted(Exception):
    """No call is permitted now. ``remaining`` is the longest wait in seconds, None for no end."""

    def __init__(self, name: str, state: State | Forced, remaining: float | None) -> None:
        self.name = name
        self.state = state
        self.remaining = remaining
        until = "until it is changed" if remaining is None else f"for another {remaining:.3g} s"
        super().__init__(f"circuit breaker {name!r} is {state} {until}")


class IllegalTransition(ValueError):
    """A change of state that the machine does not have."""


@dataclass(frozen=True, slots=True)
class BreakerStatistics:
    """A breaker at one moment, as of the last thing it was asked or told.

    ``state`` is the computed one, also while ``forced`` is set; `effective` is what callers meet.
    Rates are percents and None below the minimum of calls. ``buffered`` counts what the rates are
    made of. ``void`` counts outcomes that came after their permit had lost its meaning.
    ``remaining`` is the wait in seconds before the next probe, None unless rejecting;
    ``openings`` how often in a row it has opened.
    """

    name: str
    state: State
    forced: Forced | None
    time_in_state: float
    remaining: float | None
    generation: int
    openings: int
    successful: int
    failed: int
    ignored: int
    cancelled: int
    not_permitted: int
    void: int
    in_flight: int
    failure_rate: float | None
    slow_rate: float | None
    buffered: Totals
    listener_errors: int

    @property
    def effective(self) -> State:
        """What a caller meets: a forced state shown as the computed one it acts like."""
        if self.forced is None:
            return self.state
        return State.OPEN if self.forced is Forced.FORCED_OPEN else State.CLOSED
