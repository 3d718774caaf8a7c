"""Watchlists: named lists of symbols, each of one browser user. Every change is audited.

A user's lists are changed one after another: each change locks its user first, so the limits hold
however many tabs are open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.history import audit
from stockstream.history.audit import Action
from stockstream.history.query import Lane, Query
from stockstream.history.times import to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.history.query import Connection, Row

MOST_LISTS = 20
MOST_SYMBOLS = 200
LONGEST_NAME = 60

_ALL = """
SELECT id, name, symbols, created_at, changed_at FROM watchlists
WHERE owner = $1 AND deleted_at IS NULL ORDER BY lower(name)
"""
_ONE = """
SELECT id, name, symbols, created_at, changed_at FROM watchlists
WHERE owner = $1 AND id = $2 AND deleted_at IS NULL
"""
_DELETED = """
SELECT id, name, symbols, created_at, changed_at FROM watchlists
WHERE owner = $1 AND id = $2 AND deleted_at IS NOT NULL
FOR UPDATE
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('watchlists:' || $1, 0))"
_COUNT = "SELECT count(*) FROM watchlists WHERE owner = $1 AND deleted_at IS NULL"
_NAMED = """
SELECT id FROM watchlists WHERE owner = $1 AND lower(name) = lower($2) AND deleted_at IS NULL
"""
_CREATE = """
INSERT INTO watchlists (owner, name, symbols) VALUES ($1, $2, $3)
RETURNING id, name, symbols, created_at, changed_at
"""
_CHANGE = """
UPDATE watchlists SET name = $2, symbols = $3, changed_at = now() WHERE id = $1
RETURNING id, name, symbols, created_at, changed_at
"""
_DELETE = "UPDATE watchlists SET deleted_at = now() WHERE id = $1"
_RESTORE = """
UPDATE watchlists SET deleted_at = NULL, changed_at = now() WHERE id = $1
RETURNING id, name, symbols, created_at, changed_at
"""


class Watchlist(msgspec.Struct, frozen=True):
    """A list. `symbols` in the user's order, each once; times in ms since 1970."""

    id: int
    name: str
    symbols: list[str]
    created: int
    changed: int


class Conflict(StrEnum):
    """Why a change was not made, though its values are fine by themselves."""

    MISSING = "there is no such list"
    NAME_TAKEN = "another list has this name"
    TOO_MANY_LISTS = f"at most {MOST_LISTS} lists"
    TOO_MANY_SYMBOLS = f"at most {MOST_SYMBOLS} symbols in a list"


@dataclass(frozen=True, slots=True)
class FetchWatchlists(Query[list[Watchlist]]):
    """All lists of a user, by name."""

    owner: str
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> list[Watchlist]:
        """Ask."""
        return [_watchlist(row) for row in await connection.fetch(_ALL, self.owner)]


@dataclass(frozen=True, slots=True)
class FetchWatchlist(Query["Watchlist | Conflict"]):
    """One list of a user."""

    owner: str
    id: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Watchlist | Conflict:
        """Ask."""
        return await _find(connection, _ONE, self.owner, self.id) or Conflict.MISSING


@dataclass(frozen=True, slots=True)
class CreateWatchlist(Query["Watchlist | Conflict"]):
    """Make a list; name and symbols have been checked."""

    owner: str
    name: str
    symbols: Sequence[str]
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Watchlist | Conflict:
        """Make it, with its audit."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            if len(self.symbols) > MOST_SYMBOLS:
                return Conflict.TOO_MANY_SYMBOLS
            refused = await _refused(connection, self.owner, self.name)
            if refused is not None:
                return refused
            made = await connection.fetchrow(_CREATE, self.owner, self.name, list(self.symbols))
            after = _watchlist(_there(made))
            await audit.write(
                connection, self.owner, "watchlists", after.id, Action.CREATE, after=after
            )
            return after


@dataclass(frozen=True, slots=True)
class ChangeWatchlist(Query["Watchlist | Conflict"]):
    """Change a list: what is None stays; then `remove` is taken off, and `add` put behind.

    Two tabs that add and remove do not undo each other's work, as two that replace would.
    """

    owner: str
    id: int
    name: str | None = None
    symbols: Sequence[str] | None = None
    add: Sequence[str] = field(default=())
    remove: Sequence[str] = field(default=())
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Watchlist | Conflict:
        """Change it, with its audit; nothing is written when nothing changes."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            before = await _find(connection, _ONE, self.owner, self.id)
            if before is None:
                return Conflict.MISSING
            name = before.name if self.name is None else self.name
            symbols = self._symbols(before)
            if name == before.name and symbols == before.symbols:
                return before
            if len(symbols) > MOST_SYMBOLS:
                return Conflict.TOO_MANY_SYMBOLS
            if await connection.fetchval(_NAMED, self.owner, name) not in {None, self.id}:
                return Conflict.NAME_TAKEN
            after = _watchlist(_there(await connection.fetchrow(_CHANGE, self.id, name, symbols)))
            await audit.write(
                connection,
                self.owner,
                "watchlists",
                self.id,
                Action.CHANGE,
                before=before,
                after=after,
            )
            return after

    def _symbols(self, before: Watchlist) -> list[str]:
        symbols = before.symbols if self.symbols is None else self.symbols
        kept = dict.fromkeys(symbol for symbol in symbols if symbol not in self.remove)
        return list(kept | dict.fromkeys(self.add))


@dataclass(frozen=True, slots=True)
class DeleteWatchlist(Query["Watchlist | Conflict"]):
    """Delete a list, softly; the answer is what it was."""

    owner: str
    id: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Watchlist | Conflict:
        """Delete it, with its audit."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            before = await _find(connection, _ONE, self.owner, self.id)
            if before is None:
                return Conflict.MISSING
            await connection.execute(_DELETE, self.id)
            await audit.write(
                connection, self.owner, "watchlists", self.id, Action.DELETE, before=before
            )
            return before


@dataclass(frozen=True, slots=True)
class RestoreWatchlist(Query["Watchlist | Conflict"]):
    """Bring a deleted list back; one that is not deleted is answered as it is."""

    owner: str
    id: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Watchlist | Conflict:
        """Restore it, with its audit."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            there = await _find(connection, _ONE, self.owner, self.id)
            if there is not None:
                return there
            deleted = await _find(connection, _DELETED, self.owner, self.id)
            if deleted is None:
                return Conflict.MISSING
            refused = await _refused(connection, self.owner, deleted.name)
            if refused is not None:
                return refused
            after = _watchlist(_there(await connection.fetchrow(_RESTORE, self.id)))
            await audit.write(
                connection, self.owner, "watchlists", self.id, Action.RESTORE, after=after
            )
            return after


async def _refused(connection: Connection, owner: str, name: str) -> Conflict | None:
    """Why a user may have no further list of that name."""
    if await connection.fetchval(_NAMED, owner, name) is not None:
        return Conflict.NAME_TAKEN
    if await connection.fetchval(_COUNT, owner) >= MOST_LISTS:
        return Conflict.TOO_MANY_LISTS
    return None


async def _find(connection: Connection, sql: str, owner: str, row_id: int) -> Watchlist | None:
    row = await connection.fetchrow(sql, owner, row_id)
    return None if row is None else _watchlist(row)


def _there(row: Row | None) -> Row:
    assert row is not None  # noqa: S101 - RETURNING answers the row that was written
    return row


def _watchlist(row: Row) -> Watchlist:
    row_id, name, symbols, created, changed = row.values()
    return Watchlist(row_id, name, symbols, to_ms(created), to_ms(changed))
