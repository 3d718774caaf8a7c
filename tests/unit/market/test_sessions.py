"""What the market of a symbol does: the provider's word, the calendar's, and halts."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from stockstream.market.acceptance import accept, take_in
from stockstream.market.observed import Observed
from stockstream.market.sessions import AFTER_THE_CLOSE_MS, next_turn, turned
from stockstream.market.time_base import Reading
from stockstream.quotes import Observation, Symbol, TradingSession
from stockstream.statuses import MarketSession, QuoteRow
from stockstream.times import MINUTE_MS
from stockstream.told_quote import ToldQuote

AAPL = Symbol("AAPL")
HALTED, CLOSED, POST, PRE, REGULAR = (
    TradingSession.HALTED,
    TradingSession.CLOSED,
    TradingSession.POST,
    TradingSession.PRE,
    TradingSession.REGULAR,
)


def at(text: str) -> int:
    """A time of Monday, 2026-11-30, in New York."""
    return round(datetime.fromisoformat(f"2026-11-30T{text}-05:00").timestamp() * 1000)


def seen(
    price: float,
    text: str,
    exchange: str | None = "NASDAQ",
    session: TradingSession | None = None,
) -> Observation:
    return Observation(AAPL, price, at(text), exchange, session=session)


def took(rows: dict[Symbol, QuoteRow], observation: Observation, text: str) -> QuoteRow:
    """The row after a price that came at a time."""
    observed = Observed("us", (observation,), Reading(0, at(text)), 0)
    (row,) = accept(observed, rows, epoch=1).rows
    rows[AAPL] = row
    return row


def told(row: QuoteRow) -> TradingSession | None:
    return ToldQuote.of(row, changed=0, reason=None, confirmed=None).session


@pytest.mark.parametrize(
    ("exchange", "session"), [("NASDAQ", REGULAR), (None, TradingSession.ALWAYS), ("DFM", None)]
)
def test_a_price_comes_with_the_session_of_its_exchange(
    exchange: str | None, session: TradingSession | None
) -> None:
    """Where nobody says which that is, it never closes; where its hours are not known, nothing."""
    assert told(took({}, seen(1, "10:00", exchange), "10:00")) is session


def test_what_the_provider_says_counts_more_than_the_calendar() -> None:
    """Also when the market turns, and until it says nothing any more."""
    rows: dict[Symbol, QuoteRow] = {}
    row = took(rows, seen(1, "10:00", session=PRE), "10:00")
    assert told(row) is PRE
    assert turned([row], at("16:00")) == []
    assert told(took(rows, seen(2, "16:01"), "16:01")) is POST


def test_a_market_that_turns_is_told_though_no_price_comes() -> None:
    """Once, and of those that turn only."""
    rows: dict[Symbol, QuoteRow] = {}
    row = took(rows, seen(1, "15:59"), "15:59")
    assert turned([row], at("15:59:59")) == []
    (closing,) = turned([row], at("16:00"))
    assert (told(closing), closing.quote) == (POST, row.quote)
    assert turned([closing], at("16:00:01")) == []
    crypto = took({}, Observation(AAPL, 1, at("15:59"), "KRAKEN"), "15:59")
    assert turned([crypto], at("20:00")) == []
    assert at("15:59") < next_turn(at("15:59")) <= at("16:00")


def test_a_clock_that_was_set_ahead_and_back_leaves_no_market_closed() -> None:
    """What a wrong time made of it is undone."""
    row = took({}, seen(1, "10:00"), "10:00")
    (ahead,) = turned([row], at("21:00"))
    assert told(ahead) is CLOSED
    assert told(turned([ahead], at("10:01"))[0]) is REGULAR


@pytest.mark.parametrize(
    ("exchange", "last", "after"),
    [
        ("BSE", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        # It is still the last evening there, and after the session.
        ("NASDAQ", "2027-12-31T23:59:59Z", "2028-01-01T00:00:00Z"),
    ],
)
def test_a_calendar_that_ends_leaves_no_market_as_it_was(
    exchange: str, last: str, after: str
) -> None:
    """Nobody knows then: else it would be closed from its last day on."""
    end, begin = (round(datetime.fromisoformat(text).timestamp() * 1000) for text in (last, after))
    observation = Observation(AAPL, 1, end, exchange)
    observed = Observed("us", (observation,), Reading(0, end), 0)
    (row,) = accept(observed, {}, epoch=1).rows
    assert told(row) in {CLOSED, POST}
    assert next_turn(end) <= begin
    (turning,) = turned([row], begin)
    assert told(turning) is None
    assert turned([turning], begin + 1000) == []
    assert take_in([turning], {AAPL: row}).amended == (turning,)
    assert told(turned([turning], end)[0]) is told(row)


def test_a_price_that_moves_while_the_market_is_said_to_be_closed_is_believed() -> None:
    """Not the closing auction, nor a trade that is told late, nor a price that is the same."""
    rows: dict[Symbol, QuoteRow] = {}
    assert told(took(rows, seen(1, "19:59"), "20:00")) is CLOSED
    assert told(took(rows, seen(2, "20:20"), "20:31")) is CLOSED
    assert told(took(rows, seen(2, "20:40"), "20:40")) is CLOSED
    row = took(rows, seen(3, "20:41"), "20:41")
    assert told(row) is None
    assert turned([row], at("20:42")) == []
    assert told(took(rows, seen(4, "20:43"), "20:43")) is None
    (morning,) = turned([rows[AAPL]], at("20:00") + 8 * 60 * MINUTE_MS)
    assert told(morning) is PRE
    assert AFTER_THE_CLOSE_MS == 30 * MINUTE_MS


def test_a_halted_symbol_is_halted_until_a_later_price_comes_without_that_word() -> None:
    """Not until its session ends."""
    rows: dict[Symbol, QuoteRow] = {}
    took(rows, seen(1, "10:00"), "10:00")
    row = took(rows, seen(1, "10:05", session=HALTED), "10:05")
    assert told(row) is HALTED
    assert turned([row], at("16:00")) == []
    assert told(took(rows, seen(1, "10:10"), "10:10")) is REGULAR


@pytest.mark.proves("N3")
def test_of_two_nodes_words_on_a_session_the_later_one_counts() -> None:
    """The price is the same on both; the one that fetches it says that its market has closed."""
    here: dict[Symbol, QuoteRow] = {}
    row = took(here, seen(1, "15:59"), "15:59")
    (closing,) = turned([row], at("16:00"))
    taken = take_in([closing], here)
    assert (taken.newer, taken.amended, taken.refused) == ((), (closing,), 0)
    assert take_in([row], {AAPL: closing}).refused == 1, "a page of a node that has not heard it"
    old = msgspec.structs.replace(row, session=None)
    assert take_in([old], {AAPL: closing}).refused == 1, "a node of an older release"
    assert take_in([closing], {AAPL: old}).amended == (closing,)


def test_a_row_crosses_the_bus_with_its_session() -> None:
    """And one of an older release has none."""
    row = took({}, seen(1, "10:00"), "10:00")
    packed = msgspec.msgpack.encode(row)
    assert msgspec.msgpack.decode(packed, type=QuoteRow) == row
    assert row.session == MarketSession(REGULAR, at("09:30"))
