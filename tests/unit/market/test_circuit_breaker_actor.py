"""The actor around the circuit breaker, on virtual time."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from stockstream.market.breaker_messages import (
    AcquirePermit,
    CallRaised,
    CallReturned,
    NoCalls,
)
from stockstream.market.breaker_types import BreakerSettings, NotPermitted, Permit
from stockstream.messages import ForceCircuit
from stockstream.statuses import CircuitState, CircuitStatus
from stockstream.times import Moment
from supervision import Actor, ChildSpec, start_child, terminate_child
from tests.unit.market.market_tree import BREAKER, UPSTREAM, ScriptedProvider, running_market

DOWN = OSError("down")


class Bench:
    """A breaker without a feed, and callers that can be killed."""

    def __init__(self, market):
        self.market = market
        self.ref = market.ref(BREAKER)
        self.callers = 0

    async def caller(self):
        self.callers += 1
        return await start_child(
            self.market.ref("market"), ChildSpec(f"caller_{self.callers}", Actor)
        )

    async def acquire(self, holder):
        answer = await self.ref.call(AcquirePermit(holder))
        assert isinstance(answer, Permit)
        return answer

    async def refused(self, holder):
        answer = await self.ref.call(AcquirePermit(holder))
        assert isinstance(answer, NotPermitted)
        return answer

    async def fail(self, holder, times=5, retry_after=None):
        for _ in range(times):
            self.ref.cast(CallRaised(await self.acquire(holder), 0.1, DOWN, retry_after))
        await wait_all_tasks_blocked()

    async def kill(self, ref):
        with ref.monitor() as monitor:
            ref.kill()
            await monitor.wait()
        await wait_all_tasks_blocked()

    async def stands(self):
        await wait_all_tasks_blocked()
        return self.market.breaker

    @property
    def told(self):
        return [row for row in self.market.heard if isinstance(row, CircuitStatus)]


@pytest.fixture
async def bench():
    settings = BreakerSettings(jitter=0, probes=1)
    async with running_market(ScriptedProvider(), breaker=settings) as market:
        await terminate_child(market.ref(f"market/feeds/{UPSTREAM}"), "feed")
        await wait_all_tasks_blocked()
        market.heard.clear()
        market.ref(BREAKER).kill()
        await wait_all_tasks_blocked()
        yield Bench(market)


async def test_permits_and_outcomes_go_by_message(bench, autojump_clock):
    caller = await bench.caller()
    bench.ref.cast(CallReturned(await bench.acquire(caller), 0.1, []))
    bench.ref.cast(CallRaised(await bench.acquire(caller), 0.1, DOWN))
    await bench.acquire(caller)
    bench.ref.cast(NoCalls(caller))
    stands = await bench.stands()
    assert (stands.successful, stands.failed, stands.cancelled, stands.in_flight) == (1, 1, 1, 0)


@pytest.mark.proves("B7")
async def test_a_dead_holder_gives_its_permits_back(bench, autojump_clock):
    one, other = await bench.caller(), await bench.caller()
    for holder in (one, one, one, other):
        await bench.acquire(holder)
    await bench.kill(one)
    stands = await bench.stands()
    assert (stands.in_flight, stands.cancelled, stands.calls) == (1, 3, 0)


@pytest.mark.proves("B7", "B15")
async def test_a_probe_whose_holder_dies_makes_room_for_another(bench, autojump_clock):
    one, other = await bench.caller(), await bench.caller()
    await bench.fail(one)
    await trio.sleep(5)
    await bench.acquire(one)
    await bench.refused(other)
    await bench.kill(one)
    bench.ref.cast(CallReturned(await bench.acquire(other), 0.1, []))
    assert (await bench.stands()).computed == "closed"


@pytest.mark.proves("B7")
async def test_a_holder_that_is_dead_already_keeps_nothing(bench, autojump_clock):
    holder = await bench.caller()
    await bench.kill(holder)
    await bench.acquire(holder)
    await wait_all_tasks_blocked()
    assert (await bench.stands()).in_flight == 0


async def test_a_holder_can_say_that_it_makes_no_calls(bench, autojump_clock):
    one, other = await bench.caller(), await bench.caller()
    for holder in (one, one, other):
        await bench.acquire(holder)
    bench.ref.cast(NoCalls(one))
    bench.ref.cast(NoCalls(one))
    stands = await bench.stands()
    assert (stands.in_flight, stands.cancelled) == (1, 2)


async def test_nobody_is_watched_who_holds_nothing(bench, autojump_clock):
    caller = await bench.caller()
    for _ in range(100):
        bench.ref.cast(CallReturned(await bench.acquire(caller), 0.1, []))
    await wait_all_tasks_blocked()
    cell = bench.market.system.names[BREAKER]
    assert len(cell.watching) == 0


@pytest.mark.proves("B23")
async def test_a_restarted_breaker_is_closed_and_empty_and_voids_old_permits(bench, autojump_clock):
    caller = await bench.caller()
    early = await bench.acquire(caller)
    await bench.fail(caller)
    assert bench.market.circuit.state is CircuitState.OPEN
    await bench.kill(bench.market.system.whereis(BREAKER))
    assert bench.market.circuit.state is CircuitState.CLOSED, "and everybody is told"
    assert bench.told[-1].state is CircuitState.CLOSED
    for _ in range(20):
        bench.ref.cast(CallRaised(early, 0.1, DOWN))
    stands = await bench.stands()
    assert (stands.computed, stands.calls, stands.failed) == ("closed", 0, 0)
    assert stands.openings == 0


@pytest.mark.proves("B24")
async def test_two_breakers_know_nothing_of_each_other(bench, autojump_clock):
    """One per upstream and node: there is nothing shared that could tell."""
    holder = await bench.caller()
    async with running_market(ScriptedProvider()) as elsewhere:
        await bench.fail(holder)
        assert bench.market.circuit.state is CircuitState.OPEN
        assert elsewhere.circuit.state is CircuitState.CLOSED
        assert elsewhere.breaker.failed == 0


async def test_changes_are_in_the_table_and_told_with_the_next_probe(bench, autojump_clock):
    caller = await bench.caller()
    began = Moment.now()
    await bench.fail(caller, retry_after=30)
    await wait_all_tasks_blocked()
    row = bench.told[-1]
    assert row == bench.market.circuit
    assert row.state is CircuitState.OPEN
    assert row.next_probe - began == pytest.approx(30)
    assert row.since == began
    assert row.reason == "100 % of 5 calls failed"
    await trio.sleep(30)
    bench.ref.cast(CallReturned(await bench.acquire(caller), 0.1, []))
    await wait_all_tasks_blocked()
    assert [(r.state, r.next_probe) for r in bench.told[-2:]] == [
        ("half_open", None),
        ("closed", None),
    ]


@pytest.mark.proves("B16")
async def test_the_longest_half_open_ends_without_anybody_asking(bench, autojump_clock):
    caller = await bench.caller()
    await bench.fail(caller)
    await trio.sleep(5)
    await bench.acquire(caller)
    await trio.sleep(9.9)
    assert bench.market.circuit.state is CircuitState.HALF_OPEN
    await trio.sleep(0.2)
    assert bench.market.circuit.state is CircuitState.OPEN


@pytest.mark.proves("B18")
async def test_a_forced_state_is_shown_and_expires_by_itself(bench, autojump_clock):
    caller = await bench.caller()
    await bench.ref.call(ForceCircuit("open", 20))
    row = bench.market.circuit
    assert (row.state, row.reason) == (CircuitState.OPEN, "forced: forced_open")
    assert row.next_probe.age == pytest.approx(-20)
    assert (await bench.stands()).computed == "closed"
    await trio.sleep(19)
    await bench.refused(caller)
    await trio.sleep(1.1)
    assert bench.market.circuit.state is CircuitState.CLOSED
    await bench.acquire(caller)


@pytest.mark.proves("B18")
async def test_forced_open_without_end_has_no_next_probe(bench, autojump_clock):
    await bench.ref.call(ForceCircuit("open", None))
    assert bench.market.circuit.next_probe is None
    await bench.ref.call(ForceCircuit("auto", None))
    assert bench.market.circuit.state is CircuitState.CLOSED


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_bad_expiry_is_refused_where_it_is_sent(seconds):
    """A handler that raises would end the breaker."""
    with pytest.raises(ValueError, match="seconds must be above 0"):
        ForceCircuit("closed", seconds)


async def test_each_change_is_logged_once_with_its_reason(bench, autojump_clock):
    caller = await bench.caller()
    with capture_logs() as logs:
        await bench.fail(caller)
        for _ in range(20):
            await bench.refused(caller)
    [entry] = [entry for entry in logs if entry["event"] == "circuit breaker changed"]
    assert (entry["log_level"], entry["entered"]) == ("warning", "open")
    assert entry["reason"] == "100 % of 5 calls failed"


async def test_one_deadline_is_one_timer_however_often_it_is_looked_at(bench, autojump_clock):
    caller = await bench.caller()
    await bench.ref.call(ForceCircuit("closed", 1000))
    for _ in range(50):
        await bench.acquire(caller)
    assert len(bench.market.system.names[BREAKER].timers) == 1
