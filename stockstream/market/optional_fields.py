"""The optional fields of an item. Each is read, or left out and said to be bad; none is guessed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeGuard

from stockstream.market.shown import shown_value
from stockstream.quotes import LARGEST_VOLUME, TradingSession

if TYPE_CHECKING:
    from stockstream.quotes import Symbol

LONGEST_LABEL = 32
LONGEST_NAME = 80
LONGEST_DELAY = 7 * 86_400
"""In seconds. A longer delay is in other units: 15 minutes are 900,000 ms."""
LARGEST_MOVE = 10_000
"""No price moves by a larger factor in a day. Providers were seen to tell a previous close of
next to nothing, and with it came a change of 10^30 %."""
_LARGEST_NUMBER = 10**LONGEST_LABEL
_SESSIONS = {session.value: session for session in TradingSession}


def read_number(value: object) -> float | None:
    """A JSON number, or a text that is one; None for anything else, infinity beyond a float."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    # float() would read 1_000 as a thousand; no provider means that.
    if isinstance(value, str) and "_" in value:
        return None
    try:
        return float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


class OptionalFields:
    """Reads the optional fields of one symbol's item; what is wrong is added to `unread`."""

    __slots__ = ("_symbol", "_unread")

    def __init__(self, symbol: Symbol, unread: list[str]) -> None:
        self._symbol = symbol
        self._unread = unread

    def label(self, field: str, value: object, longest: int = LONGEST_LABEL) -> str | None:
        """A short text for people, or None. Unprintable ones could not even be encoded again.

        Some providers number the exchanges; a whole number is taken as it is written. Blanks
        around a text are none of it, and nothing but blanks is how many write "none".
        """
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER:
            return str(value)
        if isinstance(value, str) and len(value) <= longest and value.isprintable():
            return value.strip() or None
        self._bad(field, value, f"up to {longest} printable characters")
        return None

    def price(self, field: str, value: object, now: float) -> float | None:
        """A price of another moment, such as the previous close; the newest one is `now`."""
        if value is None:
            return None
        price = read_number(value)
        # Zero is how many providers write "none"; the comparison is false for a NaN.
        if price is None or not 0 < price < math.inf:
            self._bad(field, value, "a number above 0")
            return None
        if now / LARGEST_MOVE <= price <= now * LARGEST_MOVE:
            return price
        self._bad(field, value, f"within a factor of {LARGEST_MOVE:,} of the price, {now:g}")
        return None

    def amount(self, field: str, value: object) -> float | None:
        """So much or so many of something, from none upwards."""
        if value is None:
            return None
        amount = read_number(value)
        if amount is None or not 0 <= amount <= LARGEST_VOLUME:
            self._bad(field, value, f"a number from 0 to {LARGEST_VOLUME:g}")
            return None
        return amount

    def session(self, value: object) -> TradingSession | None:
        """The session, in letters of either case."""
        if value is None:
            return None
        session = _SESSIONS.get(value.lower()) if isinstance(value, str) else None
        if session is None:
            self._bad("session", value, f"one of {', '.join(_SESSIONS)}")
        return session

    def delay(self, flag: object, seconds: object) -> tuple[bool, int | None]:
        """Whether the price is delayed, and by how many seconds, where that is told.

        A price that may be an old one never looks like a live one: what cannot be read is a delay,
        and a delay of 0 seconds does not undo the flag.
        """
        if flag is None and seconds is None:
            return False, None
        delayed = self._flag(flag)
        if seconds is None:
            return delayed, None
        if not _is_whole(seconds) or not 0 <= seconds <= LONGEST_DELAY:
            self._bad(
                "delayed_seconds", seconds, f"a whole number from 0 to {LONGEST_DELAY}", "a delay"
            )
            return True, None
        if not seconds:
            return delayed, None if delayed else 0
        return True, int(seconds)

    def _flag(self, value: object) -> bool:
        if value is None:
            return False
        if isinstance(value, bool):
            return value
        self._bad("delayed", value, "true or false", "true")
        return True

    def _bad(self, field: str, value: object, expected: str, taken_as: str | None = None) -> None:
        taken = "" if taken_as is None else f": taken as {taken_as}"
        self._unread.append(
            f"{field} of {self._symbol} is {shown_value(value)}, expected {expected}{taken}"
        )


def _is_whole(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
