"""Watchlists: named lists of symbols, each of one browser user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.times import to_ms
from stockstream.users.rows import OwnedRow, OwnedTable, RowRefusal

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

MOST_LISTS = 20
MOST_SYMBOLS = 200
LONGEST_NAME = 60

NAME_TAKEN = RowRefusal("name", "another list has this name")
TOO_MANY_SYMBOLS = RowRefusal("symbols", f"at most {MOST_SYMBOLS} symbols in a list")

_NAMED = """
SELECT id FROM watchlists
WHERE owner = $1 AND lower(name) = lower($2) AND deleted_at IS NULL AND id <> $3
"""


class Watchlist(OwnedRow, frozen=True):
    """A list. `symbols` in the user's order, each once; times in ms since 1970."""

    name: str
    symbols: list[str]
    created: int
    changed: int


class WantedList(msgspec.Struct, frozen=True):
    """The values of a list that a user asked for; checked."""

    name: str
    symbols: list[str]


class ListChange(msgspec.Struct, frozen=True):
    """A partial change: None leaves a value; then `remove` is taken off, and `add` appended.

    Two tabs that add and remove do not undo each other's changes; two that replace would.
    """

    name: str | None = None
    symbols: list[str] | None = None
    add: list[str] = []
    remove: list[str] = []

    def of(self, before: Watchlist) -> WantedList:
        """The list that `before` becomes."""
        name = before.name if self.name is None else self.name
        symbols = before.symbols if self.symbols is None else self.symbols
        kept = dict.fromkeys(symbol for symbol in symbols if symbol not in self.remove)
        return WantedList(name, list(kept | dict.fromkeys(self.add)))


class Watchlists(OwnedTable[Watchlist, WantedList]):
    """The lists of all users. A name is taken only while its list is not deleted."""

    name = "watchlists"
    columns = "id, name, symbols, created_at, changed_at"
    order = "lower(name)"
    most = MOST_LISTS
    missing = RowRefusal(None, "there is no such list")
    too_many = RowRefusal("lists", f"at most {MOST_LISTS} lists")

    def read(self, row: Row) -> Watchlist:
        """A row as a list."""
        number, name, symbols, created, changed = list(row.values())[:5]
        return Watchlist(number, name, symbols, to_ms(created), to_ms(changed))

    def values(self, said: Watchlist | WantedList) -> dict[str, object]:
        """What a list holds."""
        return {"name": said.name, "symbols": said.symbols}

    async def clash(
        self, connection: Connection, owner: str, said: Watchlist | WantedList, but: int
    ) -> RowRefusal | None:
        """Too long, or named as another one."""
        if len(said.symbols) > MOST_SYMBOLS:
            return TOO_MANY_SYMBOLS
        named = await connection.fetchval(_NAMED, owner, said.name, but)
        return None if named is None else NAME_TAKEN


WATCHLISTS = Watchlists()
