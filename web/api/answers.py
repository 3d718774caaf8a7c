"""Answers of the API: results of the database, or why there is none now."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, TypeVar

from werkzeug.exceptions import ServiceUnavailable

from stockstream.database import freshness
from stockstream.database.query import Answered, DatabaseError, Exhausted, Rejected, ask_dated
from web.answers import json_answer

if TYPE_CHECKING:
    import msgspec
    from quart import Response

    from stockstream.database.query import Query
    from stockstream.times import Moment
    from supervision import ActorRef

R = TypeVar("R")

RETRY_SECONDS = 2
AGE: dict[str, object] = {
    "Age": {
        "description": "From a replica that is behind only: what is here was recorded so many "
        "seconds ago or before, and what came since may be missing.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
"""The header that `dated` gives an answer, as the document describes it."""


class UnavailableError(ServiceUnavailable):
    """What knows the answer does not respond; `Retry-After` says when to try again."""

    word: ClassVar[str] = "unavailable"


class TooManyQueriesError(ServiceUnavailable):
    """All connections to the database are in use, and enough queries wait for them."""

    word: ClassVar[str] = "exhausted"


DATABASE_ERRORS = (UnavailableError, TooManyQueriesError)
"""What `ask_database` raises."""


async def ask_database(database: ActorRef, query: Query[R]) -> Answered[R]:
    """Ask, and turn errors into HTTP errors.

    Raises:
        TooManyQueriesError: the pool is exhausted.
        UnavailableError: the database is away; whether a change was made is not known then.
    """
    try:
        return await ask_dated(database, query)
    except Exhausted as error:
        raise TooManyQueriesError(str(error), retry_after=round(error.retry_after)) from error
    except Rejected:
        raise  # a query of ours that PostgreSQL does not take is our mistake: 500
    except DatabaseError as error:
        raise UnavailableError("the database is away", retry_after=RETRY_SECONDS) from error


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
