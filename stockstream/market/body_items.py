"""From the bytes of a body to its items, each still JSON: what fits of them is taken.

Reading blocks everybody else, so it has limits. Up to `Limits.fields` commas the items are told
apart all at once, and those over `Limits.items` are counted. A body with more commas is cut after
the last item that begins within the limit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Raw, UnsetType

from stockstream.market.shown import kind_of, shown, shown_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

# Not JSON, but written by many servers and read by the standard library: a bare NaN or Infinity,
# and half of a surrogate pair. Only a body that holds one is worth a second, slower reading.
_LENIENT_TOKENS = (b"NaN", b"Infinity", b"\\ud", b"\\uD")
_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|h1|p|b|br|div)\b", re.IGNORECASE
)
# A list's first item up to the colon of its first field: as a rule each item begins like that.
_HEAD = re.compile(rb'\[\s*(\{\s*"[^"\\]{1,64}"\s*:)')
_CUT_TRIES = 3
"""Items may hold objects that begin like items; the last of them is not tried for long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a body is read: `items`, and `fields` of all items together.

    Fields are counted by commas, which is far cheaper than decoding them. The defaults are the
    symbols of a large market with 50 fields each.
    """

    items: int = 20_000
    fields: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a body, raw or decoded, none of them looked at yet.

    `beyond` were left out, for the reason `limit`.
    """

    taken: Sequence[object]
    beyond: int = 0
    limit: str = ""


class BodyFault(StrEnum):
    """Why nothing of a body could be used."""

    EMPTY = "empty"
    HTML = "html"
    XML = "xml"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    TOO_MANY_ITEMS = "too_many_items"


class UnparseableBody(ValueError):
    """The whole body is of no use. ``fault`` is the kind, the message says more."""

    def __init__(self, fault: BodyFault, message: str) -> None:
        self.fault = fault
        super().__init__(message)


class _Envelope(msgspec.Struct):
    prices: list[Raw] | UnsetType = UNSET
    quotes: list[Raw] | UnsetType = UNSET


_BODY: msgspec.json.Decoder[list[Raw] | _Envelope] = msgspec.json.Decoder(list[Raw] | _Envelope)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


def items_of(body: bytes, content_type: str | None, limits: Limits) -> Items:
    """Find the items of a body. Raises `UnparseableBody`."""
    body = _text_of(body)
    try:
        if body.count(b",") > limits.fields:
            found = _cut(body, limits.fields)
        else:
            found = Items(_decoded(body))
    except UnparseableBody as error:
        raise _sent_as(content_type, error) from None
    return first(found, limits.items)


def document_of(body: bytes, content_type: str | None, limits: Limits) -> object:
    """A body as a whole, where it is not known where its items are. Raises `UnparseableBody`."""
    body = _text_of(body)
    commas = body.count(b",")
    if commas > limits.fields:
        raise UnparseableBody(
            BodyFault.TOO_MANY_ITEMS,
            f"the body has {commas} commas; HTTP_MAX_FIELDS is {limits.fields}",
        )
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why: Exception = error
        if not isinstance(error, RecursionError) and any(t in body for t in _LENIENT_TOKENS):
            try:
                return json.loads(body)
            except (ValueError, RecursionError) as worse:
                why = worse
        found = UnparseableBody(BodyFault.NOT_JSON, f"not JSON: {why}")
        raise _sent_as(content_type, found) from None


def first(found: Items, most: int) -> Items:
    """The first `most` of what was found, and how many there are more."""
    if len(found.taken) <= most:
        return found
    beyond = len(found.taken) - most + found.beyond
    return Items(found.taken[:most], beyond, f"HTTP_MAX_ITEMS is {most}")


def _text_of(body: bytes) -> bytes:
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise UnparseableBody(BodyFault.EMPTY, "the body is empty")
    if body.startswith(b"<"):
        # By what it is: PHP sends JSON as text/html unless it is told otherwise.
        if _HTML.search(body[:1000]):
            raise UnparseableBody(BodyFault.HTML, "the body is an HTML page, not JSON")
        raise UnparseableBody(BodyFault.XML, "the body is XML, not JSON")
    return body


def _sent_as(content_type: str | None, error: UnparseableBody) -> UnparseableBody:
    """With what the server says that the body is, where that explains it."""
    sent = (content_type or "").partition(";")[0].strip().lower()
    if error.fault is not BodyFault.NOT_JSON or not sent or sent.endswith("json"):
        return error
    return UnparseableBody(error.fault, f"{error} (sent as {shown(sent, 32)})")


def _cut(body: bytes, most: int) -> Items:
    """The items that end before comma number `most`."""
    limit = f"HTTP_MAX_FIELDS is {most}"
    head = _HEAD.search(body, 0, 10_000)
    if head is not None:
        # Whatever stands before the list is not looked at again.
        first, end = head.start(), _comma(body, most)
        for _ in range(_CUT_TRIES):
            end = body.rfind(head[1], first, end)
            comma = body.rfind(b",", first, end)
            if comma <= first:
                break
            try:
                taken = _decoded(body[first:comma] + b"]")
            except UnparseableBody:
                continue
            return Items(taken, body.count(head[1], comma), limit)
    raise UnparseableBody(
        BodyFault.TOO_MANY_ITEMS,
        f"the body has {body.count(b',')} commas and cannot be cut; {limit}",
    )


def _comma(body: bytes, number: int) -> int:
    """Where comma `number` stands, counted from 1; there are so many."""
    low, high = 0, len(body)
    before = 0  # commas in front of `low`
    while high - low > 1:
        middle = (low + high) // 2
        here = body.count(b",", low, middle)
        if before + here >= number:
            high = middle
        else:
            low, before = middle, before + here
    return low


def _decoded(body: bytes) -> Sequence[object]:
    try:
        shape = _BODY.decode(body)
    except msgspec.ValidationError as error:
        raise UnparseableBody(BodyFault.WRONG_SHAPE, _wrong_shape(body, error)) from None
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


def _wrong_shape(body: bytes, error: msgspec.ValidationError) -> str:
    try:
        fields = _FIELDS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return f"the body is {kind_of(body)}, not a list of items"
    for name in ("prices", "quotes"):
        value = bytes(fields.get(name, b""))
        if value[:1] not in {b"", b"["}:
            inner = f"; {shown_fields(value)}" if value.startswith(b"{") else ""
            return f'"{name}" is {kind_of(value)}, not a list of items{inner}'
    return f"not a list of items: {error}"
