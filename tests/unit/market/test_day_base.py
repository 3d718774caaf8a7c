"""What the change of the day is against, from one price to the next, and after a restart."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from stockstream.market.acceptance import accept
from stockstream.market.day_base import corrected
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading
from stockstream.quotes import (
    LATEST_TIMESTAMP,
    Base,
    Basis,
    Observation,
    Symbol,
    TradingSession,
)
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS

AAA = Symbol("AAA")
NEW_YORK = "America/New_York"
UNSET = object()


def at(zone: str, text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


class Process:
    """A process that accepts prices of AAA; a new one is a restart."""

    def __init__(self, exchange: str | None = "NYSE", zone: str = NEW_YORK) -> None:
        self.rows = {}
        self.exchange = exchange
        self.zone = zone

    def take(self, price, when, *, received=None, exchange=UNSET, **more):
        """A price of that local time, fetched then, or at `received`; the base afterwards."""
        moment = when if isinstance(when, int) else at(self.zone, when)
        reading = Reading(0, moment if received is None else at(self.zone, received))
        told = self.exchange if exchange is UNSET else exchange
        seen = Observation(AAA, price, moment, told, **more)
        rows = accept(Observed("api", (seen,), reading, 0), self.rows, epoch=1).rows
        self.rows.update({row.quote.symbol: row for row in rows})
        return self.base

    @property
    def row(self):
        return self.rows[AAA]

    @property
    def base(self):
        return self.row.base

    @property
    def says(self):
        return self.base.price, self.base.basis.value

    def answer(self, found=None, *, whole=True, asked=None):
        """The history's."""
        first = None if found is None else Base(found[0], Basis.DAY_FIRST, at(self.zone, found[1]))
        self.rows[AAA] = corrected(self.row, asked or self.row.day.day, first, whole=whole)
        return self.base


@pytest.mark.proves("W22")
@pytest.mark.parametrize(
    ("exchange", "zone", "before", "after"),
    [
        ("NYSE", NEW_YORK, "2026-11-25T18:59:59", "2026-11-25T19:00:01"),
        ("ASX", "Australia/Sydney", "2026-11-26T10:59:59", "2026-11-26T11:00:01"),
        (None, "UTC", "2026-11-25T18:59:59", "2026-11-25T19:00:01"),
    ],
)
def test_no_day_begins_in_the_midst_of_one(exchange, zone, before, after):
    process = Process(exchange, zone)
    process.take(100.0, before)
    process.take(110.0, after)
    assert process.says == (100.0, "first_seen")
    assert process.row.day.day.zone == zone


@pytest.mark.proves("W22")
@pytest.mark.parametrize(
    ("exchange", "zone"), [("NYSE", NEW_YORK), ("ASX", "Australia/Sydney"), (None, "UTC")]
)
def test_the_first_price_after_midnight_of_the_exchange_is_the_base(exchange, zone):
    """That is known at once: no history has to be asked."""
    process = Process(exchange, zone)
    process.take(100.0, "2026-11-25T23:59:59")
    process.take(110.0, "2026-11-26T00:00:00")
    process.take(120.0, "2026-11-26T10:00:00")
    assert process.base == Base(110.0, Basis.DAY_FIRST, at(zone, "2026-11-26T00:00:00"))
    assert process.row.open == 110.0
    assert process.row.day.settled


@pytest.mark.proves("W22")
@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_a_day_on_which_the_clocks_are_set_is_one_day(day):
    process = Process()
    process.take(100.0, f"{day}T00:00:00")
    process.take(110.0, f"{day}T23:59:59")
    assert process.base.price == 100.0


@pytest.mark.proves("W22", "W23")
def test_a_clock_that_was_set_back_over_midnight_begins_no_day():
    """Ours, or the provider's."""
    process = Process()
    process.take(100.0, "2026-11-25T23:00:00")
    process.take(110.0, "2026-11-26T00:00:01")
    process.take(120.0, "2026-11-26T00:00:02", received="2026-11-25T22:00:00")
    assert process.says == (110.0, "day_first")


@pytest.mark.proves("W22", "W23")
def test_a_clock_of_ours_that_runs_ahead_begins_no_day():
    """The price says itself when it was."""
    process = Process()
    process.take(100.0, "2026-11-25T22:00:00")
    process.take(110.0, "2026-11-25T22:00:01", received="2026-11-27T12:00:00")
    assert process.base.price == 100.0


@pytest.mark.proves("W22", "W23")
def test_a_time_that_cannot_be_is_replaced_by_ours():
    """A provider whose times stand still, or lie in the future, has days all the same; the basis
    says that they are only as we saw them.
    """
    old = at(NEW_YORK, "2020-01-01T00:00:00")
    ahead = at(NEW_YORK, "2026-12-20T00:00:00")
    for wrong in (old, ahead):
        process = Process()
        process.take(100.0, wrong, received="2026-11-25T22:00:00")
        assert process.row.day.settled, "no history knows it by that time"
        process.take(110.0, wrong, received="2026-11-25T23:00:00")
        assert process.says == (100.0, "first_seen")
        process.take(120.0, wrong, received="2026-11-26T00:00:00")
        assert process.says == (120.0, "first_seen")


@pytest.mark.proves("W22", "W23")
def test_when_a_clock_that_was_wrong_at_the_start_is_right_the_history_is_asked():
    """A machine without a battery learns the time from the network, after the service began."""
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00", received="2025-01-01T00:00:00")
    assert process.row.day.settled
    process.take(111.0, "2026-11-25T12:00:05")
    assert process.says == (111.0, "first_seen")
    assert not process.row.day.settled
    process.answer((100.0, "2026-11-25T09:30:00"))
    assert process.says == (100.0, "day_first")


@pytest.mark.proves("W22")
def test_after_a_restart_the_history_says_what_the_base_was():
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00")
    assert process.says == (110.0, "first_seen")
    assert not process.row.day.settled
    process.answer((100.0, "2026-11-25T09:30:00"))
    assert process.base == Base(100.0, Basis.DAY_FIRST, at(NEW_YORK, "2026-11-25T09:30:00"))
    assert process.row.open == 100.0
    process.take(111.0, "2026-11-25T12:00:01")
    assert process.base.price == 100.0


@pytest.mark.proves("W22")
def test_where_the_history_knows_none_earlier_it_is_the_first_of_the_day():
    """So it is called the same before a restart and after it."""
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00")
    process.answer(None, whole=False)
    assert process.says == (110.0, "first_seen"), "prices may still wait to be recorded"
    assert not process.row.day.settled
    process.answer(None)
    assert process.says == (110.0, "day_first")
    assert process.row.day.settled


@pytest.mark.proves("W22")
def test_an_answer_that_is_not_the_last_word_is_taken_and_asked_again():
    process = Process()
    process.take(120.0, "2026-11-25T12:00:00")
    process.answer((110.0, "2026-11-25T11:00:00"), whole=False)
    assert process.says == (110.0, "day_first")
    assert not process.row.day.settled
    process.answer((100.0, "2026-11-25T10:00:00"))
    assert process.says == (100.0, "day_first")


@pytest.mark.proves("W22")
def test_an_answer_for_another_day_changes_nothing():
    """It came late: a new day had begun."""
    process = Process()
    process.take(100.0, "2026-11-25T23:59:59")
    asked = process.row.day.day
    process.take(110.0, "2026-11-26T00:00:00")
    before = process.row
    process.answer((50.0, "2026-11-25T10:00:00"), asked=asked)
    assert process.row is before


@pytest.mark.proves("W22")
def test_a_price_of_friday_that_is_fetched_on_saturday_is_of_friday():
    """Before a restart and after it: over the weekend the change is that of Friday."""
    process = Process()
    process.take(100.0, "2026-11-27T09:30:00")
    process.take(110.0, "2026-11-27T16:00:00")
    friday = process.row.day.day
    process = Process()
    process.take(110.0, "2026-11-27T16:00:00", received="2026-11-28T10:00:00")
    assert process.row.day.day == friday
    process.answer((100.0, "2026-11-27T09:30:00"))
    assert process.says == (100.0, "day_first")


@pytest.mark.proves("W22")
def test_a_delayed_price_begins_the_day_by_its_own_time():
    process = Process(None, "UTC")
    process.take(100.0, "2026-11-25T23:40:00", received="2026-11-25T23:55:00")
    process.take(110.0, "2026-11-25T23:50:00", received="2026-11-26T00:05:00")
    assert process.base.price == 100.0
    process.take(120.0, "2026-11-26T00:00:00", received="2026-11-26T00:15:00")
    assert process.base.price == 120.0


# What the provider tells


@pytest.mark.proves("W22")
def test_the_previous_close_counts_most_then_the_open():
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00", previous_close=99.0, open=101.0)
    assert process.base == Base(99.0, Basis.PREVIOUS_CLOSE, None)
    assert process.row.open == 110.0
    other = Process()
    other.take(110.0, "2026-11-25T12:00:00", open=101.0)
    assert other.base == Base(101.0, Basis.OPEN, None)


@pytest.mark.proves("W22")
def test_a_history_that_answers_changes_no_base_of_the_provider():
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00", previous_close=99.0)
    process.answer((100.0, "2026-11-25T09:30:00"))
    assert process.says == (99.0, "previous_close")
    assert process.row.open == 100.0


@pytest.mark.proves("W22")
@pytest.mark.parametrize(
    ("field", "basis"), [("previous_close", "previous_close"), ("open", "open")]
)
def test_an_item_that_lacks_it_once_changes_no_base(field, basis):
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00", **{field: 99.0})
    process.take(111.0, "2026-11-25T12:00:01")
    assert process.says == (99.0, basis)


@pytest.mark.proves("W22")
@pytest.mark.parametrize("field", ["previous_close", "open"])
def test_what_was_told_yesterday_is_no_base_of_today(field):
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00", **{field: 99.0})
    process.take(111.0, "2026-11-26T04:00:00")
    assert process.says == (111.0, "day_first")


@pytest.mark.proves("W22")
def test_a_previous_close_that_changes_at_the_roll_over_is_taken():
    process = Process()
    process.take(110.0, "2026-11-25T12:00:00", previous_close=99.0)
    process.take(110.5, "2026-11-26T04:00:00", previous_close=110.0)
    assert process.says == (110.0, "previous_close")


@pytest.mark.proves("W22")
def test_a_provider_whose_day_begins_later_than_at_midnight_is_followed():
    """Its previous close and its price are of one day; only it knows when its next one begins."""
    process = Process()
    process.take(110.0, "2026-11-25T15:59:00", previous_close=99.0)
    process.take(110.0, "2026-11-26T00:01:00", previous_close=99.0)
    assert process.says == (99.0, "previous_close")
    process.take(111.0, "2026-11-26T09:30:00", previous_close=110.0)
    assert process.says == (110.0, "previous_close")


@pytest.mark.proves("W22")
def test_before_the_session_the_open_is_that_of_the_day_before():
    process = Process()
    process.take(110.0, "2026-11-25T15:00:00", open=100.0, session=TradingSession.REGULAR)
    assert process.says == (100.0, "open")
    process.take(111.0, "2026-11-26T04:00:00", open=100.0, session=TradingSession.PRE)
    assert process.says == (111.0, "day_first")
    process.take(112.0, "2026-11-26T09:30:01", open=112.0, session=TradingSession.REGULAR)
    assert process.says == (112.0, "open")


# Whose day it is


@pytest.mark.proves("W22")
def test_a_time_at_the_end_of_what_can_be_told_is_a_wrong_one():
    """Also when the `Date` of the answer agrees with it."""
    seen = Observation(AAA, 100.0, LATEST_TIMESTAMP, "NYSE")
    now = at(NEW_YORK, "2026-11-25T18:00:00")
    reading = Reading(0, now, date=LATEST_TIMESTAMP)
    [row] = accept(Observed("api", (seen,), reading, 0), {}, epoch=1).rows
    assert row.base == Base(100.0, Basis.FIRST_SEEN, now)


@pytest.mark.proves("W22")
def test_an_item_that_once_tells_no_exchange_changes_no_day():
    process = Process()
    process.take(100.0, "2026-11-25T18:00:00")
    process.take(110.0, "2026-11-25T19:00:01", exchange=None)
    process.take(120.0, "2026-11-25T19:00:02")
    assert process.base.price == 100.0


@pytest.mark.proves("W22")
def test_a_symbol_that_gets_another_exchange_has_the_day_of_that():
    """Its first price in that day is asked for."""
    process = Process(None, "UTC")
    process.take(100.0, "2026-11-26T01:00:00")
    process.answer(None)
    process.take(110.0, "2026-11-26T02:00:00", exchange="NASDAQ")
    assert process.row.day.day.zone == NEW_YORK
    assert process.says == (110.0, "first_seen")
    assert not process.row.day.settled


@pytest.mark.parametrize("hours", [1, 26])
def test_each_price_of_a_day_shares_one_description_of_it(hours):
    """Ten thousand symbols are accepted in one go: little is worked out for each."""
    process = Process()
    process.take(100.0, "2026-11-25T00:00:00")
    day = process.row.day
    start = at(NEW_YORK, "2026-11-25T00:00:00")
    process.take(101.0, start + hours * HOUR_MS)
    assert (process.row.day is day) == (hours * HOUR_MS < DAY_MS)
    assert process.row.day.day.start % MINUTE_MS == 0
