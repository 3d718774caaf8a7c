"""The REST API, version 1: quotes and symbols, read from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound, ServiceUnavailable, UnprocessableEntity

from stockstream.delivery.messages import GetPresence
from stockstream.delivery.protocol import SnapshotQuote, encode, snapshot_quote
from stockstream.quotes import SYMBOLS_PATTERN, InvalidSymbol, iso_utc, parse_symbol
from stockstream.tables import FEED
from stockstream.times import tell
from supervision import CallError
from web.api.all_quotes import AllQuotes, QuotesAnswer
from web.api.openapi import SYMBOL, Parameter, documented
from web.api.parameters import InvalidParameterError, Parameters

if TYPE_CHECKING:
    from web.parts import Parts

PRESENCE_SECONDS = 2.0
SYMBOLS = Parameter(
    "symbols",
    "Only these, with commas between; those without a price are left out.",
    {"type": "string", "pattern": SYMBOLS_PATTERN, "examples": ["AAPL,MSFT"]},
)


class InvalidSymbolError(UnprocessableEntity):
    """The symbol in the address is none."""

    word: ClassVar[str] = "invalid_symbol"


class UnknownSymbolError(NotFound):
    """No provider has told a price of it."""

    word: ClassVar[str] = "unknown_symbol"


class NoAnswerError(ServiceUnavailable):
    """The actor that knows does not answer now."""

    word: ClassVar[str] = "unavailable"


class QuoteAnswer(msgspec.Struct, frozen=True):
    """The newest price of one symbol; `as_of` is when the last successful fetch ended."""

    as_of: str | None
    quote: SnapshotQuote


class SymbolItem(msgspec.Struct, frozen=True):
    """A symbol, with what its provider says of it."""

    symbol: str
    exchange: str | None
    currency: str | None


class SymbolsAnswer(msgspec.Struct, frozen=True):
    """Known symbols; `complete` when the provider's whole list has been seen."""

    symbols: list[SymbolItem]
    complete: bool


class NodePresence(msgspec.Struct, frozen=True):
    """A node's clients: connected, with a subscription, subscribed to everything."""

    node: str
    connections: int
    subscribed: int
    everything: int


class PresenceAnswer(msgspec.Struct, frozen=True):
    """Who is here: by node, and how many subscribe to each symbol by name."""

    nodes: list[NodePresence]
    symbols: dict[str, int]


def api(parts: Parts) -> Blueprint:
    """The routes under `/api/v1`."""
    tables = parts.tables
    all_quotes = AllQuotes(parts.connections.book)
    blueprint = Blueprint("quotes", __name__, url_prefix="/api/v1")

    def as_of() -> str | None:
        feed = tables.feed.get(FEED)
        return None if feed is None or feed.as_of is None else iso_utc(tell(feed.as_of))

    @blueprint.get("/quotes")
    @documented(
        QuotesAnswer,
        SYMBOLS,
        errors=(InvalidParameterError,),
    )
    async def quotes() -> Response:
        """The newest price of every symbol.

        The answer has an ETag: asked again with `If-None-Match`, it is 304 while nothing changed.
        """
        parameters = Parameters(request.args.to_dict(flat=False), ("symbols",))
        named = parameters.symbols("symbols", most=parts.settings.limits.symbols)
        parameters.check()
        document = await all_quotes.get() if named is None else all_quotes.of(named)
        response = Response(document.body, content_type="application/json")
        response.set_etag(document.etag)
        response.headers["Cache-Control"] = "no-cache"  # kept, and checked each time
        # By the weak comparison: a proxy that compresses has made the tag a weak one.
        return await response.make_conditional(request)

    @blueprint.get("/quotes/<symbol>")
    @documented(QuoteAnswer, SYMBOL, errors=(InvalidSymbolError, UnknownSymbolError))
    async def quote(symbol: str) -> Response:
        """The newest price of one symbol."""
        try:
            row = tables.quotes.get(parse_symbol(symbol))
        except InvalidSymbol as error:
            raise InvalidSymbolError(f"{error.given}: {error.reason}") from error
        if row is None:
            raise UnknownSymbolError(f"no price of {symbol.upper()} is known")
        return _json(QuoteAnswer(as_of(), snapshot_quote(row)))

    @blueprint.get("/symbols")
    @documented(SymbolsAnswer)
    async def symbols() -> Response:
        """The symbols there are."""
        feed = tables.feed.get(FEED)
        listed = [
            SymbolItem(symbol, row.quote.exchange, row.quote.currency)
            for symbol, row in sorted(tables.quotes.rows.items())
        ]
        return _json(SymbolsAnswer(listed, feed is not None and feed.listed))

    @blueprint.get("/presence")
    @documented(PresenceAnswer, errors=(NoAnswerError,))
    async def presence() -> Response:
        """Who is connected, and to what."""
        try:
            here = await parts.manager.call(GetPresence(), timeout=PRESENCE_SECONDS)
        except CallError as error:
            raise NoAnswerError("who is here is not known now; try again", retry_after=1) from error
        node = NodePresence(parts.settings.node, here.connections, here.subscribed, here.everything)
        wanted = {str(symbol): count for symbol, count in here.symbols.items()}
        return _json(PresenceAnswer([node], wanted))

    return blueprint


def _json(value: msgspec.Struct) -> Response:
    return Response(encode(value), content_type="application/json")
