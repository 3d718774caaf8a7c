"""Bodies of operators' requests, and the numbers of rows in their addresses."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec
from quart import request
from werkzeug.exceptions import BadRequest

from stockstream.decoding import from_json

T = TypeVar("T")

ROW_NUMBER = f"int(max={2**63 - 1})"
"""In a route: what a row may have as its number. A larger one is no row, and PostgreSQL would not
take it as one."""


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
