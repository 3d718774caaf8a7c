"""The actor around the circuit breaker: one per upstream, local to its node (B24).

It does no I/O and waits for nobody. A restarted one begins with a new machine, closed and empty,
that knows none of its predecessor's permits (B23). It watches who holds a permit, so a holder that
dies gives it back (B7). What the breaker has come to stands in its row of the `circuits` table.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from stockstream import paths
from stockstream.market.breaker_events import BreakerEvent, ForceChanged, StateTransition
from stockstream.market.breaker_messages import (
    AcquirePermit,
    CallRaised,
    CallReturned,
    NoCalls,
)
from stockstream.market.breaker_types import (
    BreakerSettings,
    Forced,
    NotPermitted,
    Permit,
    State,
    WindowType,
)
from stockstream.market.circuit_breaker import CircuitBreaker
from stockstream.messages import CircuitChanged, CircuitMoved, ForceCircuit, ProbeNow
from stockstream.statuses import CircuitFigures, CircuitState, CircuitStatus
from stockstream.times import Moment
from supervision import Actor, Down, handles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.tables import Tables
    from supervision import ActorRef, Monitor, Timer

_FORCED = {"open": Forced.FORCED_OPEN, "closed": Forced.DISABLED, "auto": None}

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tick:
    """Something is due by time alone."""


@dataclass(slots=True)
class _Holding:
    monitor: Monitor
    permits: set[Permit]


class CircuitBreakerActor(Actor):
    """See the module."""

    def __init__(
        self,
        upstream: str,
        settings: BreakerSettings,
        tables: Tables,
        watchers: Sequence[str] = (paths.BROADCASTER,),
    ) -> None:
        """`watchers` are names that are cast `CircuitChanged` when the row is new."""
        self._upstream = upstream
        self._settings = settings
        self._table = tables.circuits
        self._figures = tables.circuit_figures
        self._watchers = tuple(watchers)
        self._holdings: dict[ActorRef, _Holding] = {}
        self._holders: dict[Permit, ActorRef] = {}
        self._timer: Timer | None = None
        self._due: float | None = None

    async def init(self) -> None:
        """Begin closed and empty, and say so."""
        self._breaker = CircuitBreaker(
            self._upstream, self._settings, trio.current_time, random.random
        )
        self._breaker.subscribe(self._heard)
        self._tell(None)
        self._put_figures()

    @handles(AcquirePermit)
    def _on_acquire(self, request: AcquirePermit) -> Permit | NotPermitted:
        answer = self._breaker.acquire()
        if isinstance(answer, Permit):
            holding = self._holdings.get(request.holder)
            if holding is None:
                holding = _Holding(self.monitor(request.holder), set())
                self._holdings[request.holder] = holding
            holding.permits.add(answer)
            self._holders[answer] = request.holder
        self._changed()
        return answer

    @handles(CallReturned)
    def _on_returned(self, message: CallReturned) -> None:
        self._let_go(message.permit)
        self._breaker.success(message.permit, message.duration, message.result)
        self._changed()

    @handles(CallRaised)
    def _on_raised(self, message: CallRaised) -> None:
        self._let_go(message.permit)
        self._breaker.error(message.permit, message.duration, message.error, message.retry_after)
        self._changed()

    @handles(NoCalls)
    def _on_no_calls(self, message: NoCalls) -> None:
        self._take_back(message.holder)

    @handles(Down)
    def _on_down(self, message: Down) -> None:
        self._take_back(message.ref)

    @handles(ForceCircuit)
    def _on_force_circuit(self, request: ForceCircuit) -> None:
        self._breaker.force(_FORCED[request.state], request.seconds)
        self._changed()

    @handles(ProbeNow)
    def _on_probe_now(self, _message: ProbeNow) -> None:
        stands = self._breaker.statistics()
        if stands.state is State.OPEN and stands.forced is None:
            self._breaker.transition(State.HALF_OPEN, "an operator asked for a probe")
            self._changed()

    @handles(_Tick)
    def _on_tick(self, _message: _Tick) -> None:
        self._timer = self._due = None
        self._breaker.tick()
        self._changed()

    def _let_go(self, permit: Permit) -> None:
        """Stop watching for this permit; of a void one nothing is known."""
        holder = self._holders.pop(permit, None)
        if holder is None:
            return
        holding = self._holdings[holder]
        holding.permits.remove(permit)
        if not holding.permits:
            self.demonitor(holding.monitor)
            del self._holdings[holder]

    def _take_back(self, holder: ActorRef) -> None:
        holding = self._holdings.get(holder)
        for permit in tuple(holding.permits) if holding else ():
            self._let_go(permit)
            self._breaker.release(permit)
        self._changed()

    def _changed(self) -> None:
        """After whatever was asked or told."""
        self._set_timer()
        self._put_figures()

    def _set_timer(self) -> None:
        due = self._breaker.next_deadline()
        if due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        delay = None if due is None else max(0.0, due - trio.current_time())
        self._timer = None if delay is None else self.send_after(delay, _Tick())

    def _heard(self, event: BreakerEvent) -> None:
        match event:
            case StateTransition():
                log = _log.warning if event.entered is State.OPEN else _log.info
                log(
                    "circuit breaker changed",
                    upstream=self._upstream,
                    left=event.left.value,
                    entered=event.entered.value,
                    reason=event.reason,
                )
                self._tell(event.reason)
            case ForceChanged():
                left, entered = event.left, event.entered
                _log.warning(
                    "circuit breaker forced",
                    upstream=self._upstream,
                    left=left and left.value,
                    entered=entered and entered.value,
                )
                self._tell("no longer forced" if entered is None else f"forced: {entered.value}")

    def _tell(self, reason: str | None) -> None:
        stands = self._breaker.statistics()
        now = Moment.now()
        state = CircuitState(stands.effective.value)
        remaining = stands.remaining if state is CircuitState.OPEN else None
        row = CircuitStatus(
            state,
            since=now.after(-stands.time_in_state),
            next_probe=None if remaining is None else now.after(remaining),
            reason=None if state is CircuitState.CLOSED else reason,
        )
        before = self._table.get(self._upstream)
        self._table.put(self._upstream, row)
        if before is not None and (before.state is not state or reason is not None):
            why = reason or "a new breaker begins closed"
            forced = stands.forced is not None
            self.system.emit(CircuitMoved(self.path, before.state, state, why, forced))
        for name in self._watchers:
            self.system.ref(name).cast(CircuitChanged())

    def _put_figures(self) -> None:
        stands, settings = self._breaker.statistics(), self._settings
        due = self._breaker.next_deadline()
        totals = stands.buffered
        figures = CircuitFigures(
            computed=stands.state.value,
            forced=stands.forced and stands.forced.value,
            forced_until=None if stands.forced is None or due is None else Moment(due),
            since=Moment.now().after(-stands.time_in_state),
            openings=stands.openings,
            calls=totals.calls,
            failures=totals.failed,
            slow_calls=totals.slow,
            failure_rate=stands.failure_rate,
            slow_rate=stands.slow_rate,
            failure_threshold=settings.failure_rate,
            slow_threshold=settings.slow_rate,
            window=settings.window,
            window_is_seconds=settings.window_type is WindowType.TIME,
            minimum_calls=settings.minimum_calls,
            in_flight=stands.in_flight,
            successful=stands.successful,
            failed=stands.failed,
            ignored=stands.ignored,
            cancelled=stands.cancelled,
            not_permitted=stands.not_permitted,
        )
        self._figures.put(self._upstream, figures)
