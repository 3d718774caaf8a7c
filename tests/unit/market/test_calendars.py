"""When exchanges trade, by `calendars.json`."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from stockstream.market.calendars import FILE, next_change, session_at
from stockstream.market.exchange_zones import CALENDARS, NEVER_CLOSES, market_of
from stockstream.quotes import TradingSession
from stockstream.times import now_ms

LEFT = timedelta(days=90)
BOUNDED = {"XBOM", "XSES", "XSHG"}
"""Their holidays of the next year are published late: they end with the year of the file."""
PRE, REGULAR, POST, CLOSED = (
    TradingSession.PRE,
    TradingSession.REGULAR,
    TradingSession.POST,
    TradingSession.CLOSED,
)


def at(zone: str, text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_the_file_is_not_about_to_end() -> None:
    """`scripts/calendars.py` makes it anew."""
    today = datetime.fromtimestamp(now_ms() / 1000, ZoneInfo("UTC")).date()
    assert FILE.last - today >= LEFT, "make stockstream/market/calendars.json again"
    assert set(FILE.markets) == set(CALENDARS)
    sooner = {name for name, market in FILE.markets.items() if market.until < FILE.last}
    assert sooner == BOUNDED


@pytest.mark.parametrize(
    ("calendar", "moment", "session", "since"),
    [
        ("XNYS", "2026-11-30T03:59", CLOSED, "2026-11-27T17:00"),
        ("XNYS", "2026-11-30T04:00", PRE, "2026-11-30T04:00"),
        ("XNYS", "2026-11-30T09:30", REGULAR, "2026-11-30T09:30"),
        ("XNYS", "2026-11-30T15:59", REGULAR, "2026-11-30T09:30"),
        ("XNYS", "2026-11-30T16:00", POST, "2026-11-30T16:00"),
        ("XNYS", "2026-11-30T20:00", CLOSED, "2026-11-30T20:00"),
        # The day after Thanksgiving is a short one.
        ("XNYS", "2026-11-26T12:00", CLOSED, "2026-11-25T20:00"),
        ("XNYS", "2026-11-27T13:00", POST, "2026-11-27T13:00"),
        ("XNYS", "2026-11-27T17:00", CLOSED, "2026-11-27T17:00"),
        # Summer time begins on 2027-03-14.
        ("XNYS", "2027-03-15T09:30", REGULAR, "2027-03-15T09:30"),
        ("XTKS", "2026-12-01T11:29", REGULAR, "2026-12-01T09:00"),
        ("XTKS", "2026-12-01T11:30", CLOSED, "2026-12-01T11:30"),
        ("XTKS", "2026-12-01T12:30", REGULAR, "2026-12-01T12:30"),
        # It is still the day before in UTC when Sydney opens.
        ("XASX", "2026-12-01T10:00", REGULAR, "2026-12-01T10:00"),
        ("XLON", "2026-12-24T12:29", REGULAR, "2026-12-24T08:00"),
        ("XLON", "2026-12-24T12:30", CLOSED, "2026-12-24T12:30"),
        ("XLON", "2026-12-28T09:00", CLOSED, "2026-12-24T12:30"),
        ("XSAU", "2026-12-06T11:00", REGULAR, "2026-12-06T10:00"),
    ],
)
def test_what_a_market_does(calendar: str, moment: str, session: object, since: str) -> None:
    """With breaks, short days, holidays, and the hours around the session in the USA."""
    zone = CALENDARS[calendar]
    assert session_at(calendar, at(zone, moment)) == (session, at(zone, since))


def test_what_nobody_knows_is_not_said() -> None:
    """After the end of a calendar, before it, and of an exchange without one."""
    assert session_at(NEVER_CLOSES, 0).session is TradingSession.ALWAYS
    for calendar, text in (("XNYS", "2031-01-01"), ("XNYS", "2020-06-01"), (None, "2026-12-01")):
        assert session_at(calendar, at("UTC", text)).session is None
    assert market_of("DFM", "EMAAR").calendar is None
    assert market_of(None, "BTC-USD").calendar == NEVER_CLOSES


@pytest.mark.parametrize("calendar", sorted(CALENDARS))
def test_nothing_changes_before_the_next_change(calendar: str) -> None:
    """Over a fortnight, and each change is found."""
    moment = at("UTC", "2026-12-14")
    end = moment + 14 * 86_400_000
    turns = 0
    while moment < end:
        session, after = session_at(calendar, moment), next_change(calendar, moment)
        assert session_at(calendar, after - 1) == session
        turns += session_at(calendar, after).session is not session.session
        moment = after
    assert turns >= 10


def test_the_file_says_what_exchange_calendars_says() -> None:
    """A minute before, at, and a minute after each opening and closing of each market."""
    library = pytest.importorskip("exchange_calendars", reason="it brings pandas (189 MB)")
    start = FILE.first - timedelta(days=365)
    for calendar, market in FILE.markets.items():
        whole = library.get_calendar(calendar, start=start, end=market.until)
        schedule = whole.schedule.loc[FILE.first.isoformat() :]
        columns = ("open", "break_start", "break_end", "close")
        moments = [moment for column in columns for moment in schedule[column].dropna()]
        assert len(moments) >= 40
        for moment in moments:
            for minutes in (-1, 0, 1):
                then = moment + timedelta(minutes=minutes)
                ours = session_at(calendar, round(then.timestamp() * 1000)).session
                theirs = then <= whole.last_minute and whole.is_trading_minute(then)
                assert (ours is REGULAR) == theirs, (calendar, then)
