"""Watchlists: named lists of symbols, each of one user, in sections where somebody made some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.times import to_ms
from stockstream.users.positions import Position, of_symbols, read_kept, to_keep
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
    section; times in ms since 1970. Positions are the owner's alone: a shared list has none.
    """

    name: str
    symbols: list[str]
    created: int
    changed: int
    sections: list[Section]
    positions: dict[str, Position]


class WantedList(msgspec.Struct, frozen=True):
    """The values of a list that a user asked for; checked."""

    name: str
    symbols: list[str]
    sections: list[Section] = []
    positions: dict[str, Position] = {}


class ListChange(msgspec.Struct, frozen=True):
    """A partial change: None leaves a value; then `remove` is taken off, and `add` appended.

    Two tabs that add and remove do not undo each other's changes; two that replace would. Nor do
    `order`, `sections` and `positions`: what they do not name stays, and what is gone stays gone.
    A position that is None is taken away.
    """

    name: str | None = None
    symbols: list[str] | None = None
    add: list[str] = []
    remove: list[str] = []
    order: list[str] | None = None
    sections: list[Section] | None = None
    positions: dict[str, Position | None] = {}
    positions_anew: bool = False
    """`positions` are all there are afterwards."""

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
            symbols, sections = arranged(order, before.sections)
        else:
            symbols, sections = grouped(order, self.sections)
        told = {**({} if self.positions_anew else before.positions), **self.positions}
        held = {symbol: position for symbol, position in told.items() if position is not None}
        return WantedList(name, symbols, sections, of_symbols(held, symbols))


class Watchlists(OwnedTable[Watchlist, WantedList]):
    """The lists of all users. A name is taken only while its list is not deleted."""

    name = "watchlists"
    columns = "id, name, symbols, created_at, changed_at, sections, positions"
    order = "lower(name)"
    most = MOST_LISTS
    missing = RowRefusal(None, "there is no such list")
    too_many = RowRefusal("lists", f"at most {MOST_LISTS} lists")

    def read(self, row: Row) -> Watchlist:
        """A row as a list. A node of an older version may have changed its symbols alone."""
        number, name, said, created, changed, told, held = list(row.values())[:7]
        symbols, sections = arranged(said, msgspec.json.decode(told, type=list[Section]))
        positions = of_symbols(read_kept(held), symbols)
        times = to_ms(created), to_ms(changed)
        return Watchlist(number, name, symbols, *times, sections, positions)

    def values(self, said: Watchlist | WantedList) -> dict[str, object]:
        """What a list holds."""
        sections = msgspec.json.encode(said.sections).decode()
        positions = to_keep(said.positions)
        return {
            "name": said.name,
            "symbols": said.symbols,
            "sections": sections,
            "positions": positions,
        }

    async def clash(
        self, connection: Connection, owner: str, said: Watchlist | WantedList, but: int
    ) -> RowRefusal | None:
        """Too long, or named as another one."""
        if len(said.symbols) > MOST_SYMBOLS:
            return TOO_MANY_SYMBOLS
        named = await connection.fetchval(_NAMED, owner, said.name, but)
        return None if named is None else NAME_TAKEN


WATCHLISTS = Watchlists()
NO_LIST = Watchlist(0, "", [], 0, 0, [], {})
"""What a change makes a new list of."""
