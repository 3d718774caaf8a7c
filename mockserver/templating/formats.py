"""Numbers by `java.text.DecimalFormat` patterns and times by `SimpleDateFormat` patterns.

The subset that stubs use; a pattern outside it is a `TemplateError`, never a wrong answer.
"""

import math
import re
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from mockserver.templating.errors import TemplateError

_NUMBER_PATTERN: Final = re.compile(
    r"([^#0,.%']*)([#,]*0*(?:[,0#]*))(?:\.(0*)(#*))?(%?)([^#0,.%']*)"
)
_NAMED_NUMBER_PATTERNS: Final = {"number": "#,##0.###", "integer": "#,##0", "percent": "#,##0%"}
_EXACT: Final = Context(prec=1_200)
"""Digits enough for any double, from 1.8e308 down to 5e-324."""
_ENGLISH: Final = re.compile(r"en([_-][A-Za-z]{2})?")


def format_number(value: float, pattern: str, locale: str = "en_US") -> str:
    """`value` by a DecimalFormat `pattern`, ties to even on the exact binary value as in Java."""
    if _ENGLISH.fullmatch(locale) is None:
        raise TemplateError(f"the locale {locale!r} is not supported, only English ones are")
    found = _NUMBER_PATTERN.fullmatch(_NAMED_NUMBER_PATTERNS.get(pattern, pattern))
    if found is None or not (found.group(2) or found.group(3) or found.group(4)):
        raise TemplateError(f"{pattern!r} is not a number format that is supported")
    before, whole_pattern, zeros, hashes, percent, after = found.groups(default="")
    if not math.isfinite(value):
        raise TemplateError(f"{value} is no number that can be written")
    exact = _EXACT.multiply(Decimal(value), Decimal(100 if percent else 1))
    rounded = round_half_even(exact, len(zeros) + len(hashes))
    whole, _, fraction = f"{rounded.copy_abs():f}".partition(".")
    while len(fraction) > len(zeros) and fraction.endswith("0"):
        fraction = fraction[:-1]
    # A pattern without any 0 shows one digit before the point all the same.
    least = whole_pattern.count("0") or (0 if zeros else 1)
    whole = whole.lstrip("0").rjust(least, "0")
    if "," in whole_pattern:
        whole = _grouped(whole, len(whole_pattern) - whole_pattern.rfind(",") - 1)
    if not whole and not fraction:
        whole = "0"
    number = f"{whole}.{fraction}" if fraction else whole
    return f"{'-' if rounded.is_signed() else ''}{before}{number}{percent}{after}"


def round_half_even(value: Decimal, digits: int) -> Decimal:
    """`value` with `digits` digits after the point."""
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, _EXACT)


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
    if letter in "yY" and letter == "y":
        return f"{moment.year % 100:02}" if width == 2 else str(moment.year).rjust(width, "0")
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


def _zone(moment: datetime, letter: str, width: int) -> str:
    offset = moment.strftime("%z")
    if letter == "z":
        return moment.tzname() or offset
    if letter == "Z":
        return offset
    if offset == "+0000":
        return "Z"
    return {1: offset[:3], 2: offset[:5]}.get(width, f"{offset[:3]}:{offset[3:5]}")
