"""The day of an exchange: from midnight to midnight in its time zone. Pure.

New York trades until 20:00, when it is the next day in UTC; Sydney is in the middle of its session
at midnight in UTC. A day on which the clocks are set has 23 or 25 hours.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from stockstream.market.time_base import LARGEST_LEAD_MS
from stockstream.quotes import LATEST_TIMESTAMP
from stockstream.statuses import ExchangeDay
from stockstream.times import DAY_MS

if TYPE_CHECKING:
    from stockstream.market.time_base import Reading

OLDEST_MS = 10 * DAY_MS
"""No exchange is closed for longer. A price with an older time than that has a wrong one."""
_LAST_DATED = LATEST_TIMESTAMP - 2 * DAY_MS
"""A day that ends after the year 9999 cannot be told; an upstream may say that it is that late."""


class Believed(NamedTuple):
    """The times that prices of one fetch may have; any other is that of a wrong clock.

    The prices were `received` then by our clock. In ms since 1970.
    """

    earliest: int
    latest: int
    received: int

    @classmethod
    def at(cls, reading: Reading) -> Believed:
        """By our clock, and by what the upstream says the time is: ours may be the wrong one."""
        told = reading.wall if reading.date is None else reading.date
        earliest = min(reading.wall, told) - OLDEST_MS
        latest = min(max(reading.wall, told) + LARGEST_LEAD_MS, _LAST_DATED)
        return cls(earliest, latest, reading.wall)


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
