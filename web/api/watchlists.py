"""`/api/v1/watchlists`: a user's named lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta
from quart import Blueprint, url_for

from stockstream.quotes import iso_utc
from stockstream.users import positions as held
from stockstream.users.list_files.names import LONGEST_SHOWN
from stockstream.users.positions import Position
from stockstream.users.rows import (
    ChangeRow,
    CreateRow,
    DeletedRow,
    DeleteRow,
    FetchRow,
    FetchRows,
    RestoreRow,
    RowRefusal,
)
from stockstream.users.sections import LONGEST_SECTION_NAME, MOST_SECTIONS, Section
from stockstream.users.watchlists import (
    LONGEST_NAME,
    MOST_LISTS,
    MOST_SYMBOLS,
    NO_LIST,
    TOO_MANY_SYMBOLS,
    WATCHLISTS,
    ListChange,
    Watchlist,
)
from web.answers import json_answer
from web.api.answers import made
from web.api.bodies import InvalidFieldError, SymbolText, read_body, read_symbols
from web.api.errors import CHANGE_ERRORS, MOVE_ERRORS, NEW_ERRORS, ONE_ERRORS, READ_ERRORS
from web.api.openapi import documented
from web.api.rows import DELETED_CURSOR, ROW, ask_row, deleted_page
from web.asking import ask_database
from web.parameters import Wrong, read_symbol
from web.users.access import admit_user, current_user, require_new_row_allowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response

    from stockstream.database.query import Query
    from supervision import ActorRef
    from web.parameters import Asked


class WatchlistItem(msgspec.Struct, frozen=True):
    """A list; times in UTC. `symbols` are all that are on it, from top to bottom; `sections` tells
    which of them are in which. `positions`, by symbol, are told to the owner alone.
    """

    id: int
    name: str
    symbols: list[str]
    created_at: str
    changed_at: str
    sections: list[Section]
    positions: dict[str, Position]


class WatchlistLimits(msgspec.Struct, frozen=True):
    """The limits."""

    lists: int = MOST_LISTS
    symbols: int = MOST_SYMBOLS
    name: int = LONGEST_NAME
    sections: int = MOST_SECTIONS


class WatchlistsAnswer(msgspec.Struct, frozen=True):
    """All lists of the user, by name."""

    watchlists: list[WatchlistItem]
    limits: WatchlistLimits = WatchlistLimits()


class DeletedWatchlist(WatchlistItem, frozen=True):
    """A list that was deleted, and when."""

    deleted_at: str


class DeletedWatchlists(msgspec.Struct, frozen=True):
    """Lists that can be restored, the last ones first, 20 at once; `next_cursor` asks for those
    that were deleted before, null when there are none.
    """

    watchlists: list[DeletedWatchlist]
    next_cursor: str | None


# Schemas for the document. `read_list_change` and the functions below it check them, and name
# everything that is wrong at once.
Name = Annotated[
    str, Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"\S"})
]
Symbols = Annotated[list[SymbolText], Meta(extra_json_schema={"maxItems": MOST_SYMBOLS})]
SectionName = Annotated[
    str,
    Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_SECTION_NAME, "pattern": r"\S"}),
]


class WantedSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section: its name, its symbols in order, and whether it shows its name only."""

    name: SectionName
    symbols: Symbols = []
    folded: bool = False


Quantity = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^{held.QUANTITY}$", "examples": ["10", "-0.5"]})
]
Cost = Annotated[str, Meta(extra_json_schema={"pattern": f"^{held.COST}$", "examples": ["172.35"]})]
Currency = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^{held.CURRENCY}$", "examples": ["USD"]})
]


class WantedPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is held of a symbol: decimal texts, which are kept exactly. A `quantity` is not 0, and
    below 0 for a short position; `cost` is that of one, in `currency` (that of the price, unless
    told).
    """

    quantity: Quantity
    cost: Cost | None = None
    currency: Currency | None = None


Sections = Annotated[list[WantedSection], Meta(extra_json_schema={"maxItems": MOST_SECTIONS})]


class NewWatchlist(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST and PUT: the list. Symbols of a section need not be in `symbols` as well.
    A PUT without `sections` leaves them as they are, and without `positions` those, too.
    """

    name: Name
    symbols: Symbols = []
    sections: Sections | None = None
    positions: dict[str, WantedPosition] | None = None


class WatchlistChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PATCH. What is left out stays; `remove` is removed, `add` is added.

    `order` brings the symbols that it names to the front, in this order. `sections` are all there
    are afterwards, in this order. Symbols that are not on the list are passed over in both.
    `positions` are set by symbol, null takes one away; those of symbols not on the list are passed
    over, and a symbol that goes takes its own along.
    """

    name: Name | None = None
    symbols: Symbols | None = None
    add: Symbols = []
    remove: Symbols = []
    order: Symbols | None = None
    sections: Sections | None = None
    positions: dict[str, WantedPosition | None] = {}


def watchlists_api(database: ActorRef) -> Blueprint:
    """The routes. Each needs the user's cookie; the lists of other users are not found."""
    blueprint = Blueprint("watchlists", __name__, url_prefix="/api/v1/watchlists")

    blueprint.before_request(admit_user)

    async def answered(query: Query[Watchlist | RowRefusal]) -> Response:
        return json_answer(_item(await ask_row(database, query)))

    @blueprint.get("")
    @documented(WatchlistsAnswer, errors=READ_ERRORS, user=True)
    async def all_of_them() -> Response:
        """The user's lists, by name."""
        found = (await ask_database(database, FetchRows(WATCHLISTS, current_user()))).value
        return json_answer(WatchlistsAnswer([_item(watchlist) for watchlist in found]))

    @blueprint.post("")
    @documented(WatchlistItem, status=201, body=NewWatchlist, errors=NEW_ERRORS, user=True)
    async def create() -> Response:
        """Make a list; `Location` says where it is."""
        change = read_list_change(await read_body(NewWatchlist))
        require_new_row_allowed()
        wanted = change.of(NO_LIST)
        row = await ask_row(database, CreateRow(WATCHLISTS, current_user(), wanted))
        return made(_item(row), url_for("watchlists.one", number=row.id))

    @blueprint.get("/deleted")
    @documented(DeletedWatchlists, DELETED_CURSOR, errors=READ_ERRORS, user=True)
    async def deleted(asked: Asked) -> Response:
        """Lists that the user deleted of late, and can restore."""
        place = asked[DELETED_CURSOR]
        found, following = await deleted_page(database, WATCHLISTS, current_user(), place)
        return json_answer(DeletedWatchlists([_deleted(gone) for gone in found], following))

    @blueprint.get("/<row:number>")
    @documented(WatchlistItem, ROW, errors=ONE_ERRORS, user=True)
    async def one(asked: Asked) -> Response:
        """One list."""
        return await answered(FetchRow(WATCHLISTS, current_user(), asked[ROW]))

    @blueprint.put("/<row:number>")
    @documented(WatchlistItem, ROW, body=NewWatchlist, errors=CHANGE_ERRORS, user=True)
    async def replace(asked: Asked) -> Response:
        """Replace a list."""
        change = read_list_change(await read_body(NewWatchlist))
        return await answered(ChangeRow(WATCHLISTS, current_user(), asked[ROW], change.of))

    @blueprint.patch("/<row:number>")
    @documented(WatchlistItem, ROW, body=WatchlistChange, errors=CHANGE_ERRORS, user=True)
    async def change(asked: Asked) -> Response:
        """Change a list in part."""
        given = await read_body(WatchlistChange)
        wrong: dict[str, str] = {}
        change = ListChange(
            None if given.name is None else _read_name(given.name, wrong),
            None if given.symbols is None else _read_symbols("symbols", given.symbols, wrong),
            _read_symbols("add", given.add, wrong),
            _read_symbols("remove", given.remove, wrong),
            None if given.order is None else _read_symbols("order", given.order, wrong),
            None if given.sections is None else _read_sections(given.sections, wrong),
            _read_positions(given.positions, wrong),
        )
        if wrong:
            raise InvalidFieldError(wrong)
        return await answered(ChangeRow(WATCHLISTS, current_user(), asked[ROW], change.of))

    @blueprint.delete("/<row:number>")
    @documented(WatchlistItem, ROW, errors=MOVE_ERRORS, user=True)
    async def delete(asked: Asked) -> Response:
        """Delete a list; it can be restored."""
        return await answered(DeleteRow(WATCHLISTS, current_user(), asked[ROW]))

    @blueprint.post("/<row:number>/restore")
    @documented(WatchlistItem, ROW, errors=MOVE_ERRORS, user=True)
    async def restore(asked: Asked) -> Response:
        """Bring a deleted list back."""
        return await answered(RestoreRow(WATCHLISTS, current_user(), asked[ROW]))

    return blueprint


def read_list_change(given: NewWatchlist) -> ListChange:
    """The list that a body asks for, as a change of another.

    Raises:
        InvalidFieldError: naming everything that is wrong.
    """
    wrong: dict[str, str] = {}
    name = _read_name(given.name, wrong)
    symbols = _read_symbols("symbols", given.symbols, wrong)
    sections = None if given.sections is None else _read_sections(given.sections, wrong)
    positions = _read_positions(given.positions or {}, wrong)
    if wrong:
        raise InvalidFieldError(wrong)
    inside = [symbol for section in sections or [] for symbol in section.symbols]
    return ListChange(
        name,
        list(dict.fromkeys([*symbols, *inside])),
        sections=sections,
        positions=positions,
        positions_anew=given.positions is not None,
    )


def _read_positions(
    given: Mapping[str, WantedPosition | None], wrong: dict[str, str]
) -> dict[str, Position | None]:
    if len(given) > MOST_SYMBOLS:
        wrong["positions"] = TOO_MANY_SYMBOLS.reason
        return {}
    read: dict[str, Position | None] = {}
    for text, told in given.items():
        field = f"positions.{text[:LONGEST_SHOWN]}"
        try:
            symbol = read_symbol(text)
        except Wrong as error:
            wrong[field] = str(error)
            continue
        read[symbol] = None
        if told is not None:
            position = Position(told.quantity, told.cost, told.currency)
            faults = held.wrong_in(position)
            wrong.update({f"{field}.{name}": why for name, why in faults.items()})
            read[symbol] = None if faults else held.plain(position)
    return read


def _read_sections(given: list[WantedSection], wrong: dict[str, str]) -> list[Section]:
    if len(given) > MOST_SECTIONS:
        wrong["sections"] = f"at most {MOST_SECTIONS} sections in a list"
        return []
    sections: list[Section] = []
    taken: set[str] = set()
    for place, section in enumerate(given):
        name = _printable(section.name, LONGEST_SECTION_NAME)
        if name is None:
            wrong[f"sections[{place}].name"] = f"1 to {LONGEST_SECTION_NAME} printable characters"
            continue
        if name.casefold() in taken:
            wrong[f"sections[{place}].name"] = "another section has this name"
        taken.add(name.casefold())
        symbols = _read_symbols(f"sections[{place}].symbols", section.symbols, wrong)
        sections.append(Section(name, symbols, section.folded))
    return sections


def _read_symbols(field: str, given: list[str], wrong: dict[str, str]) -> list[str]:
    if len(given) > MOST_SYMBOLS:
        wrong[field] = TOO_MANY_SYMBOLS.reason
        return []
    return [*read_symbols(field, given, wrong)]


def _read_name(given: str, wrong: dict[str, str]) -> str:
    name = _printable(given, LONGEST_NAME)
    if name is None:
        wrong["name"] = f"1 to {LONGEST_NAME} printable characters"
    return name or ""


def _printable(given: str, most: int) -> str | None:
    """The text without blanks around it, if all of it can be seen."""
    text = " ".join(given.split())
    return text if 0 < len(text) <= most and text.isprintable() else None


def _item(watchlist: Watchlist) -> WatchlistItem:
    times = iso_utc(watchlist.created), iso_utc(watchlist.changed)
    shown = watchlist.sections, watchlist.positions
    return WatchlistItem(watchlist.id, watchlist.name, watchlist.symbols, *times, *shown)


def _deleted(gone: DeletedRow[Watchlist]) -> DeletedWatchlist:
    item = msgspec.structs.asdict(_item(gone.row))
    return DeletedWatchlist(**item, deleted_at=iso_utc(gone.deleted))
