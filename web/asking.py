"""Asking the database for an answer of HTTP: its result, or why there is none now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from werkzeug.exceptions import ServiceUnavailable

from stockstream.database.query import Answered, DatabaseError, Exhausted, Rejected, ask_dated

if TYPE_CHECKING:
    from stockstream.database.query import Query
    from supervision import ActorRef

R = TypeVar("R")

RETRY_SECONDS = 2


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
