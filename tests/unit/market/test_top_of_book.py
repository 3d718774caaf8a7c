"""Bid and ask: what is read, that they are never kept beside a later price, and told again."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.acceptance import accept, take_in
from stockstream.market.day_figures import said_later
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading, TimeBase
from stockstream.market.top_of_book import is_later_top, read_top
from stockstream.quotes import Observation, Quote, Symbol, TopOfBook
from stockstream.statuses import QuoteRow

AAPL = Symbol("AAPL")
NOON = 1_795_453_200_000
Rows = dict[Symbol, QuoteRow]


def read(bid: object = None, ask: object = None) -> tuple[TopOfBook | None, list[str]]:
    unread: list[str] = []
    return read_top(AAPL, 150.0, unread, bid=bid, ask=ask), unread


def test_numbers_and_texts_are_prices_and_zero_is_nobody() -> None:
    assert read() == (None, [])
    assert read(149.9, "150.1") == (TopOfBook(149.9, 150.1), [])
    assert read(150, 150) == (TopOfBook(150.0, 150.0), []), "locked is no fault"
    assert read(149.9) == (TopOfBook(149.9), [])
    assert read(0, "150.1") == (TopOfBook(ask=150.1), [])
    assert read(0.0, 0.0) == (TopOfBook(), [])


def test_a_bid_above_its_ask_is_neither() -> None:
    assert read(150.2, 150.1) == (
        TopOfBook(),
        ["the bid of AAPL, 150.2, is above its ask, 150.1"],
    )


@pytest.mark.parametrize("bad", [-1, "x", True, [], {}, "NaN", float("inf"), 10**400, "1_0", 1e9])
def test_a_bad_side_costs_itself_only(bad: object) -> None:
    for name, other in (("bid", TopOfBook(ask=150.1)), ("ask", TopOfBook(149.9))):
        top, unread = read(**{"bid": 149.9, "ask": 150.1} | {name: bad})
        assert top == other
        assert len(unread) == 1
        assert unread[0].startswith(f"{name} of AAPL is ")


sides = st.one_of(
    st.none(),
    st.floats(),
    st.integers(),
    st.floats(100, 200),
    st.floats(100, 200).map(str),
    st.text(max_size=4),
    st.sampled_from([0, 0.0, "0", True, [], {}]),
)


@given(sides, sides)
def test_whatever_is_told_comes_out_as_a_book_that_somebody_could_trade_at(
    bid: object, ask: object
) -> None:
    top, unread = read(bid, ask)
    assert (top is None) is (bid is None and ask is None)
    if top is not None:
        for side in (top.bid, top.ask):
            assert side is None or 0 < side < math.inf
        assert top.bid is None or top.ask is None or top.bid <= top.ask
        # What is not there was not told, was zero, or is counted.
        gone = [told for told, side in ((bid, top.bid), (ask, top.ask)) if side is None]
        assert unread or all(told is None or float(told) == 0 for told in gone)  # type: ignore[arg-type]


def take(
    rows: Rows, price: float, at: int, top: TopOfBook | None, source: str = "us", now: int = 0
) -> tuple[tuple[QuoteRow, ...], tuple[QuoteRow, ...]]:
    """The rows that are accepted and those that are amended, in the table after it."""
    observed = Observed(
        source, (Observation(AAPL, price, at, "NASDAQ", top=top),), Reading(0, now or at), 0
    )
    accepted = accept(observed, rows, epoch=7)
    rows.update({row.quote.symbol: row for row in (*accepted.amended, *accepted.rows)})
    return accepted.rows, accepted.amended


def test_a_price_without_them_has_none() -> None:
    """They are of a moment: whatever the last price had, from whichever source."""
    for source in ("us", "us2"):
        rows: Rows = {}
        take(rows, 150.0, NOON, TopOfBook(149.9, 150.1))
        assert rows[AAPL].quote.top == TopOfBook(149.9, 150.1)
        take(rows, 150.5, NOON + 1, None, source)
        assert rows[AAPL].quote.top is None


def test_another_bid_beside_the_same_price_makes_no_quote_and_is_told() -> None:
    """With the time at which it came: no version rises, and no row of the history is made."""
    rows: Rows = {}
    take(rows, 150.0, NOON, TopOfBook(149.9, 150.1))
    assert take(rows, 150.0, NOON, TopOfBook(149.9, 150.1), now=NOON + 1_000) == ((), ())
    accepted, (row,) = take(rows, 150.0, NOON, TopOfBook(149.8, 150.1), now=NOON + 2_000)
    assert not accepted
    assert row.quote.version == (7, 1)
    assert row.quote.top == TopOfBook(149.8, 150.1, NOON + 2_000)
    assert take(rows, 150.0, NOON, TopOfBook(149.8, 150.1), now=NOON + 3_000) == ((), ())
    assert take(rows, 150.0, NOON, None, now=NOON + 4_000) == ((), ()), "it says nothing of them"
    assert take(rows, 150.0, NOON, TopOfBook(1, 2), "us2", NOON + 5_000) == ((), ())
    _, (row,) = take(rows, 150.0, NOON, TopOfBook(), now=NOON + 6_000)
    assert row.quote.top == TopOfBook(None, None, NOON + 6_000)


def test_a_feed_passes_on_another_bid_beside_a_price_that_is_known() -> None:
    """A poll while nobody trades was left out as unchanged, and the bid stayed what it was."""
    rows: Rows = {}
    take(rows, 150.0, NOON, TopOfBook(149.9, 150.1))
    base = TimeBase(source="us")

    def retold(top: TopOfBook | None) -> int:
        seen = Observation(AAPL, 150.0, NOON, "NASDAQ", top=top)
        poll = base.judge((seen,), rows, Reading(0, NOON + 1_000))
        assert (poll.unchanged, poll.newer) == (1, [])
        assert poll.retold in ([], [seen])
        return len(poll.retold)

    assert retold(TopOfBook(149.8, 150.1)) == 1
    assert retold(TopOfBook()) == 1, "nobody bids or asks any more"
    assert retold(TopOfBook(149.9, 150.1)) == 0
    assert retold(None) == 0, "it says nothing of them"


def test_what_another_node_fetches_by_now_is_not_amended() -> None:
    rows: Rows = {}
    take(rows, 150.0, NOON, TopOfBook(149.9, 150.1))
    (row,) = rows.values()
    ahead = msgspec.structs.replace(row.quote, version=row.quote.version._replace(epoch=8))
    rows[AAPL] = msgspec.structs.replace(row, quote=ahead)
    assert take(rows, 150.0, NOON, TopOfBook(149.8, 150.1)) == ((), ())


def test_what_rest_tells_late_is_said_where_it_is_not_older_than_the_price() -> None:
    rows: Rows = {}
    take(rows, 150.0, NOON, None)
    (row,) = rows.values()

    def late(at: int | None) -> Quote:
        seen = Observation(AAPL, 149.0, NOON - 2_000, top=TopOfBook(149.9, 150.1, at))
        return said_later(row, seen).quote

    assert late(None) is row.quote
    assert late(NOON - 1) is row.quote
    assert late(NOON).top == TopOfBook(149.9, 150.1)
    assert late(NOON + 5).top == TopOfBook(149.9, 150.1, NOON + 5)


def test_other_nodes_take_what_is_told_again_whichever_row_comes_last() -> None:
    rows: Rows = {}
    take(rows, 150.0, NOON, TopOfBook(149.9, 150.1))
    (first,) = rows.values()
    take(rows, 150.0, NOON, TopOfBook(149.8, 150.1), now=NOON + 2_000)
    (again,) = rows.values()
    bare = msgspec.structs.replace(first, quote=msgspec.structs.replace(first.quote, top=None))
    for here, there in ((first, again), (bare, again), (bare, first)):
        (amended,) = take_in([there], {AAPL: here}).amended
        assert amended.quote.top == there.quote.top
        assert take_in([here], {AAPL: there}) == ((), (), 1)


tops = st.builds(
    TopOfBook,
    st.sampled_from([None, 99.0, 100.0]),
    st.sampled_from([None, 100.0, 101.0]),
    st.none() | st.integers(NOON, NOON + 3),
)
told = st.tuples(st.sampled_from([150.0, 151.0]), st.integers(0, 3), st.none() | tops)


@given(st.lists(told, min_size=1, max_size=12))
def test_beside_a_price_stands_only_what_was_told_with_it(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """Whatever comes in whatever order: with that price and that time, and never with another."""
    rows: Rows = {}
    for now, (price, later, top) in enumerate(steps):
        take(rows, price, NOON + later, top, now=NOON + 10_000 + now)
        quote = rows[AAPL].quote
        with_it = [
            known
            for value, at, known in steps[: now + 1]
            if (value, NOON + at) == (quote.price, quote.timestamp)
        ]
        held = quote.top
        assert held is None or any(
            known is not None and (known.bid, known.ask) == (held.bid, held.ask)
            for known in with_it
        )


@given(st.none() | tops, st.none() | tops, st.none() | tops)
def test_of_two_at_most_one_is_later(
    one: TopOfBook | None, two: TopOfBook | None, three: TopOfBook | None
) -> None:
    """Else two nodes would tell each other for ever."""
    assert not (is_later_top(one, two) and is_later_top(two, one))
    if is_later_top(one, two) and is_later_top(two, three):
        assert is_later_top(one, three)
