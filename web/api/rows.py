"""Asking the database for a user's rows, and how they are told over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from quart import Response
from werkzeug.exceptions import Conflict as ConflictError
from werkzeug.exceptions import NotFound, ServiceUnavailable

from stockstream.database.query import DatabaseError, Exhausted, Rejected, ask
from stockstream.delivery.protocol import encode
from stockstream.users.rows import RowRefusal
from web.api.openapi import LARGEST_ID

if TYPE_CHECKING:
    import msgspec

    from stockstream.database.query import Query
    from supervision import ActorRef

R = TypeVar("R")
T = TypeVar("T")

RETRY_SECONDS = 2


class NoSuchRowError(NotFound):
    """It is not there, or is somebody else's: which of them is nobody's business."""

    word: ClassVar[str] = "not_found"


class RowConflictError(ConflictError):
    """It does not go with what is there already; `field` names the culprit."""

    word: ClassVar[str] = "conflict"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.fields = {field: why}


class RowsUnavailableError(ServiceUnavailable):
    """The database cannot be asked now."""

    word: ClassVar[str] = "unavailable"


async def ask_rows(database: ActorRef, query: Query[R]) -> R:
    """Ask, and turn trouble into an answer of HTTP.

    Raises:
        RowsUnavailableError: the database is away, or busy; whether a change was made is not
            known then.
    """
    try:
        return await ask(database, query)
    except Exhausted as error:
        raise RowsUnavailableError(str(error), retry_after=round(error.retry_after)) from error
    except Rejected:
        raise  # a query of ours that PostgreSQL does not take is our mistake: 500
    except DatabaseError as error:
        why = "the database is away; live prices are not"
        raise RowsUnavailableError(why, retry_after=RETRY_SECONDS) from error


async def ask_row(database: ActorRef, query: Query[T | RowRefusal]) -> T:
    """Ask for a row, or a change of one, and turn a refusal into an answer of HTTP too.

    Raises:
        NoSuchRowError: it is not there.
        RowConflictError: the change does not go with what is there.
        RowsUnavailableError: as above.
    """
    answer = await ask_rows(database, query)
    if not isinstance(answer, RowRefusal):
        return answer
    if answer.field is None:
        raise NoSuchRowError(answer.reason)
    raise RowConflictError(answer.field, answer.reason)


def told(value: msgspec.Struct, *, made_at: str | None = None) -> Response:
    """An answer in JSON; of a row that was made, 201 with its address."""
    response = Response(encode(value), content_type="application/json")
    if made_at is not None:
        response.status_code = 201
        response.headers["Location"] = made_at
    return response


def row_id(text: str) -> int:
    """The number of a row, as it stands in the address.

    Raises:
        NoSuchRowError: no row can have it.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_ID):
        raise NoSuchRowError(f"{text[:32]!r} is no number of a row")
    return int(text)
