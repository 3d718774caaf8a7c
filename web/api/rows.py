"""A user's rows over HTTP: their numbers, and what a change may be answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from werkzeug.exceptions import Conflict as ConflictError
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from stockstream.users.rows import RowRefusal
from web.asking import ask_database
from web.parameters import Parameter, Wrong, read_whole

if TYPE_CHECKING:
    from stockstream.database.query import Query
    from supervision import ActorRef

T = TypeVar("T")

LARGEST_ID = 2**63 - 1
"""Of a row: a bigint of PostgreSQL."""


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
