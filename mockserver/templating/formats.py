"""Numbers by `java.text.DecimalFormat` patterns and times by `SimpleDateFormat` patterns.

The subset that stubs use; a pattern outside it is a `TemplateError`, never a wrong answer.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)
from functools import lru_cache
from typing import Final

from mockserver.templating.errors import TemplateError

_NUMBER_PATTERN: Final = re.compile(
    r"([^#0,.%']*)([#,]*0*(?:[,0#]*))(?:\.(0*)(#*))?(%?)([^#0,.%']*)"
)
_NAMED_NUMBER_PATTERNS: Final = {"number": "#,##0.###", "integer": "#,##0", "percent": "#,##0%"}
_EXACT: Final = Context(prec=1_200)
"""Digits enough for any double, from 1.8e308 down to 5e-324."""
_ENGLISH: Final = re.compile(r"en([_-][A-Za-z]{2})?")


_PLAIN: Final = re.compile(r"(#,##)?0(?:\.(0{1,15}))?")
_ROUNDINGS: Final = {
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
    "half_up": ROUND_HALF_UP,
    "half_down": ROUND_HALF_DOWN,
    "half_even": ROUND_HALF_EVEN,
}


@dataclass(frozen=True, slots=True)
class NumberChanges:
    """What options say against a pattern: `least` and `most` digits after the point."""

    least: int | None = None
    most: int | None = None
    grouping: bool | None = None
    rounding: str = "half_even"


_UNCHANGED: Final = NumberChanges()


def format_number(
    value: float, pattern: str, locale: str = "en_US", changes: NumberChanges = _UNCHANGED
) -> str:
    """`value` by a DecimalFormat `pattern`, ties to even on the exact binary value as in Java."""
    if locale != "en_US" and _ENGLISH.fullmatch(locale) is None:
        raise TemplateError(f"the locale {locale!r} is not supported, only English ones are")
    if changes is _UNCHANGED and -1e15 < value < 1e15 and (plain := _plain_format(pattern)):
        # Python rounds to even on the exact value too, and far faster than Decimal.
        return format(value, plain)
    found = _NUMBER_PATTERN.fullmatch(_NAMED_NUMBER_PATTERNS.get(pattern, pattern))
    if found is None or not (found.group(2) or found.group(3) or found.group(4)):
        raise TemplateError(f"{pattern!r} is not a number format that is supported")
    before, whole_pattern, zeros, hashes, percent, after = found.groups(default="")
    if not math.isfinite(value):
        raise TemplateError(f"{value} is no number that can be written")
    if changes.rounding not in _ROUNDINGS:
        raise TemplateError(f"the roundingMode {changes.rounding!r} is not supported")
    least = len(zeros) if changes.least is None else changes.least
    most = max(least, len(zeros) + len(hashes) if changes.most is None else changes.most)
    if changes.most is not None and changes.least is None:
        least, most = min(least, changes.most), changes.most
    exact = _EXACT.multiply(Decimal(value), Decimal(100 if percent else 1))
    rounded = _rounded(exact, most, _ROUNDINGS[changes.rounding])
    whole, _, fraction = f"{rounded.copy_abs():f}".partition(".")
    while len(fraction) > least and fraction.endswith("0"):
        fraction = fraction[:-1]
    # A pattern without any 0 shows one digit before the point all the same.
    shown = whole_pattern.count("0") or (0 if zeros else 1)
    whole = whole.lstrip("0").rjust(shown, "0")
    if "," in whole_pattern and changes.grouping is not False:
        whole = _grouped(whole, len(whole_pattern) - whole_pattern.rfind(",") - 1)
    if not whole and not fraction:
        whole = "0"
    number = f"{whole}.{fraction}" if fraction else whole
    return f"{'-' if rounded.is_signed() else ''}{before}{number}{percent}{after}"


@lru_cache(maxsize=256)
def _plain_format(pattern: str) -> str:
    """Python's own format for the commonest patterns (`0.00`, `#,##0.00`); else nothing."""
    found = _PLAIN.fullmatch(pattern)
    if found is None:
        return ""
    return f"{',' if found.group(1) else ''}.{len(found.group(2) or '')}f"


def _rounded(value: Decimal, digits: int, rounding: str) -> Decimal:
    """`value` with `digits` digits after the point."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding, _EXACT)


def _grouped(digits: str, size: int) -> str:
    groups = []
    while len(digits) > size > 0:
        groups.append(digits[-size:])
        digits = digits[:-size]
    return ",".join([digits, *reversed(groups)]) if digits else ",".join(reversed(groups))


_DATE_TOKEN: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


def format_time(moment: datetime, pattern: str) -> str:
    """`moment` by a SimpleDateFormat `pattern`, with English names."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        found = _DATE_TOKEN.match(pattern, at)
        if found is None:
            raise TemplateError(f"unterminated quote in the date format {pattern!r}")
        quoted, letter = found.groups()
        if quoted is not None:
            parts.append(quoted.replace("''", "'") or "'")
        elif letter is None:
            parts.append(found.group())
        else:
            parts.append(_time_field(moment, letter, len(found.group()), pattern))
        at = found.end()
    return "".join(parts)


def _time_field(moment: datetime, letter: str, width: int, pattern: str) -> str:
    numbers = {
        "d": moment.day,
        "H": moment.hour,
        "k": moment.hour or 24,
        "h": moment.hour % 12 or 12,
        "K": moment.hour % 12,
        "m": moment.minute,
        "s": moment.second,
        "S": moment.microsecond // 1000,
        "D": moment.timetuple().tm_yday,
        "u": moment.isoweekday(),
    }
    if letter in numbers:
        return str(numbers[letter]).rjust(width, "0")
    if letter in "yY":
        year = moment.year if letter == "y" else _week(moment)[0]
        return f"{year % 100:02}" if width == 2 else str(year).rjust(width, "0")
    if letter == "w":
        return str(_week(moment)[1]).rjust(width, "0")
    if letter in "ML":
        month = _MONTHS[moment.month - 1]
        return str(moment.month).rjust(width, "0") if width < 3 else month[: 3 if width == 3 else 9]
    if letter == "E":
        day = _DAYS[moment.weekday()]
        return day if width > 3 else day[:3]
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter in "ZXz":
        return _zone(moment, letter, width)
    raise TemplateError(f"the letter {letter!r} of the date format {pattern!r} is not supported")


def _week(moment: datetime) -> tuple[int, int]:
    """Year and number of the week, as in the United States: from Sunday, 1 January in week 1."""
    saturday = moment + timedelta(days=(5 - moment.weekday()) % 7)
    if saturday.year > moment.year:
        return saturday.year, 1
    return moment.year, (saturday.timetuple().tm_yday + 6) // 7


def _zone(moment: datetime, letter: str, width: int) -> str:
    offset = moment.strftime("%z")
    if letter == "z":
        return moment.tzname() or offset
    if letter == "Z":
        return offset
    if offset == "+0000":
        return "Z"
    return {1: offset[:3], 2: offset[:5]}.get(width, f"{offset[:3]}:{offset[3:5]}")
