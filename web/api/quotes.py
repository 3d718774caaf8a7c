"""The REST API, version 1: quotes, read from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from quart import Blueprint, request
from werkzeug.exceptions import NotFound

from stockstream.delivery.messages import GetPresence
from stockstream.quotes import iso_utc
from stockstream.refusals import refusal_of
from stockstream.statuses import NodeClients
from stockstream.symbol_states import away
from stockstream.times import Moment, tell
from stockstream.upstreams import feed_of_all
from stockstream.users.roles import Scope
from supervision import CallError
from web.answers import encoded_answer, json_answer
from web.api.all_quotes import AllQuotes, QuoteItem, QuotesAnswer, quote_item, standing_of
from web.api.openapi import documented
from web.asking import UnavailableError
from web.parameters import SYMBOL
from web.parameters import symbols as symbols_parameter
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quart import Response

    from stockstream.quotes import Symbol
    from web.parameters import Asked
    from web.parts import Parts

PRESENCE_SECONDS = 2.0


class UnknownSymbolError(NotFound):
    """No provider has told a price of it."""

    word: ClassVar[str] = "unknown_symbol"


class SymbolNotServedError(NotFound):
    """There is no price of it, since its provider tells none; the reason says why."""

    word: ClassVar[str] = "symbol_not_served"


class QuoteAnswer(msgspec.Struct, frozen=True):
    """The newest price of one symbol; `as_of` is when the last successful fetch ended."""

    as_of: str | None
    quote: QuoteItem


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
    all_quotes = AllQuotes(parts.connections.book, tables.confirmations.rows, tables.feeds.rows)
    blueprint = Blueprint("quotes", __name__, url_prefix="/api/v1")
    blueprint.before_request(require(Scope.PRICES_READ))

    def as_of() -> str | None:
        feed = feed_of_all(tables.feeds.rows)
        return None if feed is None or feed.as_of is None else iso_utc(tell(feed.as_of))

    named_symbols = symbols_parameter(
        "symbols",
        "Only these, with commas between; those without a price are left out.",
        most=parts.settings.limits.symbols,
    )

    @blueprint.get("/quotes")
    @documented(QuotesAnswer, named_symbols)
    async def quotes(asked: Asked) -> Response:
        """The newest price of every symbol.

        The answer has an ETag: asked again with `If-None-Match`, it is 304 while nothing changed.
        """
        named = asked[named_symbols]
        document = await all_quotes.get() if named is None else all_quotes.of(named)
        response = encoded_answer(document.body)
        response.set_etag(document.etag)
        response.headers["Cache-Control"] = "no-cache"  # kept, and checked each time
        # By the weak comparison: a proxy that compresses has made the tag a weak one.
        return await response.make_conditional(request)

    @blueprint.get("/quotes/<symbol>")
    @documented(QuoteAnswer, SYMBOL, errors=(UnknownSymbolError, SymbolNotServedError))
    async def quote(asked: Asked) -> Response:
        """The newest price of one symbol."""
        row = tables.quotes.get(asked[SYMBOL])
        if row is None:
            refusal = refusal_of(asked[SYMBOL], tables)
            if refusal is not None:
                raise SymbolNotServedError(f"no price of {asked[SYMBOL]}: {refusal.reason}")
            raise UnknownSymbolError(f"no price of {asked[SYMBOL]} is known")
        how = standing_of(
            row, tables.confirmations.rows, Moment.now().milliseconds, away(tables.feeds.rows)
        )
        return json_answer(QuoteAnswer(as_of(), quote_item(row, how)))

    @blueprint.get("/presence")
    @documented(PresenceAnswer, errors=(UnavailableError,))
    async def presence() -> Response:
        """Who is connected, and to what."""
        everywhere = tables.presence.value
        if everywhere is not None:
            return _present(everywhere.nodes, everywhere.symbols)
        try:
            here = await parts.manager.call(GetPresence(), timeout=PRESENCE_SECONDS)
        except CallError as error:
            why = "who is here is not known now; try again"
            raise UnavailableError(why, retry_after=1) from error
        node = NodeClients(parts.settings.node, here.connections, here.subscribed, here.everything)
        return _present([node], here.symbols)

    return blueprint


def _present(nodes: Iterable[NodeClients], symbols: Mapping[Symbol, int]) -> Response:
    told = [NodePresence(n.node, n.connections, n.subscribed, n.everything) for n in nodes]
    most_first = sorted(symbols.items(), key=lambda item: -item[1])
    return json_answer(PresenceAnswer(told, {str(symbol): n for symbol, n in most_first}))
