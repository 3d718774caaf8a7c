"""The actor around the circuit breaker: permits by message, its state in the `circuit` table.

It does no I/O and waits for none. A new life starts closed and empty, and permits of the last
one mean nothing to it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import structlog
import trio

from stockstream import paths
from stockstream.market.breaker_events import (
    BreakerEvent,
    ForceChanged,
    StateTransition,
)
from stockstream.market.breaker_messages import (
    AcquirePermit,
    BreakerStatus,
    CallCancelled,
    CallRaised,
    CallReturned,
    Force,
)
from stockstream.market.breaker_types import (
    BreakerSettings,
    BreakerStatistics,
    Forced,
    NotPermitted,
    Permit,
    State,
)
from stockstream.market.circuit_breaker import CircuitBreaker
from stockstream.market.quotes import now_ms
from stockstream.messages import CircuitChanged, CircuitState, CircuitStatus
from stockstream.tables import CIRCUIT, Tables
from supervision import Actor, Down, Monitor, handles

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


NAME = "price API"

_log: BoundLogger = structlog.get_logger("market.circuit_breaker")


class _Tick:
    """Something may be due by time alone."""


class CircuitBreakerActor(Actor):
    """See the module."""

    def __init__(self, settings: BreakerSettings, tables: Tables) -> None:
        self._settings = settings
        self._tables = tables
        self._held: dict[Monitor, Permit] = {}
        self._reason: str | None = None

    async def init(self) -> None:
        """Start closed and empty, and say so."""
        self._breaker = CircuitBreaker(NAME, self._settings, trio.current_time, random.random)
        self._breaker.subscribe(self._on_event)
        self._broadcaster = self.system.ref(paths.BROADCASTER)
        self._tell(now_ms())

    @handles(AcquirePermit)
    def _on_acquire(self, request: AcquirePermit) -> Permit | NotPermitted:
        answer = self._breaker.acquire()
        if isinstance(answer, Permit):
            self._held[self.monitor(request.holder)] = answer
        self._schedule()
        return answer

    @handles(CallReturned)
    def _on_returned(self, message: CallReturned) -> None:
        self._let_go(message.permit)
        self._breaker.success(message.permit, message.duration, message.result)
        self._schedule()

    @handles(CallRaised)
    def _on_raised(self, message: CallRaised) -> None:
        self._let_go(message.permit)
        self._breaker.error(message.permit, message.duration, message.error, message.retry_after)
        self._schedule()

    @handles(CallCancelled)
    def _on_cancelled(self, message: CallCancelled) -> None:
        self._let_go(message.permit)
        self._breaker.release(message.permit)

    @handles(Down)
    def _on_down(self, message: Down) -> None:
        permit = self._held.pop(message.monitor, None)
        if permit is not None:
            self._breaker.release(permit)

    @handles(Force)
    def _on_force(self, request: Force) -> None:
        self._breaker.force(request.forced, request.expires_after)
        self._schedule()

    @handles(BreakerStatus)
    def _on_status(self, _request: BreakerStatus) -> BreakerStatistics:
        return self._breaker.statistics()

    @handles(_Tick)
    def _on_tick(self, _message: _Tick) -> None:
        self._breaker.tick()
        self._schedule()

    def _let_go(self, permit: Permit) -> None:
        for monitor, held in self._held.items():
            if held is permit:
                del self._held[monitor]
                self.demonitor(monitor)
                return

    def _schedule(self) -> None:
        deadline = self._breaker.next_deadline()
        if deadline is not None:
            self.send_after(max(0.0, deadline - trio.current_time()), _Tick())

    def _on_event(self, event: BreakerEvent) -> None:
        match event:
            case StateTransition():
                self._reason = event.reason
                _log.warning(
                    "circuit breaker changed",
                    left=str(event.left),
                    entered=str(event.entered),
                    reason=event.reason,
                )
                self._tell(now_ms())
            case ForceChanged():
                _log.warning("circuit breaker forced", left=event.left, entered=event.entered)
                self._tell(now_ms())

    def _tell(self, now: int) -> None:
        statistics = self._breaker.statistics()
        state = _shown(statistics)
        remaining = statistics.remaining if state is CircuitState.OPEN else None
        self._tables.circuit.put(
            CIRCUIT,
            CircuitStatus(
                state,
                since=now - round(statistics.time_in_state * 1000),
                next_probe=None if remaining is None else now + round(remaining * 1000),
                reason=None if state is CircuitState.CLOSED else self._reason,
            ),
        )
        self._broadcaster.cast(CircuitChanged())


def _shown(statistics: BreakerStatistics) -> CircuitState:
    if statistics.forced is Forced.FORCED_OPEN:
        return CircuitState.OPEN
    if statistics.forced is not None:
        return CircuitState.CLOSED
    match statistics.state:
        case State.CLOSED:
            return CircuitState.CLOSED
        case State.OPEN:
            return CircuitState.OPEN
        case State.HALF_OPEN:
            return CircuitState.HALF_OPEN
