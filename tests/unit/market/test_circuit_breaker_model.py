"""The breaker beside a naive model that remembers everything and works every answer out anew."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from stockstream.market.breaker_events import StateTransition
from stockstream.market.breaker_types import (
    BreakerSettings,
    Forced,
    IllegalTransition,
    NotPermitted,
    Permit,
    State,
    WindowType,
)
from stockstream.market.circuit_breaker import CircuitBreaker


class Harmless(Exception):
    """Of a class the breaker ignores."""


class Unrelated(Exception):
    """Of a class the breaker neither records nor ignores."""


@dataclass
class Outcome:
    at: float
    failed: bool
    slow: bool
    place: str  # "window" or "probes"


@dataclass
class Model:
    """All outcomes ever, all permits ever; no running totals, no queue, no eviction."""

    settings: BreakerSettings
    now: float = 0.0
    state: State = State.CLOSED
    forced: Forced | None = None
    forced_until: float | None = None
    until: float = 0.0
    retry_at: float = -1.0
    openings: int = 0
    log: list[Outcome | str] = field(default_factory=list)
    valid: dict[Permit, Forced | None] = field(default_factory=dict)
    transitions: list[tuple[State, State]] = field(default_factory=list)
    successful: int = 0
    failed: int = 0
    ignored: int = 0
    cancelled: int = 0
    rejected: int = 0
    void: int = 0

    def kept(self, place: str) -> list[Outcome]:
        """What the window or the probes hold now, read from the whole history."""
        since = max(
            (i for i, entry in enumerate(self.log) if entry == f"empty {place}"), default=-1
        )
        outcomes = [
            entry
            for entry in self.log[since + 1 :]
            if isinstance(entry, Outcome) and entry.place == place
        ]
        if place == "probes":
            return outcomes
        if self.settings.window_type is WindowType.COUNT:
            return outcomes[-self.settings.window :]
        return [o for o in outcomes if self.now - o.at <= self.settings.window]

    def needed(self, place: str) -> int:
        if place == "probes":
            return min(self.settings.minimum_calls, self.settings.probes)
        if self.settings.window_type is WindowType.COUNT:
            return min(self.settings.minimum_calls, self.settings.window)
        return self.settings.minimum_calls

    def exceeds(self, outcomes: list[Outcome]) -> bool:
        failures = sum(o.failed for o in outcomes)
        slow = sum(o.slow for o in outcomes)
        return failures * 100 >= self.settings.failure_rate * len(
            outcomes
        ) or slow * 100 >= self.settings.slow_rate * len(outcomes)

    def enter(self, state: State) -> None:
        self.transitions.append((self.state, state))
        self.state = state
        self.valid.clear()
        if state is State.OPEN:
            self.openings += 1
            wait = min(self.settings.wait * 2 ** (self.openings - 1), self.settings.max_wait)
            self.until = self.retry_at if self.retry_at > self.now else self.now + wait
        elif state is State.HALF_OPEN:
            self.until = self.now + self.settings.max_half_open
            self.log.append("empty probes")
        else:
            self.openings = 0
            self.log.append("empty window")

    def look_at_the_clock(self) -> None:
        if self.forced_until is not None and self.now >= self.forced_until:
            self.forced = self.forced_until = None
        if self.forced is None and self.state is State.HALF_OPEN and self.now >= self.until:
            probes = self.kept("probes")
            self.enter(State.OPEN if not probes or self.exceeds(probes) else State.CLOSED)

    def permits(self) -> bool:
        self.look_at_the_clock()
        if self.forced is not None:
            return self.forced is not Forced.FORCED_OPEN
        if self.state is State.OPEN and self.now >= self.until:
            self.enter(State.HALF_OPEN)
        if self.state is State.HALF_OPEN:
            probing = [forced for forced in self.valid.values() if forced is None]
            return len(probing) + len(self.kept("probes")) < self.settings.probes
        return self.state is State.CLOSED

    def counts(self, permit: Permit) -> bool:
        """Take the permit back; whether its outcome is recorded."""
        self.look_at_the_clock()
        if permit not in self.valid:
            self.void += 1
            return False
        given_under = self.valid.pop(permit)
        if self.forced in (Forced.FORCED_OPEN, Forced.DISABLED):
            return False
        return given_under is None or given_under is self.forced

    def record(self, *, failed: bool, slow: bool) -> None:
        self.failed += failed
        self.successful += not failed
        probing = self.state is State.HALF_OPEN and self.forced is None
        place = "probes" if probing else "window"
        self.log.append(Outcome(self.now, failed, slow, place))
        kept = self.kept(place)
        if self.forced is not None or len(kept) < self.needed(place):
            return
        if self.exceeds(kept):
            self.enter(State.OPEN)
        elif self.state is State.HALF_OPEN:
            self.enter(State.CLOSED)


RESULTS = ("good result", "bad result")
ERRORS = {"recorded error": OSError("down"), "ignored error": Harmless(), "other": Unrelated()}

# Eighths of a second add up without rounding, so the model may compare with ==.
moments = st.integers(0, 160).map(lambda eighths: eighths / 8)
durations = st.sampled_from([0.125, 0.125, 2.0, 2.125])
kinds = st.sampled_from([*RESULTS, *ERRORS, "good result", "recorded error"])
asked = st.sampled_from([None, None, None, 0.0, 1.0, 8.0, 100.0])


class BreakerBesideModel(RuleBasedStateMachine):
    """Whatever is asked and told, in any order and at any time, both say the same."""

    permits = Bundle("permits")

    @initialize(
        window_type=st.sampled_from(WindowType),
        window=st.integers(1, 6),
        minimum_calls=st.integers(1, 6),
        failure_rate=st.sampled_from([20.0, 50.0, 100.0]),
        slow_rate=st.sampled_from([50.0, 100.0]),
        probes=st.integers(1, 4),
    )
    def begin(self, **drawn):
        settings = BreakerSettings(
            slow_call=2.0,
            wait=4.0,
            max_wait=10.0,
            max_half_open=6.0,
            max_retry_after=12.0,
            recorded=(OSError,),
            ignored=(Harmless,),
            is_failure=lambda result: result == "bad result",
            **drawn,
        )
        self.model = Model(settings)
        # Half of the way between the least and the most jitter is none.
        self.breaker = CircuitBreaker("api", settings, lambda: self.model.now, lambda: 0.5)
        self.heard: list[tuple[State, State]] = []
        self.breaker.subscribe(self.hear)

    def hear(self, event):
        if isinstance(event, StateTransition):
            self.heard.append((event.left, event.entered))
        raise RuntimeError("a listener that raises")

    @rule(seconds=moments)
    def wait(self, seconds):
        self.model.now += seconds

    @rule()
    def wait_until_something_is_due(self):
        due = self.model.forced_until if self.model.forced else self.model.until
        self.model.now = max(self.model.now, due or 0.0)

    @rule(outcomes=st.lists(st.tuples(kinds, durations, asked), min_size=1, max_size=8))
    def call_one_after_another(self, outcomes):
        for kind, duration, retry_after in outcomes:
            permit = self.ask()
            if permit is not None:
                self.settle(permit, kind, duration, retry_after)

    @rule(number=st.integers(2, 6), outcomes=st.lists(st.tuples(kinds, durations), max_size=6))
    def call_at_the_same_time(self, number, outcomes):
        asked = [permit for _ in range(number) if (permit := self.ask()) is not None]
        for permit, (kind, duration) in zip(asked, outcomes, strict=False):
            self.settle(permit, kind, duration, None)

    @rule(target=permits)
    def acquire(self):
        permit = self.ask()
        return multiple() if permit is None else permit

    def ask(self):
        permitted = self.model.permits()
        answer = self.breaker.acquire()
        if permitted:
            assert isinstance(answer, Permit)
            self.model.valid[answer] = self.model.forced
            return answer
        assert isinstance(answer, NotPermitted)
        self.model.rejected += 1
        until = self.model.until if self.model.forced is None else self.model.forced_until
        assert answer.remaining == (None if until is None else until - self.model.now)
        return None

    @rule(permit=permits, kind=kinds, duration=durations, retry_after=asked)
    def settle(self, permit, kind, duration, retry_after):
        if kind in RESULTS:
            if self.model.counts(permit):
                self.model.record(failed=kind == "bad result", slow=duration > 2.0)
            self.breaker.success(permit, duration, kind)
            return
        if self.model.counts(permit):
            if kind == "ignored error":
                self.model.ignored += 1
            else:
                if retry_after:
                    self.model.retry_at = self.model.now + min(retry_after, 12.0)
                self.model.record(failed=kind == "recorded error", slow=duration > 2.0)
        self.breaker.error(permit, duration, ERRORS[kind], retry_after)

    @rule(permit=permits)
    def cancel(self, permit):
        self.model.look_at_the_clock()
        if permit in self.model.valid:
            del self.model.valid[permit]
            self.model.cancelled += 1
        self.breaker.release(permit)

    @rule(forced=st.none() | st.sampled_from(Forced), expires_after=st.none() | st.just(5.0))
    def force(self, forced, expires_after):
        self.model.look_at_the_clock()
        self.model.forced = forced
        expires = forced is not None and expires_after is not None
        self.model.forced_until = self.model.now + expires_after if expires else None
        self.breaker.force(forced, expires_after)

    @rule()
    def reset(self):
        self.model.look_at_the_clock()
        if self.model.state is not State.CLOSED:
            self.model.enter(State.CLOSED)
        self.model.openings = 0
        self.model.retry_at = -1.0
        self.model.log.append("empty window")
        self.breaker.reset()

    @rule(to=st.sampled_from(State))
    def transition(self, to):
        self.model.look_at_the_clock()
        if self.model.state is State.CLOSED and to is State.HALF_OPEN:
            with pytest.raises(IllegalTransition):
                self.breaker.transition(to, "by hand")
            return
        if self.model.state is not to:
            self.model.enter(to)
        self.breaker.transition(to, "by hand")

    @rule()
    def tick(self):
        self.model.look_at_the_clock()
        self.breaker.tick()

    @invariant()
    def both_say_the_same(self):
        if not hasattr(self, "model"):
            return
        model, told = self.model, self.breaker.statistics()
        assert (told.state, told.forced) == (model.state, model.forced)
        assert self.heard == model.transitions
        assert told.generation == len(model.transitions)
        assert told.openings == model.openings
        assert told.in_flight == len(model.valid)
        assert (told.successful, told.failed, told.ignored, told.cancelled) == (
            model.successful,
            model.failed,
            model.ignored,
            model.cancelled,
        )
        assert (told.not_permitted, told.void) == (model.rejected, model.void)
        if model.state is State.CLOSED or model.forced is Forced.METRICS_ONLY:
            kept = model.kept("window")
            assert told.buffered.calls == len(kept)
            assert told.buffered.failed == sum(o.failed for o in kept)
            assert told.buffered.slow == sum(o.slow for o in kept)
            assert (told.failure_rate is None) == (len(kept) < model.needed("window"))


BreakerBesideModel.TestCase.settings = hypothesis_settings(
    max_examples=200, stateful_step_count=50, deadline=None, print_blob=True
)


@pytest.mark.proves(
    "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12",
    "B13", "B14", "B15", "B16", "B17", "B18", "B19", "B21",
)  # fmt: skip
class TestBreakerBesideModel(BreakerBesideModel.TestCase):
    """The state machine as a test of this suite."""
