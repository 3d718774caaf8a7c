"""Prices, changes and ages as text, as the dashboard writes them (`web/static/js/format.js`).

One thing differs, so that the text can be typed and searched for: minus, blank and apostrophe are
those of a keyboard.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

LEAST_DECIMALS = 2
"""Prices have two at least, as money does."""
SIGNIFICANT_DIGITS = 6
"""Digits that a price below 0.1 keeps. A larger one keeps six decimals."""
MOST_DECIMALS = 20


def price(value: float, decimals: int) -> str:
    """`value` with so many decimals: "1,250.40"."""
    return f"{_rounded(value, decimals):,f}"


def signed(value: float, decimals: int) -> str:
    """With its sign, and none for what rounds to zero."""
    text = price(abs(value), decimals)
    if _is_zero(text):
        return text
    return ("+" if value > 0 else "-") + text


def direction_of(value: float, decimals: int) -> str:
    """`up`, `down` or `flat`, as it is shown: what is written as zero is flat."""
    if _is_zero(price(abs(value), decimals)):
        return "flat"
    return "up" if value > 0 else "down"


def decimals_for(value: float, base: float | None, before: int) -> int:
    """Decimals for a price and for its change.

    As many as the price and what its change is against need. They do not shrink from the `before`
    of the last price, so that digits do not jump, unless the last ones mean nothing any more.
    """
    needed = max(before, decimals_of(value), 0 if base is None else decimals_of(base))
    return min(needed, max(_most_decimals(value), 0 if base is None else _most_decimals(base)))


def decimals_of(value: float) -> int:
    """How many decimals a price has, at least two; at most six, or six significant digits."""
    most = _most_decimals(value)
    decimals = _decimals(_exactly(value))
    if decimals > most:
        decimals = _decimals(_rounded(value, most))  # 0.30000000000000004 is 0.30
    return max(LEAST_DECIMALS, decimals)


def age(milliseconds: float) -> str:
    """An age as "3 s", "4 min", "2 h 5 min" or "3 d", rounded down."""
    seconds = max(0, int(milliseconds // 1000))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{hours // 24} d"


def countdown(milliseconds: float) -> str:
    """The same, rounded up: it reaches "0 s" when it is over."""
    return age(math.ceil(max(0.0, milliseconds) / 1000) * 1000)


def interval(seconds: float) -> str:
    """The time from fetch to fetch, as "250 ms" or "2.5 s"."""
    if seconds < 1:
        return f"{_rounded(seconds * 1000, 0)} ms"
    return f"{_rounded(seconds, 1).normalize():f} s"


def _exactly(value: float) -> Decimal:
    # By its shortest text, which is what people take it for: 1.005 is not 1.00499999999999989.
    return Decimal(repr(float(value)))


def _rounded(value: float, decimals: int) -> Decimal:
    return _exactly(value).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _most_decimals(value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return LEAST_DECIMALS
    zeros = max(0, -1 - _exactly(value).adjusted())
    return min(MOST_DECIMALS, SIGNIFICANT_DIGITS + zeros)


def _is_zero(text: str) -> bool:
    return not any(digit in text for digit in "123456789")
