"""The parts of a feed that is pushed to, each by itself: no socket, and time as the test says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream import paths
from stockstream.market.failover import RETURN_SECONDS, WELL_SECONDS, Failover
from stockstream.market.feeds.allowance import LONGEST_PAUSE, Tokens, pause_after
from stockstream.market.feeds.mute import GRACE_SECONDS, QUIET_SECONDS, Mute
from stockstream.market.feeds.pending import Pending
from stockstream.market.feeds.wanting import Wanting
from stockstream.market.providers.kraken import KRAKEN
from stockstream.market.providers.push import Bucket
from stockstream.market.sessions import may_trade
from stockstream.messages import Demand
from stockstream.quotes import Observation, Symbol, TradingSession, Version
from stockstream.shards import index_of
from stockstream.sources import read_routes
from stockstream.statuses import (
    LineStatus,
    MarketSession,
    PushPhase,
    PushStatus,
    QuoteRow,
    Routing,
)
from stockstream.tables import Tables
from stockstream.times import Moment
from tests.unit.alerts.support import acting_as


def seen(symbol: str, price: float) -> Observation:
    return Observation(Symbol(symbol), price, 1_000)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 1000)), max_size=60))
def test_prices_that_wait_lose_none_and_keep_the_order_of_each_symbol(
    told: list[tuple[str, int]],
) -> None:
    """And a batch has one of each symbol, as the streamer takes them."""
    pending = Pending()
    pending.add(seen(symbol, price) for symbol, price in told)
    came = []
    while pending:
        batch = pending.take()
        assert len({item.symbol for item in batch}) == len(batch)
        came += [(str(item.symbol), int(item.price)) for item in batch]
    for symbol in "ABC":
        assert [p for s, p in came if s == symbol] == [p for s, p in told if s == symbol]


def test_beyond_what_memory_has_the_newest_price_of_a_symbol_counts() -> None:
    """While the streamer is away; those replaced are counted."""
    pending = Pending(most_rounds=3)
    pending.add(seen("A", price) for price in range(1, 11))
    pending.add([seen("B", 5)])
    batches = []
    while pending:
        batches.append([item.price for item in pending.take()])
    assert batches == [[1, 5], [2], [10]]
    assert pending.replaced == 7
    pending.add([seen("A", 11)])
    assert [item.price for item in pending.take()] == [11]


def test_a_kill_does_not_refill_a_bucket() -> None:
    """The next life begins with the level of the last one."""
    bucket = Bucket(2, 0.5)
    tokens = Tokens(bucket, None, 100.0)
    tokens.take(100.0)
    tokens.take(100.0)
    assert tokens.wait(100.0) == 2.0
    again = Tokens(bucket, tokens.level, 101.0)
    assert again.wait(101.0) == 1.0
    assert again.wait(102.0) == 0.0


def test_pauses_grow_at_random_up_to_a_bound() -> None:
    """Full jitter: from nothing up to a bound that doubles."""
    rng = random.Random(7)
    assert all(0 <= pause_after(1, rng) <= 1 for _ in range(100))
    assert max(pause_after(4, rng) for _ in range(200)) > 4
    assert all(pause_after(1000, rng) <= LONGEST_PAUSE for _ in range(100))


def test_a_line_is_mute_when_prices_that_came_stop() -> None:
    """Three symbols that traded, six prices to be expected, and none for half a minute."""
    mute = Mute(0.0)
    for second in range(120):
        mute.priced([seen(symbol, second + 1) for symbol in ("A", "B", "C")], float(second))
    assert not mute.suspected(119 + QUIET_SECONDS - 1)
    assert mute.suspected(119 + QUIET_SECONDS)


def test_a_market_that_trades_seldom_is_not_mute() -> None:
    """Nor one that has told no more than its latest prices, nor one of which two symbols trade."""
    latest = Mute(0.0)
    latest.priced([seen(symbol, 1) for symbol in ("A", "B", "C")], 0.0)
    assert not latest.suspected(3_600.0)
    slow = Mute(0.0)
    for minute in range(10):
        slow.priced([seen(symbol, minute + 1) for symbol in ("A", "B", "C")], 60.0 * minute)
        assert not slow.suspected(60.0 * minute + 59)
    two = Mute(0.0)
    for second in range(120):
        two.priced([seen(symbol, second + 1) for symbol in ("A", "B")], float(second))
    assert not two.suspected(300.0)


def test_a_line_is_not_mute_when_its_markets_have_closed() -> None:
    """Of three symbols that traded two may still trade; at the opening all are expected again."""
    closed = {Symbol("A")}
    mute = Mute(0.0, trades=lambda symbol: symbol not in closed)
    for second in range(120):
        mute.priced([seen(symbol, second + 1) for symbol in ("A", "B", "C")], float(second))
    assert not mute.suspected(119 + QUIET_SECONDS)
    closed.clear()
    assert mute.suspected(119 + QUIET_SECONDS)


@pytest.mark.parametrize(
    ("told", "by_calendar", "expected"),
    [
        (None, None, True),
        (None, TradingSession.REGULAR, True),
        (None, TradingSession.POST, True),
        (None, TradingSession.ALWAYS, True),
        (None, TradingSession.CLOSED, False),
        (TradingSession.HALTED, TradingSession.REGULAR, False),
        (TradingSession.REGULAR, TradingSession.CLOSED, True),
    ],
)
def test_when_prices_of_a_symbol_are_to_be_expected(
    told: TradingSession | None, by_calendar: TradingSession | None, expected: bool
) -> None:
    """By what the provider says of its market, else by the calendar, else always."""
    quote = Observation(Symbol("A"), 1.0, 1_000, session=told).quoted(Version(1, 1), 1_000)
    row = QuoteRow(quote, 1.0, None, session=MarketSession(by_calendar, 0))
    assert may_trade(row) is expected
    assert may_trade(None)


def test_a_suspicion_is_checked_by_rest_where_markets_close() -> None:
    """Newer prices of two symbols prove it, unless the socket tells any in the next moments."""
    mute = Mute(0.0)
    symbols = frozenset(map(Symbol, ("A", "B", "C")))
    mute.found(symbols, 1.0)  # the first prices, when nobody has a suspicion
    for second in range(120):
        mute.priced([seen(symbol, second + 1) for symbol in symbols], float(second))
    assert mute.to_ask(150.0) == symbols
    assert mute.to_ask(151.0) == frozenset()
    assert mute.to_ask(180.0) == symbols
    mute.found([Symbol("A")], 181.0)
    assert not mute.proven(190.0)
    mute.found([Symbol("A"), Symbol("B")], 191.0)
    assert not mute.proven(192.0)
    assert mute.proven(191.0 + GRACE_SECONDS)
    mute.priced([seen("C", 5)], 193.0)
    assert not mute.proven(300.0)


def test_a_route_leaves_a_provider_that_is_away_and_comes_back_after_a_minute() -> None:
    """At most once in two minutes; a fallback that is away too is no better."""
    failover = Failover(read_routes("*=us,us2"))
    assert failover.step({"us": True, "us2": True}, 0.0) == ()
    assert failover.step({"us": False, "us2": True}, 10.0) == (0,)
    assert failover.active == (1,)
    for second in range(11, int(10 + RETURN_SECONDS)):
        assert failover.step({"us": True, "us2": True}, float(second)) == ()
    assert failover.step({"us": True, "us2": True}, 10 + RETURN_SECONDS) == (0,)
    assert failover.active == (0,)
    assert failover.step({"us": False, "us2": False}, 200.0) == ()
    assert failover.step({"us": False, "us2": True}, 201.0) == (0,)
    for second in range(202, 500):  # it comes and goes: never well for a minute
        failover.step({"us": bool(second % 50), "us2": True}, float(second))
    assert WELL_SECONDS > 50
    assert failover.active == (1,)


def test_a_router_that_is_killed_goes_on_where_it_was() -> None:
    """The active ones stand in the table."""
    failover = Failover(read_routes("*=us,us2"), (1,))
    assert failover.step({"us": True, "us2": True}, 0.0) == ()
    assert failover.active == (1,)


def test_a_feed_wants_what_is_named_and_routed_to_it() -> None:
    """What it would tell rather than the one that does is asked for, too, and not told."""
    tables = Tables()
    routes = read_routes("BTC-*=crypto, *=us,us2")
    with acting_as(paths.ROUTER):
        tables.routing.put(Routing(routes, (0, 1)))
    every = frozenset({0})
    crypto = Wanting(
        "crypto", KRAKEN.starters, frozenset({Symbol("BTC-USD"), Symbol("AAPL")}), tables
    )
    assert crypto.symbols(every) == {"BTC-USD"}
    crypto.demand = Demand(frozenset({Symbol("BTC-EUR"), Symbol("MSFT")}), False, 1)
    assert crypto.symbols(every) == {"BTC-USD", "BTC-EUR"}
    assert crypto.symbols(frozenset()) == frozenset()
    us = Wanting("us", KRAKEN.starters, frozenset({Symbol("AAPL")}), tables)
    assert us.symbols(every) == {"AAPL"}
    assert not us.tells(Symbol("AAPL"))
    us2 = Wanting("us2", KRAKEN.starters, frozenset({Symbol("AAPL")}), tables)
    assert us2.symbols(every) == {"AAPL"}
    assert us2.tells(Symbol("AAPL"))


def test_without_a_name_a_feed_wants_what_its_provider_starts_with() -> None:
    """A newcomer sees a price before naming any symbol."""
    tables = Tables()
    wanting = Wanting("crypto", KRAKEN.starters, frozenset(), tables)
    assert Symbol("BTC-USD") in wanting.symbols(frozenset({0}))


def test_what_is_more_than_a_connection_takes_is_known_by_name() -> None:
    """Those that somebody named come first, then the first by name."""
    symbols = frozenset(map(Symbol, ("AAA", "BBB", "CCC")))
    wanting = Wanting("crypto", (), symbols, Tables(), most=2)
    every = frozenset({0})
    assert wanting.shares(every)[0].symbols == {"AAA", "BBB"}
    wanting.demand = Demand(frozenset({Symbol("ZZZ")}), False, 1)
    assert wanting.shares(every)[0].symbols == {"AAA", "ZZZ"}
    assert wanting.shares(every)[0].beyond == ["BBB", "CCC"]
    assert not Wanting("crypto", (), symbols, Tables()).shares(every)[0].beyond


def test_symbols_are_shared_out_over_connections_as_over_shards() -> None:
    """Each is on one of them; a limit is that of each, so three take what one would refuse."""
    symbols = frozenset(Symbol(f"S{number}") for number in range(30))
    wanting = Wanting("crypto", (), symbols, Tables(), 3, most=15)
    shares = wanting.shares(frozenset({0, 1, 2}))
    assert {number: share.beyond for number, share in shares.items()} == {0: (), 1: (), 2: ()}
    for number, share in shares.items():
        assert share.symbols == {symbol for symbol in symbols if index_of(symbol, 3) == number}
    assert frozenset[Symbol]().union(*(share.symbols for share in shares.values())) == symbols
    assert wanting.shares(frozenset({1})) == {1: shares[1]}
    assert wanting.symbols(frozenset({0, 2})) == shares[0].symbols | shares[2].symbols
    one = Wanting("crypto", (), symbols, Tables(), most=15).shares(frozenset({0}))[0]
    assert (len(one.symbols), len(one.beyond)) == (15, 15)


def test_of_several_lines_the_worst_says_how_a_feed_is_connected() -> None:
    """And of those in one phase the one that has been so for longest."""

    def line(phase: PushPhase, since: float) -> LineStatus:
        return LineStatus(phase, Moment(since))

    connected, idle = line(PushPhase.CONNECTED, 5.0), line(PushPhase.IDLE, 1.0)
    waiting, longer = line(PushPhase.WAITING, 9.0), line(PushPhase.WAITING, 7.0)
    assert PushStatus().worst is None
    assert PushStatus({0: idle, 1: connected}).worst is connected
    assert PushStatus({0: connected, 1: waiting, 2: longer, 3: idle}).worst is longer
