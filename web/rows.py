"""Asking the database for a user's rows, and what its trouble is over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from werkzeug.exceptions import Conflict as ConflictError
from werkzeug.exceptions import NotFound, ServiceUnavailable

from stockstream.history.query import DatabaseError, Exhausted, Rejected, ask

if TYPE_CHECKING:
    from stockstream.history.query import Query
    from supervision import ActorRef

R = TypeVar("R")

RETRY_SECONDS = 2
LARGEST_ID = 2**63 - 1


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


def row_id(text: str) -> int:
    """The number of a row, as it stands in the address.

    Raises:
        NoSuchRowError: no row can have it.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_ID):
        raise NoSuchRowError(f"{text[:32]!r} is no number of a row")
    return int(text)
