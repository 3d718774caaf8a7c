"""`GET /api/v1/sparks`: the course of the day of many symbols, for the lines in the watch list."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint, request

from stockstream.database import freshness
from stockstream.delivery.protocol import encode
from stockstream.history.sparks import BIN_MS, FetchSparks, Wanted
from stockstream.market.exchange_days import day_at
from stockstream.market.exchange_zones import zone_of
from stockstream.users.roles import Scope
from web.answers import encoded_answer
from web.api.openapi import documented
from web.api.spark_shelf import SparkItem, SparkShelf, tag_of
from web.asking import DATABASE_ERRORS, ask_database
from web.parameters import Parameter, Wrong, symbols
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quart import Response

    from stockstream.database.query import Answered
    from stockstream.history.sparks import Spark
    from stockstream.quotes import Symbol
    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables
    from supervision import ActorRef
    from web.parameters import Asked

MOST_SYMBOLS = 100
_TAIL = b"]}"
_AGE: dict[str, object] = {
    "Age": {
        "description": "What is here was recorded so many seconds ago or before, and what came "
        "since may be missing: answers are kept for a minute.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


class SparksAnswer(msgspec.Struct, frozen=True):
    """The course of the day of each symbol that has a price, in the order asked for."""

    bin_seconds: int
    sparks: list[SparkItem]


_GIVEN = symbols(
    "symbols", "With commas between; those without a price are left out.", most=MOST_SYMBOLS
)


def _read_symbols(given: Sequence[str], asked: Asked) -> list[Symbol]:
    found = _GIVEN.read(given, asked)
    if found is None:
        raise Wrong("missing; symbols with commas between")
    return found


SPARK_SYMBOLS = Parameter(
    _GIVEN.name, _GIVEN.description, _GIVEN.schema, _read_symbols, required=True
)


def sparks_api(tables: Tables, database: ActorRef) -> Blueprint:
    """The route. The tables tell which day a symbol is in, the database what was recorded of it."""
    blueprint = Blueprint("sparks", __name__, url_prefix="/api/v1")
    blueprint.before_request(require(Scope.HISTORY_READ))

    async def read(wanted: Mapping[Symbol, Wanted]) -> Answered[dict[str, Spark]]:
        return await ask_database(database, FetchSparks(wanted))

    shelf = SparkShelf(read)

    @blueprint.get("/sparks")
    @documented(SparksAnswer, SPARK_SYMBOLS, errors=DATABASE_ERRORS, headers=_AGE)
    async def sparks(asked: Asked) -> Response:
        """The course of the day of many symbols.

        The last price of every ten minutes of the day that the symbol's newest price belongs to:
        before the exchange opens, that is the last day it has traded. It is the day that the change
        is of. Prices of the last minute may be missing. The answer has an ETag: asked again with
        `If-None-Match`, it is 304 while nothing changed.
        """
        rows = ((symbol, tables.quotes.get(symbol)) for symbol in asked[SPARK_SYMBOLS])
        found = await shelf.get({symbol: wanted_of(row) for symbol, row in rows if row is not None})
        head = encode(SparksAnswer(BIN_MS // 1000, [])).removesuffix(_TAIL)
        response = encoded_answer(b"".join((head, b",".join(one.body for one in found), _TAIL)))
        age = max((one.as_of.age for one in found), default=0.0)
        if age >= freshness.TOLD_SECONDS:
            response.headers["Age"] = str(math.ceil(age))
        response.set_etag(tag_of(found))
        response.headers["Cache-Control"] = "no-cache"  # kept, and checked each time
        return await response.make_conditional(request)

    return blueprint


def wanted_of(row: QuoteRow) -> Wanted:
    """The day that the change of a symbol is of, and its currency."""
    quote = row.quote
    if row.day is not None:
        return Wanted(row.day.day, quote.currency)
    # From an older node.
    moment = min(quote.timestamp, quote.received)
    return Wanted(day_at(zone_of(quote.exchange, quote.symbol), moment), quote.currency)
