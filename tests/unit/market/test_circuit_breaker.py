"""The circuit breaker, statement by statement."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market import breaker_events as events
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

DOWN = OSError("down")


class NotFoundUpstream(OSError):
    """An error of a recorded class that is ignored all the same."""


class Bench:
    """A breaker on a clock that the test moves, and everything it said."""

    def __init__(self, random=lambda: 0.5, **settings):
        self.now = 1000.0
        self.breaker = CircuitBreaker(
            "prices", BreakerSettings(**settings), lambda: self.now, random
        )
        self.events = []
        self.breaker.subscribe(self.events.append)

    @property
    def state(self):
        return self.breaker.statistics().state

    @property
    def statistics(self):
        return self.breaker.statistics()

    def acquire(self):
        answer = self.breaker.acquire()
        assert isinstance(answer, Permit), answer
        return answer

    def refused(self):
        answer = self.breaker.acquire()
        assert isinstance(answer, NotPermitted), answer
        return answer

    def succeed(self, times=1, duration=0.1, result=None):
        for _ in range(times):
            self.breaker.success(self.acquire(), duration, result)

    def fail(self, times=1, duration=0.1, error=DOWN, retry_after=None):
        for _ in range(times):
            self.breaker.error(self.acquire(), duration, error, retry_after)

    def opened(self):
        while self.state is not State.OPEN:
            self.fail()
        return self

    def half_open(self):
        """Open it, wait, and take the first probe."""
        self.opened()
        self.now += 60
        return self.acquire()

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def transitions(self):
        return [(event.left, event.entered) for event in self.told(events.StateTransition)]


@pytest.mark.proves("B1")
def test_a_new_breaker_is_closed_and_permits_all():
    bench = Bench()
    assert bench.state is State.CLOSED
    assert all(isinstance(bench.breaker.acquire(), Permit) for _ in range(100))


@pytest.mark.proves("B2")
def test_below_the_minimum_there_is_no_rate_and_it_never_opens():
    bench = Bench(minimum_calls=5)
    bench.fail(4)
    assert bench.statistics.failure_rate is None
    assert bench.statistics.slow_rate is None
    assert bench.state is State.CLOSED
    bench.fail()
    assert bench.state is State.OPEN


@pytest.mark.proves("B2")
def test_a_window_smaller_than_the_minimum_is_the_minimum():
    bench = Bench(window=3, minimum_calls=5)
    bench.fail(2)
    assert bench.state is State.CLOSED
    bench.fail()
    assert bench.state is State.OPEN


@pytest.mark.proves("B3")
def test_a_count_window_lets_the_oldest_outcome_go():
    """Four failures of ten, then ten successes push them out one by one."""
    bench = Bench(window=10, minimum_calls=10, failure_rate=50)
    bench.fail(4)
    bench.succeed(6)
    assert bench.statistics.failure_rate == 40
    bench.succeed(1)
    assert bench.statistics.failure_rate == 30
    bench.succeed(3)
    assert bench.statistics.failure_rate == 0
    assert bench.statistics.buffered.calls == 10


@pytest.mark.proves("B3")
def test_a_time_window_keeps_its_seconds_and_no_more():
    bench = Bench(window_type=WindowType.TIME, window=10, minimum_calls=3)
    bench.fail(2)
    bench.now += 10
    assert bench.statistics.buffered.calls == 2
    bench.now += 0.001
    assert bench.statistics.buffered.calls == 0
    bench.fail(2)
    assert bench.state is State.CLOSED, "the first two failures no longer count"
    bench.fail()
    assert bench.state is State.OPEN


@pytest.mark.proves("B4")
def test_it_opens_at_the_threshold_exactly():
    bench = Bench(window=4, minimum_calls=4, failure_rate=50)
    bench.succeed(2)
    bench.fail(1)
    assert bench.state is State.CLOSED
    bench.fail(1)
    assert bench.state is State.OPEN


@pytest.mark.proves("B4")
def test_a_success_that_completes_the_minimum_can_open_it():
    """The rate is judged at every recorded outcome, not only at failures."""
    bench = Bench(minimum_calls=5, failure_rate=80)
    bench.fail(4)
    bench.succeed(1)
    assert bench.state is State.OPEN


@pytest.mark.proves("B4")
def test_time_alone_never_opens_it():
    """Successes age out of the window until only failures are left: nobody judges that."""
    bench = Bench(window_type=WindowType.TIME, window=10, minimum_calls=2, failure_rate=60)
    bench.succeed(2)
    bench.now += 8
    bench.fail(2)
    bench.now += 5
    bench.breaker.tick()
    assert bench.statistics.failure_rate == 100
    assert bench.state is State.CLOSED


@pytest.mark.proves("B5")
def test_slow_means_longer_than_the_limit():
    bench = Bench(slow_call=2, minimum_calls=2)
    bench.succeed(duration=2.0)
    assert bench.statistics.buffered.slow == 0
    bench.succeed(duration=2.001)
    assert bench.statistics.buffered.slow == 1


@pytest.mark.proves("B5")
def test_slow_successes_alone_can_open_it():
    bench = Bench(slow_call=2, slow_rate=80, minimum_calls=5)
    bench.succeed(1)
    bench.succeed(4, duration=3)
    assert bench.state is State.OPEN
    assert bench.statistics.failed == 0


@pytest.mark.proves("B5")
def test_a_slow_error_counts_as_slow_and_as_failed():
    bench = Bench(minimum_calls=5)
    bench.fail(duration=3)
    assert (bench.statistics.buffered.failed, bench.statistics.buffered.slow) == (1, 1)


@pytest.mark.proves("B6")
def test_an_ignored_class_wins_over_a_recorded_one():
    bench = Bench(recorded=(OSError,), ignored=(NotFoundUpstream,))
    bench.fail(20, error=NotFoundUpstream())
    assert bench.state is State.CLOSED
    assert (bench.statistics.ignored, bench.statistics.buffered.calls) == (20, 0)


@pytest.mark.proves("B6")
def test_an_error_of_neither_class_counts_as_a_success():
    bench = Bench(recorded=(OSError,))
    bench.fail(20, error=KeyError("mine"))
    assert bench.state is State.CLOSED
    assert (bench.statistics.successful, bench.statistics.failed) == (20, 0)


@pytest.mark.proves("B6")
def test_a_predicate_can_call_a_result_a_failure():
    bench = Bench(is_failure=lambda result: result == [])
    bench.succeed(2, result=["AAPL"])
    bench.succeed(3, result=[])
    assert bench.state is State.OPEN
    assert bench.statistics.failed == 3


def test_a_predicate_that_raises_keeps_no_permit():
    def broken(result):
        raise ZeroDivisionError

    bench = Bench(is_failure=broken)
    with pytest.raises(ZeroDivisionError):
        bench.succeed()
    assert bench.statistics.in_flight == 0


@pytest.mark.proves("B7")
def test_a_cancelled_call_gives_its_permit_back_and_records_nothing():
    bench = Bench()
    permit = bench.acquire()
    bench.breaker.release(permit)
    assert bench.statistics.in_flight == 0
    assert bench.statistics.buffered.calls == 0
    assert bench.statistics.cancelled == 1
    bench.breaker.release(permit)
    assert bench.statistics.cancelled == 1, "giving back twice is once"


@pytest.mark.proves("B8")
def test_open_rejects_and_says_who_and_for_how_long():
    bench = Bench(wait=5).opened()
    bench.now += 2
    refusal = bench.refused()
    assert (refusal.name, refusal.state, refusal.remaining) == ("prices", State.OPEN, 3.0)
    assert str(refusal) == "circuit breaker 'prices' is open for another 3 s"
    assert bench.statistics.not_permitted == 1


@pytest.mark.proves("B9")
def test_the_first_request_after_the_wait_is_the_first_probe():
    bench = Bench(wait=5).opened()
    bench.now += 4.999
    bench.refused()
    bench.now += 0.001
    assert bench.state is State.OPEN, "nothing happens before somebody asks"
    bench.acquire()
    assert bench.state is State.HALF_OPEN
    assert bench.statistics.in_flight == 1


@pytest.mark.proves("B10")
def test_many_failures_at_once_make_one_transition():
    bench = Bench()
    permits = [bench.acquire() for _ in range(50)]
    for permit in permits:
        bench.breaker.error(permit, 0.1, DOWN)
    assert bench.transitions == [(State.CLOSED, State.OPEN)]
    assert bench.statistics.openings == 1


@pytest.mark.proves("B11")
def test_outcomes_of_calls_begun_before_the_opening_change_nothing():
    bench = Bench()
    slow_one, other = bench.acquire(), bench.acquire()
    bench.opened()
    before = bench.statistics
    bench.breaker.success(slow_one, 9.0)
    bench.breaker.error(other, 9.0, DOWN, retry_after=200)
    after = bench.statistics
    assert (after.buffered, after.remaining, after.state) == (
        before.buffered,
        before.remaining,
        before.state,
    )
    assert (after.successful, after.failed, after.void) == (0, 5, 2)


@pytest.mark.proves("B12")
def test_retry_after_sets_the_wait():
    bench = Bench(wait=5, max_wait=60)
    bench.fail(4)
    bench.fail(retry_after=90)
    assert bench.refused().remaining == 90


@pytest.mark.proves("B12")
def test_retry_after_of_an_earlier_failure_still_holds_when_it_opens():
    bench = Bench(wait=5)
    bench.fail(retry_after=30)
    bench.now += 10
    bench.fail(4)
    assert bench.refused().remaining == 20


@pytest.mark.proves("B12", "B2")
def test_retry_after_alone_does_not_open_it():
    bench = Bench()
    bench.fail(retry_after=30)
    assert bench.state is State.CLOSED


@pytest.mark.proves("B12")
def test_retry_after_is_bounded_and_zero_asks_for_nothing():
    bench = Bench(max_retry_after=300)
    bench.fail(5, retry_after=86_400)
    assert bench.refused().remaining == 300
    bench = Bench(wait=5)
    bench.fail(5, retry_after=0)
    assert bench.refused().remaining == 5


@pytest.mark.proves("B12")
def test_a_probe_s_retry_after_sets_the_next_wait():
    bench = Bench(probes=1)
    probe = bench.half_open()
    bench.breaker.error(probe, 0.1, DOWN, retry_after=42)
    assert bench.refused().remaining == 42


@pytest.mark.proves("B13")
def test_no_more_probes_than_allowed_however_many_ask():
    bench = Bench(probes=2)
    bench.opened()
    bench.now += 60
    answers = [bench.breaker.acquire() for _ in range(100)]
    assert sum(isinstance(answer, Permit) for answer in answers) == 2
    assert answers[-1].remaining == 10, "at the latest when the longest half-open is over"


@pytest.mark.proves("B13")
def test_a_probe_with_an_outcome_makes_no_room_for_another():
    bench = Bench(probes=3, minimum_calls=3)
    bench.breaker.success(bench.half_open(), 0.1)
    bench.acquire()
    bench.acquire()
    bench.refused()


@pytest.mark.proves("B14")
def test_enough_good_probes_close_it_with_an_empty_window():
    bench = Bench(probes=2)
    bench.breaker.success(bench.half_open(), 0.1)
    assert bench.state is State.HALF_OPEN
    bench.succeed()
    assert bench.state is State.CLOSED
    assert bench.statistics.buffered.calls == 0
    bench.fail(4)
    assert bench.state is State.CLOSED, "the failures before the opening are forgotten"


@pytest.mark.proves("B14")
def test_bad_probes_open_it_again():
    bench = Bench(probes=2, failure_rate=50)
    bench.breaker.success(bench.half_open(), 0.1)
    bench.fail()
    assert bench.state is State.OPEN
    assert bench.statistics.openings == 2


@pytest.mark.proves("B14")
def test_a_minimum_below_the_number_of_probes_decides_sooner():
    bench = Bench(probes=4, minimum_calls=1)
    bench.fail(1)
    bench.now += 60
    bench.succeed()
    assert bench.state is State.CLOSED


@pytest.mark.proves("B14", "B5")
def test_slow_probes_open_it_again():
    bench = Bench(probes=1)
    bench.breaker.success(bench.half_open(), 5.0)
    assert bench.transitions[-1] == (State.HALF_OPEN, State.OPEN)


@pytest.mark.proves("B15")
def test_ignored_and_cancelled_probes_leave_room_for_others():
    bench = Bench(probes=1, ignored=(NotFoundUpstream,))
    probe = bench.half_open()
    for _ in range(10):
        bench.breaker.release(probe)
        probe = bench.acquire()
        bench.breaker.error(probe, 0.1, NotFoundUpstream())
        probe = bench.acquire()
    bench.breaker.success(probe, 0.1)
    assert bench.state is State.CLOSED


@pytest.mark.proves("B16")
def test_a_probe_without_an_outcome_opens_it_again_after_the_longest_half_open():
    bench = Bench(probes=1, max_half_open=10)
    bench.half_open()
    assert bench.breaker.next_deadline() == bench.now + 10
    bench.now += 10
    bench.breaker.tick()
    assert bench.transitions[-1] == (State.HALF_OPEN, State.OPEN)
    assert bench.breaker.next_deadline() is None


@pytest.mark.proves("B16")
@pytest.mark.parametrize(("error", "decision"), [(None, State.CLOSED), (DOWN, State.OPEN)])
def test_the_forced_decision_goes_by_the_outcomes_there_are(error, decision):
    """A slow poller would otherwise never close it: one probe in ten seconds, two wanted."""
    bench = Bench(probes=2, max_half_open=10)
    probe = bench.half_open()
    if error is None:
        bench.breaker.success(probe, 0.1)
    else:
        bench.breaker.error(probe, 0.1, error)
    bench.now += 10
    bench.breaker.tick()
    assert bench.state is decision


@pytest.mark.proves("B17")
def test_a_late_outcome_of_another_generation_is_not_a_probe():
    bench = Bench(probes=1)
    early = bench.acquire()
    probe = bench.half_open()
    bench.breaker.success(early, 60.0)
    assert bench.state is State.HALF_OPEN
    assert early.generation < probe.generation == bench.statistics.generation
    bench.breaker.error(probe, 0.1, DOWN)
    bench.now += 60
    second = bench.acquire()
    bench.breaker.success(probe, 0.1)
    assert bench.state is State.HALF_OPEN, "a probe of the last half-open decides nothing in this"
    bench.breaker.success(second, 0.1)
    assert bench.state is State.CLOSED


@pytest.mark.proves("B17")
def test_a_permit_is_settled_once():
    bench = Bench()
    permit = bench.acquire()
    for _ in range(10):
        bench.breaker.error(permit, 0.1, DOWN)
    assert bench.statistics.buffered.calls == 1
    assert bench.statistics.void == 9


@pytest.mark.proves("B18")
def test_forced_open_rejects_whatever_the_time():
    bench = Bench()
    bench.breaker.force(Forced.FORCED_OPEN)
    bench.now += 1e6
    refusal = bench.refused()
    assert (refusal.state, refusal.remaining) == (Forced.FORCED_OPEN, None)
    assert "until it is changed" in str(refusal)
    assert bench.statistics.state is State.CLOSED, "the computed state stays visible"
    assert bench.statistics.effective is State.OPEN
    bench.breaker.force(None)
    bench.acquire()


@pytest.mark.proves("B18")
def test_disabled_permits_all_and_records_nothing():
    bench = Bench().opened()
    bench.breaker.force(Forced.DISABLED)
    bench.events.clear()
    before = bench.statistics
    bench.fail(20)
    bench.succeed(20)
    after = bench.statistics
    assert (after.buffered, after.failed, after.successful) == (
        before.buffered,
        before.failed,
        before.successful,
    )
    assert bench.events == []
    assert (after.state, after.effective) == (State.OPEN, State.CLOSED)


@pytest.mark.proves("B18", "B20")
def test_metrics_only_records_and_never_opens():
    bench = Bench()
    bench.breaker.force(Forced.METRICS_ONLY)
    bench.fail(20)
    assert bench.state is State.CLOSED
    assert bench.statistics.failure_rate == 100
    assert len(bench.told(events.FailureRateExceeded)) == 1, "told at the crossing, not after it"
    bench.succeed(15)
    bench.fail(10)
    assert len(bench.told(events.FailureRateExceeded)) == 2


@pytest.mark.proves("B18")
def test_what_was_permitted_by_force_is_no_probe_afterwards():
    bench = Bench(probes=1)
    probe = bench.half_open()
    bench.breaker.force(Forced.METRICS_ONLY)
    forced = bench.acquire()
    bench.breaker.force(None)
    bench.breaker.success(forced, 0.1)
    assert bench.state is State.HALF_OPEN
    bench.breaker.success(probe, 0.1)
    assert bench.state is State.CLOSED


@pytest.mark.proves("B18", "B13")
def test_what_was_permitted_by_force_takes_no_probe_s_place():
    bench = Bench(probes=2)
    bench.half_open()
    bench.breaker.force(Forced.METRICS_ONLY)
    bench.acquire()
    bench.breaker.force(None)
    bench.acquire()
    bench.refused()


@pytest.mark.proves("B18")
@pytest.mark.parametrize("forced", Forced)
def test_a_forced_state_expires(forced):
    bench = Bench()
    bench.breaker.force(forced, expires_after=30)
    assert bench.breaker.next_deadline() == bench.now + 30
    bench.now += 29.999
    bench.breaker.tick()
    assert bench.statistics.forced is forced
    bench.now += 0.001
    bench.breaker.tick()
    assert bench.statistics.forced is None
    assert [(e.left, e.entered) for e in bench.told(events.ForceChanged)] == [
        (None, forced),
        (forced, None),
    ]


@pytest.mark.proves("B18")
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_an_expiry_must_be_a_time_from_now(seconds):
    with pytest.raises(ValueError, match="expires_after"):
        Bench().breaker.force(Forced.DISABLED, expires_after=seconds)


@pytest.mark.proves("B18")
def test_the_computed_state_stands_still_while_forced():
    bench = Bench(probes=1, max_half_open=10)
    bench.half_open()
    bench.breaker.force(Forced.FORCED_OPEN, expires_after=100)
    bench.now += 50
    bench.breaker.tick()
    assert bench.state is State.HALF_OPEN
    bench.now += 50
    bench.breaker.tick()
    assert bench.state is State.OPEN, "the decision that was due is made when the force is gone"


@pytest.mark.proves("B19")
def test_reset_closes_and_empties_the_window():
    bench = Bench(wait=5).opened()
    bench.breaker.reset()
    assert bench.state is State.CLOSED
    assert bench.statistics.buffered.calls == 0
    assert bench.statistics.openings == 0
    assert len(bench.told(events.WindowReset)) == 1
    bench.opened()
    assert bench.refused().remaining == 5, "the back-off begins anew"


@pytest.mark.proves("B19", "B12")
def test_reset_forgets_what_the_upstream_asked_for():
    bench = Bench(wait=5)
    bench.fail(retry_after=200)
    bench.breaker.reset()
    bench.opened()
    assert bench.refused().remaining == 5


@pytest.mark.proves("B19")
def test_reset_of_a_closed_breaker_forgets_its_failures():
    bench = Bench()
    bench.fail(4)
    bench.breaker.reset()
    bench.fail(4)
    assert bench.state is State.CLOSED


@pytest.mark.proves("B19")
def test_a_transition_to_the_same_state_is_a_no_op():
    bench = Bench().opened()
    before = bench.statistics
    bench.events.clear()
    bench.breaker.transition(State.OPEN, "again")
    assert bench.statistics == before
    assert bench.events == []


@pytest.mark.proves("B19")
def test_an_illegal_transition_raises_and_changes_nothing():
    bench = Bench()
    with pytest.raises(IllegalTransition, match="'prices': closed to half_open"):
        bench.breaker.transition(State.HALF_OPEN, "by hand")
    assert bench.state is State.CLOSED
    assert bench.events == []


@pytest.mark.proves("B19", "B20")
def test_an_illegal_transition_still_tells_what_was_due():
    """The forced state expires in the very moment somebody asks for the impossible."""
    bench = Bench()
    bench.breaker.force(Forced.DISABLED, expires_after=1)
    bench.now += 1
    with pytest.raises(IllegalTransition):
        bench.breaker.transition(State.HALF_OPEN, "by hand")
    assert [event.entered for event in bench.told(events.ForceChanged)] == [Forced.DISABLED, None]


@pytest.mark.proves("B20")
def test_each_thing_that_happens_is_told_once_and_in_order():
    bench = Bench(minimum_calls=2, probes=1, ignored=(NotFoundUpstream,))
    bench.succeed()
    bench.fail(error=NotFoundUpstream())
    bench.fail(duration=9)
    bench.refused()
    bench.now += 60
    bench.succeed(duration=0.2)
    bench.breaker.reset()
    assert [type(event) for event in bench.events] == [
        events.CallSucceeded,
        events.CallIgnored,
        events.CallFailed,
        events.FailureRateExceeded,
        events.StateTransition,
        events.CallRejected,
        events.StateTransition,
        events.CallSucceeded,
        events.StateTransition,
        events.WindowReset,
    ]
    opening = bench.told(events.StateTransition)[0]
    assert (opening.name, opening.at) == ("prices", 1000.0)
    assert opening.reason == "50 % of 2 calls failed"


@pytest.mark.proves("B20")
def test_a_slow_rate_over_its_threshold_is_told():
    bench = Bench(minimum_calls=2)
    bench.succeed(2, duration=9)
    assert [event.percent for event in bench.told(events.SlowRateExceeded)] == [100]
    assert bench.told(events.StateTransition)[0].reason == "100 % of 2 calls were slow"


@pytest.mark.proves("B20")
def test_a_listener_that_raises_changes_nothing():
    bench = Bench()
    later = []

    def raising(event):
        raise RuntimeError("listener")

    bench.breaker.subscribe(raising)
    bench.breaker.subscribe(later.append)
    bench.opened()
    assert bench.transitions == [(State.CLOSED, State.OPEN)]
    assert later == bench.events, "those after it are told all the same"
    assert bench.statistics.listener_errors == len(bench.events)


@pytest.mark.proves("B20")
def test_a_listener_may_call_back():
    """Events are told after the change and one by one, so it sees a machine at rest."""
    bench = Bench()
    seen = []

    def reset_at_once(event):
        seen.append((type(event), bench.state))
        if isinstance(event, events.StateTransition) and event.entered is State.OPEN:
            bench.breaker.reset()

    bench.breaker.subscribe(reset_at_once)
    bench.fail(5)
    assert bench.state is State.CLOSED
    assert bench.transitions == [(State.CLOSED, State.OPEN), (State.OPEN, State.CLOSED)]
    assert [type(event) for event in bench.events] == [kind for kind, _ in seen]


@pytest.mark.proves("B21")
def test_the_statistics_tell_calls_by_kind_rates_and_time_in_state():
    bench = Bench(minimum_calls=4, ignored=(NotFoundUpstream,), probes=1)
    bench.succeed(2)
    bench.succeed(duration=3)
    bench.fail()
    bench.fail(error=NotFoundUpstream())
    bench.breaker.release(bench.acquire())
    bench.acquire()
    bench.now += 7
    told = bench.statistics
    assert (told.successful, told.failed, told.ignored, told.cancelled) == (3, 1, 1, 1)
    assert (told.failure_rate, told.slow_rate) == (25, 25)
    assert (told.buffered.calls, told.buffered.failed, told.buffered.slow) == (4, 1, 1)
    assert (told.state, told.time_in_state, told.in_flight) == (State.CLOSED, 7, 1)
    assert (told.not_permitted, told.void, told.remaining) == (0, 0, None)


@pytest.mark.proves("B22")
def test_a_jump_of_the_wall_clock_changes_nothing(monkeypatch):
    bench = Bench(window_type=WindowType.TIME, window=10, wait=5)
    bench.fail(4)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    monkeypatch.setattr(time, "time_ns", lambda: 4 * 10**18)
    monkeypatch.setattr(time, "monotonic", lambda: 4e9)
    bench.fail()
    assert bench.state is State.OPEN
    assert bench.refused().remaining == 5


@pytest.mark.proves("B23")
def test_permits_of_a_predecessor_are_void():
    """A restarted actor makes a new machine; what the old one permitted is unknown to it."""
    old, new = Bench(probes=1), Bench(probes=1)
    permit, probe = old.acquire(), old.half_open()
    new.half_open()
    for stranger in (permit, probe):
        new.breaker.error(stranger, 0.1, DOWN)
        new.breaker.release(stranger)
    assert new.state is State.HALF_OPEN
    assert (new.statistics.void, new.statistics.cancelled, new.statistics.in_flight) == (2, 0, 1)


@given(dice=st.floats(0, 1, exclude_max=True), openings=st.integers(1, 40))
def test_the_wait_doubles_with_each_opening_in_a_row_up_to_its_limit(dice, openings):
    """5, 10, 20, 40, 60, 60 … seconds, each spread by the jitter but never over the limit."""
    bench = Bench(random=lambda: dice, wait=5, max_wait=60, jitter=0.1, probes=1).opened()
    for _ in range(openings - 1):
        bench.now += 60
        bench.fail()
    plain = min(5 * 2 ** (openings - 1), 60)
    assert bench.statistics.openings == openings
    assert plain * 0.9 <= bench.refused().remaining <= min(plain * 1.1, 60) + 1e-9


def test_the_back_off_begins_anew_after_closing():
    bench = Bench(wait=5, probes=1)
    bench.opened()
    bench.now += 60
    bench.fail()
    bench.now += 60
    bench.succeed()
    bench.opened()
    assert bench.refused().remaining == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window", 0),
        ("minimum_calls", 0),
        ("probes", 0),
        ("failure_rate", 0),
        ("failure_rate", 101),
        ("slow_rate", float("nan")),
        ("slow_call", 0),
        ("wait", -1),
        ("max_wait", 4.9),
        ("max_half_open", float("inf")),
        ("max_retry_after", 0),
        ("jitter", 1),
    ],
)
def test_a_bad_setting_is_refused_by_its_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must"):
        BreakerSettings(**{field: value})
