"""What the upstreams say of symbols, for operators: which are stale, and why one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.quotes import Symbol, iso_utc
from stockstream.symbol_states import away, confirmed_at, stale_by_reason, standing
from stockstream.times import Moment, tell

if TYPE_CHECKING:
    from stockstream.statuses import Confirmations, Rejection
    from stockstream.tables import Tables

SYMBOLS_NAMED = 20
"""Of the stale symbols of one reason, so many are named."""


class StaleSymbols(msgspec.Struct, frozen=True):
    """The stale symbols of one reason: how many, and the first of them."""

    reason: str
    count: int
    some: list[Symbol]


class SymbolsDocument(msgspec.Struct, frozen=True):
    """What an upstream confirmed: in its last answer, before that, and not any more."""

    told: int
    unasked: int
    stale: list[StaleSymbols]


class Refusal(msgspec.Struct, frozen=True):
    """Why a symbol was last refused; `detail` quotes the provider."""

    reason: str
    detail: str
    at: str


class UpstreamSymbol(msgspec.Struct, frozen=True):
    """What one upstream says of a symbol; `confirmed` is None if it never told it acceptably."""

    upstream: str
    confirmed: str | None
    lapsed: str | None
    refused: Refusal | None


class SymbolDocument(msgspec.Struct, frozen=True):
    """All that is known of how a symbol stands. `source` told the price that is shown."""

    symbol: str
    price: float | None
    timestamp: str | None
    source: str | None
    changed: str | None
    state: str | None
    reason: str | None
    confirmed: str | None
    upstreams: list[UpstreamSymbol]


def symbols_of(row: Confirmations | None) -> SymbolsDocument | None:
    """How the symbols of an upstream stand now; None before its first answer."""
    if row is None:
        return None
    stale = [
        StaleSymbols(reason, len(symbols), sorted(symbols)[:SYMBOLS_NAMED])
        for reason, symbols in stale_by_reason(row, Moment.now().milliseconds).items()
    ]
    return SymbolsDocument(len(row.told), len(row.unasked), stale)


def symbol_document(tables: Tables, symbol: Symbol) -> SymbolDocument | None:
    """How a symbol stands now; None for one that nobody told, acceptably or not."""
    rows, quote = tables.confirmations.rows, tables.quotes.get(symbol)
    upstreams = [
        _of_upstream(name, row, symbol)
        for name, row in sorted(rows.items())
        if symbol in row.rejected or confirmed_at(row, symbol) is not None
    ]
    if quote is None and not upstreams:
        return None
    how = standing(symbol, rows, Moment.now().milliseconds, away(tables.feeds.rows))
    state = None if how is None else "live" if how.reason is None else "stale"
    return SymbolDocument(
        symbol=symbol,
        price=None if quote is None else quote.quote.price,
        timestamp=None if quote is None else iso_utc(quote.quote.timestamp),
        source=None if quote is None else quote.source,
        changed=None if quote is None else _iso(quote.changed),
        state=state,
        reason=None if how is None else how.reason,
        confirmed=None if how is None else _iso(how.confirmed),
        upstreams=upstreams,
    )


def _of_upstream(name: str, row: Confirmations, symbol: Symbol) -> UpstreamSymbol:
    confirmed, lapse = confirmed_at(row, symbol), row.lapsed.get(symbol)
    rejection = row.rejected.get(symbol)
    return UpstreamSymbol(
        name,
        None if confirmed is None else _iso(confirmed),
        None if lapse is None else lapse.reason,
        None if rejection is None else _told(rejection),
    )


def _told(rejection: Rejection) -> Refusal:
    return Refusal(rejection.reason, rejection.detail, _iso(rejection.at))


def _iso(steady: int) -> str:
    return iso_utc(tell(Moment(steady / 1000)))
