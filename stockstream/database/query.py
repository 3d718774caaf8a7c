"""What can be asked of the database: a query is a frozen value that knows how to run.

A query's `run` is asyncio code, called by the gateway in the asyncio thread. It talks to the
connection only. It must not use trio or mutable state, and must not wait for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from supervision import CallError, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from stockstream.times import Moment
    from supervision import ActorRef

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

ASK_SECONDS = 8.0
"""Longer than the gateway's own limit for a query, so that the gateway reports the timeout."""


class Row(Protocol):
    """A row: its values by name, by position, or all in order."""

    def __getitem__(self, key: str | int, /) -> Any: ...  # noqa: ANN401 - SQL's types

    def __iter__(self) -> Iterator[Any]: ...

    def values(self) -> Iterable[Any]:
        """All of them, in the order of the columns."""


class Connection(Protocol):
    """What a query may use of the driver's connection."""

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """All rows."""

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """The first row, if any."""

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - SQL's types
        """The first column of the first row."""

    async def execute(self, query: str, *args: object) -> str:
        """The status, such as `DELETE 3`."""

    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: AsyncIterable[bytes],
        columns: Sequence[str],
        format: str,  # noqa: A002 - the driver's name for it
    ) -> str:
        """COPY encoded rows into a table."""

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """All or nothing."""


class Purpose(StrEnum):
    """A kind of connections, with a pool of its own: no kind waits for another."""

    WRITE = "write"
    """The recorder's."""
    READ = "read"
    """History queries, from the replica where there is one."""
    MAINTENANCE = "maintenance"
    """Retention, roll-ups, import."""
    ROWS = "rows"
    """Watchlists and alerts: small transactions, on the primary."""


class Query(Generic[R_co]):
    """Base of all queries; a subclass is a frozen dataclass."""

    __slots__ = ()
    purpose: ClassVar[Purpose] = Purpose.READ

    async def run(self, connection: Connection) -> R_co:
        """Ask, and return the result. May run twice: a read is retried on another server."""
        raise NotImplementedError


class DatabaseError(Exception):
    """Why a query has no answer."""


class Unavailable(DatabaseError):
    """The database cannot be asked now. Whether a write was committed is not known."""


class NotYet(Unavailable):
    """Our embedded server is still being started."""


class NoRoom(Unavailable):
    """The server's disk is full: it goes on when there is room again."""


class Exhausted(DatabaseError):
    """Too many queries wait already; ask again after `retry_after` seconds."""

    retry_after = 1.0


class Rejected(DatabaseError):
    """The database refuses the values of this very query; it would do so again."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[R_co]):
    """The result of a query. `as_of` is set for a result from a replica, which has all that was
    committed before that moment; None where the data is as new as the question.
    """

    value: R_co
    as_of: Moment | None = None


class Ask(Request[Answered[R] | DatabaseError], Generic[R]):
    """Run a query. Without a result the answer is an error value, so that no caller crashes."""

    __slots__ = ("query",)

    def __init__(self, query: Query[R]) -> None:
        self.query = query


async def ask(database: ActorRef, query: Query[R], *, timeout: float = ASK_SECONDS) -> R:
    """Ask the gateway, and raise what `ask_dated` raises."""
    return (await ask_dated(database, query, timeout=timeout)).value


async def ask_dated(
    database: ActorRef, query: Query[R], *, timeout: float = ASK_SECONDS
) -> Answered[R]:
    """Ask the gateway; the answer comes with its age.

    Raises:
        Unavailable: no answer, from the database or from the gateway.
        Exhausted: too many queries wait.
        Rejected: the query's values are refused.
    """
    try:
        answer = await database.call(Ask(query), timeout=timeout)
    except CallError as error:
        raise Unavailable(f"the database gateway does not answer: {error}") from error
    if isinstance(answer, DatabaseError):
        raise answer
    return answer
