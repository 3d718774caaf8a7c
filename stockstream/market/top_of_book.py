"""Bid and ask: read with a price, told again beside it, and never kept beside a later one. Pure.

They are of a moment. A price that comes without them has none, whatever the one before it had.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from stockstream.market.optional_fields import LARGEST_MOVE, OptionalFields, read_number
from stockstream.quotes import TopOfBook

if TYPE_CHECKING:
    from stockstream.quotes import Observation, Quote, Symbol
    from stockstream.statuses import QuoteRow

NOTHING = TopOfBook()
"""The provider says that nobody bids or asks, or nothing that can be read."""


def read_top(
    symbol: Symbol,
    price: float,
    unread: list[str],
    *,
    bid: object = None,
    ask: object = None,
    at: int | None = None,
) -> TopOfBook | None:
    """The bid and ask that come with a `price`, None where neither is told.

    What is bad is left out and added to `unread`; a bid above its ask is neither. Zero is how many
    providers write that there is none. `at` is their time, where that is not the price's.
    """
    if bid is None and ask is None:
        return None
    if (
        # As most are, thousands of times a second.
        type(bid) is type(ask) is float and price / LARGEST_MOVE <= bid <= ask < math.inf
    ) and ask <= price * LARGEST_MOVE:
        return TopOfBook(bid, ask, at)
    field = OptionalFields(symbol, unread)
    bids, asks = _price(field, "bid", bid, price), _price(field, "ask", ask, price)
    if bids is not None and asks is not None and bids > asks:
        unread.append(f"the bid of {symbol}, {bids:g}, is above its ask, {asks:g}")
        return NOTHING
    return NOTHING if bids is None and asks is None else TopOfBook(bids, asks, at)


def _price(field: OptionalFields, name: str, value: object, now: float) -> float | None:
    return None if value is None or read_number(value) == 0 else field.price(name, value, now)


def is_another(top: TopOfBook | None, held: TopOfBook | None) -> bool:
    """Whether somebody bids or asks another price than is `held`; None says nothing of them."""
    if top is None:
        return False
    before = held or NOTHING
    return top.bid != before.bid or top.ask != before.ask


def retold(row: QuoteRow, top: TopOfBook, epoch: int, received: int) -> tuple[QuoteRow, ...]:
    """The row of a price that was told again, with what was told beside it this time; no row where
    that is what it has, or where another node fetches this by now.
    """
    if not is_another(top, row.quote.top) or row.quote.version.epoch > epoch:
        return ()
    at = received if top.at is None else top.at
    later = TopOfBook(top.bid, top.ask, at)
    return (msgspec.structs.replace(row, quote=msgspec.structs.replace(row.quote, top=later)),)


def top_said_later(quote: Quote, seen: Observation) -> TopOfBook | None:
    """What a quote has, or what came with an older price and is not older than the quote itself."""
    told, held = seen.top, quote.top
    if told is None:
        return held
    at = seen.timestamp if told.at is None else told.at
    if at < quote.timestamp or (held is not None and (held.at or quote.timestamp) >= at):
        return held
    return TopOfBook(told.bid, told.ask, None if at == quote.timestamp else at)


def is_later_top(top: TopOfBook | None, other: TopOfBook | None) -> bool:
    """Of two of one version; what has no time came with the price itself."""
    if top is None or other is None:
        return top is not None
    return top.at is not None and (other.at is None or top.at > other.at)
