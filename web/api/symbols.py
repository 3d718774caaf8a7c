"""The REST API, version 1: which symbols there are, and which one somebody means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import UNSET, UnsetType
from quart import Blueprint

from stockstream.names import all_bundled, bundled_name
from stockstream.quotes import Symbol
from stockstream.symbol_search import Searched, SymbolIndex
from stockstream.upstreams import knows_all
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.api.openapi import documented
from web.parameters import Asked, Parameter, Wrong, once, whole
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quart import Response

    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables
    from web.parts import Parts

LONGEST_QUESTION = 64
QUESTION_PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)
"""Not blanks alone, and no control characters; as JSON Schema writes it, and Python."""
MOST_FOUND = 50
FRESH_SECONDS = 60.0
"""Names seldom change; a new symbol is found at once."""


class SymbolItem(msgspec.Struct, frozen=True):
    """A symbol, with what its provider says of it; its `name` in answers to `q`."""

    symbol: str
    exchange: str | None
    currency: str | None
    name: str | UnsetType | None = UNSET


class SymbolsAnswer(msgspec.Struct, frozen=True):
    """Known symbols; `complete` when the provider's whole list has been seen."""

    symbols: list[SymbolItem]
    complete: bool


class SymbolSearch:
    """The index of all symbols there are, made anew in a thread when there are others."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._limiter = trio.CapacityLimiter(1)
        self._making = trio.Lock()
        self._index = SymbolIndex(())
        self._of = (-1, False)
        self._made_at = -FRESH_SECONDS

    async def find(self, text: str, most: int) -> list[Searched]:
        """The best symbols for what somebody typed."""
        if self._is_old():
            async with self._making:
                if self._is_old():  # nobody else has made it meanwhile
                    await self._make()
        return self._index.find(text, most)

    def _is_old(self) -> bool:
        return self._of != self._now() or trio.current_time() - self._made_at > FRESH_SECONDS

    def _now(self) -> tuple[int, bool]:
        return len(self._tables.quotes.rows), knows_all(self._tables)

    async def _make(self) -> None:
        of, rows = self._now(), list(self._tables.quotes.rows.values())

        def make() -> SymbolIndex:
            return SymbolIndex(_searched(rows, complete=of[1]))

        self._index = await trio.to_thread.run_sync(make, limiter=self._limiter)
        self._of, self._made_at = of, trio.current_time()


def _searched(rows: Sequence[QuoteRow], *, complete: bool) -> Iterator[Searched]:
    """What a provider has told; beside it what is well known, where it has no list of its own."""
    seen: set[str] = set()
    for row in rows:
        quote = row.quote
        seen.add(quote.symbol)
        name = quote.name or bundled_name(quote.symbol, quote.exchange, quote.currency)
        yield Searched(quote.symbol, name)
    if not complete:
        for symbol, name in all_bundled():
            if symbol not in seen:
                yield Searched(symbol, name, listed=False)


def _question() -> Parameter[str | None]:
    def read(given: Sequence[str], _asked: Asked) -> str | None:
        text = once(given)
        if text is None:
            return None
        if len(text) > LONGEST_QUESTION or re.fullmatch(QUESTION_PATTERN, text) is None:
            raise Wrong(f"1 to {LONGEST_QUESTION} characters, not all of them blanks")
        return text

    return Parameter(
        "q",
        "Only the best for this: the beginning of a symbol, or of each of some words of a name.",
        {
            "type": "string",
            "pattern": QUESTION_PATTERN,
            "minLength": 1,
            "maxLength": LONGEST_QUESTION,
        },
        read,
    )


def symbols_api(parts: Parts) -> Blueprint:
    """The route `/api/v1/symbols`."""
    tables = parts.tables
    search = SymbolSearch(tables)
    blueprint = Blueprint("symbols", __name__, url_prefix="/api/v1")
    blueprint.before_request(require(Scope.PRICES_READ))
    question = _question()
    limit = whole("limit", "At most so many, with `q`.", least=1, most=MOST_FOUND, usual=8)

    @blueprint.get("/symbols")
    @documented(SymbolsAnswer, question, limit)
    async def symbols(asked: Asked) -> Response:
        """The symbols there are, or those that somebody may mean by `q`.

        Where a provider has no list, `q` finds well-known ones as well, which it may not tell.
        """
        text = asked[question]
        rows = tables.quotes.rows
        if text is None:
            listed = [
                SymbolItem(symbol, row.quote.exchange, row.quote.currency)
                for symbol, row in sorted(rows.items())
            ]
            return json_answer(SymbolsAnswer(listed, knows_all(tables)))
        items = []
        for symbol, name, _listed in await search.find(text, asked[limit]):
            row = rows.get(Symbol(symbol))
            told = (None, None) if row is None else (row.quote.exchange, row.quote.currency)
            items.append(SymbolItem(symbol, *told, name))
        return json_answer(SymbolsAnswer(items, knows_all(tables)))

    return blueprint
