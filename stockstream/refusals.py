"""Why a symbol that somebody asks for gets no price: its provider says that it tells none. Pure.

A client is told so in words of ours: those of a provider may quote anything, and are for operators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stockstream.statuses import StaleReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.quotes import Symbol
    from stockstream.statuses import Confirmations
    from stockstream.tables import Tables

INVALID_SYMBOL = "invalid_symbol"
UNKNOWN_SYMBOL = "unknown_symbol"
OVER_LIMIT = "over_limit"
NOT_IN_PLAN = "not_in_plan"
NOT_TOLD = "not_told"
"""The codes. An older node passes on those of a newer one."""

_WORDS = {
    INVALID_SYMBOL: "{} has no symbols that are written like this",
    UNKNOWN_SYMBOL: "{} does not know it",
    OVER_LIMIT: "{} tells no more symbols at a time than it does already",
    NOT_IN_PLAN: "it is not in the plan with {}",
}
_OTHER = "{} tells no price of it"
_STALE = {OVER_LIMIT: StaleReason.OVER_LIMIT, NOT_IN_PLAN: StaleReason.NOT_IN_PLAN}


class Refusal(NamedTuple):
    """A code for programs, and why in words for people."""

    code: str
    reason: str


NOT_LISTED = Refusal(UNKNOWN_SYMBOL, "the provider does not list it")
NO_ROUTE = Refusal("no_route", "no provider is set up for it")


def refused(tables: Tables) -> Mapping[Symbol, Refusal]:
    """The symbols without a price that the provider refuses whose turn it is, by the routes."""
    return {
        symbol: refusal
        for name, row in tables.confirmations.rows.items()
        for symbol, code in row.not_served.items()
        if (refusal := _refusal(tables, symbol, name, code)) is not None
    }


def refusal_of(symbol: Symbol, tables: Tables) -> Refusal | None:
    """The same of one symbol."""
    for name, row in tables.confirmations.rows.items():
        code = row.not_served.get(symbol)
        refusal = None if code is None else _refusal(tables, symbol, name, code)
        if refusal is not None:
            return refusal
    return None


def is_routed(symbol: Symbol, tables: Tables) -> bool:
    """Whether any provider may tell it."""
    routing = tables.routing.value
    return routing is None or routing.source(symbol) is not None


def told_reason(row: Confirmations, symbol: Symbol, reason: StaleReason) -> StaleReason:
    """Why a symbol with a price is stale, as clients are told it."""
    if reason is not StaleReason.NOT_LISTED:
        return reason
    return _STALE.get(row.not_served.get(symbol, ""), reason)


def _refusal(tables: Tables, symbol: Symbol, name: str, code: str) -> Refusal | None:
    if symbol in tables.quotes:
        return None  # it has a price, and a state
    upstream, _, _ = name.partition("@")  # one of several nodes tells it
    routing = tables.routing.value
    if routing is not None and routing.source(symbol) != upstream:
        return None
    return Refusal(code, _WORDS.get(code, _OTHER).format(upstream))
