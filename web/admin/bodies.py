"""Bodies of operators' requests."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec
from quart import request
from werkzeug.exceptions import BadRequest

from stockstream.decoding import from_json

T = TypeVar("T")


class BadBodyError(BadRequest):
    """The body is not valid for this call."""

    word: ClassVar[str] = "bad_body"


async def read_body(kind: type[T]) -> T:
    """The JSON of the request that is answered now.

    Raises:
        BadBodyError: it is none of that kind; the message names the field.
    """
    try:
        return from_json(await request.get_data(), kind)
    except msgspec.MsgspecError as error:
        raise BadBodyError(str(error)) from error
