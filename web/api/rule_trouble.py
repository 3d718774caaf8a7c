"""Why a rule cannot fire now, as its user is told: by the tables, without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.market.calendars import opens_after
from stockstream.market.exchange_zones import market_of
from stockstream.quotes import TradingSession, iso_utc
from stockstream.refusals import NO_ROUTE, is_routed, refusal_of
from stockstream.statuses import FeedState, StaleReason
from stockstream.symbol_states import standing
from stockstream.times import Moment
from stockstream.told_quote import session_of
from stockstream.upstreams import current_state, knows_all

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stockstream.alerts.rules import Rule
    from stockstream.quotes import Symbol
    from stockstream.statuses import FeedStatus, QuoteRow
    from stockstream.tables import Tables

_STALE = {
    StaleReason.NOT_LISTED: "no feed lists it any more",
    StaleReason.OVER_LIMIT: "its provider tells no more symbols at a time",
    StaleReason.NOT_IN_PLAN: "it is not in the plan with its provider",
    StaleReason.CLOCK_AHEAD: "the provider's times of it are too far ahead",
    StaleReason.OUTDATED: "only old prices of it come",
}
_NOT_TOLD = "its provider does not tell it now"


class RuleTrouble(msgspec.Struct, frozen=True):
    """Why a rule cannot fire as things are; it fires again without being changed.

    `code` is for programs: `no_route`, `unlisted`, `no_price`, `currency`, `feed_away`, `stale`,
    `market_closed`, `halted`, or what a provider refuses its symbol with. `until` is when the
    market opens, where that is known.
    """

    code: str
    reason: str
    until: str | None = None


def trouble_of(rule: Rule, tables: Tables, away: Collection[str], now: int) -> RuleTrouble | None:
    """Why no price can fire a rule now; None where one can. `away` are the upstreams that do not
    do well, and `now` is the wall clock in ms.
    """
    row = tables.quotes.get(rule.symbol)
    if row is None:
        return _without_price(rule.symbol, tables)
    told = row.quote.currency
    if rule.currency is not None and told is not None and told != rule.currency:
        why = f"it is of {rule.currency}, and prices come in {told}: they are not compared"
        return RuleTrouble("currency", why)
    if not is_routed(rule.symbol, tables):
        return RuleTrouble(*NO_ROUTE)
    return _of_upstream(row, tables, away) or _of_market(row, now)


def _without_price(symbol: Symbol, tables: Tables) -> RuleTrouble:
    if not is_routed(symbol, tables):
        return RuleTrouble(*NO_ROUTE)
    refusal = refusal_of(symbol, tables)
    if refusal is not None:
        return RuleTrouble(*refusal)
    if knows_all(tables, symbol):
        return RuleTrouble("unlisted", "no feed lists it")
    ailing = _ailing(tables.feeds.rows)
    return RuleTrouble("no_price", f"no price of it has come yet{ailing}")


def _of_upstream(row: QuoteRow, tables: Tables, away: Collection[str]) -> RuleTrouble | None:
    how = standing(row.quote.symbol, tables.confirmations.rows, Moment.now().milliseconds, away)
    if how is None or how.reason is None:
        return None
    if how.reason is StaleReason.FEED_AWAY:
        named = [name for name in away if name.partition("@")[0] == row.source] or list(away)
        ailing = _ailing({name: tables.feeds.rows[name] for name in named})
        return RuleTrouble("feed_away", f"its price feed is away{ailing}")
    return RuleTrouble("stale", _STALE.get(how.reason, _NOT_TOLD))


def _ailing(feeds: Mapping[str, FeedStatus]) -> str:
    reasons = [row.reason for row in feeds.values() if row.reason and _is_away(row)]
    return f": {reasons[0]}" if reasons else ""


def _is_away(row: FeedStatus) -> bool:
    return current_state(row) is not FeedState.LIVE


def _of_market(row: QuoteRow, now: int) -> RuleTrouble | None:
    session = session_of(row)
    if session is TradingSession.HALTED:
        return RuleTrouble("halted", "its trading is halted")
    if session is not TradingSession.CLOSED:
        return None
    opens = opens_after(market_of(row.quote.exchange, row.quote.symbol).calendar, now)
    if opens is None:
        return RuleTrouble("market_closed", "its market is closed")
    until = iso_utc(opens)
    shown = f"{until[:10]} {until[11:16]} UTC"
    return RuleTrouble("market_closed", f"its market is closed until {shown}", until)
