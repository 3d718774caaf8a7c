"""When a job is due: at a pace, or at a time of the day. Values only, without a clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockstream.times import to_datetime, to_ms

DAY_SECONDS = 86_400.0
SHORTEST_SECONDS = 60.0
"""A schedule that somebody writes is no faster."""
_UNITS = {"m": 60.0, "h": 3600.0, "d": DAY_SECONDS}
_EVERY = re.compile(r"(?:every\s+)?(\d{1,6})\s*([mhd])")
_DAILY = re.compile(r"(?:daily\s+)?(?:at\s+)?([01]?\d|2[0-3]):([0-5]\d)(?:\s+(\S+))?")
FORMS = "`every 6h`, `03:30` (UTC) or `03:30 Europe/Berlin`"


class InvalidSchedule(ValueError):
    """The text is no schedule; it says what would be one."""


class Schedule(Protocol):
    """A rule for the moments at which a job is due."""

    @property
    def longest(self) -> float:
        """Seconds between two runs, at most."""

    @property
    def shortest(self) -> float:
        """Seconds between two runs that the schedule asks for, at least, whatever clocks say."""

    def after(self, moment: int) -> int:
        """The first moment after this one; both in ms since 1970."""


@dataclass(frozen=True, slots=True)
class Every:
    """So many seconds after the last start."""

    seconds: float

    @property
    def longest(self) -> float:
        """See `Schedule`."""
        return self.seconds

    @property
    def shortest(self) -> float:
        """See `Schedule`."""
        return self.seconds / 2

    def after(self, moment: int) -> int:
        """See `Schedule`."""
        return moment + round(self.seconds * 1000)

    def __str__(self) -> str:
        for unit in ("d", "h", "m"):
            if self.seconds % _UNITS[unit] == 0:
                return f"every {self.seconds / _UNITS[unit]:g}{unit}"
        return f"every {self.seconds:g}s"


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day, at this time of a zone. Where the clock is put forward over it, an hour later;
    where it is put back and the time comes twice, the first time.
    """

    hour: int
    minute: int
    zone: str = "UTC"

    @property
    def longest(self) -> float:
        """See `Schedule`. A day in which the clock is put back has an hour more."""
        return DAY_SECONDS + 3600.0

    @property
    def shortest(self) -> float:
        """See `Schedule`."""
        return 3600.0

    def after(self, moment: int) -> int:
        """See `Schedule`."""
        zone = ZoneInfo(self.zone)
        at = time(self.hour, self.minute, tzinfo=zone)
        day = to_datetime(moment).astimezone(zone).date() - timedelta(days=1)
        while (found := to_ms(datetime.combine(day, at))) <= moment:
            day += timedelta(days=1)
        return found

    def __str__(self) -> str:
        return f"daily at {self.hour:02}:{self.minute:02} {self.zone}"


def read_schedule(text: str) -> Every | Daily:
    """The schedule that a person has written.

    Raises:
        InvalidSchedule: it is none.
    """
    text = text.strip()
    if found := _EVERY.fullmatch(text):
        seconds = int(found[1]) * _UNITS[found[2]]
        if seconds < SHORTEST_SECONDS:
            raise InvalidSchedule(f"{text!r} is not a minute at least")
        return Every(seconds)
    if found := _DAILY.fullmatch(text):
        zone = found[3] or "UTC"
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidSchedule(f"{text!r}: there is no time zone {zone!r}") from None
        return Daily(int(found[1]), int(found[2]), zone)
    raise InvalidSchedule(f"{text!r} is no schedule; write {FORMS}")
