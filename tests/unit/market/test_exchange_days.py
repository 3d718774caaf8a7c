"""Which day of which exchange a moment belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stockstream.market.exchange_days import OLDEST_MS, Believed, day_at
from stockstream.market.exchange_zones import UNKNOWN, ZONES, zone_of
from stockstream.market.time_base import LARGEST_LEAD_MS, Reading
from stockstream.quotes import LATEST_TIMESTAMP
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS

NEW_YORK, SYDNEY, LONDON = "America/New_York", "Australia/Sydney", "Europe/London"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def local(zone: str, text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.proves("W22")
@pytest.mark.parametrize(
    ("exchange", "symbol", "zone"),
    [
        ("NASDAQ", "AAPL", NEW_YORK),
        ("NasdaqGS", "AAPL", NEW_YORK),
        ("xnas", "AAPL", NEW_YORK),
        ("NYSE", "BRK.B", NEW_YORK),
        ("New York Stock Exchange", "IBM", NEW_YORK),
        ("NYSE Arca", "SPY", NEW_YORK),
        ("NYSEArca", "SPY", NEW_YORK),
        ("LSE", "VOD", LONDON),
        ("XLON", "VOD", LONDON),
        ("ASX", "BHP", SYDNEY),
        ("TSE", "7203", "Asia/Tokyo"),
        ("TSX", "SHOP", "America/Toronto"),
        ("XETRA", "SAP", "Europe/Berlin"),
        (None, "NASDAQ:AAPL", NEW_YORK),
        (None, "LSE:VOD", LONDON),
        (None, "VOD.L", LONDON),
        (None, "7203.T", "Asia/Tokyo"),
        (None, "BHP.AX", SYDNEY),
        ("NASDAQ", "BHP.AX", NEW_YORK),
        (None, "BRK.B", UNKNOWN),
        (None, "AAPL", UNKNOWN),
        (None, "BTC-USD", UNKNOWN),
        (None, "BINANCE:BTCUSDT", UNKNOWN),
        (None, "L", UNKNOWN),
        ("SIM", "VOD.L", UNKNOWN),
        ("", "AAPL", UNKNOWN),
        ("4", "AAPL", UNKNOWN),
    ],
)
def test_an_exchange_is_known_by_what_providers_call_it(exchange, symbol, zone):
    """What the provider says counts more than what a symbol's name looks like."""
    assert zone_of(exchange, symbol) == zone


@pytest.mark.parametrize("zone", sorted(ZONES))
def test_each_zone_is_one_that_the_time_zone_data_has(zone):
    assert ZoneInfo(zone).key == zone


@pytest.mark.proves("W22")
@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        (NEW_YORK, "2026-11-25T18:59:59", "2026-11-25T19:00:01"),  # midnight in UTC
        (SYDNEY, "2026-11-26T10:59:59", "2026-11-26T11:00:01"),  # the same
        ("Asia/Tokyo", "2026-11-26T08:59:59", "2026-11-26T09:00:00"),  # the same, and the opening
        (NEW_YORK, "2026-03-08T01:59:59", "2026-03-08T03:00:00"),  # an hour is left out
        (NEW_YORK, "2026-11-01T00:00:00", "2026-11-01T23:59:59"),  # one comes twice
        (UNKNOWN, "2026-11-25T00:00:00", "2026-11-25T23:59:59"),
    ],
)
def test_a_day_is_one_for_its_exchange(zone, before, after):
    assert day_at(zone, local(zone, before)) == day_at(zone, local(zone, after))


@pytest.mark.proves("W22")
@pytest.mark.parametrize("zone", [NEW_YORK, SYDNEY, LONDON, "Asia/Kolkata", UNKNOWN])
def test_a_day_ends_at_midnight_of_its_exchange(zone):
    """Also where that is no whole hour of UTC."""
    midnight = local(zone, "2026-11-26T00:00:00")
    before, after = day_at(zone, midnight - 1), day_at(zone, midnight)
    assert (before.end, after.start) == (midnight, midnight)


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        (NEW_YORK, "2026-03-08T12:00", 23),
        (NEW_YORK, "2026-11-01T12:00", 25),
        (SYDNEY, "2026-04-05T12:00", 25),
        (SYDNEY, "2026-10-04T12:00", 23),
        ("America/Santiago", "2026-09-06T12:00", 23),  # midnight itself is left out
        ("America/Santiago", "2026-04-04T12:00", 25),  # the last hour comes twice
    ],
)
def test_a_day_on_which_the_clocks_are_set_is_shorter_or_longer(zone, noon, hours):
    day = day_at(zone, local(zone, noon))
    assert day.end - day.start == hours * HOUR_MS


@given(st.sampled_from(sorted(ZONES)), st.integers(ms("2000-01-01"), ms("2037-01-01")))
@example("America/Santiago", ms("2026-09-06T04:00"))
@example("Africa/Cairo", ms("2026-04-23T22:00"))
@example("Asia/Kolkata", ms("2026-04-23T18:30"))
def test_days_follow_each_other_without_a_gap(zone, moment):
    day = day_at(zone, moment)
    assert day.start <= moment < day.end
    assert day_at(zone, day.start) == day_at(zone, day.end - 1) == day
    assert day_at(zone, day.end).start == day.end
    assert day.start % MINUTE_MS == 0, "candles of a minute are of one day"


@pytest.mark.proves("W23")
def test_a_time_is_believed_between_the_last_session_and_a_little_ahead():
    now = ms("2026-11-29T12:00")
    believed = Believed.at(Reading(0, now))
    assert believed == (now - OLDEST_MS, now + LARGEST_LEAD_MS, now)
    assert OLDEST_MS > 9 * DAY_MS, "the longest holidays"


@pytest.mark.proves("W23")
@pytest.mark.parametrize("wrong", [-HOUR_MS, HOUR_MS, 30 * DAY_MS])
def test_a_wrong_clock_of_ours_makes_no_time_unbelievable_that_the_upstream_agrees_with(wrong):
    now = ms("2026-11-29T12:00")
    believed = Believed.at(Reading(0, now + wrong, date=now))
    assert believed.earliest <= now - DAY_MS
    assert believed.latest >= now


@pytest.mark.proves("W23")
@pytest.mark.parametrize("zone", sorted(ZONES))
def test_an_upstream_in_the_year_9999_is_believed_no_further_than_days_go(zone):
    """A day that ends in the year 10000 cannot be told, in any zone."""
    now = ms("2026-11-29T12:00")
    believed = Believed.at(Reading(0, now, date=LATEST_TIMESTAMP))
    assert believed.latest > ms("9999-12-29T00:00")
    assert day_at(zone, believed.latest).end > believed.latest
