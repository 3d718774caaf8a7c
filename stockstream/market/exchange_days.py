"""The day of an exchange: from midnight to midnight in its time zone. Pure.

New York trades until 20:00, when it is the next day in UTC; Sydney is in the middle of its session
at midnight in UTC. A day on which the clocks are set has 23 or 25 hours.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from stockstream.market.time_base import LARGEST_LEAD_MS
from stockstream.statuses import ExchangeDay
from stockstream.times import DAY_MS

OLDEST_MS = 10 * DAY_MS
"""No exchange is closed for longer. A price with an older time than that has a wrong one."""


def is_believable(timestamp: int, received: int) -> bool:
    """Whether a price that was `received` then may be from that time; in ms since 1970."""
    return received - OLDEST_MS <= timestamp <= received + LARGEST_LEAD_MS


def day_at(zone: str, moment: int) -> ExchangeDay:
    """The day in an IANA zone at a moment in ms since 1970."""
    return _day(zone, datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).toordinal())


@lru_cache(maxsize=512)
def _day(zone: str, ordinal: int) -> ExchangeDay:
    # Where the clocks are set at midnight: if it is left out, `datetime` counts on from the hour
    # before, so the day begins with its first moment; if it comes twice, it means the first one.
    midnight = datetime.fromordinal(ordinal).replace(tzinfo=ZoneInfo(zone))
    next_midnight = midnight + timedelta(days=1)  # in wall time, however many hours that are
    return ExchangeDay(zone, _ms(midnight), _ms(next_midnight))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
