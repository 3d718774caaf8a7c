"""The REST API, version 1: quotes and symbols, read from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint, Response
from werkzeug.exceptions import NotFound, ServiceUnavailable, UnprocessableEntity

from stockstream.delivery.messages import GetPresence
from stockstream.delivery.protocol import encode, snapshot_quote
from stockstream.messages import InvalidSymbol, iso_utc, parse_symbol
from stockstream.tables import FEED
from supervision import CallError

if TYPE_CHECKING:
    from web.parts import Parts

PRESENCE_SECONDS = 2.0


class InvalidSymbolError(UnprocessableEntity):
    """The symbol in the address is none."""

    word: ClassVar[str] = "invalid_symbol"


class UnknownSymbolError(NotFound):
    """No provider has told a price of it."""

    word: ClassVar[str] = "unknown_symbol"


class NoAnswerError(ServiceUnavailable):
    """The actor that knows does not answer now."""

    word: ClassVar[str] = "unavailable"


def api(parts: Parts) -> Blueprint:
    """The routes under `/api/v1`."""
    tables = parts.tables
    blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

    def as_of() -> str | None:
        feed = tables.feed.get(FEED)
        return None if feed is None or feed.as_of is None else iso_utc(feed.as_of)

    @blueprint.get("/quotes")
    async def quotes() -> Response:
        rows = [tables.quotes.rows[symbol] for symbol in sorted(tables.quotes)]
        return _json({"as_of": as_of(), "quotes": [snapshot_quote(row) for row in rows]})

    @blueprint.get("/quotes/<symbol>")
    async def quote(symbol: str) -> Response:
        try:
            row = tables.quotes.get(parse_symbol(symbol))
        except InvalidSymbol as error:
            raise InvalidSymbolError(f"{error.given}: {error.reason}") from error
        if row is None:
            raise UnknownSymbolError(f"no price of {symbol.upper()} is known")
        return _json({"as_of": as_of(), "quote": snapshot_quote(row)})

    @blueprint.get("/symbols")
    async def symbols() -> Response:
        feed = tables.feed.get(FEED)
        listed = [
            {"symbol": symbol, "exchange": row.quote.exchange, "currency": row.quote.currency}
            for symbol, row in sorted(tables.quotes.rows.items())
        ]
        return _json({"symbols": listed, "complete": feed is not None and feed.listed})

    @blueprint.get("/presence")
    async def presence() -> Response:
        try:
            here = await parts.manager.call(GetPresence(), timeout=PRESENCE_SECONDS)
        except CallError as error:
            raise NoAnswerError("who is here is not known now; try again", retry_after=1) from error
        node = {
            "node": parts.settings.node,
            "connections": here.connections,
            "subscribed": here.subscribed,
            "everything": here.everything,
        }
        return _json({"nodes": [node], "symbols": here.symbols})

    return blueprint


def _json(value: object) -> Response:
    return Response(encode(value), content_type="application/json")
