"""Which symbols a feed's answers confirm, and when the others are called stale. On virtual time."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs

from stockstream import paths
from stockstream.market.confirmations import Answer, Pace, after
from stockstream.market.feeds.confirming import subscribed
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.parser import Parsed, Reject, RejectKind, Rejects
from stockstream.market.providers import ProviderDown
from stockstream.market.providers.push import Refused
from stockstream.messages import Demand
from stockstream.quotes import Observation, Symbol
from stockstream.statuses import Rejection, StaleReason
from stockstream.symbol_states import standing, unconfirmed
from stockstream.tables import Tables
from tests.unit.alerts.support import acting_as
from tests.unit.market.market_tree import (
    FEED,
    UPSTREAM,
    ScriptedProvider,
    running_market,
    wall_clock,
)

pytestmark = pytest.mark.proves("W21")

SOMEBODY = Demand(frozenset({"AAPL"}), everything=False, subscribers=1)
DOWN = ProviderDown("connect_failed", "no connection: refused")
OTHER = "other"


def now():
    return round(trio.current_time() * 1000)


def stale(market):
    """The stale symbols, each with its reason."""
    found = unconfirmed(market.tables.confirmations.rows, now())
    return {symbol: how.reason for symbol, how in found.items() if how.reason is not None}


def listing(*symbols):
    return ScriptedProvider(listed=symbols)


def telling(provider, *symbols, refused=None, kind=RejectKind.NOT_POSITIVE):
    """Answers with these symbols; `refused` are told too, and not acceptably."""

    def answer(asked):
        parsed = provider.well(asked)
        kept = tuple(o for o in parsed.observations if o.symbol in symbols)
        rejects = Rejects(
            {kind: len(refused or ())},
            {kind: "item 1: bad"},
            {symbol: Reject(kind, f"price of {symbol} is 0") for symbol in refused or ()},
        )
        return Parsed(kept, rejects if refused else Rejects())

    return answer


async def test_a_symbol_the_list_lacks_is_stale_within_three_intervals(autojump_clock):
    """Not after one miss or two; it is live again with the next answer that has it."""
    provider = listing("AAPL", "MSFT", "TSLA")
    with capture_logs() as logs:
        async with running_market(provider, demand=SOMEBODY) as market:
            await trio.sleep(0.5)
            provider.listed = ["AAPL"]
            await trio.sleep(2.4)
            assert stale(market) == {}
            await trio.sleep(0.2)
            assert stale(market) == {"MSFT": "not_listed", "TSLA": "not_listed"}
            how = standing("MSFT", market.tables.confirmations.rows, now())
            assert how.confirmed == 0
            await trio.sleep(10)
            provider.listed = ["AAPL", "MSFT"]
            await trio.sleep(1)
            assert stale(market) == {"TSLA": "not_listed"}
            assert len(market.tables.quotes.rows) == 3, "the last prices stay"
    told = [e for e in logs if e["event"].startswith("symbols are")]
    assert [(e["event"], e.get("reason"), e["count"], e["some"]) for e in told] == [
        ("symbols are stale", "not_listed", 2, ["MSFT", "TSLA"]),
        ("symbols are not stale any more", None, 1, ["MSFT"]),
    ]


async def test_the_reason_is_what_the_provider_does_to_it(autojump_clock):
    """A bad item is a refusal of its kind, and operators can see the newest of each symbol."""
    provider = listing("AAPL", "MSFT", "TSLA")
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        provider.always = telling(provider, "AAPL", refused=["MSFT", "NEW"])
        await trio.sleep(4)
        assert stale(market) == {"MSFT": "not_positive", "TSLA": "not_listed"}
        rejected = market.tables.confirmations.get(UPSTREAM).rejected
        assert rejected.keys() == {"MSFT", "NEW"}
        assert rejected["MSFT"].detail == "price of MSFT is 0"
        assert rejected["MSFT"].at == 4_000
        provider.always = None
        await trio.sleep(1)
        assert stale(market) == {}
        assert market.tables.confirmations.get(UPSTREAM).rejected["MSFT"].at == 4_000


async def test_a_symbol_told_with_older_times_only_is_outdated(autojump_clock):
    """While the others go on; operators are told by how much."""
    provider = listing("AAPL", "MSFT")
    back = 600_000

    def answer(asked):
        parsed = provider.well(asked)
        return provider.tell(
            Observation(o.symbol, o.price, o.timestamp - (back if o.symbol == "MSFT" else 0))
            for o in parsed.observations
        )

    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        provider.always = answer
        await trio.sleep(4)
        assert stale(market) == {"MSFT": "outdated"}
        assert "596 s older" in market.tables.confirmations.get(UPSTREAM).rejected["MSFT"].detail


async def test_a_time_too_far_ahead_confirms_nothing_and_one_within_limits_does(autojump_clock):
    """And the time itself is no age: a symbol that is gone is stale in three intervals (H2)."""
    provider = listing("AAPL", "MSFT", "TSLA")
    ahead = {"AAPL": 0, "MSFT": 280_000, "TSLA": 400_000}

    def answer(asked):
        parsed = provider.well(asked)
        return provider.tell(
            Observation(o.symbol, o.price, o.timestamp + ahead[o.symbol])
            for o in parsed.observations
        )

    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        provider.always = answer
        await trio.sleep(4)
        assert stale(market) == {"TSLA": "clock_ahead"}
        provider.always = None
        provider.listed = ["AAPL"]
        await trio.sleep(4)
        assert stale(market) == {"TSLA": "not_listed", "MSFT": "not_listed"}


@pytest.mark.parametrize("gone", [False, True])
async def test_nothing_is_stale_because_it_was_not_asked_for(autojump_clock, gone):
    """With STOCK_SYMBOLS set, the others come with the whole list: that is their interval."""
    settings = PollSettings(jitter=0, symbols=frozenset({"AAPL"}), list_interval=20.0)
    provider = listing("AAPL", "MSFT")
    async with running_market(provider, settings=settings, demand=SOMEBODY) as market:
        await trio.sleep(15.5)
        rows = market.tables.confirmations.rows
        assert stale(market) == {}
        assert standing("AAPL", rows, now()).confirmed == 15_000
        assert standing("MSFT", rows, now()).confirmed == 0, "but nobody says it was later"
        if gone:
            provider.listed = ["AAPL"]
            await trio.sleep(44)
            assert stale(market) == {}
            await trio.sleep(1)
            assert stale(market) == {"MSFT": "not_listed"}
        else:
            await trio.sleep(60)
            assert stale(market) == {}
            assert standing("MSFT", rows, now()).confirmed == 60_000


async def test_one_that_is_wanted_from_now_on_is_held_to_the_short_interval(autojump_clock):
    """It was confirmed long ago: if the next answer lacks it, it is stale at once."""
    settings = PollSettings(jitter=0, symbols=frozenset({"AAPL"}), list_interval=100.0)
    provider = listing("AAPL", "MSFT")
    async with running_market(provider, settings=settings, demand=SOMEBODY) as market:
        await trio.sleep(30.5)
        provider.listed = ["AAPL"]
        await market.demands("AAPL", "MSFT")
        assert stale(market) == {}
        await trio.sleep(1)
        assert stale(market) == {"MSFT": "not_told"}
        provider.listed = ["AAPL", "MSFT"]
        await trio.sleep(1)
        assert stale(market) == {}


async def test_a_faster_pace_counts_from_the_next_answer_and_a_slower_one_makes_none_live(
    autojump_clock,
):
    """Only a confirmation makes a symbol live again, and only an answer that lacks it stale."""
    provider = listing("AAPL", "MSFT")
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        await market.demands(subscribers=0)
        provider.listed = ["AAPL"]
        await trio.sleep(6)
        assert stale(market) == {}
        provider.script.append(0.5)
        await market.demands("AAPL")
        await trio.sleep(0.4)
        assert stale(market) == {}
        await trio.sleep(0.2)
        assert stale(market) == {"MSFT": "not_listed"}
        await market.demands(subscribers=0)
        await trio.sleep(1)
        assert stale(market) == {"MSFT": "not_listed"}


async def test_a_symbol_of_two_upstreams_is_live_while_one_of_them_tells_it(autojump_clock):
    """It is stale once neither does, with the newest of the two confirmations."""
    other = listing("MSFT", "BTC")
    async with running_market(
        listing("AAPL", "MSFT"), demand=SOMEBODY, others={OTHER: other}
    ) as market:
        await trio.sleep(5.5)
        market.provider.listed = ["AAPL"]
        await trio.sleep(10)
        assert stale(market) == {}
        other.listed = ["BTC"]
        await trio.sleep(4)
        assert stale(market) == {"MSFT": "not_listed"}
        how = standing("MSFT", market.tables.confirmations.rows, now())
        assert 15_000 <= how.confirmed <= 16_000


@pytest.mark.proves("C12", "C13")
@pytest.mark.parametrize("victim", [FEED, paths.STREAMER, "market/feeds"])
async def test_what_was_stale_stays_so_through_a_kill(autojump_clock, victim):
    """And what was missed but twice is stale in time, whoever counts on."""
    provider = listing("AAPL", "MSFT", "TSLA")
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        provider.listed = ["AAPL", "TSLA"]
        await trio.sleep(4)
        provider.listed = ["AAPL"]
        await trio.sleep(1)
        assert stale(market) == {"MSFT": "not_listed"}
        provider.always = 1.5  # what is asked now hangs for a while
        await market.kill(victim)
        assert stale(market) == {"MSFT": "not_listed"}
        await trio.sleep(2)
        assert stale(market) == {"MSFT": "not_listed", "TSLA": "not_listed"}


async def test_a_feed_that_is_away_leaves_the_states_and_the_api_says_it(autojump_clock):
    """On the socket that is said of the feed as a whole."""
    provider = listing("AAPL", "MSFT")
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        provider.always = DOWN
        await trio.sleep(10)
        rows = market.tables.confirmations.rows
        assert stale(market) == {}
        assert standing("AAPL", rows, now()) == (None, 0)
        assert standing("AAPL", rows, now(), {UPSTREAM}) == ("feed_away", 0)


async def test_a_list_that_is_cut_says_so_of_what_may_be_in_the_rest(autojump_clock):
    provider = listing("AAPL", "MSFT")
    async with running_market(provider, demand=SOMEBODY) as market:
        await trio.sleep(0.5)
        cut = Rejects({RejectKind.BEYOND_LIMIT: 1}, {RejectKind.BEYOND_LIMIT: "1 item more"})
        provider.always = lambda _: Parsed((Observation("AAPL", 1.0, wall_clock()),), cut)
        await trio.sleep(4)
        assert stale(market) == {"MSFT": "beyond_limit"}


def test_what_a_line_was_refused_stays_so_until_the_next_one_has_an_answer() -> None:
    """And is noted once: a refusal of each second would be news to all other nodes."""
    tables, nothing = Tables(), frozenset[Symbol]()
    wanted = frozenset(map(Symbol, ("AAPL", "NOPE", "GONE")))
    why = {Symbol("NOPE"): Refused(Symbol("NOPE"), "unknown_symbol", "not supported")}
    noted = [why, why, {}, {}]
    rows = []
    for second, refused in enumerate(noted):
        unanswered = wanted if second < 3 else nothing
        answer = subscribed(nothing, refused, unanswered, UPSTREAM, tables, 100.0 + second, bool)
        row = after(tables.confirmations.get(UPSTREAM), answer, Pace(1.0, 1.0, None))
        with acting_as(FEED):
            tables.confirmations.put(UPSTREAM, row)
        rows.append(row)
    assert [row.not_served for row in rows] == 3 * [{"NOPE": "unknown_symbol"}] + [{}]
    assert rows[0].rejected == rows[1].rejected
    unwanted = subscribed(nothing, {}, nothing, UPSTREAM, tables, 200.0, bool)
    assert unwanted.not_served == {}


def test_a_symbol_with_a_price_is_stale_for_the_reason_that_the_provider_gives() -> None:
    """Nodes tell each other the old word, which those of an older release know."""
    told = frozenset({Symbol("AAPL")})
    pace = Pace(1.0, 1.0, None)
    row = after(None, Answer(0, told, told), pace)
    refused = {Symbol("AAPL"): Rejection(StaleReason.NOT_LISTED, "405", 1_000)}
    not_served = {Symbol("AAPL"): "over_limit"}
    row = after(row, Answer(1_000, told, frozenset(), refused, not_served=not_served), pace)
    assert row.lapsed[Symbol("AAPL")].reason is StaleReason.NOT_LISTED
    rows = {UPSTREAM: row}
    how = standing(Symbol("AAPL"), rows, 60_000)
    assert how == unconfirmed(rows, 60_000)[Symbol("AAPL")]
    assert how is not None
    assert how.reason is StaleReason.OVER_LIMIT
