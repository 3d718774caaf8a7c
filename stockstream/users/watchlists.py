"""Watchlists: named lists of symbols, each of one user, in sections where somebody made some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.times import to_ms
from stockstream.users.rows import OwnedRow, OwnedTable, RowRefusal
from stockstream.users.sections import Section, arranged, grouped

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

MOST_LISTS = 20
MOST_SYMBOLS = 1_000
"""As many as one page may subscribe to."""
LONGEST_NAME = 60

NAME_TAKEN = RowRefusal("name", "another list has this name")
TOO_MANY_SYMBOLS = RowRefusal("symbols", f"at most {MOST_SYMBOLS} symbols in a list")

_NAMED = """
SELECT id FROM watchlists
WHERE owner = $1 AND lower(name) = lower($2) AND deleted_at IS NULL AND id <> $3
"""


class Watchlist(OwnedRow, frozen=True):
    """A list. `symbols` in the user's order, each once: those of no section, then those of each
    section; times in ms since 1970.
    """

    name: str
    symbols: list[str]
    created: int
    changed: int
    sections: list[Section]


class WantedList(msgspec.Struct, frozen=True):
    """The values of a list that a user asked for; checked."""

    name: str
    symbols: list[str]
    sections: list[Section] = []


class ListChange(msgspec.Struct, frozen=True):
    """A partial change: None leaves a value; then `remove` is taken off, and `add` appended.

    Two tabs that add and remove do not undo each other's changes; two that replace would. Nor do
    `order` and `sections`: what they do not name stays, and what is gone stays gone.
    """

    name: str | None = None
    symbols: list[str] | None = None
    add: list[str] = []
    remove: list[str] = []
    order: list[str] | None = None
    sections: list[Section] | None = None

    def of(self, before: Watchlist) -> WantedList:
        """The list that `before` becomes."""
        name = before.name if self.name is None else self.name
        symbols = before.symbols if self.symbols is None else self.symbols
        removed = set(self.remove)
        kept = dict.fromkeys(symbol for symbol in symbols if symbol not in removed)
        kept |= dict.fromkeys(self.add)
        first = [] if self.order is None else [symbol for symbol in self.order if symbol in kept]
        order = list(dict.fromkeys(first) | kept)
        if self.sections is None:
            return WantedList(name, *arranged(order, before.sections))
        return WantedList(name, *grouped(order, self.sections))


class Watchlists(OwnedTable[Watchlist, WantedList]):
    """The lists of all users. A name is taken only while its list is not deleted."""

    name = "watchlists"
    columns = "id, name, symbols, created_at, changed_at, sections"
    order = "lower(name)"
    most = MOST_LISTS
    missing = RowRefusal(None, "there is no such list")
    too_many = RowRefusal("lists", f"at most {MOST_LISTS} lists")

    def read(self, row: Row) -> Watchlist:
        """A row as a list. A node of an older version may have changed its symbols alone."""
        number, name, said, created, changed, told = list(row.values())[:6]
        symbols, sections = arranged(said, msgspec.json.decode(told, type=list[Section]))
        return Watchlist(number, name, symbols, to_ms(created), to_ms(changed), sections)

    def values(self, said: Watchlist | WantedList) -> dict[str, object]:
        """What a list holds."""
        sections = msgspec.json.encode(said.sections).decode()
        return {"name": said.name, "symbols": said.symbols, "sections": sections}

    async def clash(
        self, connection: Connection, owner: str, said: Watchlist | WantedList, but: int
    ) -> RowRefusal | None:
        """Too long, or named as another one."""
        if len(said.symbols) > MOST_SYMBOLS:
            return TOO_MANY_SYMBOLS
        named = await connection.fetchval(_NAMED, owner, said.name, but)
        return None if named is None else NAME_TAKEN


WATCHLISTS = Watchlists()
NO_LIST = Watchlist(0, "", [], 0, 0, [])
"""What a change makes a new list of."""
