"""Texts of others, made fit to be shown: on one line, printable, and not too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_FIELDS = 8
_LONGEST_BAD_VALUE = 60
_LONGEST_FIELD = 24
_CONTAINERS = {b"[": "a list", b"{": "an object"}
_KINDS = _CONTAINERS | {b'"': "a text", b"t": "true", b"f": "false", b"n": "null"}
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


def shortened(text: str, longest: int) -> str:
    """`text`, or its beginning and an ellipsis, `longest` characters together."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def shown(text: str, longest: int) -> str:
    """A foreign text for people: blanks joined, what is not printable escaped, shortened."""
    one_line = " ".join(text[: 8 * longest].split())
    return shortened("".join(map(_printable, one_line)), longest)


def shown_value(value: object) -> str:
    """A bad value of a field, for people: a text in quotes, and shortened."""
    if isinstance(value, str):
        return repr(shortened(value, _LONGEST_BAD_VALUE))
    return shortened(repr(value), _LONGEST_BAD_VALUE)


def kind_of(value: bytes) -> str:
    """What a JSON value is: ``a text``, ``a number``, ``null``."""
    return _KINDS.get(value[:1], "a number")


def shown_fields(item: bytes) -> str:
    """Name the fields of a JSON object: ``its fields are symbol, day (an object)``."""
    try:
        fields = _FIELDS.decode(item)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "its fields cannot be read"
    return named_fields({name: bytes(value) for name, value in fields.items()})


def named_fields(fields: Mapping[str, bytes]) -> str:
    """The same of an object that was read already, the values still JSON."""
    if not fields:
        return "it has no fields"
    names = [
        shown(name, _LONGEST_FIELD) + _container(value)
        for name, value in list(fields.items())[:_MOST_FIELDS]
    ]
    more = len(fields) - len(names)
    return f"its fields are {', '.join(names)}{f' and {more} more' if more else ''}"


def _container(value: bytes) -> str:
    kind = _CONTAINERS.get(value[:1])
    return f" ({kind})" if kind else ""


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
