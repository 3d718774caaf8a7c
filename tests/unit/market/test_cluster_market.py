"""The market of a node in a cluster: it fetches what it holds, and shows what others tell."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from stockstream import paths
from stockstream.market.acceptance import take_in
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.parser import Parsed
from stockstream.market.providers import ProviderDown
from stockstream.messages import BatchReceived, Demand, EpochSeen, EpochsUsed, QuotesPublished
from stockstream.quotes import Base, Basis, Observation, Quote, TradingSession, Version
from stockstream.shards import EPOCHS_PER_NODE, NodeId, Shard, index_of, next_epoch
from stockstream.statuses import (
    CircuitState,
    ExchangeDay,
    FeedState,
    Holding,
    MarketSession,
    QuoteRow,
    ReceivedFigures,
    SymbolDay,
)
from stockstream.upstreams import circuits_of, worst_circuit
from tests.unit.market.market_tree import (
    UPSTREAM,
    WALL_MS,
    ScriptedProvider,
    running_market,
    wall_clock,
)

SHARD = Shard(f"{UPSTREAM}/0")
ALL = Demand(frozenset(), everything=True, subscribers=1)
ELSEWHERE = NodeId("elsewhere", 1)


def holds(epoch, **changes):
    return Holding({SHARD: epoch}, frozenset({SHARD}), {SHARD: epoch}, **changes)


def versions(market):
    return {symbol: row.quote.version for symbol, row in market.tables.quotes.rows.items()}


@asynccontextmanager
async def two_nodes(**options):
    """Two markets of one cluster, each with a provider of its own that counts."""
    async with (
        running_market(ScriptedProvider(), demand=ALL, parts=1, **options) as here,
        running_market(ScriptedProvider(), demand=ALL, parts=1, **options) as there,
    ):
        yield here, there


def carry(sender, receiver):
    """Tell one node what another one has said, as the bus does."""
    for message in sender.sent:
        if isinstance(message, QuotesPublished):
            receiver.ref(paths.STREAMER).cast(BatchReceived(ELSEWHERE, message.rows))
        else:
            told = message.__class__(
                message.upstream,
                ELSEWHERE,
                message.feed,
                message.circuit,
                message.clock,
                message.confirmations,
                message.routes,
            )
            receiver.ref(paths.feed(message.upstream)).cast(told)
    sender.sent.clear()


async def carried(seconds, sender, receiver):
    for _ in range(round(seconds * 10)):
        await trio.sleep(0.1)
        carry(sender, receiver)
    await wait_all_tasks_blocked()


@pytest.mark.proves("N3")
async def test_one_node_fetches_and_both_have_the_same(autojump_clock):
    """Prices, versions, what confirms them, the feed and the circuit; and one request for both."""
    async with two_nodes() as (here, there):
        await here.hold(holds(100))
        await carried(5.5, here, there)
        assert len(here.provider.fetches) == 6
        assert there.provider.fetches == []
        assert versions(there) == versions(here) == {"AAPL": (100, 6), "MSFT": (100, 6)}
        assert there.feed.state is FeedState.LIVE
        assert there.feed.listed
        rows = there.tables.confirmations.rows
        assert rows[UPSTREAM].told == {"AAPL", "MSFT"}
        assert worst_circuit(circuits_of(there.tables)).state is CircuitState.CLOSED
        assert there.sent == []


@pytest.mark.proves("N3")
async def test_a_node_that_stands_by_tells_the_circuit_of_the_one_that_fetches(autojump_clock):
    """Its own breaker is closed, since nothing was asked for; clients are told the other one."""
    async with two_nodes() as (here, there):
        here.provider.always = ProviderDown("connect_failed", "no connection: refused")
        await here.hold(holds(100))
        await carried(12, here, there)
        assert there.circuit.state is CircuitState.CLOSED
        told = worst_circuit(circuits_of(there.tables))
        assert told.state is not CircuitState.CLOSED
        assert there.feed.state is FeedState.DOWN
        assert "breaker" in there.feed.reason or "connection" in there.feed.reason
        await there.hold(holds(200))
        await trio.sleep(1)
        assert worst_circuit(circuits_of(there.tables)).state is CircuitState.CLOSED
        assert there.feed.state is FeedState.LIVE


@pytest.mark.proves("N5")
async def test_who_takes_over_fetches_at_once_and_goes_on_from_the_versions_there_are(
    autojump_clock,
):
    """The seq rises on in a higher epoch; who has lost the shard fetches no more."""
    async with two_nodes() as (here, there):
        await here.hold(holds(100))
        await carried(3.2, here, there)
        fetched = len(here.provider.fetches)
        await here.hold(Holding(highest={SHARD: 200}))
        await there.hold(holds(200))
        assert len(there.provider.fetches) == 1
        assert versions(there) == {"AAPL": (200, 5), "MSFT": (200, 5)}
        await carried(3, there, here)
        assert len(here.provider.fetches) == fetched
        assert versions(here) == versions(there)
        assert here.feed.state is FeedState.LIVE


@pytest.mark.proves("N5")
async def test_what_was_being_fetched_when_the_shard_was_lost_is_thrown_away(autojump_clock):
    """The answer comes seconds later, and changes nothing."""
    provider = ScriptedProvider([None, 2.0])
    async with running_market(provider, demand=ALL, parts=1) as market:
        await market.hold(holds(100))
        await trio.sleep(1.5)
        before, feed = versions(market), market.feed
        await market.hold(Holding(highest={SHARD: 200}))
        await trio.sleep(5)
        assert versions(market) == before
        assert len(provider.fetches) == 2
        assert market.feed == feed


@pytest.mark.proves("N5")
async def test_no_lower_version_is_made_by_who_does_not_know_yet_that_it_lost(autojump_clock):
    """It keeps the row of the other node, and says which epoch it has seen."""
    async with running_market(demand=ALL, parts=1) as market:
        await market.hold(holds(100))
        await trio.sleep(0.5)
        row = market.tables.quotes.get("AAPL")
        newer = replace(row, quote=replace(row.quote, version=Version(200, 2)))
        market.ref(paths.STREAMER).cast(BatchReceived(ELSEWHERE, (newer,)))
        await trio.sleep(2)
        assert versions(market) == {"AAPL": (200, 2), "MSFT": (100, 3)}
        assert EpochSeen("AAPL", 200) in market.epochs


@pytest.mark.proves("N8")
async def test_alone_each_fetch_has_an_epoch_of_its_own_above_all_that_is_known(autojump_clock):
    """What it recorded before it goes on recording; nothing is told."""
    async with running_market(demand=ALL, parts=1) as market:
        await market.hold(holds(100))
        await trio.sleep(0.5)
        market.sent.clear()
        known = WALL_MS + 3_600_000  # of a node whose clock is ahead
        await market.hold(Holding({SHARD: known}, frozenset({SHARD}), {SHARD: known}, alone=True))
        await trio.sleep(3)
        epochs = [b.rows[0].quote.version.epoch for b in market.batches[1:]]
        own = [next_epoch("", WALL_MS, known)]
        own += [own[0] + EPOCHS_PER_NODE * more for more in (1, 2)]
        assert epochs == own
        used = [m.epochs[SHARD] for m in market.epochs if isinstance(m, EpochsUsed)]
        assert used == epochs
        assert market.tables.outbox.statistics().last_number == 4
        assert all(isinstance(message, QuotesPublished) for message in market.sent)


@pytest.mark.proves("N8")
async def test_alone_a_node_shows_what_it_fetches_of_others_shards_and_does_not_record_it(
    autojump_clock,
):
    """The alerts judge it all the same, and know that it is not theirs to tell."""
    async with running_market(demand=ALL, parts=1) as market:
        await market.hold(Holding({SHARD: 100}, frozenset(), {SHARD: 100}, alone=True))
        await trio.sleep(2.5)
        assert len(market.batches) == 3
        assert not any(batch.own for batch in market.batches)
        assert market.tables.outbox.statistics().last_number == 0
        waiting = market.tables.alert_inbox.waiting(9)
        assert [batch.own for batch in waiting] == [False, False, False]
        assert market.sent == []


@pytest.mark.proves("N4")
async def test_each_node_asks_for_its_own_parts_and_together_for_all(autojump_clock):
    """The whole list once, to know what there is; then its own symbols by name."""
    listed = [f"S{number}" for number in range(40)]
    settings = PollSettings(jitter=0)
    async with running_market(
        ScriptedProvider(listed=listed), demand=ALL, parts=8, settings=settings
    ) as market:
        mine = {Shard(f"{UPSTREAM}/{index}"): 100 for index in (1, 4, 6)}
        await market.hold(Holding(mine, frozenset(mine), mine))
        await trio.sleep(2.5)
        expected = {symbol for symbol in listed if index_of(symbol, 8) in {1, 4, 6}}
        assert set(versions(market)) == expected
        assert market.provider.asked == [None, expected, expected]
        more = {**mine, Shard(f"{UPSTREAM}/0"): 300}
        await market.hold(Holding(more, frozenset(more), more))
        await trio.sleep(4)
        assert {symbol for symbol in listed if index_of(symbol, 8) in {0, 1, 4, 6}} == set(
            versions(market)
        )


@pytest.mark.proves("N6", "N7")
async def test_a_part_that_is_taken_over_is_asked_for_at_once(autojump_clock):
    """Not with the next round: the node that had it before may have asked an interval ago."""
    async with running_market(demand=ALL, parts=8) as market:
        one = {Shard(f"{UPSTREAM}/{index_of('MSFT', 8)}"): 100}
        await market.hold(Holding(one, frozenset(one), one))
        await trio.sleep(1.5)
        asked = len(market.provider.asked)
        two = {**one, Shard(f"{UPSTREAM}/{index_of('AAPL', 8)}"): 200}
        await market.hold(Holding(two, frozenset(two), two))
        assert len(market.provider.asked) == asked + 1
        assert versions(market)["AAPL"] == (200, 1)
        await trio.sleep(1.9)
        assert len(market.provider.asked) == asked + 2, "from then on at its pace"


@pytest.mark.proves("N4")
async def test_a_node_without_a_wanted_symbol_in_its_parts_asks_for_nothing(autojump_clock):
    """But for the whole list now and then; and it is no node whose prices are old."""
    parts = 64
    mine = index_of("AAPL", parts)
    empty = next(n for n in range(parts) if n not in {mine, index_of("MSFT", parts)})
    shard, other = Shard(f"{UPSTREAM}/{empty}"), Shard(f"{UPSTREAM}/{mine}")
    settings = PollSettings(jitter=0, list_interval=60)
    async with running_market(demand=ALL, parts=parts, settings=settings) as market:
        await market.hold(Holding({shard: WALL_MS}, frozenset(), {shard: WALL_MS}))
        await trio.sleep(30.5)
        assert market.provider.asked == [None] * len(market.provider.asked)
        assert market.tables.quotes.rows == {}
        both = {shard: WALL_MS, other: WALL_MS}
        await market.hold(Holding(both, frozenset(both), both))
        await trio.sleep(5)
        assert market.provider.asked[-1] == frozenset({"AAPL"})
        await market.hold(Holding({shard: WALL_MS}, frozenset(), both))
        count = len(market.provider.asked)
        await trio.sleep(20)
        assert len(market.provider.asked) == count
        assert market.feed.state is FeedState.LIVE
        await trio.sleep(60)
        assert market.provider.asked[count:] == [None]


def row_of(market, symbol="AAPL"):
    return market.tables.quotes.get(symbol)


@pytest.mark.proves("N3")
async def test_only_what_says_more_is_taken_in(autojump_clock):
    """A lower or equal version changes nothing, but for the base of the day that is found."""
    async with running_market(demand=ALL) as market:
        await trio.sleep(1.5)
        row = row_of(market)
        rows = {"AAPL": row}
        older = replace(row, quote=replace(row.quote, version=Version(row.quote.version.epoch, 1)))
        assert take_in([older, row], rows) == ((), (), 2)
        base = Base(99.0, WALL_MS - 1, Basis.DAY_FIRST)
        day = SymbolDay(ExchangeDay("UTC", 0, 1), base, dated=True, settled=True)
        found = replace(row, base=base, day=day)
        assert take_in([found], rows) == ((), (found,), 0)
        assert take_in([row], {"AAPL": found}) == ((), (), 1)
        newer = replace(row, quote=replace(row.quote, version=Version(row.quote.version.epoch, 9)))
        assert take_in([newer], rows) == ((newer,), (), 0)


async def test_the_clock_of_the_upstream_is_taken_over_with_the_shard(autojump_clock):
    """It was set back an hour, which one node has found out; the next one need not wait an hour."""
    back = 3_600_000

    def set_back(_symbols):
        now = wall_clock() - back
        prices = (now % 1000 / 100 + 100, now % 777 / 100 + 200)
        return Parsed(
            tuple(Observation(s, p, now) for s, p in zip(("AAPL", "MSFT"), prices, strict=True))
        )

    async with two_nodes() as (here, there):
        await here.hold(holds(100))
        await carried(3, here, there)
        here.provider.always = there.provider.always = set_back
        await carried(10, here, there)
        assert here.tables.upstream_clocks.get(UPSTREAM).steps == 1
        await here.hold(Holding(highest={SHARD: 200}))
        await there.hold(holds(200))
        await trio.sleep(2.5)
        assert there.feed.state is FeedState.LIVE
        assert versions(there)["AAPL"].epoch == 200


def quiet(market):
    """A closed market: the same prices of the same time, for ever."""
    at = wall_clock()
    return lambda _symbols: Parsed(
        (Observation("AAPL", 100.0, at), Observation("MSFT", 200.0, at)),
    )


@pytest.mark.proves("N17")
async def test_prices_that_do_not_change_get_above_the_versions_that_a_client_has(autojump_clock):
    """A client came from a node that was alone: the shard is claimed above what it has."""
    async with running_market(demand=ALL, parts=1) as market:
        market.provider.always = quiet(market)
        await market.hold(holds(100))
        await trio.sleep(3.5)
        assert versions(market) == {"AAPL": (100, 1), "MSFT": (100, 1)}
        await market.hold(holds(900))
        await trio.sleep(0.4)
        assert versions(market) == {"AAPL": (100, 1), "MSFT": (100, 1)}
        await trio.sleep(3)
        assert versions(market) == {"AAPL": (900, 2), "MSFT": (900, 2)}
        assert len(market.batches) == 2
        await trio.sleep(5)
        assert len(market.batches) == 2


@pytest.mark.proves("N8", "N14")
async def test_what_is_taken_back_is_asked_for_and_told_again_at_once(autojump_clock):
    """Another node gave prices of it meanwhile: its versions may hide newer prices that are here.
    What a client may have made up makes nobody ask any sooner.
    """
    async with running_market(demand=ALL, parts=1) as market:
        market.provider.always = quiet(market)
        await market.hold(holds(100))
        await trio.sleep(1.5)
        asked = len(market.provider.asked)
        await market.hold(holds(900, contested=frozenset({SHARD})))
        assert len(market.provider.asked) == asked
        both = frozenset({SHARD})
        await market.hold(holds(901, contested=both, taken_back=both))
        assert len(market.provider.asked) == asked + 1
        assert set(versions(market).values()) == {(901, 2)}
        await trio.sleep(0.9)
        assert len(market.provider.asked) == asked + 1


@pytest.mark.proves("N8")
async def test_after_an_outage_of_the_bus_all_get_above_what_was_shown_alone(autojump_clock):
    """Also where the node that fetches for all again had fetched nothing meanwhile."""
    async with running_market(demand=ALL, parts=1) as market:
        market.provider.always = quiet(market)
        await market.hold(holds(100))
        await trio.sleep(1.5)
        await market.hold(Holding(highest={SHARD: 100}, alone=True))
        await trio.sleep(5)
        await market.hold(Holding(highest={SHARD: 700}))
        await market.hold(holds(701))
        await trio.sleep(3)
        assert set(versions(market).values()) == {(701, 2)}


@pytest.mark.proves("N17")
@pytest.mark.parametrize("lost", [True, False])
async def test_whoever_claims_above_what_a_client_brought_gives_all_a_version_above_it(
    autojump_clock, lost
):
    """What does not change, too: its client would take it for older. Whether its streamer has heard
    that the shard was nobody's for a moment, or not.
    """
    async with running_market(demand=ALL, parts=1) as market:
        market.provider.always = quiet(market)
        await market.hold(holds(100))
        await trio.sleep(1.5)
        if lost:
            await market.hold(Holding(highest={SHARD: 700}))
        await market.hold(holds(701, contested=frozenset({SHARD})))
        await trio.sleep(3)
        assert set(versions(market).values()) == {(701, 2)}


async def test_a_takeover_gives_no_new_version_to_what_has_not_changed(autojump_clock):
    """The dead node's prices are known everywhere."""
    async with two_nodes() as (here, there):
        here.provider.always = there.provider.always = quiet(here)
        await here.hold(holds(100))
        await carried(2.5, here, there)
        await here.hold(Holding(highest={SHARD: 200}))
        await there.hold(holds(200))
        await carried(5, there, here)
        assert set(versions(there).values()) == {(100, 1)}
        assert len(there.provider.fetches) >= 5


async def test_with_several_parts_a_node_that_fetches_none_has_no_row_of_its_own(autojump_clock):
    """It would be down, or grow old, and count as the worst of all."""
    mine = {Shard(f"{UPSTREAM}/1"): 100}
    async with running_market(demand=ALL, parts=8) as market:
        await trio.sleep(1)
        assert market.tables.feeds.rows == {}
        await market.hold(Holding(mine, frozenset(mine), mine))
        await trio.sleep(1)
        assert market.feed.state is FeedState.LIVE


@pytest.mark.proves("N9", "N19")
async def test_a_new_streamer_has_all_asked_again(autojump_clock):
    """With the last one died the batches of other nodes that waited for it."""
    async with running_market(demand=ALL, parts=1) as market:
        await market.hold(Holding(highest={SHARD: 100}))
        assert market.times_lost == 0
        await market.kill(paths.STREAMER)
        await wait_all_tasks_blocked()
        assert market.times_lost == 1


@pytest.mark.proves("N26")
async def test_rows_that_are_no_news_are_counted(autojump_clock):
    """A page holds all that its sender has."""
    async with two_nodes() as (here, there):
        await here.hold(holds(100))
        await carried(1, here, there)
        rows = tuple(here.tables.quotes.rows.values())
        there.ref(paths.STREAMER).cast(BatchReceived(ELSEWHERE, rows))
        await wait_all_tasks_blocked()
        figures = there.tables.received.value
        assert (figures.taken, figures.refused) == (2 * len(here.provider.fetches), 2)
        assert here.tables.received.value == ReceivedFigures()


async def test_who_fetches_a_symbol_says_that_its_market_has_closed(autojump_clock):
    """And who takes over, of what its predecessor did not say any more."""

    def clock():
        return 1_796_072_398_000 + round(trio.current_time() * 1000)  # 2 s before New York closes

    async with running_market(parts=1, clock=clock) as market:
        quote = Quote("NFLX", 1.0, clock(), "NASDAQ", "USD", False, Version(100, 1), clock())
        open_since = MarketSession(TradingSession.REGULAR, clock() - 1000)
        row = QuoteRow(quote, 1.0, None, source=UPSTREAM, session=open_since)
        await market.hold(Holding())
        market.ref(paths.STREAMER).cast(BatchReceived(ELSEWHERE, (row,)))
        await trio.sleep(5)
        assert market.tables.quotes.get("NFLX") == row
        await market.hold(holds(200))
        await trio.sleep(2)
        assert market.tables.quotes.get("NFLX").session.session == "post"
        told = [one for one in market.sent if isinstance(one, QuotesPublished)]
        assert [
            row.session.session for one in told for row in one.rows if row.quote.symbol == "NFLX"
        ] == ["post"]
