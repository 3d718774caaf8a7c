"""When the exchanges trade: what `calendars.json` says, and the hours around it in the USA. Pure.

The file is made by `scripts/calendars.py`. It ends with next year, some markets sooner, because
nobody knows their holidays yet: from there on it is not known when they trade. Trading before and
after the session is not in it. It is from 4:00 to 20:00 in New York, and on a short day until four
hours after the close.
"""

from __future__ import annotations

from bisect import bisect_right

# Not only for type checking: msgspec reads the annotations.
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from stockstream.market.exchange_zones import NEVER_CLOSES
from stockstream.quotes import TradingSession
from stockstream.statuses import MarketSession
from stockstream.times import DAY_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence

Hours = tuple[tuple[time, time], ...]
"""From and to, in the time of the exchange; two of these where there is a break."""
_PRE_AND_POST = {"XNYS": (time(4, 0), timedelta(hours=4))}
"""From when on there is trade before the session, and for how long after it."""


class MarketHours(msgspec.Struct, frozen=True):
    """When a market trades until a day: `hours` on its `weekdays`, Monday is 0; not on days that
    are `closed`, and on `other` days in other hours.
    """

    zone: str
    until: date
    weekdays: frozenset[int]
    hours: Hours
    closed: frozenset[date]
    other: Mapping[date, Hours]

    def on(self, day: date) -> Hours:
        """The hours of a day."""
        known = self.other.get(day)
        if known is not None:
            return known
        return self.hours if day.weekday() in self.weekdays and day not in self.closed else ()


class CalendarFile(msgspec.Struct, frozen=True):
    """`calendars.json`: the markets by their names there, from the day `first` to the `last`."""

    made: date
    exchange_calendars: str
    first: date
    last: date
    markets: Mapping[str, MarketHours]


FILE = msgspec.json.decode(
    Path(__file__).with_name("calendars.json").read_bytes(), type=CalendarFile
)
LONGEST_REST = 12
"""In days: no market is closed for longer, so the last close is among so many days."""
ALWAYS = MarketSession(TradingSession.ALWAYS, 0)
NOT_KNOWN = MarketSession(None, 0)


def session_at(calendar: str | None, moment: int) -> MarketSession:
    """What a market does at a moment in ms since 1970, and since when."""
    if calendar == NEVER_CLOSES:
        return ALWAYS
    sessions = _of_the_day(calendar, moment)
    return sessions[bisect_right(sessions, moment, key=_since) - 1] if sessions else NOT_KNOWN


def opens_after(calendar: str | None, moment: int) -> int | None:
    """When a market that is closed opens next, trading before its session counted; None: nobody
    knows.
    """
    if calendar == NEVER_CLOSES:  # a provider may say that it is closed all the same
        return None
    for days in range(LONGEST_REST + 1):
        for session in _of_the_day(calendar, moment + days * DAY_MS):
            if session.since > moment and session.session is not TradingSession.CLOSED:
                return None if session.session is None else session.since
    return None


def next_change(calendar: str, moment: int) -> int:
    """By when what a market does has to be asked again: its next session, or midnight."""
    for session in _of_the_day(calendar, moment):
        if session.since > moment:
            return session.since
    return moment - moment % DAY_MS + DAY_MS  # the days that are kept are those of UTC


def trading_days_begin(calendar: str | None, moment: int, count: int) -> int | None:
    """When the first of the last `count` trading days began, with the trading before its session.

    The newest is the last day whose session had begun by that moment. None where nobody knows the
    hours, and for what never closes. Of days before the file begins the holidays are not known:
    they count as trading days.
    """
    if calendar is None or calendar == NEVER_CLOSES:
        return None
    market = FILE.markets[calendar]
    zone = ZoneInfo(market.zone)
    day = to_datetime(moment).astimezone(zone).date()
    if not FILE.first <= day <= market.until:
        return None
    # No market is closed for as long, nor open on fewer days than every third.
    for _ in range(3 * count + LONGEST_REST):
        hours = market.on(day)
        if hours and _ms(day, hours[0][0], zone) <= moment:
            count -= 1
            if count == 0:
                around = _PRE_AND_POST.get(calendar)
                return _ms(day, hours[0][0] if around is None else around[0], zone)
        day -= timedelta(days=1)
    return None


def _of_the_day(calendar: str | None, moment: int) -> Sequence[MarketSession]:
    return () if calendar is None else _on(calendar, moment // DAY_MS)


# The sessions of a day in UTC are worked out once, so that two rows have the same object.
@lru_cache(maxsize=1024)
def _on(calendar: str, utc_day: int) -> tuple[MarketSession, ...]:
    """The sessions from before a day in UTC begins until after it ends; none if nobody knows."""
    market = FILE.markets[calendar]
    middle = date(1970, 1, 1) + timedelta(days=utc_day)
    if middle > market.until:
        # Since its end, so that it is later than the last close: a row of that close turns.
        ended = datetime.combine(market.until + timedelta(days=1), time(0), UTC)
        return (MarketSession(None, round(ended.timestamp() * 1000)),)
    if middle < FILE.first:
        return ()
    days = [middle + timedelta(days=n) for n in range(-LONGEST_REST, 2)]
    zone = ZoneInfo(market.zone)
    found = [MarketSession(TradingSession.CLOSED, _ms(days[0], time(0), zone))]
    for day in days:
        hours = market.on(day)
        if not hours:
            continue
        around = _PRE_AND_POST.get(calendar)
        if around is not None:
            found.append(MarketSession(TradingSession.PRE, _ms(day, around[0], zone)))
        for begin, end in hours:
            found.append(MarketSession(TradingSession.REGULAR, _ms(day, begin, zone)))
            found.append(MarketSession(TradingSession.CLOSED, _ms(day, end, zone)))
        if around is not None:
            closes = found.pop().since
            after = closes + round(around[1].total_seconds() * 1000)
            found.append(MarketSession(TradingSession.POST, closes))
            found.append(MarketSession(TradingSession.CLOSED, after))
    return tuple(found)


def _since(session: MarketSession) -> int:
    return session.since


def _ms(day: date, at: time, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, at, zone).timestamp() * 1000)
