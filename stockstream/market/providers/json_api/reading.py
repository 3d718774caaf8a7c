"""From the body of a JSON API's answer to prices, by its declaration. Pure."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import httpx
import msgspec

from stockstream.market.body_items import Items, Limits, UnparseableBody, document_of, first
from stockstream.market.optional_fields import read_number
from stockstream.market.parser import (
    Item,
    Parsed,
    RejectedItem,
    RejectKind,
    collect,
    observe,
)
from stockstream.market.providers.base import (
    ProviderBody,
    ProviderError,
    ProviderRefused,
    ProviderStatus,
    SymbolsNotFound,
)
from stockstream.market.providers.json_api.declaration import KEY_OF_OBJECT, VALUE_OF_ITEM
from stockstream.market.shown import kind_of, shown_fields
from stockstream.market.timestamps import from_any, in_unit
from stockstream.quotes import InvalidSymbol, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.market.providers.json_api.api import JsonApi
    from stockstream.market.providers.json_api.places import Place
    from stockstream.quotes import Observation, Symbol

RATE_LIMITED_SECONDS = 60.0
"""An API that says that it is asked too often, and not for how long, is left alone so long."""
REFUSALS = frozenset({401, 402, 403})


def read_answer(
    api: JsonApi,
    body: bytes,
    content_type: str | None,
    asked: Mapping[str, Symbol] | None,
    now: int,
    limits: Limits,
) -> Parsed:
    """Read a body. `asked` are the symbols by how the API writes them, None: all it has. `now` is
    the time of prices that are told without one.

    Raises:
        ProviderError: nothing in it can be used, or it says that it is an error.
    """
    try:
        document = document_of(body, content_type, limits)
    except UnparseableBody as error:
        raise ProviderBody(f"body_{error.fault}", str(error)) from None
    if _is_error(api, document):
        raise _error(api, document, asked)
    items = [item for item in _items(api, document, asked) if not _is_error(api, item)]
    read = partial(_observe, api, asked or {}, now)
    parsed = collect(first(Items(items), limits.items), read)
    if not parsed.observations and asked is not None:
        if not parsed.rejects.total:
            raise SymbolsNotFound("none of the named symbols is in the answer")
        if parsed.rejects.counts.keys() == {RejectKind.NOT_POSITIVE}:
            why = "; ".join(parsed.rejects.samples.values())
            raise SymbolsNotFound(f"no price of the named symbols: {why}")
    return parsed


def _is_error(api: JsonApi, document: object) -> bool:
    error = api.said.error
    if error is None or api.error_at is None or not isinstance(document, dict):
        return False
    found = api.error_at.find(document)
    if error.values is None:
        return found is not None
    return isinstance(found, str | int) and found in error.values


def _error(api: JsonApi, document: object, asked: Mapping[str, Symbol] | None) -> ProviderError:
    code = None if api.error_code is None else read_number(api.error_code.find(document))
    status = int(code) if code is not None and 100 <= code <= 599 else None
    if status is None:
        return ProviderBody("body_error", f"{api.name} answered with an error")
    message = f"an error in the answer, {status} {httpx.codes.get_reason_phrase(status)}".rstrip()
    if status in api.said.symbols.unknown and asked is not None:
        return SymbolsNotFound(message)
    if status in REFUSALS:
        return ProviderRefused(status, message)
    return ProviderStatus(status, message)


def _items(api: JsonApi, document: object, asked: Mapping[str, Symbol] | None) -> list[object]:
    found = api.items.find(document)
    if found is None:
        if asked is not None and _has_null(api.items, document):
            return []
        what = _what(document)
        raise ProviderBody("body_wrong_shape", f"nothing at {str(api.items)!r}; the body is {what}")
    if api.keyed:
        if not isinstance(found, dict):
            raise _wrong_shape(api, "an object with an item under each symbol", found)
        # Some APIs that are asked for one symbol tell it as it is.
        if asked is not None and len(asked) == 1 and not asked.keys() & found.keys():
            (name,) = asked
            if _has_price(api, found):
                return [{**found, KEY_OF_OBJECT: name}]
        return _named(api, found)
    if api.valued and not isinstance(found, dict | list):
        return [_item(api, found)]
    if isinstance(found, dict):
        # An object without anything in it is how some say that a symbol is not there.
        return [found] if found or asked is None else []
    if not isinstance(found, list):
        raise _wrong_shape(api, "a list of items", found)
    return [_item(api, item) for item in found] if api.valued else found


def _has_null(place: Place, document: object) -> bool:
    """Whether there is a null just there, by which some say "none"."""
    if not place.parts:
        return document is None
    parent = type(place)(place.parts[:-1]).find(document)
    return isinstance(parent, dict) and place.parts[-1] in parent


def _named(api: JsonApi, found: dict[str, object]) -> list[object]:
    items = ((name, _item(api, item)) for name, item in found.items())
    return [
        {**item, KEY_OF_OBJECT: name} if isinstance(item, dict) else item for name, item in items
    ]


def _item(api: JsonApi, value: object) -> object:
    """An item as an object; a bare number, or a text with one in it, is its price."""
    if api.valued and isinstance(value, int | float | str) and not isinstance(value, bool):
        return {VALUE_OF_ITEM: value}
    return value


def _has_price(api: JsonApi, item: object) -> bool:
    return _first(api.places["price"], item) is not None


def _wrong_shape(api: JsonApi, wanted: str, found: object) -> ProviderBody:
    where = f"{str(api.items)!r} is" if api.items.parts else "the body is"
    return ProviderBody("body_wrong_shape", f"{where} {_what(found)}, not {wanted}")


def _what(value: object) -> str:
    try:
        written = msgspec.json.encode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        written = b"{}" if isinstance(value, dict) else b"[]"
    if written.startswith(b"{"):
        return f"an object; {shown_fields(written)}"
    return kind_of(written)


def _observe(
    api: JsonApi, asked: Mapping[str, Symbol], now: int, value: object, unread: list[str]
) -> Observation:
    if not isinstance(value, dict | list):
        what = kind_of(json.dumps(value).encode())
        raise RejectedItem(RejectKind.WRONG_TYPE, f"{what}, not an object")
    fixed, places = api.fixed, api.places
    symbol = _symbol(api, asked, value)
    exchange, currency = _market_of(api, symbol)

    def told(name: str) -> object:
        return _first(places[name], value)

    unit = api.said.time_unit
    item = Item(
        symbol=symbol,
        price=told("price"),
        timestamp=told("time") if places["time"] else now,
        exchange=told("exchange") or exchange,
        currency=told("currency") or currency,
        delayed=fixed.delayed if (flag := told("delayed")) is None else flag,
        delayed_seconds=(
            fixed.delayed_seconds if (seconds := told("delayed_seconds")) is None else seconds
        ),
        open=_none_if_zero(told("open")),
        previous_close=_none_if_zero(told("previous_close")),
        session=told("session") or fixed.session,
        name=told("name") or fixed.name,
        high=told("high"),
        low=told("low"),
        volume=told("volume"),
        bid=told("bid"),
        ask=told("ask"),
    )
    if not places["time"] or unit is None:
        return observe(item, unread, from_any)
    return observe(item, unread, partial(in_unit, unit=unit))


def _symbol(api: JsonApi, asked: Mapping[str, Symbol], value: object) -> object:
    if not api.symbol_places:
        return next(iter(asked.values()), None)
    found = _first(api.symbol_places, value)
    return asked.get(found, found) if isinstance(found, str) else found


def _market_of(api: JsonApi, symbol: object) -> tuple[str | None, str | None]:
    try:
        return api.market_of(parse_symbol(symbol)) if isinstance(symbol, str) else (None, None)
    except InvalidSymbol:
        return None, None


def _first(places: tuple[Place, ...], value: object) -> object:
    for place in places:
        found = place.find(value)
        if found is not None:
            return found
    return None


def _none_if_zero(value: object) -> object:
    """Zero is how many APIs write that there is none."""
    return None if read_number(value) == 0 else value
