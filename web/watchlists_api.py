"""`/api/v1/watchlists`: a user's named lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint, Response, request, url_for

from stockstream.delivery.protocol import encode
from stockstream.history.watchlists import (
    LONGEST_NAME,
    MOST_LISTS,
    MOST_SYMBOLS,
    ChangeWatchlist,
    Conflict,
    CreateWatchlist,
    DeleteWatchlist,
    FetchWatchlist,
    FetchWatchlists,
    RestoreWatchlist,
    Watchlist,
)
from stockstream.messages import iso_utc
from web.admin_auth import SAFE_METHODS
from web.bodies import InvalidFieldError, read_body, read_symbols
from web.openapi import ROW, documented
from web.row_errors import CHANGE_ERRORS, MOVE_ERRORS, NEW_ERRORS, ONE_ERRORS, READ_ERRORS
from web.rows import NoSuchRowError, RowConflictError, ask_rows, row_id
from web.user_access import current_user, require_change_allowed

if TYPE_CHECKING:
    from stockstream.history.query import Query
    from supervision import ActorRef

_FIELDS = {
    Conflict.NAME_TAKEN: "name",
    Conflict.TOO_MANY_LISTS: "lists",
    Conflict.TOO_MANY_SYMBOLS: "symbols",
}


class WatchlistItem(msgspec.Struct, frozen=True):
    """A list as it is told; times in UTC."""

    id: int
    name: str
    symbols: list[str]
    created_at: str
    changed_at: str


class WatchlistLimits(msgspec.Struct, frozen=True):
    """How much there may be."""

    lists: int = MOST_LISTS
    symbols: int = MOST_SYMBOLS
    name: int = LONGEST_NAME


class WatchlistsAnswer(msgspec.Struct, frozen=True):
    """All lists of the user, by name."""

    watchlists: list[WatchlistItem]
    limits: WatchlistLimits = WatchlistLimits()


class NewWatchlist(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST and PUT: a list as it shall be."""

    name: str
    symbols: list[str] = []


class WatchlistChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PATCH: what is left out stays; `remove` is taken off, `add` put behind."""

    name: str | None = None
    symbols: list[str] | None = None
    add: list[str] = []
    remove: list[str] = []


def watchlists_api(database: ActorRef) -> Blueprint:
    """The routes. Each asks for the user's cookie; a list of another user is not there."""
    blueprint = Blueprint("watchlists", __name__, url_prefix="/api/v1/watchlists")

    @blueprint.before_request
    async def check() -> None:
        if request.method not in SAFE_METHODS:
            require_change_allowed()
        current_user()

    async def answered(query: Query[Watchlist | Conflict], status: int = 200) -> Response:
        answer = await ask_rows(database, query)
        if answer is Conflict.MISSING:
            raise NoSuchRowError(answer.value)
        if isinstance(answer, Conflict):
            raise RowConflictError(_FIELDS[answer], answer.value)
        response = _json(_item(answer), status)
        if status == 201:
            response.headers["Location"] = url_for("watchlists.one", number=answer.id)
        return response

    @blueprint.get("")
    @documented(WatchlistsAnswer, errors=READ_ERRORS, user=True)
    async def all_of_them() -> Response:
        """The user's lists, by name."""
        found = await ask_rows(database, FetchWatchlists(current_user()))
        return _json(WatchlistsAnswer([_item(watchlist) for watchlist in found]))

    @blueprint.post("")
    @documented(WatchlistItem, status=201, body=NewWatchlist, errors=NEW_ERRORS, user=True)
    async def create() -> Response:
        """Make a list; `Location` says where it is."""
        name, symbols = _read(await read_body(NewWatchlist))
        return await answered(CreateWatchlist(current_user(), name, symbols), 201)

    @blueprint.get("/<number>")
    @documented(WatchlistItem, ROW, errors=ONE_ERRORS, user=True)
    async def one(number: str) -> Response:
        """One list."""
        return await answered(FetchWatchlist(current_user(), row_id(number)))

    @blueprint.put("/<number>")
    @documented(WatchlistItem, ROW, body=NewWatchlist, errors=CHANGE_ERRORS, user=True)
    async def replace(number: str) -> Response:
        """Put a list in the place of one."""
        name, symbols = _read(await read_body(NewWatchlist))
        return await answered(ChangeWatchlist(current_user(), row_id(number), name, symbols))

    @blueprint.patch("/<number>")
    @documented(WatchlistItem, ROW, body=WatchlistChange, errors=CHANGE_ERRORS, user=True)
    async def change(number: str) -> Response:
        """Change a list in part."""
        given = await read_body(WatchlistChange)
        wrong: dict[str, str] = {}
        name = None if given.name is None else _read_name(given.name, wrong)
        symbols = None if given.symbols is None else read_symbols("symbols", given.symbols, wrong)
        add = read_symbols("add", given.add, wrong)
        remove = read_symbols("remove", given.remove, wrong)
        if wrong:
            raise InvalidFieldError(wrong)
        query = ChangeWatchlist(current_user(), row_id(number), name, symbols, add, remove)
        return await answered(query)

    @blueprint.delete("/<number>")
    @documented(WatchlistItem, ROW, errors=MOVE_ERRORS, user=True)
    async def delete(number: str) -> Response:
        """Delete a list; it can be restored."""
        return await answered(DeleteWatchlist(current_user(), row_id(number)))

    @blueprint.post("/<number>/restore")
    @documented(WatchlistItem, ROW, errors=MOVE_ERRORS, user=True)
    async def restore(number: str) -> Response:
        """Bring a deleted list back."""
        return await answered(RestoreWatchlist(current_user(), row_id(number)))

    return blueprint


def _read(given: NewWatchlist) -> tuple[str, list[str]]:
    wrong: dict[str, str] = {}
    name = _read_name(given.name, wrong)
    symbols: list[str] = [*read_symbols("symbols", given.symbols, wrong)]
    if len(symbols) > MOST_SYMBOLS:
        wrong["symbols"] = Conflict.TOO_MANY_SYMBOLS.value
    if wrong:
        raise InvalidFieldError(wrong)
    return name, symbols


def _read_name(given: str, wrong: dict[str, str]) -> str:
    """A name without blanks around it, of what can be seen."""
    name = " ".join(given.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        wrong["name"] = f"1 to {LONGEST_NAME} printable characters"
    return name


def _item(watchlist: Watchlist) -> WatchlistItem:
    times = iso_utc(watchlist.created), iso_utc(watchlist.changed)
    return WatchlistItem(watchlist.id, watchlist.name, watchlist.symbols, *times)


def _json(value: msgspec.Struct, status: int = 200) -> Response:
    return Response(encode(value), status, content_type="application/json")
