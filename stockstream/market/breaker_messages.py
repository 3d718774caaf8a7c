"""What the circuit breaker's actor is asked and told."""

from __future__ import annotations

from dataclasses import dataclass

from stockstream.market.breaker_types import NotPermitted, Permit
from supervision import ActorRef, Request


@dataclass(frozen=True, slots=True)
class AcquirePermit(Request[Permit | NotPermitted]):
    """Ask for one call. When `holder` ends before it settled the permit, it is given back.

    A holder whose request timed out may have been given a permit all the same, and does not know
    which: it casts `NoCalls`.
    """

    holder: ActorRef


@dataclass(frozen=True, slots=True)
class CallReturned:
    """The call returned `result` after `duration` seconds."""

    permit: Permit
    duration: float
    result: object


@dataclass(frozen=True, slots=True)
class CallRaised:
    """The call raised; `retry_after` is how many seconds the upstream asked to be left alone."""

    permit: Permit
    duration: float
    error: Exception
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class NoCalls:
    """Whatever permits `holder` has, it makes no call with them: they all come back."""

    holder: ActorRef
