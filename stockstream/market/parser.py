"""From the bytes of a provider's answer to observations: pure, fast, and lenient item by item.

Accepted are a JSON list of items, one item, or an object holding such a list under ``prices`` or
``quotes``. An item is ``{"symbol": "AAPL", "price": 150.25, "timestamp": "2026-11-22T10:00:00Z"}``
and optionally ``exchange``, ``currency``, ``name``, ``open``, ``previous_close``, ``high``,
``low``, ``volume``, ``bid``, ``ask``, ``session``, ``delayed`` and ``delayed_seconds``; other
fields are ignored. A price is a JSON number or a numeric string. A timestamp is ISO 8601 with an
offset, or a number of seconds or milliseconds since 1970, also as a string.

A body that is none of this raises `UnparseableBody`. An item that is bad is counted and left
out; the good ones beside it go on. A bad optional field is counted and left out of its item. What
is refused rather than mended is argued in ADR 0040 and 0161.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Raw

from stockstream.market.body_items import Limits, items_of
from stockstream.market.day_figures import read_figures
from stockstream.market.optional_fields import LONGEST_NAME, OptionalFields, read_number
from stockstream.market.shown import kind_of, named_fields, shown_fields, shown_value
from stockstream.market.timestamps import BadTimestamp, from_any
from stockstream.market.top_of_book import read_top
from stockstream.quotes import InvalidSymbol, Observation, Symbol, TradingSession, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stockstream.market.body_items import Items


class RejectKind(StrEnum):
    """Why an item was left out, or an optional field of one."""

    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    NOT_FINITE = "not_finite"
    NOT_POSITIVE = "not_positive"
    INVALID_SYMBOL = "invalid_symbol"
    INVALID_TIMESTAMP = "invalid_timestamp"
    DUPLICATE_SYMBOL = "duplicate_symbol"
    BEYOND_LIMIT = "beyond_limit"
    OPTIONAL_FIELD = "optional_field"


class Reject(NamedTuple):
    """Why the item of a symbol was left out, in words too."""

    kind: RejectKind
    detail: str


@dataclass(frozen=True, slots=True)
class Rejects:
    """How many items or fields were left out, by kind, and the first of each kind in words.

    `symbols` are those of bad items, where they could be read: the provider does list them.
    """

    counts: Mapping[RejectKind, int] = field(default_factory=dict)
    samples: Mapping[RejectKind, str] = field(default_factory=dict)
    symbols: Mapping[Symbol, Reject] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All items left out; one that lacks an optional field is not."""
        return sum(n for kind, n in self.counts.items() if kind is not RejectKind.OPTIONAL_FIELD)

    def masked(self, mask: Callable[[str], str]) -> Rejects:
        """The same without what `mask` takes out of each text: a server may tell a key back."""
        return Rejects(
            self.counts,
            {kind: mask(text) for kind, text in self.samples.items()},
            {name: one._replace(detail=mask(one.detail)) for name, one in self.symbols.items()},
        )


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one body held: at most one observation per symbol, and what was left out.

    `date` is what the upstream said the time is when it answered, in ms since 1970; `said` what it
    had to say for people, where there is no observation.
    """

    observations: tuple[Observation, ...]
    rejects: Rejects = field(default_factory=Rejects)
    date: int | None = None
    said: str | None = None


class Item(msgspec.Struct, gc=False):
    """An item with every type still open: a wrong one is a reject that names the field."""

    symbol: object = None
    price: object = None
    timestamp: object = None
    exchange: object = None
    currency: object = None
    delayed: object = None
    delayed_seconds: object = None
    open: object = None
    previous_close: object = None
    session: object = None
    name: object = None
    high: object = None
    low: object = None
    volume: object = None
    bid: object = None
    ask: object = None


_ITEM = msgspec.json.Decoder(Item)
_NOTHING_TOLD = (None,) * 13


class RejectedItem(Exception):
    """An item that is left out; `symbol` is whose it is, where that could be read."""

    def __init__(self, kind: RejectKind, detail: str, symbol: Symbol | None = None) -> None:
        self.kind = kind
        self.symbol = symbol
        super().__init__(detail)


def parse(body: bytes, content_type: str | None, limits: Limits | None = None) -> Parsed:
    """Read the body of an answer.

    Raises `UnparseableBody` when the body as a whole is not what a provider sends. A body that
    parses but holds no usable item comes back as `Parsed` without observations.
    """
    items = items_of(body, content_type, limits or Limits())
    return collect(items, lambda item, unread: observe(_typed(item), unread))


def collect(items: Items, read: Callable[[object, list[str]], Observation]) -> Parsed:
    """Read each item. `read` raises `RejectedItem`, and adds optional fields that it left out to
    the list that it is given.
    """
    found: dict[Symbol, Observation] = {}
    counts: dict[RejectKind, int] = {}
    samples: dict[RejectKind, str] = {}
    symbols: dict[Symbol, Reject] = {}

    def reject(kind: RejectKind, position: int, detail: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        samples.setdefault(kind, f"item {position}: {detail}")

    for position, item in enumerate(items.taken):
        unread: list[str] = []
        try:
            observation = read(item, unread)
        except RejectedItem as rejected:
            detail = str(rejected)
            # A vendor's own shape lacks fields in each item; one list of what is there will do.
            if rejected.kind is RejectKind.MISSING_FIELD and rejected.kind not in counts:
                detail += f"; {_fields(item)}"
            reject(rejected.kind, position, detail)
            if rejected.symbol is not None:
                symbols[rejected.symbol] = Reject(rejected.kind, detail)
            continue
        for detail in unread:
            reject(RejectKind.OPTIONAL_FIELD, position, detail)
        earlier = found.get(observation.symbol)
        if earlier is not None:
            reject(RejectKind.DUPLICATE_SYMBOL, position, f"{observation.symbol} is there twice")
            if earlier.timestamp > observation.timestamp:
                continue
        found[observation.symbol] = observation
    if items.beyond:
        counts[RejectKind.BEYOND_LIMIT] = items.beyond
        samples[RejectKind.BEYOND_LIMIT] = (
            f"{items.beyond} items more than the first {len(items.taken)}; {items.limit}"
        )
    return Parsed(tuple(found.values()), Rejects(counts, samples, symbols))


def _fields(item: object) -> str:
    if isinstance(item, Raw):
        return shown_fields(bytes(item))
    if not isinstance(item, dict):
        return "it has no fields"
    # Decoded already, and maybe with a NaN in it, which is no JSON.
    return named_fields({str(k): json.dumps(v).encode() for k, v in item.items()})


def _typed(item: object) -> Item:
    try:
        return _ITEM.decode(item) if isinstance(item, Raw) else msgspec.convert(item, Item)
    except msgspec.ValidationError as error:
        # Every field of Item takes any type, so an object fails only on a number beyond a float.
        if isinstance(item, Raw) and bytes(item).startswith(b"{"):
            raise RejectedItem(RejectKind.NOT_FINITE, str(error)) from None
        # What it holds may be a sentence, of which nobody knows what it says.
        what = kind_of(bytes(item) if isinstance(item, Raw) else json.dumps(item).encode())
        raise RejectedItem(RejectKind.WRONG_TYPE, f"{what}, not an object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedItem(RejectKind.WRONG_TYPE, f"not readable: {error}") from None


def observe(item: Item, unread: list[str], time: Callable[[object], int] = from_any) -> Observation:
    """The observation; what of the optional fields could not be read is added to `unread`.

    `time` reads a timestamp that is there; it raises `BadTimestamp`, and TypeError for what is
    neither a text nor a number. Raises `RejectedItem`.
    """
    symbol = _symbol(item.symbol)
    price = _price(item.price, symbol)
    timestamp = _timestamp(item.timestamp, symbol, time)
    optional = (
        item.exchange,
        item.currency,
        item.delayed,
        item.delayed_seconds,
        item.open,
        item.previous_close,
        item.session,
        item.name,
        item.high,
        item.low,
        item.volume,
        item.bid,
        item.ask,
    )
    if optional == _NOTHING_TOLD:  # of thousands of items a second
        return Observation(symbol, price, timestamp)
    field = OptionalFields(symbol, unread)
    delayed, delayed_seconds = field.delay(item.delayed, item.delayed_seconds)
    opened, session = field.price("open", item.open, price), field.session(item.session)
    figures = read_figures(
        symbol,
        price,
        unread,
        high=item.high,
        low=item.low,
        open_=opened,
        volume=item.volume,
        rolling=session is TradingSession.ALWAYS,
    )
    return Observation(
        symbol,
        price,
        timestamp,
        field.label("exchange", item.exchange),
        field.label("currency", item.currency),
        delayed,
        delayed_seconds,
        opened,
        field.price("previous_close", item.previous_close, price),
        session,
        field.label("name", item.name, LONGEST_NAME),
        figures,
        read_top(symbol, price, unread, bid=item.bid, ask=item.ask),
    )


def _symbol(value: object) -> Symbol:
    if value is None:
        raise RejectedItem(RejectKind.MISSING_FIELD, "no symbol")
    if not isinstance(value, str):
        raise _wrong_type("symbol", value, "a text")
    try:
        return parse_symbol(value)
    except InvalidSymbol as error:
        raise RejectedItem(RejectKind.INVALID_SYMBOL, str(error)) from None


def _price(value: object, symbol: Symbol) -> float:
    if value is None:
        raise RejectedItem(RejectKind.MISSING_FIELD, f"{symbol} has no price", symbol)
    price = read_number(value)
    if price is None:
        raise _wrong_type("price", value, "a number", symbol)
    kind = None if math.isfinite(price) else RejectKind.NOT_FINITE
    if kind is None and price <= 0:
        kind = RejectKind.NOT_POSITIVE
    if kind is not None:
        raise RejectedItem(kind, f"price of {symbol} is {shown_value(value)}", symbol)
    return price


def _timestamp(value: object, symbol: Symbol, time: Callable[[object], int]) -> int:
    if value is None:
        raise RejectedItem(RejectKind.MISSING_FIELD, f"{symbol} has no timestamp", symbol)
    try:
        return time(value)
    except BadTimestamp as error:
        raise RejectedItem(
            RejectKind.INVALID_TIMESTAMP, f"timestamp of {symbol} is {error}", symbol
        ) from None
    except TypeError:
        raise _wrong_type("timestamp", value, "ISO 8601 or a number", symbol) from None


def _wrong_type(
    field: str, value: object, expected: str, symbol: Symbol | None = None
) -> RejectedItem:
    whose = field if symbol is None else f"{field} of {symbol}"
    detail = f"{whose} is {shown_value(value)}, expected {expected}"
    return RejectedItem(RejectKind.WRONG_TYPE, detail, symbol)
