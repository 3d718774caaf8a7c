"""Rows that users own: made, changed, deleted softly and brought back, each with its audit entry.

A table defines its columns and which rows conflict; everything else is here, once. A user's rows of
a table are changed one after another: each change locks its user first, so the limits hold with any
number of open tabs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.times import LATEST, from_us, to_ms, to_us
from stockstream.users import audit
from stockstream.users.audit import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stockstream.database.query import Connection, Row


class RowRefusal(msgspec.Struct, frozen=True):
    """Why a change was refused although its values are valid.

    `field` names the culprit; None where the row does not exist, or belongs to another user.
    """

    field: str | None
    reason: str


class OwnedRow(msgspec.Struct, frozen=True):
    """A row as it is read; `id` is its number in its table."""

    id: int


T = TypeVar("T", bound=OwnedRow)
W = TypeVar("W")

MOST_DELETED = 20
"""Deleted rows that are told at once: somebody looks for the last ones, and seldom for more."""


class DeletedPlace(NamedTuple):
    """Where a deleted row stands among a user's: when it was deleted, in microseconds since 1970,
    and its number.
    """

    deleted: int
    id: int


LAST_DELETED = DeletedPlace(LATEST * 1_000, 2**63 - 1)
"""Before the first that is told."""


class DeletedRow(msgspec.Struct, Generic[T], frozen=True):
    """A row as it was, when it was deleted, in ms, and its place."""

    row: T
    deleted: int
    place: DeletedPlace


class OwnedTable(ABC, Generic[T, W]):
    """A table of rows `T`, written from values `W`. Each of its methods asks the database.

    The table has the columns `id`, `owner`, `changed_at` and `deleted_at` beside `columns`.
    """

    name: ClassVar[str]
    columns: ClassVar[str]
    """The columns that `read` takes, in this order."""
    order: ClassVar[str]
    most: ClassVar[int]
    """Rows that a user may have."""
    missing: ClassVar[RowRefusal]
    too_many: ClassVar[RowRefusal]
    anew: ClassVar[str] = ""
    """SQL for further columns that are set when a row is changed or restored."""

    @abstractmethod
    def read(self, row: Row) -> T:
        """A row of `columns`; it may have more columns after them."""

    @abstractmethod
    def values(self, said: T | W) -> Mapping[str, object]:
        """The values by column."""

    @abstractmethod
    async def clash(
        self, connection: Connection, owner: str, said: T | W, but: int
    ) -> RowRefusal | None:
        """Why it conflicts with the user's rows, except the one numbered `but`; None if not."""

    async def all_of(self, connection: Connection, owner: str) -> list[T]:
        """The user's rows."""
        rows = await connection.fetch(
            f"SELECT {self.columns} FROM {self.name} "  # noqa: S608 - here and below: names of ours
            f"WHERE owner = $1 AND deleted_at IS NULL ORDER BY {self.order}",
            owner,
        )
        return [self.read(row) for row in rows]

    async def deleted_of(
        self, connection: Connection, owner: str, after: DeletedPlace, most: int
    ) -> list[DeletedRow[T]]:
        """The user's deleted rows that can be restored, the last ones first."""
        rows = await connection.fetch(
            f"SELECT {self.columns}, deleted_at FROM {self.name} "  # noqa: S608
            "WHERE owner = $1 AND (deleted_at, id) < ($2, $3) "
            "ORDER BY deleted_at DESC, id DESC LIMIT $4",
            owner,
            from_us(after.deleted),
            after.id,
            most,
        )
        return [self._deleted(row) for row in rows]

    def _deleted(self, row: Row) -> DeletedRow[T]:
        gone, at = self.read(row), row["deleted_at"]
        return DeletedRow(gone, to_ms(at), DeletedPlace(to_us(at), gone.id))

    async def find(self, connection: Connection, owner: str, number: int) -> T | RowRefusal:
        """One of the user's rows."""
        row = await connection.fetchrow(
            f"SELECT {self.columns} FROM {self.name} "  # noqa: S608
            "WHERE owner = $1 AND id = $2 AND deleted_at IS NULL",
            owner,
            number,
        )
        return self.missing if row is None else self.read(row)

    async def create(self, connection: Connection, owner: str, wanted: W) -> T | RowRefusal:
        """Make a row."""
        await self.lock(connection, owner)
        refused = await self._refused(connection, owner, wanted)
        if refused is not None:
            return refused
        values = self.values(wanted)
        columns = ", ".join(_quoted(values))
        places = ", ".join(f"${place}" for place in range(2, len(values) + 2))
        row = await connection.fetchrow(
            f"INSERT INTO {self.name} (owner, {columns}) "  # noqa: S608
            f"VALUES ($1, {places}) RETURNING {self.columns}",
            owner,
            *values.values(),
        )
        return await self._audited(connection, owner, Action.CREATE, row)

    async def change(
        self, connection: Connection, owner: str, number: int, change: Callable[[T], W]
    ) -> T | RowRefusal:
        """Change a row's values; nothing is written when nothing changes."""
        await self.lock(connection, owner)
        before = await self.find(connection, owner, number)
        if isinstance(before, RowRefusal):
            return before
        wanted = change(before)
        values = self.values(wanted)
        if values == self.values(before):
            return before
        refused = await self.clash(connection, owner, wanted, number)
        if refused is not None:
            return refused
        said = [f"{column} = ${place}" for place, column in enumerate(_quoted(values), 2)]
        row = await self._update(connection, number, *said, self.anew, values=values)
        return await self._audited(connection, owner, Action.CHANGE, row, before)

    async def delete(self, connection: Connection, owner: str, number: int) -> T | RowRefusal:
        """Delete a row, softly; the answer is what it was."""
        await self.lock(connection, owner)
        before = await self.find(connection, owner, number)
        if not isinstance(before, RowRefusal):
            await self._update(connection, number, "deleted_at = now()")
            await audit.write(connection, owner, self.name, number, Action.DELETE, before=before)
        return before

    async def restore(self, connection: Connection, owner: str, number: int) -> T | RowRefusal:
        """Bring a deleted row back; one that is not deleted is answered as it is."""
        await self.lock(connection, owner)
        there = await self.find(connection, owner, number)
        if not isinstance(there, RowRefusal):
            return there
        # Locked, so that a purge skips the row.
        row = await connection.fetchrow(
            f"SELECT {self.columns} FROM {self.name} "  # noqa: S608
            "WHERE owner = $1 AND id = $2 AND deleted_at IS NOT NULL FOR UPDATE",
            owner,
            number,
        )
        if row is None:
            return self.missing
        refused = await self._refused(connection, owner, self.read(row))
        if refused is not None:
            return refused
        row = await self._update(connection, number, "deleted_at = NULL", self.anew)
        return await self._audited(connection, owner, Action.RESTORE, row)

    async def lock(self, connection: Connection, owner: str) -> None:
        """Have all other changes of the user's rows wait for the end of the transaction."""
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ':' || $2::text, 0))",
            self.name,
            owner,
        )

    async def _refused(self, connection: Connection, owner: str, said: T | W) -> RowRefusal | None:
        """Why a user may have no further row with these values."""
        refused = await self.clash(connection, owner, said, 0)
        if refused is not None:
            return refused
        count = await connection.fetchval(
            f"SELECT count(*) FROM {self.name} WHERE owner = $1 AND deleted_at IS NULL",  # noqa: S608
            owner,
        )
        return self.too_many if count >= self.most else None

    async def _update(
        self,
        connection: Connection,
        number: int,
        *changes: str,
        values: Mapping[str, object] | None = None,
    ) -> Row | None:
        changed = ", ".join(filter(None, (*changes, "changed_at = now()")))
        return await connection.fetchrow(
            f"UPDATE {self.name} SET {changed} WHERE id = $1 RETURNING {self.columns}",  # noqa: S608
            number,
            *(values or {}).values(),
        )

    async def _audited(
        self,
        connection: Connection,
        owner: str,
        action: Action,
        row: Row | None,
        before: T | None = None,
    ) -> T:
        assert row is not None  # noqa: S101 - RETURNING answers the row that was written
        after = self.read(row)
        await audit.write(
            connection, owner, self.name, after.id, action, before=before, after=after
        )
        return after


def _quoted(columns: Iterable[str]) -> list[str]:
    return [f'"{column}"' for column in columns]


@dataclass(frozen=True, slots=True)
class FetchRows(Query[list[T]], Generic[T, W]):
    """All rows of a user."""

    table: OwnedTable[T, W]
    owner: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[T]:
        """Ask."""
        return await self.table.all_of(connection, self.owner)


@dataclass(frozen=True, slots=True)
class FetchDeletedRows(Query[list[DeletedRow[T]]], Generic[T, W]):
    """The rows that a user deleted and can restore, the last ones first, from a place on."""

    table: OwnedTable[T, W]
    owner: str
    after: DeletedPlace = LAST_DELETED
    most: int = MOST_DELETED
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[DeletedRow[T]]:
        """Ask."""
        return await self.table.deleted_of(connection, self.owner, self.after, self.most)


@dataclass(frozen=True, slots=True)
class FetchRow(Query["T | RowRefusal"], Generic[T, W]):
    """One row of a user."""

    table: OwnedTable[T, W]
    owner: str
    id: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> T | RowRefusal:
        """Ask."""
        return await self.table.find(connection, self.owner, self.id)


@dataclass(frozen=True, slots=True)
class CreateRow(Query["T | RowRefusal"], Generic[T, W]):
    """Make a row; its values have been checked."""

    table: OwnedTable[T, W]
    owner: str
    wanted: W
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> T | RowRefusal:
        """Make it, with its audit."""
        async with connection.transaction():
            return await self.table.create(connection, self.owner, self.wanted)


@dataclass(frozen=True, slots=True)
class ChangeRow(Query["T | RowRefusal"], Generic[T, W]):
    """Change a row: `change` returns the new values, given the present row."""

    table: OwnedTable[T, W]
    owner: str
    id: int
    change: Callable[[T], W]
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> T | RowRefusal:
        """Change it, with its audit."""
        async with connection.transaction():
            return await self.table.change(connection, self.owner, self.id, self.change)


@dataclass(frozen=True, slots=True)
class DeleteRow(Query["T | RowRefusal"], Generic[T, W]):
    """Delete a row, softly; the answer is what it was."""

    table: OwnedTable[T, W]
    owner: str
    id: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> T | RowRefusal:
        """Delete it, with its audit."""
        async with connection.transaction():
            return await self.table.delete(connection, self.owner, self.id)


@dataclass(frozen=True, slots=True)
class RestoreRow(Query["T | RowRefusal"], Generic[T, W]):
    """Bring a deleted row back; one that is not deleted is answered as it is."""

    table: OwnedTable[T, W]
    owner: str
    id: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> T | RowRefusal:
        """Restore it, with its audit."""
        async with connection.transaction():
            return await self.table.restore(connection, self.owner, self.id)
