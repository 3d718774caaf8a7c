"""The edge of every codec: what a frame says, read or left out and counted by its kind. Pure.

Nothing here trusts a provider. A frame that is no JSON, a field of another type, a price of zero:
each raises `Unreadable` with a short stable `kind`, and costs the item or frame that holds it and
no other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from stockstream.market.day_figures import read_figures
from stockstream.market.optional_fields import OptionalFields, read_number
from stockstream.market.providers.push import Event, Prices, Turn, Unread
from stockstream.market.shown import shown_value
from stockstream.market.timestamps import BadTimestamp, TimeUnit, from_text, in_unit
from stockstream.market.top_of_book import read_top

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.quotes import DayFigures, Observation, Symbol, TopOfBook

LARGEST_FRAME = 1_000_000
"""Characters or bytes. An item has about 300, and no provider sends a thousand in one frame."""
EMPTY = "empty"
NOT_JSON = "not_json"
TOO_LARGE = "too_large"
WRONG_TYPE = "wrong_type"
UNKNOWN_MESSAGE = "unknown_message"
UNKNOWN_ERROR = "unknown_error"
UNASKED_SYMBOL = "unasked_symbol"
MISSING_FIELD = "missing_field"
NOT_FINITE = "not_finite"
NOT_POSITIVE = "not_positive"
INVALID_TIMESTAMP = "invalid_timestamp"
OPTIONAL_FIELD = "optional_field"

Fields = dict[str, object]
_JSON = msgspec.json.Decoder()


class Unreadable(Exception):
    """Something cannot be read. `kind` is for counting, the message for whoever runs this."""

    def __init__(self, kind: str, detail: str) -> None:
        self.kind = kind
        super().__init__(detail)


class Taken:
    """What one turn of a codec comes to, as it is collected."""

    __slots__ = ("_events", "_frames", "_prices", "_unread")

    def __init__(self) -> None:
        self._frames: list[str] = []
        self._events: list[Event] = []
        self._prices: list[Observation] = []
        self._unread: dict[str, tuple[str, int]] = {}

    def send(self, message: object) -> None:
        """Have a message sent as JSON."""
        self._frames.append(msgspec.json.encode(message).decode())

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._events.append(event)

    def price(self, observation: Observation) -> None:
        """A price was told."""
        self._prices.append(observation)

    def day(
        self,
        symbol: Symbol,
        price: float,
        *,
        high: object = None,
        low: object = None,
        open_: object = None,
        volume: object = None,
        rolling: bool = False,
    ) -> DayFigures | None:
        """The figures of the day that come with a price; a bad one is left out and counted."""
        unread: list[str] = []
        figures = read_figures(
            symbol,
            price,
            unread,
            high=high,
            low=low,
            open_=open_,
            volume=volume,
            rolling=rolling,
        )
        for detail in unread:
            self.left_out(Unreadable(OPTIONAL_FIELD, detail))
        return figures

    def top(
        self,
        symbol: Symbol,
        price: float,
        *,
        bid: object = None,
        ask: object = None,
        at: int | None = None,
    ) -> TopOfBook | None:
        """Bid and ask that come with a price; a bad one is left out and counted."""
        unread: list[str] = []
        top = read_top(symbol, price, unread, bid=bid, ask=ask, at=at)
        for detail in unread:
            self.left_out(Unreadable(OPTIONAL_FIELD, detail))
        return top

    def close(self, symbol: Symbol, price: float, value: object) -> float | None:
        """The previous close that comes with a price; a bad one is left out and counted."""
        if value is None or read_number(value) == 0:
            return None
        unread: list[str] = []
        close = OptionalFields(symbol, unread).price("previous_close", value, price)
        for detail in unread:
            self.left_out(Unreadable(OPTIONAL_FIELD, detail))
        return close

    def left_out(self, unreadable: Unreadable) -> None:
        """Count what cannot be read; of each kind the first is kept in words."""
        detail, count = self._unread.get(unreadable.kind, (str(unreadable), 0))
        self._unread[unreadable.kind] = detail, count + 1

    def turn(self) -> Turn:
        """All of it: what was said before prices, then those, then what could not be read."""
        prices = (Prices(tuple(self._prices)),) if self._prices else ()
        unread = (Unread(kind, *counted) for kind, counted in self._unread.items())
        return Turn(tuple(self._frames), (*self._events, *prices, *unread))


def decoded(frame: str | bytes) -> object:
    """The JSON of a frame. Raises `Unreadable`."""
    if len(frame) > LARGEST_FRAME:
        raise Unreadable(TOO_LARGE, f"a frame of {len(frame)} characters")
    if not frame:
        raise Unreadable(EMPTY, "a frame without anything in it")
    try:
        return _JSON.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unreadable(NOT_JSON, f"a frame that is no JSON: {error}") from None


def fields(value: object, what: str = "a message") -> Fields:
    """The members of an object. Raises `Unreadable`."""
    if isinstance(value, dict):
        return value
    raise Unreadable(WRONG_TYPE, f"{what} is {_shown(value)}, expected an object")


def items(value: object, what: str) -> list[object]:
    """The items of a list. Raises `Unreadable`."""
    if isinstance(value, list):
        return value
    raise Unreadable(WRONG_TYPE, f"{what} is {_shown(value)}, expected a list")


def text(value: object, what: str) -> str:
    """A text that is not empty. Raises `Unreadable`."""
    if isinstance(value, str) and value:
        return value
    raise _no_such(value, what, "a text")


def said(value: object) -> str | None:
    """The provider's own words, cut short; None where it has none that could be shown."""
    return value[:200] if isinstance(value, str) and value and value.isprintable() else None


def price(value: object, symbol: str) -> float:
    """A JSON number or a text that is one, finite and above 0. Raises `Unreadable`."""
    number = read_number(value)
    if number is None:
        raise _no_such(value, f"the price of {symbol}", "a number")
    if not math.isfinite(number):
        raise Unreadable(NOT_FINITE, f"the price of {symbol} is not finite")
    if number <= 0:
        raise Unreadable(NOT_POSITIVE, f"the price of {symbol} is {number:g}")
    return number


def since_1970(value: object, symbol: str, unit: TimeUnit = TimeUnit.MILLISECONDS) -> int:
    """Milliseconds since 1970 of a number in the provider's unit. Raises `Unreadable`."""
    try:
        return in_unit(value, unit)
    except TypeError:
        raise _no_such(value, f"the time of {symbol}", "a number") from None
    except BadTimestamp as error:
        raise Unreadable(INVALID_TIMESTAMP, f"the time of {symbol} is {error}") from None


def iso(value: object, symbol: str) -> int:
    """Milliseconds since 1970 of RFC 3339, to whatever digit it is. Raises `Unreadable`."""
    if not isinstance(value, str):
        raise _no_such(value, f"the time of {symbol}", "a text")
    try:
        return from_text(value)
    except BadTimestamp as error:
        raise Unreadable(INVALID_TIMESTAMP, f"the time of {symbol} is {error}") from None


def _no_such(value: object, what: str, expected: str) -> Unreadable:
    if value is None:
        return Unreadable(MISSING_FIELD, f"{what} is missing")
    return Unreadable(WRONG_TYPE, f"{what} is {_shown(value)}, expected {expected}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else shown_value(value)


def pieces(names: Iterable[str], size: int) -> Iterable[list[str]]:
    """The names in lists of at most `size`."""
    every = list(names)
    return (every[start : start + size] for start in range(0, len(every), size))
