"""When a price was told: ISO 8601 with an offset, or a number since 1970.

A number is of seconds or milliseconds by its size, unless its unit is said.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from stockstream.quotes import LATEST_TIMESTAMP

# Below it a number is taken as seconds (this many are the year 5138), above it as milliseconds
# (this many are March 1973).
_SMALLEST_MILLISECONDS = 100_000_000_000
# Digits in quotes that can be nothing else. Eight, twelve and fourteen may be a date.
_NUMBER = re.compile(r"(?:[0-9]{9,10}|[0-9]{13})(?:\.[0-9]+)?")
_FINER = re.compile(r"[0-9]{16}(?:[0-9]{3})?")
# RFC 3339 has leap seconds, ISO 8601 the end of a day; `datetime` has neither.
_END_OF_DAY = re.compile(r"(.{10}.)24(:00(?::00(?:[.,]0+)?)?(?![0-9:.,]).*)")
_LEAP_SECOND = re.compile(r"(.{10}.[0-9]{2}:[0-9]{2}:)60(?:[.,][0-9]+)?(.*)")
_BEYOND = 1_000_000 * LATEST_TIMESTAMP
_LONGEST_ISO = 48
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_TO_THE_SECOND = len("2026-11-22T10:00:00")
_USUAL = range(len("2026-11-22T10:00:00.1Z"), len("2026-11-22T10:00:00.123456789Z") + 1)


class TimeUnit(StrEnum):
    """What a number counts since 1970; `ISO` is a text of ISO 8601."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    ISO = "iso"


_PER_SECOND = {
    TimeUnit.SECONDS: 1,
    TimeUnit.MILLISECONDS: 1_000,
    TimeUnit.MICROSECONDS: 1_000_000,
    TimeUnit.NANOSECONDS: 1_000_000_000,
}
_ANY_NUMBER = re.compile(r"[0-9]{1,25}(?:\.[0-9]{1,25})?")


class BadTimestamp(ValueError):
    """It is no time that can be read. The message goes on after ``timestamp of AAPL is …``."""


def from_any(value: object) -> int:
    """Milliseconds since 1970 of a text or a number; TypeError for anything else."""
    if isinstance(value, str):
        return from_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_number(value)
    raise TypeError("neither a text nor a number")


def in_unit(value: object, unit: TimeUnit) -> int:
    """Milliseconds since 1970 of a value whose unit is known; TypeError for one of no such type."""
    if unit is TimeUnit.ISO:
        if not isinstance(value, str):
            raise TypeError("no text")
        return _from_iso(value)
    if isinstance(value, str):
        if not _ANY_NUMBER.fullmatch(value):
            raise BadTimestamp(f"{value[:_LONGEST_ISO]!r}, not a number of {unit}")
        value = float(value) if "." in value else int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("neither a text nor a number")
    if value <= 0:
        raise BadTimestamp(f"{value}, which is {_what_it_is(value)}")
    # Whole numbers of nanoseconds are beyond what a float holds exactly.
    per_second = _PER_SECOND[unit]
    milliseconds = (
        value * 1000 // per_second if isinstance(value, int) else value * (1000 / per_second)
    )
    if not 0 < milliseconds <= LATEST_TIMESTAMP:  # neither is a NaN
        raise BadTimestamp(f"a number that no time in {unit} can be")
    if milliseconds < _SMALLEST_MILLISECONDS:
        raise BadTimestamp(f"{value}, of {unit} long ago: it is in a larger unit")
    return int(milliseconds)


def from_number(value: float) -> int:
    """Milliseconds since 1970 of a number of seconds or milliseconds, whatever number it is."""
    if not -_BEYOND < value < _BEYOND:  # neither is a NaN
        raise BadTimestamp("a number that no time can be")
    milliseconds = int(value if value >= _SMALLEST_MILLISECONDS else value * 1000)
    if not 0 < milliseconds <= LATEST_TIMESTAMP:
        raise BadTimestamp(f"{value}, which is {_what_it_is(value)}")
    return milliseconds


def from_text(text: str) -> int:
    """Milliseconds since 1970 of ISO 8601, or of a number that is sent as a text."""
    usual = _usual(text)
    if usual is not None:
        return usual
    if _NUMBER.fullmatch(text):
        return from_number(float(text) if "." in text else int(text))
    if _FINER.fullmatch(text):
        return from_number(int(text))
    return _from_iso(text)


def _from_iso(text: str) -> int:
    moment, more = _moment(text.upper()) if len(text) <= _LONGEST_ISO else (None, 0)
    if moment is None:
        raise BadTimestamp(f"{text[:_LONGEST_ISO]!r}, not ISO 8601 with an offset")
    if moment.tzinfo is None:
        raise BadTimestamp(f"{text!r}, ISO 8601 without the offset that it needs, as Z or +01:00")
    milliseconds = _rounded((moment - _EPOCH) // _MICROSECOND) + more
    if not 0 < milliseconds <= LATEST_TIMESTAMP:
        raise BadTimestamp(f"{text!r}, not between 1970 and the year 9999")
    return milliseconds


def _usual(text: str) -> int | None:
    """The same of what nearly all providers write, as ``2026-11-22T10:00:00.123456Z``: those that
    push write it ten thousands of times a second. None where it takes a closer look.
    """
    if len(text) not in _USUAL or text[_TO_THE_SECOND] != "." or text[-1] != "Z":
        return None
    digits = text[_TO_THE_SECOND + 1 : -1]
    if not (digits.isascii() and digits.isdigit()):
        return None
    second = _second(text[:_TO_THE_SECOND])
    return None if second is None else second + _rounded(int(f"{digits}00000"[:6]))


# Prices that come together share their second.
@lru_cache(maxsize=1024)
def _second(text: str) -> int | None:
    """Milliseconds since 1970 of a time in UTC that is told to the second."""
    if not _WRITTEN.fullmatch(text) or text[11:13] == "24":  # which has no fractions
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    milliseconds = (moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND // 1000
    return milliseconds if 0 < milliseconds < LATEST_TIMESTAMP - 1000 else None


def _rounded(microseconds: int) -> int:
    return (microseconds + 500) // 1000


def _moment(text: str) -> tuple[datetime | None, int]:
    """What the text says, and by how many ms it is later than what `datetime` can say."""
    more = 0
    if end := _END_OF_DAY.fullmatch(text):
        text, more = f"{end[1]}00{end[2]}", 86_400_000
    elif leap := _LEAP_SECOND.fullmatch(text):
        text, more = f"{leap[1]}59{leap[2]}", 1_000
    try:
        return datetime.fromisoformat(text), more
    except ValueError:
        return None, 0


def _what_it_is(value: float) -> str:
    if value < 0:
        return "before 1970"
    # Zero is how many systems write "none".
    if value < 1:
        return "no time"
    unit = "microseconds" if value <= 1000 * LATEST_TIMESTAMP else "nanoseconds"
    return f"in {unit}: seconds or milliseconds are read"
