"""From the bytes of a provider's answer to observations: pure, fast, and lenient item by item.

Accepted are a JSON list of items, one item, or an object holding such a list under ``prices`` or
``quotes``. An item is ``{"symbol": "AAPL", "price": 150.25, "timestamp": "2026-11-22T10:00:00Z"}``
and optionally ``exchange``, ``currency`` and ``delayed``; other fields are ignored. A price is a
JSON number or a numeric string. A timestamp is ISO 8601 with an offset, or a number of seconds or
milliseconds since 1970.

A body that is none of this raises `UnparseableBody`. An item that is bad is counted and left
out; the good ones beside it go on. What is refused rather than mended is argued in ADR 0040.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Raw, UnsetType

from stockstream.quotes import (
    LATEST_TIMESTAMP,
    InvalidSymbol,
    Observation,
    Symbol,
    parse_symbol,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Reading blocks everybody else. A market has some ten thousand symbols; a body that packs millions
# of empty items into its 5 MB would hold the event loop for seconds.
MOST_ITEMS = 20_000
# Items are separated by commas and hold a few; counting them is far cheaper than decoding.
_MOST_COMMAS = 20 * MOST_ITEMS
# Below it a number is taken as seconds (this many are the year 5138), above it as milliseconds
# (this many are March 1973).
_SMALLEST_MILLISECONDS = 100_000_000_000
_LONGEST_LABEL = 32
_SHOWN_OF_A_BAD_VALUE = 60
# Not JSON, but written by many servers and read by the standard library: a bare NaN or Infinity,
# and half of a surrogate pair. Only a body that holds one is worth a second, slower reading.
_LENIENT_TOKENS = (b"NaN", b"Infinity", b"\\ud", b"\\uD")


class RejectKind(StrEnum):
    """Why an item was left out."""

    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    NOT_FINITE = "not_finite"
    NOT_POSITIVE = "not_positive"
    INVALID_SYMBOL = "invalid_symbol"
    INVALID_TIMESTAMP = "invalid_timestamp"
    DUPLICATE_SYMBOL = "duplicate_symbol"


@dataclass(frozen=True, slots=True)
class Rejects:
    """How many items were left out, by kind, and the first of each kind in words."""

    counts: Mapping[RejectKind, int]
    samples: Mapping[RejectKind, str]

    @property
    def total(self) -> int:
        """All items left out."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one body held: at most one observation per symbol, and what was left out.

    `date` is what the upstream said the time is when it answered, in ms since 1970.
    """

    observations: tuple[Observation, ...]
    rejects: Rejects = field(default_factory=lambda: Rejects({}, {}))
    date: int | None = None


class BodyFault(StrEnum):
    """Why nothing of a body could be used."""

    EMPTY = "empty"
    HTML = "html"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    TOO_MANY_ITEMS = "too_many_items"


class UnparseableBody(ValueError):
    """The whole body is of no use. ``fault`` is the kind, the message says more."""

    def __init__(self, fault: BodyFault, message: str) -> None:
        self.fault = fault
        super().__init__(message)


class _Item(msgspec.Struct, gc=False):
    """An item with every type still open: a wrong one is a reject that names the field."""

    symbol: object = None
    price: object = None
    timestamp: object = None
    exchange: object = None
    currency: object = None
    delayed: object = None


class _Envelope(msgspec.Struct):
    prices: list[Raw] | UnsetType = UNSET
    quotes: list[Raw] | UnsetType = UNSET


_BODY: msgspec.json.Decoder[list[Raw] | _Envelope] = msgspec.json.Decoder(list[Raw] | _Envelope)
_ITEM = msgspec.json.Decoder(_Item)


class _RejectedItem(Exception):
    def __init__(self, kind: RejectKind, detail: str) -> None:
        self.kind = kind
        super().__init__(detail)


def parse(body: bytes, content_type: str | None) -> Parsed:
    """Read the body of an answer.

    Raises `UnparseableBody` when the body as a whole is not what a provider sends. A body that
    parses but holds no usable item comes back as `Parsed` without observations.
    """
    found: dict[Symbol, Observation] = {}
    counts: dict[RejectKind, int] = {}
    samples: dict[RejectKind, str] = {}

    def reject(kind: RejectKind, position: int, detail: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        samples.setdefault(kind, f"item {position}: {detail}")

    items = _items(body, content_type)
    if len(items) > MOST_ITEMS:
        raise _too_many(f"{len(items)} items")
    for position, item in enumerate(items):
        try:
            observation = _observe(_typed(item))
        except _RejectedItem as rejected:
            reject(rejected.kind, position, str(rejected))
            continue
        earlier = found.get(observation.symbol)
        if earlier is not None:
            reject(RejectKind.DUPLICATE_SYMBOL, position, f"{observation.symbol} is there twice")
            if earlier.timestamp > observation.timestamp:
                continue
        found[observation.symbol] = observation
    return Parsed(tuple(found.values()), Rejects(counts, samples))


def _items(body: bytes, content_type: str | None) -> Sequence[object]:
    """The items of a body, raw or decoded, none of them looked at yet."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise UnparseableBody(BodyFault.EMPTY, "the body is empty")
    if body.startswith(b"<") or (content_type or "").lower().startswith("text/html"):
        raise UnparseableBody(BodyFault.HTML, f"the body is HTML: {_shown(body)}")
    if (commas := body.count(b",")) > _MOST_COMMAS:
        raise _too_many(f"{commas} commas")
    try:
        shape = _BODY.decode(body)
    except msgspec.ValidationError as error:
        raise UnparseableBody(BodyFault.WRONG_SHAPE, f"not a list of items: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        if isinstance(error, RecursionError) or not any(t in body for t in _LENIENT_TOKENS):
            raise UnparseableBody(BodyFault.NOT_JSON, f"not JSON: {error}") from None
        return _leniently_decoded(body)
    if isinstance(shape, list):
        return shape
    for listed in (shape.prices, shape.quotes):
        if listed is not UNSET:
            return listed
    return [Raw(body)]


def _too_many(what: str) -> UnparseableBody:
    return UnparseableBody(
        BodyFault.TOO_MANY_ITEMS, f"the body has {what}; at most {MOST_ITEMS} items are read"
    )


def _leniently_decoded(body: bytes) -> list[object]:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnparseableBody(BodyFault.NOT_JSON, f"not JSON: {error}") from None
    if isinstance(value, dict):
        items: object = value.get("prices", value.get("quotes", [value]))
    else:
        items = value
    if not isinstance(items, list):
        raise UnparseableBody(BodyFault.WRONG_SHAPE, "not a list of items")
    return items


def _typed(item: object) -> _Item:
    try:
        return _ITEM.decode(item) if isinstance(item, Raw) else msgspec.convert(item, _Item)
    except msgspec.ValidationError as error:
        # Every field of _Item takes any type, so an object fails only on a number beyond a float.
        if isinstance(item, Raw) and bytes(item).startswith(b"{"):
            raise _RejectedItem(RejectKind.NOT_FINITE, str(error)) from None
        raise _RejectedItem(RejectKind.WRONG_TYPE, f"not an object: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RejectedItem(RejectKind.WRONG_TYPE, f"not readable: {error}") from None


def _observe(item: _Item) -> Observation:
    symbol = _symbol(item.symbol)
    return Observation(
        symbol,
        _price(item.price, symbol),
        _timestamp(item.timestamp, symbol),
        _label("exchange", item.exchange, symbol),
        _label("currency", item.currency, symbol),
        _delayed(item.delayed, symbol),
    )


def _symbol(value: object) -> Symbol:
    if value is None:
        raise _RejectedItem(RejectKind.MISSING_FIELD, "no symbol")
    if not isinstance(value, str):
        raise _wrong_type("symbol", value, "a string")
    try:
        return parse_symbol(value)
    except InvalidSymbol as error:
        raise _RejectedItem(RejectKind.INVALID_SYMBOL, str(error)) from None


def _price(value: object, symbol: Symbol) -> float:
    if value is None:
        raise _RejectedItem(RejectKind.MISSING_FIELD, f"{symbol} has no price")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_type(f"price of {symbol}", value, "a number")
    # float() would read 1_000 as a thousand; no provider means that.
    if isinstance(value, str) and "_" in value:
        raise _wrong_type(f"price of {symbol}", value, "a number")
    try:
        price = float(value)
    except ValueError:
        raise _wrong_type(f"price of {symbol}", value, "a number") from None
    except OverflowError:
        price = math.inf
    if not math.isfinite(price):
        raise _RejectedItem(RejectKind.NOT_FINITE, f"price of {symbol} is {_shown(value)}")
    if price <= 0:
        raise _RejectedItem(RejectKind.NOT_POSITIVE, f"price of {symbol} is {_shown(value)}")
    return price


def _timestamp(value: object, symbol: Symbol) -> int:
    if value is None:
        raise _RejectedItem(RejectKind.MISSING_FIELD, f"{symbol} has no timestamp")
    if isinstance(value, str):
        timestamp = _from_iso(value, symbol)
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        timestamp = int(value if value >= _SMALLEST_MILLISECONDS else value * 1000)
    else:
        raise _wrong_type(f"timestamp of {symbol}", value, "ISO 8601 or a number")
    # Zero is how many systems write "none".
    if not 0 < timestamp <= LATEST_TIMESTAMP:
        raise _RejectedItem(
            RejectKind.INVALID_TIMESTAMP, f"timestamp of {symbol} is {_shown(value)}"
        )
    return timestamp


def _from_iso(text: str, symbol: Symbol) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _RejectedItem(
            RejectKind.INVALID_TIMESTAMP,
            f"timestamp of {symbol} is {_shown(text)}, not ISO 8601 with an offset",
        )
    return round(moment.timestamp() * 1000)


def _label(field: str, value: object, symbol: Symbol) -> str | None:
    """A short text for people, or None. Unprintable ones could not even be encoded again."""
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= _LONGEST_LABEL and value.isprintable():
        return value
    raise _wrong_type(f"{field} of {symbol}", value, f"up to {_LONGEST_LABEL} printable characters")


def _delayed(value: object, symbol: Symbol) -> bool:
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    raise _wrong_type(f"delayed of {symbol}", value, "true or false")


def _wrong_type(field: str, value: object, expected: str) -> _RejectedItem:
    return _RejectedItem(RejectKind.WRONG_TYPE, f"{field} is {_shown(value)}, expected {expected}")


def _shown(value: object) -> str:
    if isinstance(value, str | bytes):
        value = value[:_SHOWN_OF_A_BAD_VALUE]
    return repr(value)[:_SHOWN_OF_A_BAD_VALUE]
