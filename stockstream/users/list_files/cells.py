"""Cells of a table as people and brokers write them: numbers and dates. No I/O."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from stockstream.users.list_files.names import LONGEST_SHOWN, Unmapped

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_NUMBER = Decimal(10) ** 15
MOST_DECIMALS = 12
NOTHING = frozenset({"", "-", "--", "---", "\u2013", "\u2014", "n/a", "na", "none", "null"})
"""What stands where there is no value."""

_MONEY = re.compile(
    r"(US|CA|A|C|HK|NZ)?[$\u20ac\u00a3\u00a5\u20b9\u20a9]"
    r"|\b(USD|EUR|GBP|GBX|CHF|CAD|AUD|JPY|HKD)\b",
    re.IGNORECASE,
)
_SIGNS = {
    "\u20ac": "EUR",
    "\u00a3": "GBP",
    "\u20b9": "INR",
    "\u20a9": "KRW",
    "US$": "USD",
    "CA$": "CAD",
    "C$": "CAD",
    "A$": "AUD",
    "HK$": "HKD",
    "NZ$": "NZD",
}
"""Those of one currency: `$` and `\u00a5` are of several."""
_DIGITS = re.compile(r"[0-9.,]+")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_GROUPS = {",": re.compile(r"[0-9]{1,3}(,[0-9]{3})*"), ".": re.compile(r"[0-9]{1,3}(\.[0-9]{3})*")}
_DIGITS_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[ ,;T].*)?")
_YEAR_FIRST = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[^0-9].*)?")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})[-/.]([0-9]{4})(?:[^0-9].*)?")


def has_decimal_comma(cells: Iterable[str], *, usual: bool | None) -> bool | None:
    """Whether the numbers of a file have a comma before their decimals.

    By those that can be read in one way only; `usual` where there is none, or where they differ.
    """
    short = (text for text in cells if len(text) <= LONGEST_SHOWN)
    found = {_is_comma(_bare(text)[0].lstrip("-+")) for text in short} - {None}
    return found.pop() if len(found) == 1 else usual


def number_of(text: str, *, decimal_comma: bool | None) -> str:
    """A number as decimal text, without an exponent.

    With a sign of a currency, in brackets where it is below 0, and with blanks, `'` or the other
    sign between thousands. Without `decimal_comma` it has to say by itself which sign is which.

    Raises:
        Unmapped: it is none, or may be two.
    """
    if len(text) > LONGEST_SHOWN:
        raise Unmapped(f"“{text[:LONGEST_SHOWN]}” is no number")
    bare, negative = _bare(text)
    if decimal_comma is None:
        decimal_comma = _is_comma(bare.lstrip("-+"))
        if decimal_comma is None and ("," in bare or "." in bare):
            raise Unmapped(f"“{text[:LONGEST_SHOWN]}” may be thousands or decimals")
    group, sign = (".", ",") if decimal_comma else (",", ".")
    whole, _, rest = bare.partition(sign)
    if group in whole and not _GROUPS[group].fullmatch(whole.lstrip("-+")):
        raise Unmapped(f"“{text[:LONGEST_SHOWN]}” is no number")
    bare = whole.replace(group, "") + (f".{rest}" if rest else "")
    try:
        number = Decimal(bare) if bare.isascii() and "_" not in bare else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise Unmapped(f"“{text[:LONGEST_SHOWN]}” is no number")
    return plain(-number if negative else number)


def currency_of(text: str) -> str | None:
    """The currency that an amount names, by its sign or its letters; None where it names none."""
    found = _MONEY.search(text)
    if found is None or len(text) > LONGEST_SHOWN:
        return None
    return _SIGNS.get(found[0].upper(), found[2] and found[2].upper())


def _is_comma(bare: str) -> bool | None:
    """Whether a number has a decimal comma; None where it does not say, and for what is none."""
    if not _DIGITS.fullmatch(bare):
        return None
    commas, points = bare.count(","), bare.count(".")
    if commas and points:
        return bare.rindex(",") > bare.rindex(".")
    if commas + points > 1:
        # Neither for a date: `20.11.2023`.
        return points > 1 if _GROUPS["." if points else ","].fullmatch(bare) else None
    if commas + points == 0 or _THOUSANDS.fullmatch(bare):
        return None
    return commas == 1


def plain(number: Decimal) -> str:
    """A number as text without an exponent and without zeros at its end.

    Raises:
        Unmapped: it is too large, or has too many decimals, to be kept exactly.
    """
    # `abs` rounds, and fails where an exponent has more than six digits.
    if number.copy_abs() >= LARGEST_NUMBER or number.adjusted() < -MOST_DECIMALS - 20:
        raise Unmapped("the number is too large or too small to be kept")
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.partition(".")[2]) > MOST_DECIMALS:
        raise Unmapped(f"a number has at most {MOST_DECIMALS} decimals")
    return "0" if text in ("-0", "") else text


def of_one(total: str, quantity: str) -> str | None:
    """What one costs, to the last decimal that is kept; None where nothing is held.

    Raises:
        Unmapped: it is too large to be kept.
    """
    count = Decimal(quantity).copy_abs()
    if not count:
        return None
    cost = Decimal(total).copy_abs() / count
    # One that is larger has more digits than can be counted with.
    small = cost < LARGEST_NUMBER
    return plain(cost.quantize(Decimal(1).scaleb(-MOST_DECIMALS)) if small else cost)


def day_of(text: str, *, day_first: bool) -> str | None:
    """A date as `2026-11-30`; None for what is none."""
    text = text.strip()
    found = _DIGITS_DATE.fullmatch(text) or _YEAR_FIRST.fullmatch(text)
    parts = found.groups() if found else None
    if parts is None and (found := _YEAR_LAST.fullmatch(text)):
        first, mark, second, year = found.groups()
        later = day_first or mark != "/" or int(first) > 12
        parts = (year, second, first) if later else (year, first, second)
    try:
        return None if parts is None else date(*map(int, parts)).isoformat()
    except ValueError:
        return None


def has_day_first(cells: Iterable[str]) -> bool:
    """Whether `3/4/2026` is in April: another date of the file has a day that is no month."""
    found = (_YEAR_LAST.fullmatch(text.strip()) for text in cells)
    return any(int(match[1]) > 12 for match in found if match)


def _bare(text: str) -> tuple[str, bool]:
    """Without what stands around the digits, and whether brackets say that it is below 0."""
    bare = _MONEY.sub("", text.replace("\u2212", "-"))
    bare = "".join(bare.split()).replace("'", "").replace("\u2019", "")
    if bare.startswith("(") and bare.endswith(")") and not bare[1:].startswith("-"):
        return bare[1:-1], True
    return bare, False
