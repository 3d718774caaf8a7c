"""A circuit breaker as a pure state machine: no I/O, no tasks, the clock and the dice passed in.

Closed it permits every call and judges their outcomes; open it permits none until its wait is over;
half-open it permits a few probes and decides by them. The semantics are resilience4j's, with three
differences: a permit belongs to the state it was given in, so a late outcome can never pass for a
probe; the wait grows with every opening in a row; and a forced state stands beside the computed one
instead of replacing it. See ADR 0041.

Time is read from the clock whenever something is asked or told. Two things can happen by time
alone, the longest half-open and the expiry of a forced state: `next_deadline` says when, and `tick`
makes them happen then. Nothing else needs a timer.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stockstream.market.breaker_events import (
    BreakerEvent,
    CallFailed,
    CallIgnored,
    CallRejected,
    CallSucceeded,
    FailureRateExceeded,
    ForceChanged,
    SlowRateExceeded,
    StateTransition,
    WindowReset,
)
from stockstream.market.breaker_types import (
    BreakerSettings,
    BreakerStatistics,
    Forced,
    IllegalTransition,
    NotPermitted,
    Permit,
    State,
    WindowType,
)
from stockstream.market.outcome_window import OutcomeWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stockstream.market.outcome_window import Totals

    Listener = Callable[[BreakerEvent], None]

# 2**20 waits of a millisecond are over 17 minutes; beyond it the longest wait has long been met.
_LARGEST_DOUBLING = 20
_LEGAL = {
    (State.CLOSED, State.OPEN),
    (State.OPEN, State.HALF_OPEN),
    (State.OPEN, State.CLOSED),
    (State.HALF_OPEN, State.OPEN),
    (State.HALF_OPEN, State.CLOSED),
}


class CircuitBreaker:
    """See the module. Not for use from several threads; nothing in it waits."""

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds; `random` gives numbers in [0, 1) for the jitter."""
        self.name = name
        self._settings = settings
        self._clock = clock
        self._random = random
        self._listeners: list[Listener] = []
        self._events: deque[BreakerEvent] = deque()
        self._publishing = False

        self._state = State.CLOSED
        self._since = clock()
        self._generation = 0
        self._forced: Forced | None = None
        self._forced_until: float | None = None
        self._open_until = 0.0
        self._half_open_until = 0.0
        self._retry_at = -math.inf
        self._openings = 0

        if settings.window_type is WindowType.COUNT:
            self._window = OutcomeWindow(count=settings.window)
            self._minimum = min(settings.minimum_calls, settings.window)
        else:
            self._window = OutcomeWindow(seconds=settings.window)
            self._minimum = settings.minimum_calls
        self._probes = OutcomeWindow(count=settings.probes)
        self._minimum_probes = min(settings.minimum_calls, settings.probes)
        self._judged = self._window
        self._over: tuple[bool, bool] = (False, False)

        self._outstanding: set[Permit] = set()
        self._successful = self._failed = self._ignored = self._cancelled = 0
        self._not_permitted = self._void = self._listener_errors = 0

    # Asking and telling

    def acquire(self) -> Permit | NotPermitted:
        """Ask for one call. The refusal is returned, not raised: raise it where that helps."""
        with self._changing() as now:
            answer = self._refusal(now) or Permit(self._generation, self._forced)
            if isinstance(answer, Permit):
                self._outstanding.add(answer)
            else:
                self._not_permitted += 1
                self._events.append(CallRejected(self.name, now, answer.remaining))
        return answer

    def success(self, permit: Permit, duration: float, result: object = None) -> None:
        """The call returned `result` after `duration` seconds."""
        with self._changing() as now:
            if self._settle(permit):
                self._record(now, duration, "result" if self._settings.is_failure(result) else None)

    def error(
        self, permit: Permit, duration: float, error: Exception, retry_after: float | None = None
    ) -> None:
        """The call raised `error` after `duration` seconds.

        `retry_after` is how many seconds the upstream asked to be left alone (B12): when the
        breaker opens before they are over, they set the wait instead of the back-off.
        """
        with self._changing() as now:
            if self._settle(permit):
                if isinstance(error, self._settings.ignored):
                    self._ignored += 1
                    self._events.append(CallIgnored(self.name, now, duration, repr(error)))
                else:
                    if retry_after is not None and retry_after > 0:
                        self._retry_at = now + min(retry_after, self._settings.max_retry_after)
                    failed = isinstance(error, self._settings.recorded)
                    self._record(now, duration, repr(error) if failed else None)

    def release(self, permit: Permit) -> None:
        """Give a permit back whose call was cancelled: nothing is recorded (B7). Idempotent."""
        with self._changing():
            if permit in self._outstanding:
                self._outstanding.remove(permit)
                self._cancelled += 1

    # Management

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` told every event, after the change it tells of. One that raises is
        counted and changes nothing.
        """
        self._listeners.append(listener)

    def force(self, forced: Forced | None, expires_after: float | None = None) -> None:
        """Put a forced state beside the computed one, for `expires_after` seconds or until
        changed; None takes it away. The computed state stands still meanwhile.
        """
        if expires_after is not None and not (math.isfinite(expires_after) and expires_after > 0):
            raise ValueError(f"expires_after must be above 0 seconds, not {expires_after}")
        with self._changing() as now:
            until = None if forced is None or expires_after is None else now + expires_after
            self._set_forced(now, forced, until)

    def transition(self, to: State, reason: str) -> None:
        """Change the computed state by hand. To the same state is a no-op; raises
        `IllegalTransition` for a way the machine does not have.
        """
        with self._changing() as now:
            if to is not self._state:
                if (self._state, to) not in _LEGAL:
                    raise IllegalTransition(f"circuit breaker {self.name!r}: {self._state} to {to}")
                self._go(now, to, reason)

    def reset(self) -> None:
        """Close, with an empty window and the first wait. A forced state stays; counters go on."""
        with self._changing() as now:
            if self._state is not State.CLOSED:
                self._go(now, State.CLOSED, "reset")
            self._begin_anew()
            self._retry_at = -math.inf
            self._events.append(WindowReset(self.name, now))

    def tick(self) -> None:
        """Let happen what is due by time alone."""
        with self._changing():
            pass

    def next_deadline(self) -> float | None:
        """When, on the clock, `tick` will have something to do; None when there is nothing."""
        if self._forced is not None:
            return self._forced_until
        return self._half_open_until if self._state is State.HALF_OPEN else None

    def statistics(self) -> BreakerStatistics:
        """How it stands; changes nothing."""
        now = self._clock()
        judged = self._window if self._forced is Forced.METRICS_ONLY else self._judged
        totals = judged.totals(now)
        enough = totals.calls >= self._minimum_of(judged)
        return BreakerStatistics(
            name=self.name,
            state=self._state,
            forced=self._forced,
            time_in_state=now - self._since,
            remaining=self._remaining(now),
            generation=self._generation,
            openings=self._openings,
            successful=self._successful,
            failed=self._failed,
            ignored=self._ignored,
            cancelled=self._cancelled,
            not_permitted=self._not_permitted,
            void=self._void,
            in_flight=len(self._outstanding),
            failure_rate=totals.failure_rate if enough else None,
            slow_rate=totals.slow_rate if enough else None,
            buffered=totals,
            listener_errors=self._listener_errors,
        )

    # The machine

    @contextmanager
    def _changing(self) -> Iterator[float]:
        """Let happen what is due, give the time to the block, then tell what has happened: also
        what was due before a block that raises.
        """
        try:
            yield self._advance()
        finally:
            self._publish()

    def _advance(self) -> float:
        """Let happen what is due, and say what time it is."""
        now = self._clock()
        if self._forced_until is not None and now >= self._forced_until:
            self._set_forced(now, None, None)
        overdue = self._state is State.HALF_OPEN and now >= self._half_open_until
        if overdue and self._forced is None:
            totals = self._probes.totals(now)
            if totals.calls == 0:
                self._go(now, State.OPEN, "no probe had an outcome in time")
            else:
                self._decide(now, totals)
        return now

    def _refusal(self, now: float) -> NotPermitted | None:
        if self._forced is not None:
            if self._forced is not Forced.FORCED_OPEN:
                return None
            return NotPermitted(self.name, self._forced, self._remaining(now))
        if self._state is State.OPEN and now >= self._open_until:
            self._go(now, State.HALF_OPEN, "the wait is over")
        if self._state is State.CLOSED:
            return None
        if self._state is State.HALF_OPEN:
            probing = sum(permit.forced is None for permit in self._outstanding)
            if probing + self._probes.totals(now).calls < self._settings.probes:
                return None
        return NotPermitted(self.name, self._state, self._remaining(now))

    def _remaining(self, now: float) -> float | None:
        if self._forced is Forced.FORCED_OPEN:
            until = self._forced_until
        elif self._forced is not None or self._state is State.CLOSED:
            until = None
        else:
            until = self._open_until if self._state is State.OPEN else self._half_open_until
        return None if until is None else max(0.0, until - now)

    def _settle(self, permit: Permit) -> bool:
        """Take a permit back with its outcome; whether that outcome means anything."""
        if permit not in self._outstanding:
            self._void += 1
            return False
        self._outstanding.remove(permit)
        if self._forced in {None, Forced.METRICS_ONLY}:
            return permit.forced in {None, self._forced}
        return False

    def _record(self, now: float, duration: float, failure: str | None) -> None:
        slow = duration > self._settings.slow_call
        if failure is None:
            self._successful += 1
            self._events.append(CallSucceeded(self.name, now, duration, slow))
        else:
            self._failed += 1
            self._events.append(CallFailed(self.name, now, duration, slow, failure))
        probing = self._state is State.HALF_OPEN and self._forced is None
        window = self._probes if probing else self._window
        window.record(now, failed=failure is not None, slow=slow)
        totals = window.totals(now)
        if totals.calls >= self._minimum_of(window):
            self._decide(now, totals)

    def _minimum_of(self, window: OutcomeWindow) -> int:
        return self._minimum_probes if window is self._probes else self._minimum

    def _decide(self, now: float, totals: Totals) -> None:
        """Judge by enough outcomes, or by all there will be."""
        failing = totals.failure_rate >= self._settings.failure_rate
        slow = totals.slow_rate >= self._settings.slow_rate
        was_failing, was_slow = self._over
        self._over = (failing, slow)
        if failing and not was_failing:
            self._events.append(FailureRateExceeded(self.name, now, totals.failure_rate))
        if slow and not was_slow:
            self._events.append(SlowRateExceeded(self.name, now, totals.slow_rate))
        if self._forced is not None:
            return
        if failing:
            self._go(now, State.OPEN, f"{totals.failure_rate:.0f} % of {totals.calls} calls failed")
        elif slow:
            self._go(now, State.OPEN, f"{totals.slow_rate:.0f} % of {totals.calls} calls were slow")
        elif self._state is State.HALF_OPEN:
            self._go(now, State.CLOSED, "the probes succeeded")

    def _go(self, now: float, to: State, reason: str) -> None:
        left, self._state = self._state, to
        self._since = now
        self._generation += 1
        self._outstanding.clear()
        self._over = (False, False)
        match to:
            case State.OPEN:
                self._openings += 1
                asked_for = self._retry_at - now
                self._open_until = now + (asked_for if asked_for > 0 else self._back_off())
            case State.HALF_OPEN:
                self._half_open_until = now + self._settings.max_half_open
                self._probes.clear()
                self._judged = self._probes
            case State.CLOSED:
                self._begin_anew()
        self._events.append(StateTransition(self.name, now, left, to, reason))

    def _back_off(self) -> float:
        settings = self._settings
        factor = 1 << min(self._openings - 1, _LARGEST_DOUBLING)
        spread = 1 + settings.jitter * (2 * self._random() - 1)
        return min(min(settings.wait * factor, settings.max_wait) * spread, settings.max_wait)

    def _begin_anew(self) -> None:
        self._window.clear()
        self._judged = self._window
        self._over = (False, False)
        self._openings = 0

    def _set_forced(self, now: float, forced: Forced | None, until: float | None) -> None:
        before, self._forced, self._forced_until = self._forced, forced, until
        if forced is not before:
            self._events.append(ForceChanged(self.name, now, before, forced))

    def _publish(self) -> None:
        """Tell the listeners what has happened, in order, also when one of them calls back."""
        if self._publishing:
            return
        self._publishing = True
        try:
            while self._events:
                event = self._events.popleft()
                for listener in tuple(self._listeners):
                    try:
                        listener(event)
                    except Exception:  # noqa: BLE001 - B20: a listener that raises changes nothing
                        self._listener_errors += 1
        finally:
            self._publishing = False
