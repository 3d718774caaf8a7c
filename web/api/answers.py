"""Answers of the API, of what the database has told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stockstream.database import freshness
from web.answers import json_answer

if TYPE_CHECKING:
    import msgspec
    from quart import Response

    from stockstream.times import Moment

AGE: dict[str, object] = {
    "Age": {
        "description": "From a replica that is behind only: what is here was recorded so many "
        "seconds ago or before, and what came since may be missing.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
"""The header that `dated` gives an answer, as the document describes it."""


def dated(value: msgspec.Struct, as_of: Moment | None) -> Response:
    """An answer; `Age` says how many seconds old it may be, from `TOLD_SECONDS` on."""
    response = json_answer(value)
    if as_of is not None and as_of.age >= freshness.TOLD_SECONDS:
        response.headers["Age"] = str(math.ceil(as_of.age))
    return response


def made(value: msgspec.Struct, where: str) -> Response:
    """A row that was made, and its address."""
    response = json_answer(value, 201)
    response.headers["Location"] = where
    return response
