"""Lists as files: `/api/v1/watchlists/read`, `/write` and `/{number}/file`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import trio
from msgspec import Meta
from quart import Blueprint

from stockstream.upstreams import knows_all
from stockstream.users.list_files.encodings import NotReadable
from stockstream.users.list_files.names import Listed
from stockstream.users.list_files.reading import (
    MOST_BYTES,
    Entry,
    Unread,
    read_list,
)
from stockstream.users.list_files.writing import as_csv, as_text
from stockstream.users.rows import FetchRow
from stockstream.users.watchlists import NO_LIST, WATCHLISTS
from web.answers import json_answer
from web.api.bodies import InvalidFieldError, read_body
from web.api.errors import ONE_ERRORS, SEEN_ERRORS
from web.api.openapi import documented
from web.api.rows import ROW, ask_row
from web.api.watchlists import NewWatchlist, read_list_change
from web.parameters import choice
from web.users.access import admit_user, current_user

if TYPE_CHECKING:
    from quart import Response

    from stockstream.tables import Tables
    from stockstream.users.watchlists import WantedList, Watchlist
    from web.parameters import Asked
    from web.parts import Parts

PATH = "/api/v1/watchlists/read"
LARGEST_BODY = 4 * MOST_BYTES // 3 + 1024
"""Of that path, in base64; others take less."""

Format = Literal["csv", "text"]
_FORMATS: tuple[Format, ...] = ("csv", "text")
_TYPES: dict[Format, str] = {"csv": "text/csv", "text": "text/plain"}

FORMAT = choice(
    "format",
    "`csv` has a header, `text` is symbols with commas between, as TradingView reads it.",
    _FORMATS,
    "csv",
)


class ListFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as it is, in base64: CSV with a header, or symbols with commas between."""

    content: Annotated[bytes, Meta(extra_json_schema={"maxLength": 4 * MOST_BYTES // 3 + 4})]


class ReadListAnswer(msgspec.Struct, frozen=True):
    """What was read, and what was not understood. Nothing is changed by it.

    An entry without a symbol is an empty section. Numbers are decimal texts.
    """

    kind: Format
    entries: list[Entry]
    unread: list[Unread]


class WrittenList(msgspec.Struct, frozen=True):
    """A list as a file."""

    file_name: str
    media_type: str
    text: str


def list_files_api(parts: Parts) -> Blueprint:
    """The routes. Each needs the user's cookie; the lists of other users are not found."""
    blueprint = Blueprint("list_files", __name__, url_prefix="/api/v1/watchlists")

    # The largest file takes a part of a second, in which prices go on.
    reader = trio.CapacityLimiter(1)

    blueprint.before_request(admit_user)

    @blueprint.post("/read")
    @documented(ReadListAnswer, body=ListFile, errors=SEEN_ERRORS, user=True)
    async def read() -> Response:
        """Read a list that another program has written.

        At most 192 KB, in UTF-8, UTF-16 or Windows-1252. Columns are found by their names: Symbol,
        Quantity, Purchase Price and the like, as brokers call them. What they write beside symbols,
        and symbols that no feed lists, are in `unread` with the reason. An exchange before a symbol
        leads to the symbol that the feeds list.
        """
        given = await read_body(ListFile)
        try:
            found = await trio.to_thread.run_sync(
                read_list, given.content, listed(parts.tables), limiter=reader
            )
        except NotReadable as error:
            raise InvalidFieldError({"content": str(error)}) from error
        kind: Format = "csv" if found.kind == "csv" else "text"
        return json_answer(ReadListAnswer(kind, found.entries, found.unread))

    @blueprint.post("/write")
    @documented(WrittenList, FORMAT, body=NewWatchlist, errors=SEEN_ERRORS, user=True)
    async def write(asked: Asked) -> Response:
        """Write a list that is not kept here as a file."""
        change = read_list_change(await read_body(NewWatchlist))
        return json_answer(_written(change.of(NO_LIST), asked[FORMAT], parts.tables))

    @blueprint.get("/<row:number>/file")
    @documented(WrittenList, ROW, FORMAT, errors=ONE_ERRORS, user=True)
    async def one(asked: Asked) -> Response:
        """A list as a file."""
        found = await ask_row(parts.database, FetchRow(WATCHLISTS, current_user(), asked[ROW]))
        return json_answer(_written(found, asked[FORMAT], parts.tables))

    return blueprint


def listed(tables: Tables) -> Listed:
    """The symbols that there are, for names that others give them."""
    rows = tables.quotes.rows
    exchanges: dict[str, str | None] = {name: row.quote.exchange for name, row in rows.items()}
    return Listed(exchanges, knows_all(tables))


def _written(found: Watchlist | WantedList, kind: Format, tables: Tables) -> WrittenList:
    name = "".join(letter if letter.isalnum() else "-" for letter in found.name).strip("-")
    if kind == "csv":
        figures = {
            symbol: (held.quantity, held.cost, held.currency)
            for symbol, held in found.positions.items()
        }
        text = as_csv(found.symbols, found.sections, figures)
    else:
        text = as_text(found.symbols, found.sections, listed(tables))
    return WrittenList(f"{name or 'list'}.{'csv' if kind == 'csv' else 'txt'}", _TYPES[kind], text)
