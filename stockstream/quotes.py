"""Symbols, versions and quotes: the values everything downstream trusts, checked once, here.

A timestamp is an ``int``: milliseconds since 1970 in UTC. It compares and copies for nothing, and
`iso_utc` writes it as the protocol wants it (``2026-11-22T10:00:00.123Z``) without going through
the calendar each time; a ``datetime`` would carry microseconds nobody was promised (ADR 0040).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, NewType

import msgspec

Symbol = NewType("Symbol", str)
"""A symbol as W4 of the protocol wants it. Only `parse_symbol` makes one."""

LONGEST_SYMBOL = 32
# The last millisecond of the year 9999, where datetime and ISO 8601 as we write it end.
LATEST_TIMESTAMP = 253_402_300_799_999

_SYMBOL = re.compile(rf"[A-Z0-9.\-:^=_&]{{1,{LONGEST_SYMBOL}}}")
_WRITTEN = rf"\s*[A-Za-z0-9.\-:^=_&/]{{1,{LONGEST_SYMBOL}}}\s*"
SYMBOL_PATTERN = f"^{_WRITTEN}$"
"""What `parse_symbol` takes, as a regular expression of JSON Schema."""
SYMBOLS_PATTERN = f"^{_WRITTEN}(,{_WRITTEN})*$"
"""The same of several with commas between."""
_ALLOWED = "only A-Z, 0-9 and . - : ^ = _ & are allowed"
_SHOWN_OF_A_BAD_SYMBOL = 2 * LONGEST_SYMBOL


class InvalidSymbol(ValueError):
    """A text that is not a symbol. ``code`` goes to clients; ``reason`` says what is wrong."""

    code = "invalid_symbol"

    def __init__(self, given: str, reason: str) -> None:
        self.given = given[:_SHOWN_OF_A_BAD_SYMBOL]
        self.reason = reason
        super().__init__(f"invalid symbol {self.given!r}: {reason}")


def parse_symbol(text: str) -> Symbol:
    """Trim and upper-case `text` and return it as a symbol, or raise `InvalidSymbol`.

    A pair of currencies is written `BTC/USD` by some and `BTC-USD` by others: both are `BTC-USD`.
    A `/` could not stand in an address.
    """
    trimmed = text.strip()
    # Before upper(), which would turn a few letters from elsewhere into ASCII ones (the long s).
    if not trimmed.isascii():
        raise InvalidSymbol(text, _ALLOWED)
    symbol = trimmed.upper().replace("/", "-")
    if _SYMBOL.fullmatch(symbol) is None:
        raise InvalidSymbol(text, _what_is_wrong(symbol))
    return Symbol(symbol)


def _what_is_wrong(symbol: str) -> str:
    if not symbol:
        return "it is empty"
    if len(symbol) > LONGEST_SYMBOL:
        return f"it has {len(symbol)} characters, at most {LONGEST_SYMBOL} are allowed"
    return _ALLOWED


class Version(NamedTuple):
    """Where a quote stands among those of its symbol (W1): compared as a pair, sent as a pair.

    ``seq`` rises by one with every accepted quote of the symbol; ``epoch`` rises with the process.
    """

    epoch: int
    seq: int


class TradingSession(StrEnum):
    """What an exchange does with a symbol now; `always` is a market that never closes."""

    PRE = "pre"
    REGULAR = "regular"
    POST = "post"
    CLOSED = "closed"
    HALTED = "halted"
    ALWAYS = "always"


class Basis(StrEnum):
    """What the price is that the change of the day is against."""

    PREVIOUS_CLOSE = "previous_close"
    OPEN = "open"
    DAY_FIRST = "day_first"
    FIRST_SEEN = "first_seen"


class Base(msgspec.Struct, frozen=True, gc=False):
    """The price that the change of the day is against; `at` is its time in ms since 1970."""

    price: float
    basis: Basis
    at: int | None


LARGEST_VOLUME = 1e24
"""More than is traded of anything in a day. What is larger is a mistake, and sums of such would be
no numbers any more: the database refuses them, and with them all candles of an hour.
"""


class DayFigures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a provider tells of a day beside the price; what it does not tell is None.

    ``high``, ``low`` and ``open`` are finite and above zero. ``volume``, in shares, or in units of
    what stands first in a pair, is finite and not below zero. Figures that are ``rolling`` are of
    the last 24 hours, and of no exchange's day: their ``open`` is the price of 24 hours ago.
    ``at`` is the time of the price that they were told with, in milliseconds since 1970, where that
    is not the price that they stand beside.
    """

    high: float | None = None
    low: float | None = None
    open: float | None = None
    volume: float | None = None
    rolling: bool = False
    at: int | None = None


class TopOfBook(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The highest price that somebody bids and the lowest that somebody asks, at a moment.

    Both are finite and above zero, and ``bid`` is not above ``ask``. None is a side on which nobody
    is, or none that could be read; both are where a provider says that there is nothing. ``at`` is
    when they were told, in milliseconds since 1970, where that is not with the price that they
    stand beside.
    """

    bid: float | None = None
    ask: float | None = None
    at: int | None = None


class Flow(NamedTuple):
    """The `volume` of all trades of a symbol that one connection has told `since` then: when it
    told the first, in milliseconds since 1970.
    """

    since: int
    volume: float


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One symbol's price as a provider told it, valid in itself but not yet accepted.

    ``price`` is finite and above zero, and so are the day's ``open`` and ``previous_close``.
    ``timestamp`` is the provider's or exchange's time of the price, in milliseconds since 1970,
    UTC. What the provider did not tell is None. A price that is ``delayed`` is so by
    ``delayed_seconds``, where that is known. A provider that tells each trade has a ``flow``.
    """

    symbol: Symbol
    price: float
    timestamp: int
    exchange: str | None = None
    currency: str | None = None
    delayed: bool = False
    delayed_seconds: int | None = None
    open: float | None = None
    previous_close: float | None = None
    session: TradingSession | None = None
    name: str | None = None
    figures: DayFigures | None = None
    top: TopOfBook | None = None
    flow: Flow | None = None

    def quoted(self, version: Version, received: int) -> Quote:
        """The accepted quote: this observation, with its version and the time it was fetched."""
        return Quote(
            self.symbol,
            self.price,
            self.timestamp,
            self.exchange,
            self.currency,
            self.delayed,
            version,
            received,
            self.delayed_seconds,
            self.open,
            self.previous_close,
            self.session,
            self.name,
            self.figures,
            self.top,
        )


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One accepted price. Immutable; a msgspec struct because thousands are made per second.

    ``received`` is the wall clock when the fetch that brought it ended, in milliseconds since
    1970, UTC. The other fields are as in `Observation`.
    """

    symbol: Symbol
    price: float
    timestamp: int
    exchange: str | None
    currency: str | None
    delayed: bool
    version: Version
    received: int
    delayed_seconds: int | None = None
    open: float | None = None
    previous_close: float | None = None
    session: TradingSession | None = None
    name: str | None = None
    figures: DayFigures | None = None
    top: TopOfBook | None = None

    def tells_the_same(self, observation: Observation) -> bool:
        """Whether `observation` holds nothing that this quote does not say already.

        A volume that grew, another figure of the day, or another bid is no news by itself.
        """
        return (
            self.price == observation.price
            and self.timestamp == observation.timestamp
            and self.exchange == observation.exchange
            and self.currency == observation.currency
            and self.delayed == observation.delayed
            and self.delayed_seconds == observation.delayed_seconds
            and self.open == observation.open
            and (
                self.previous_close == observation.previous_close
                or observation.previous_close is None
            )
            and self.session == observation.session
            and (self.name == observation.name or observation.name is None)
        )


def iso_utc(timestamp: int) -> str:
    """Write milliseconds since 1970 as ``2026-11-22T10:00:00.123Z``."""
    seconds, milliseconds = divmod(timestamp, 1000)
    return f"{_iso_seconds(seconds)}.{milliseconds:03d}Z"


# The quotes of a batch share a few seconds among them; formatting those is what costs. Those of
# thousands of symbols that seldom trade share the days.
@lru_cache(maxsize=4096)
def _iso_seconds(seconds: int) -> str:
    days, of_day = divmod(seconds, 86_400)
    minutes, second = divmod(of_day, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_iso_day(days)}T{hour:02d}:{minute:02d}:{second:02d}"


@lru_cache(maxsize=4096)
def _iso_day(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, UTC).strftime("%Y-%m-%d")
