"""A user's rows over HTTP: their numbers, and what a change may be answered with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, TypeVar

from werkzeug.exceptions import Conflict as ConflictError
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from stockstream.users.rows import (
    LAST_DELETED,
    MOST_DELETED,
    DeletedPlace,
    FetchDeletedRows,
    OwnedRow,
    RowRefusal,
)
from web.asking import ask_database
from web.parameters import Parameter, Wrong, cursor, read_whole

if TYPE_CHECKING:
    from stockstream.database.query import Query
    from stockstream.users.rows import DeletedRow, OwnedTable
    from supervision import ActorRef

T = TypeVar("T")
R = TypeVar("R", bound=OwnedRow)
W = TypeVar("W")

LARGEST_ID = 2**63 - 1
"""Of a row: a bigint of PostgreSQL."""


_PLACE = re.compile("([0-9]{1,17})-([0-9]{1,18})")


def _read_place(text: str) -> DeletedPlace | None:
    found = _PLACE.fullmatch(text)
    if found is None or int(found[1]) > LAST_DELETED.deleted:
        return None
    return DeletedPlace(int(found[1]), int(found[2]))


DELETED_CURSOR = cursor(
    "cursor", "The `next_cursor` of an answer, for what was deleted before.", _PLACE, _read_place
)


async def deleted_page(
    database: ActorRef, table: OwnedTable[R, W], owner: str, after: DeletedPlace | None
) -> tuple[list[DeletedRow[R]], str | None]:
    """Rows that were deleted, the last ones first, and the cursor for more where there are some.

    Raises:
        TooManyQueriesError, UnavailableError: there is no answer now.
    """
    # One more than wanted tells whether any follow.
    query = FetchDeletedRows(table, owner, after or LAST_DELETED, MOST_DELETED + 1)
    found = (await ask_database(database, query)).value
    page = found[:MOST_DELETED]
    more = len(found) > len(page)
    return page, f"{page[-1].place.deleted}-{page[-1].place.id}" if more else None


class RowConverter(BaseConverter):
    """`<row:number>` in a route: any text but the words that name a list of rows.

    Otherwise a method that such a list does not have would be taken for a row of that name, and be
    answered with 404 in place of 405.
    """

    regex = r"(?!(?:deleted|read|write)\Z)[^/]+"
    part_isolating = True


class NoSuchRowError(NotFound):
    """There is none, or it is another user's; the answer does not tell which."""

    word: ClassVar[str] = "not_found"


class RowConflictError(ConflictError):
    """It conflicts with what is there already; `field` names what is wrong."""

    word: ClassVar[str] = "conflict"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.fields = {field: why}


async def ask_row(database: ActorRef, query: Query[T | RowRefusal]) -> T:
    """Ask for a row, or a change of one, and turn a refusal into an answer of HTTP too.

    Raises:
        NoSuchRowError: there is none.
        RowConflictError: the change conflicts with what is there.
        TooManyQueriesError, UnavailableError: there is no answer now.
    """
    answer = (await ask_database(database, query)).value
    if not isinstance(answer, RowRefusal):
        return answer
    if answer.field is None:
        raise NoSuchRowError(answer.reason)
    raise RowConflictError(answer.field, answer.reason)


def read_row_id(text: str) -> int:
    """The number of a row, as it stands in the address.

    Raises:
        NoSuchRowError: no row can have it.
    """
    try:
        return read_whole(text, 0, LARGEST_ID)
    except Wrong as error:
        raise NoSuchRowError(f"{text[:32]!r} is no number of a row") from error


ROW = Parameter(
    "number",
    "The `id` that it was given.",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
    lambda given, _asked: read_row_id(given[0]),
    place="path",
    required=True,
    error=NoSuchRowError,
)
