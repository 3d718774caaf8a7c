"""Reading the JSON body of a request; what is wrong is told by the name of its field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

import msgspec
from quart import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from stockstream.decoding import from_json
from stockstream.quotes import SYMBOL_PATTERN
from web.answers import FieldsError
from web.parameters import Wrong, read_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import Symbol

T = TypeVar("T")

SymbolText = Annotated[
    str, msgspec.Meta(extra_json_schema={"pattern": SYMBOL_PATTERN, "examples": ["AAPL"]})
]
"""A symbol as it is written in a body. The schema only tells: `read_symbols` names all bad ones."""

_AT = re.compile(r" - at `\$\.?(.+)`$")
_NAMED = re.compile(r"(?:missing required|contains unknown) field `(.+?)`")


class BadJsonError(BadRequest):
    """The body is no JSON."""

    word: ClassVar[str] = "bad_json"


class NotJsonError(UnsupportedMediaType):
    """The body does not say that it is JSON."""

    word: ClassVar[str] = "not_json"


class InvalidFieldError(FieldsError):
    """Fields that cannot be served. `fields` says by name what is wrong with each."""

    word: ClassVar[str] = "invalid_field"


async def read_body(kind: type[T]) -> T:
    """The body as a struct, whose types are checked.

    Raises:
        NotJsonError, BadJsonError: it is something else.
        InvalidFieldError: a field is missing, unknown or of the wrong type.
    """
    if request.mimetype != "application/json":
        raise NotJsonError("send the header Content-Type: application/json")
    body = await request.get_data()
    try:
        return from_json(body, kind)
    except msgspec.ValidationError as error:
        raise InvalidFieldError(_fields(str(error))) from error
    except msgspec.DecodeError as error:
        raise BadJsonError(f"the body is not JSON: {error}") from error


def _fields(told: str) -> dict[str, str]:
    at, named = _AT.search(told), _NAMED.search(told)
    inside = [at[1]] if at else []
    if named:
        inside.append(named[1])
    return {".".join(inside) or "body": _AT.sub("", told)}


def read_symbols(name: str, given: Sequence[str], wrong: dict[str, str]) -> list[Symbol]:
    """The symbols of a list, each once; what is none is noted in `wrong` under its place."""
    symbols: dict[Symbol, None] = {}
    for place, text in enumerate(given):
        try:
            symbols[read_symbol(text)] = None
        except Wrong as error:
            wrong[f"{name}[{place}]"] = str(error)
    return list(symbols)
