"""A feed that polls: pace, what it has published, and trouble upstream. On virtual time."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs

from stockstream.market.breaker_messages import AcquirePermit
from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.circuit_breaker_actor import CircuitBreakerActor
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.parser import Parsed, RejectKind, Rejects
from stockstream.market.providers import (
    ProviderBody,
    ProviderDown,
    ProviderStatus,
    ProviderTimeout,
    SimulatedProvider,
    SymbolsNotFound,
)
from stockstream.messages import Demand, ForceCircuit
from stockstream.quotes import Observation
from stockstream.statuses import FeedState, FeedStatus
from stockstream.times import Moment
from supervision import correlation_id, handles, terminate_child
from supervision.events import Exited
from tests.unit.market.market_tree import (
    BREAKER,
    FEED,
    UPSTREAM,
    WALL_MS,
    Market,
    ScriptedProvider,
    running_market,
    wall_clock,
)

DOWN = ProviderDown("connect_failed", "no connection: refused")
NOBODY = Demand(frozenset(), everything=False, subscribers=0)
SOMEBODY = Demand(frozenset({"AAPL"}), everything=False, subscribers=1)


def crashes(market: Market):
    return [e for e in market.events if isinstance(e, Exited) and "market" in e.path]


def seen(price, at=None, symbol="AAPL"):
    return Observation(symbol, price, wall_clock() if at is None else at)


def only(*observations):
    return Parsed(tuple(observations))


class HeldUpBreaker(CircuitBreakerActor):
    """Takes longer over the first answer of its first life than anybody waits."""

    async def init(self):
        await super().init()
        self.hold_up = 1.5 if self.generation == 1 else 0.0

    @handles(AcquirePermit)
    async def _on_acquire(self, request: AcquirePermit):
        seconds, self.hold_up = self.hold_up, 0.0
        await trio.sleep(seconds)
        return super()._on_acquire(request)


# Pace


async def test_it_fetches_at_once_and_then_by_the_interval(autojump_clock):
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(4.5)
        assert market.provider.times == pytest.approx([0, 1, 2, 3, 4])


async def test_with_nobody_subscribed_it_fetches_by_the_idle_interval(autojump_clock):
    async with running_market(demand=NOBODY) as market:
        await trio.sleep(16)
        assert market.provider.times == pytest.approx([0, 5, 10, 15])
        assert market.feed.interval == 5


async def test_until_the_demand_is_told_the_pace_is_the_fast_one(autojump_clock):
    """Somebody may be waiting: nobody has said that nobody is."""
    async with running_market(demand=None) as market:
        await trio.sleep(3.5)
        assert market.demands_wanted == 1
        assert market.provider.times == pytest.approx([0, 1, 2, 3])


async def test_the_first_subscriber_wakes_it(autojump_clock):
    async with running_market(demand=NOBODY) as market:
        await trio.sleep(2.5)
        await market.demands("AAPL")
        assert market.feed.interval == 1, "and those who watch the feed are told of the pace"
        await trio.sleep(2)
        assert market.provider.times == pytest.approx([0, 2.5, 3.5])


async def test_subscribers_who_come_and_go_cannot_make_it_faster(autojump_clock):
    async with running_market(demand=NOBODY) as market:
        for _ in range(100):
            await market.demands("AAPL")
            await trio.sleep(0.025)
            await market.demands(subscribers=0)
            await trio.sleep(0.025)
        gaps = [
            b - a for a, b in zip(market.provider.times, market.provider.times[1:], strict=False)
        ]
        assert gaps
        assert min(gaps) >= 0.999


async def test_jitter_only_ever_shortens_the_interval(autojump_clock):
    settings = PollSettings(jitter=0.2)
    async with running_market(settings=settings, demand=SOMEBODY) as market:
        await trio.sleep(200)
        gaps = [
            b - a for a, b in zip(market.provider.times, market.provider.times[1:], strict=False)
        ]
        assert 0.8 <= min(gaps) < 0.85
        assert 0.95 < max(gaps) <= 1.0001


async def test_there_are_never_two_fetches_at_once(autojump_clock):
    """Not when they take longer than the interval, nor when the demand wakes it meanwhile."""
    provider = ScriptedProvider()
    provider.always = 2.5
    async with running_market(provider, demand=NOBODY) as market:
        for _ in range(30):
            await market.demands("AAPL")
            await trio.sleep(0.5)
            await market.demands(subscribers=0)
            await trio.sleep(0.5)
        assert len(provider.fetches) > 5
        assert provider.most_running == 1


async def test_a_provider_with_a_pace_of_its_own_sets_it(autojump_clock):
    provider = ScriptedProvider(interval=0.25)
    async with running_market(provider, demand=NOBODY) as market:
        await trio.sleep(1.1)
        assert provider.times == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
        assert market.feed.interval == 0.25


async def test_it_answers_while_a_fetch_hangs_and_can_be_stopped(autojump_clock):
    provider = ScriptedProvider()
    provider.always = float("inf")
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(100)
        assert len(provider.fetches) == 1
        assert market.ref(FEED).alive
    assert trio.current_time() == pytest.approx(100, abs=0.1)
    assert (provider.running, provider.closed) == (0, provider.opened)


# What is fetched


async def test_without_symbols_it_fetches_all_there_are(autojump_clock):
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(3.5)
        assert set(market.provider.asked) == {None}
        assert market.feed.listed


async def test_with_symbols_it_fetches_the_list_once_and_then_what_is_wanted(autojump_clock):
    provider = ScriptedProvider(listed=["AAPL", "MSFT", "TSLA", "NFLX"])
    settings = PollSettings(jitter=0, symbols=frozenset({"AAPL"}), list_interval=10)
    async with running_market(provider, settings=settings) as market:
        await trio.sleep(0.5)
        await market.demands("MSFT", "NOSUCH")
        await trio.sleep(11)
        some = frozenset({"AAPL", "MSFT"})
        assert provider.asked == [None, *[some] * 9, None, some]


async def test_who_wants_everything_gets_it(autojump_clock):
    settings = PollSettings(jitter=0, symbols=frozenset({"AAPL"}))
    async with running_market(settings=settings) as market:
        await market.demands(everything=True)
        await trio.sleep(3.5)
        assert market.provider.asked == [None] * 4


async def test_a_symbol_that_is_gone_does_not_starve_the_others(autojump_clock):
    """A provider may answer 404 to the whole request for one of its symbols."""
    provider = ScriptedProvider(listed=["AAPL", "MSFT"])

    def strict(symbols):
        gone = (symbols or frozenset()).difference(provider.listed)
        return SymbolsNotFound("status 404") if gone else provider.well(symbols)

    settings = PollSettings(jitter=0, symbols=frozenset({"AAPL", "MSFT"}))
    ignoring = BreakerSettings(jitter=0, ignored=(SymbolsNotFound,))
    async with running_market(provider, settings=settings, breaker=ignoring) as market:
        await trio.sleep(0.5)
        provider.always = strict
        provider.listed = ["AAPL"]
        heard = len(market.heard)
        await trio.sleep(32)
        asked = provider.asked[1:]
        assert asked[0] == {"AAPL", "MSFT"}
        assert asked[1] is None
        assert asked[2:31] == [{"AAPL"}] * 29, "without the one that is gone"
        assert asked[31] is None
        reasons = [m.reason for m in market.heard[heard:] if isinstance(m, FeedStatus) and m.reason]
        assert reasons == ["status 404"], "the trouble is told once"
        assert market.feed.state is FeedState.LIVE
        assert market.breaker.failed == 0

        provider.listed = ["AAPL", "MSFT"]
        await trio.sleep(31)
        assert provider.asked[-1] == {"AAPL", "MSFT"}, "a list has it again"


# What is published


@pytest.mark.proves("W1")
async def test_what_is_accepted_stands_in_the_table_and_goes_out(autojump_clock):
    provider = ScriptedProvider([only(seen(150.0, WALL_MS), seen(300.0, WALL_MS, "MSFT"))])
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        rows = market.tables.quotes.rows
        assert [(r.quote.symbol, r.quote.price, r.open, r.previous) for r in rows.values()] == [
            ("AAPL", 150.0, 150.0, None),
            ("MSFT", 300.0, 300.0, None),
        ]
        assert {row.quote.version for row in rows.values()} == {(WALL_MS, 1)}
        [batch] = market.batches
        assert batch.rows == tuple(rows.values())
        assert batch.number == market.tables.outbox.statistics().last_number == 1
        assert market.feed == FeedStatus(FeedState.LIVE, Moment(0.0), 1.0, True)


@pytest.mark.proves("W6")
async def test_what_says_nothing_new_is_not_published_but_the_feed_is_fresh(autojump_clock):
    provider = ScriptedProvider()
    provider.always = lambda _: only(seen(150.0, WALL_MS))
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(5.5)
        assert len(market.batches) == 1
        assert market.feed.as_of == Moment(5.0)


async def test_an_older_price_is_dropped_and_counted(autojump_clock):
    provider = ScriptedProvider(
        [only(seen(1.0, WALL_MS)), only(seen(2.0, WALL_MS - 1)), only(seen(3.0, WALL_MS))]
    )
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(2.5)
        published = [row.quote.price for batch in market.batches for row in batch.rows]
        assert published == [1.0, 3.0]
        assert market.troubles == {"item_outdated": 1}


@pytest.mark.proves("W1")
async def test_after_a_kill_it_fetches_at_once_and_counts_on(autojump_clock):
    async with running_market(demand=NOBODY) as market:
        await trio.sleep(0.5)
        for round_number in range(2, 30):
            killed_at = trio.current_time()
            await market.kill(FEED)
            assert market.provider.times[-1] == killed_at
            versions = {row.quote.version for row in market.tables.quotes.rows.values()}
            assert versions == {(WALL_MS, round_number)}
        numbers = [batch.number for batch in market.batches]
        assert numbers == list(range(1, 30))
        assert market.provider.closed == market.provider.opened - 1
        assert market.provider.running == 0


async def test_a_kill_in_the_middle_of_a_fetch_gives_the_permit_back(autojump_clock):
    provider = ScriptedProvider([100.0, 100.0, 100.0])
    async with running_market(provider, demand=SOMEBODY) as market:
        for _ in range(3):
            await trio.sleep(1)
            await market.kill(FEED)
        told = market.breaker
        assert (told.cancelled, told.failed, told.in_flight) == (3, 0, 0)
        assert provider.running == 0


async def test_a_simulated_market_runs_through(autojump_clock):
    provider = SimulatedProvider(100, 0.05, 7, clock=wall_clock)
    provider.open = lambda: provider
    async with running_market(provider, demand=NOBODY) as market:
        await trio.sleep(1.02)
        assert len(market.tables.quotes) == 100
        assert len(market.batches) == 21


# Trouble


TROUBLES = [
    ProviderDown("connect_failed", "refused"),
    ProviderTimeout("timeout_total", "no complete answer within 5 s"),
    ProviderStatus(500, "status 500"),
    ProviderBody("body_html", "the body is HTML"),
]


@pytest.mark.proves("C18")
@pytest.mark.parametrize("error", TROUBLES, ids=lambda error: error.kind)
async def test_trouble_upstream_is_counted_logged_once_and_told(error, autojump_clock):
    provider = ScriptedProvider()
    with capture_logs() as logs:
        async with running_market(provider, demand=SOMEBODY) as market:
            await trio.sleep(0.5)
            provider.always = error
            await trio.sleep(30)
            assert market.feed.state is FeedState.STALE
            assert market.feed.reason == str(error)
            assert market.feed.as_of == Moment(0.0), "the last prices stay, with their age"
            assert market.circuit.state == "open"
            assert market.circuit.next_probe is not None
            assert market.troubles[error.kind] >= 5
            assert market.breaker.failed >= 5
            await trio.sleep(40)
            assert market.feed.state is FeedState.DOWN
            provider.always = None
            await trio.sleep(70)
            assert market.feed.state is FeedState.LIVE
            assert market.feed.reason is None
            assert market.circuit.state == "closed"
            assert crashes(market) == []
    told = [entry for entry in logs if entry.get("kind") == error.kind]
    assert [entry["event"] for entry in told] == ["feed trouble", "feed trouble over"]


@pytest.mark.proves("C18")
async def test_bad_items_are_counted_by_kind_and_logged_once(autojump_clock):
    rejects = Rejects({RejectKind.NOT_POSITIVE: 3}, {RejectKind.NOT_POSITIVE: "item 0: price 0"})
    provider = ScriptedProvider()
    provider.always = lambda _: Parsed((seen(150.0),), rejects)
    with capture_logs() as logs:
        async with running_market(provider, demand=SOMEBODY) as market:
            await trio.sleep(9.5)
            assert market.troubles == {"item_not_positive": 30}
            assert market.breaker.failed == 0
            provider.always = None
            await trio.sleep(10)
    told = [entry for entry in logs if entry.get("kind") == "item_not_positive"]
    assert [entry["event"] for entry in told] == ["feed trouble", "feed trouble over"]
    assert told[0]["detail"] == "item 0: price 0"


@pytest.mark.proves("B6", "C18")
async def test_a_body_without_a_usable_quote_is_a_failure(autojump_clock):
    rejects = Rejects({RejectKind.NOT_FINITE: 2}, {RejectKind.NOT_FINITE: "item 0: price NaN"})
    provider = ScriptedProvider([Parsed((), rejects)])
    provider.always = only()
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        assert market.feed.reason == "no usable quote in the body: item 0: price NaN"
        assert market.feed.state is FeedState.DOWN, "there never was a price"
        await trio.sleep(5)
        assert market.troubles == {"item_not_finite": 2, "body_no_quotes": 5}
        assert market.circuit.state == "open"
        assert market.tables.quotes.rows == {}


async def test_what_the_server_said_is_for_the_log_and_the_reason_stays_short(autojump_clock):
    """Anybody may read the reason, so it holds our words only, and not many of them."""
    wordy = ProviderStatus(401, "status 401 " + "x" * 500, said="the key of jane@example.com")
    provider = ScriptedProvider([wordy])
    with capture_logs() as logs:
        async with running_market(provider, demand=SOMEBODY) as market:
            await trio.sleep(0.5)
            reason = market.feed.reason
    assert reason == str(wordy)[:199] + "…"
    [told] = [entry for entry in logs if entry.get("kind") == "status_401"]
    assert told["server_said"] == "the key of jane@example.com"
    assert told["detail"] == str(wordy)
    assert told["address"] == provider.address


async def test_troubles_are_counted_for_the_metrics(autojump_clock):
    provider = ScriptedProvider([None, DOWN, DOWN])
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(5)
        assert market.tables.feed_figures.get(UPSTREAM).troubles == {"connect_failed": 2}


async def test_an_upstream_that_fails_every_other_time_is_logged_once(autojump_clock):
    provider = ScriptedProvider([DOWN, None] * 30)
    lenient = BreakerSettings(failure_rate=90, jitter=0)
    with capture_logs() as logs:
        async with running_market(provider, breaker=lenient, demand=SOMEBODY):
            await trio.sleep(50)
    assert [entry["event"] for entry in logs if entry.get("kind")] == ["feed trouble"]


async def test_a_single_failure_does_not_make_the_feed_stale(autojump_clock):
    provider = ScriptedProvider([None, DOWN, DOWN])
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(2.5)
        assert (market.feed.state, market.feed.reason) == (FeedState.LIVE, str(DOWN))


async def test_it_obeys_retry_after_while_the_breaker_is_closed(autojump_clock):
    busy = ProviderStatus(429, "status 429", retry_after=20)
    provider = ScriptedProvider([None, busy])
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(25)
        assert provider.times[:4] == pytest.approx([0, 1, 21, 22])
        assert market.circuit.state == "closed"


async def test_it_obeys_no_retry_after_without_end(autojump_clock):
    busy = ProviderStatus(503, "status 503", retry_after=86_400)
    async with running_market(ScriptedProvider([busy]), demand=SOMEBODY) as market:
        await trio.sleep(70)
        assert market.provider.times[:2] == pytest.approx([0, 60])


@pytest.mark.proves("B12")
async def test_retry_after_becomes_the_wait_of_the_breaker(autojump_clock):
    busy = ProviderStatus(429, "status 429", retry_after=30)
    provider = ScriptedProvider([busy])
    async with running_market(
        provider, breaker=BreakerSettings(minimum_calls=1), demand=SOMEBODY
    ) as market:
        await trio.sleep(0.5)
        assert market.circuit.state == "open"
        assert market.circuit.next_probe == Moment(30.0)


@pytest.mark.proves("C17", "B9")
async def test_it_closes_within_the_wait_and_one_interval_of_recovery(autojump_clock):
    """The first probe comes when the wait is over, not at the next round after that."""
    provider = ScriptedProvider([DOWN] * 5)
    waits = BreakerSettings(wait=4.4, jitter=0)
    async with running_market(provider, breaker=waits, demand=SOMEBODY) as market:
        await trio.sleep(4.5)
        assert market.circuit.state == "open", "after five failures, at four seconds"
        await trio.sleep(5)
        assert market.circuit.state == "closed"
        assert provider.times[5:7] == pytest.approx([8.4, 9.4], abs=0.01)


async def test_a_forced_open_breaker_stops_the_fetches_and_not_the_feed(autojump_clock):
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        await market.ref(BREAKER).call(ForceCircuit("open", 10))
        await trio.sleep(8)
        assert len(market.provider.fetches) == 1
        assert market.feed.state is FeedState.STALE
        assert market.feed.reason == "the circuit breaker is forced_open"
        await trio.sleep(3)
        assert market.feed.state is FeedState.LIVE
        assert market.troubles == {}


async def test_a_killed_breaker_costs_no_round(autojump_clock):
    async with running_market(demand=SOMEBODY) as market:
        for _ in range(10):
            await trio.sleep(0.95)
            await market.kill(BREAKER)
        assert len(market.provider.fetches) >= 10
        assert market.troubles == {}
        assert [e.path for e in crashes(market)] == [BREAKER] * 10


async def test_a_breaker_killed_while_it_is_asked_is_asked_again(autojump_clock):
    async with running_market(demand=SOMEBODY, breaker_actor=HeldUpBreaker) as market:
        await trio.sleep(0.3)
        await market.kill(BREAKER)
        await trio.sleep(0.1)
        assert market.provider.times == pytest.approx([0.35])
        assert market.troubles == {}


async def test_a_breaker_that_stays_away_is_a_failed_round_and_no_crash(autojump_clock):
    async with running_market(demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        breaker = market.ref(BREAKER)
        await terminate_child(market.ref(f"market/feeds/{UPSTREAM}"), "circuit_breaker")
        assert not breaker.alive
        await trio.sleep(10)
        assert market.troubles["breaker_unavailable"] >= 4
        assert market.feed.state is FeedState.STALE
        assert "circuit_breaker" in market.feed.reason


@pytest.mark.proves("B7")
async def test_a_permit_that_came_too_late_is_given_back(autojump_clock):
    """The breaker permits a call after its caller has given up waiting: nobody will make it."""
    async with running_market(demand=SOMEBODY, breaker_actor=HeldUpBreaker) as market:
        await trio.sleep(4.7)
        told = market.breaker
        assert (told.cancelled, told.in_flight) == (1, 0)
        assert told.successful >= 3
        assert market.troubles == {"breaker_unavailable": 1}


async def test_a_bug_in_a_provider_is_the_feed_s_crash_and_it_comes_back(autojump_clock):
    provider = ScriptedProvider([ZeroDivisionError("a bug")])
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        assert [e.path for e in crashes(market)] == [FEED]
        assert len(market.tables.quotes) == 2
        assert market.breaker.in_flight == 0
        assert provider.closed == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("interval", 0), ("idle_interval", float("nan")), ("list_interval", -1), ("jitter", 1)],
)
def test_a_bad_setting_is_refused_by_its_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must"):
        PollSettings(**{field: value})


async def test_all_that_follows_of_a_fetch_has_one_id(autojump_clock):
    """In the log of the feed, of the breaker, of the streamer, and of whoever is told of it."""
    asked = []
    provider = ScriptedProvider([lambda _: asked.append(correlation_id.get())] * 3)
    async with running_market(provider) as market:
        await market.until(lambda: len(market.batches) == 3)
    told = [
        id_
        for id_, message in zip(market.heard_for, market.heard, strict=True)
        if message in market.batches
    ]
    assert asked == told
    assert len(set(asked)) == 3
    assert all(id_.startswith(f"{UPSTREAM}-") for id_ in asked)
