"""What the market of each symbol does: as the provider says, or by its calendar. Pure.

A calendar is believed until prices tell another story. While it says that a market is closed, a new
price whose own time is well after the close shows that there is trade: then nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.market.calendars import next_change, session_at
from stockstream.market.exchange_zones import CALENDARS, market_of
from stockstream.quotes import TradingSession
from stockstream.statuses import MarketSession
from stockstream.times import MINUTE_MS
from stockstream.told_quote import session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.quotes import Observation
    from stockstream.statuses import QuoteRow

AFTER_THE_CLOSE_MS = 30 * MINUTE_MS
"""The closing auction, and trades that are told late, are after the close and of that session."""
_AT_REST = frozenset({TradingSession.CLOSED, TradingSession.HALTED})


def first_session(observation: Observation, now: int) -> MarketSession | None:
    """Of a symbol that was not known; `now` is the wall clock in ms."""
    if observation.session is not None:
        return None
    market = market_of(observation.exchange, observation.symbol)
    return session_at(market.calendar, now)


def session_after(row: QuoteRow, observation: Observation, now: int) -> MarketSession | None:
    """Of a symbol that has a row, after a price that is newer."""
    known, quote = row.session, row.quote
    if known is None or observation.exchange != quote.exchange or observation.session is not None:
        return first_session(observation, now)
    if known.session is TradingSession.CLOSED and observation.price != quote.price:
        traded = session_at(
            market_of(quote.exchange, quote.symbol).calendar,
            observation.timestamp - AFTER_THE_CLOSE_MS,
        )
        if traded.session is TradingSession.CLOSED and traded.since >= known.since:
            return MarketSession(None, now)
    return known


def turned(rows: Iterable[QuoteRow], now: int) -> list[QuoteRow]:
    """Those of the rows whose market does something else by now, with that."""
    found = []
    for row in rows:
        quote, known = row.quote, row.session
        if quote.session is not None:
            continue
        session = session_at(market_of(quote.exchange, quote.symbol).calendar, now)
        # What is known since later, but not since later than now: our clock was set back.
        if known is session or (known is not None and session.since <= known.since <= now):
            continue
        found.append(msgspec.structs.replace(row, session=session))
    return found


def may_trade(row: QuoteRow | None) -> bool:
    """Whether there may be trade in a symbol now: nobody says that its market is closed, or that it
    is halted.
    """
    return row is None or session_of(row) not in _AT_REST


def next_turn(now: int) -> int:
    """Before when no market does anything else than now."""
    return min(next_change(calendar, now) for calendar in CALENDARS)
