"""Which symbols are live, by what each upstream confirmed. Pure; times in ms.

A symbol is live while any upstream confirms it. A provider's timestamp says nothing here: what
counts is when we were told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stockstream.refusals import told_reason
from stockstream.statuses import FeedState, StaleReason, Unconfirmed
from stockstream.upstreams import current_state

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stockstream.quotes import Symbol
    from stockstream.statuses import Confirmations, FeedStatus


def unconfirmed(
    rows: Mapping[str, Confirmations], now: int, away: Collection[str] = ()
) -> dict[Symbol, Unconfirmed]:
    """The symbols that are stale, or that no upstream was asked for of late.

    Costs next to nothing for all others. What only upstreams that are `away` confirmed is stale
    for that reason; those not named in it leave their symbols as they are.
    """
    found: dict[Symbol, Unconfirmed] = {}
    for name, row in rows.items():
        own = dict(row.unasked)
        if name in away:
            own |= {symbol: Unconfirmed(StaleReason.FEED_AWAY, row.fetched) for symbol in row.told}
        for symbol, lapse in row.lapsed.items():
            if lapse.due <= now:
                reason = told_reason(row, symbol, lapse.reason)
                own[symbol] = Unconfirmed(reason, lapse.confirmed)
            elif name in away:
                own[symbol] = Unconfirmed(StaleReason.FEED_AWAY, lapse.confirmed)
        others = [other for key, other in rows.items() if key != name and key not in away]
        if len(rows) > 1 or name in away:
            own = {
                symbol: standing(symbol, rows, now, away) or mine
                for symbol, mine in own.items()
                if not any(_confirms(other, symbol, now) for other in others)
            }
        found.update(own)
    return found


def stale_count(rows: Mapping[str, Confirmations], now: int) -> int:
    """How many symbols are stale."""
    return sum(how.reason is not None for how in unconfirmed(rows, now).values())


def next_due(rows: Mapping[str, Confirmations], now: int) -> float:
    """When the next symbol becomes stale if nothing confirms it; infinity for none."""
    dues = (lapse.due for row in rows.values() for lapse in row.lapsed.values())
    return min((due for due in dues if due > now), default=math.inf)


def standing(
    symbol: Symbol, rows: Mapping[str, Confirmations], now: int, away: Collection[str] = ()
) -> Unconfirmed | None:
    """How a symbol stands, and when exactly it was confirmed last; None: it never was.

    What only upstreams that are `away` confirmed is stale for that reason.
    """
    best: tuple[bool, int] = (False, -1)
    reason: StaleReason | None = None
    newest = -1
    for name, row in rows.items():
        confirmed = confirmed_at(row, symbol)
        if confirmed is None:
            continue
        newest = max(newest, confirmed)
        # One that was not asked of late speaks only where none was.
        rank = name not in away and _confirms(row, symbol, now), confirmed
        if rank > best:
            best = rank
            lapse = row.lapsed.get(symbol)
            lapsed = lapse is not None and now >= lapse.due
            reason = told_reason(row, symbol, lapse.reason) if lapse and lapsed else None
            if reason is None and name in away:
                reason = StaleReason.FEED_AWAY
    return None if newest < 0 else Unconfirmed(reason, newest)


def confirmed_at(row: Confirmations, symbol: Symbol) -> int | None:
    """When an upstream last confirmed a symbol; None: it never did."""
    if symbol in row.told:
        return row.fetched
    if symbol in row.unasked:
        return row.unasked[symbol].confirmed
    return row.lapsed[symbol].confirmed if symbol in row.lapsed else None


def stale_by_reason(row: Confirmations, now: int) -> dict[StaleReason, list[Symbol]]:
    """The symbols that one upstream does not confirm any more, whatever others do."""
    found: dict[StaleReason, list[Symbol]] = {}
    for symbol, lapse in row.lapsed.items():
        if lapse.due <= now:
            found.setdefault(told_reason(row, symbol, lapse.reason), []).append(symbol)
    return found


def away(feeds: Mapping[str, FeedStatus]) -> frozenset[str]:
    """The upstreams whose last good fetch is too long ago."""
    return frozenset(n for n, row in feeds.items() if current_state(row) is not FeedState.LIVE)


def away_alone(feeds: Mapping[str, FeedStatus]) -> frozenset[str]:
    """The upstreams that are away while another is not.

    Clients are told so of each of their symbols. Where all are away there is none: that is told
    once, of the feed as a whole, and not in a message for each of 10,000 symbols.
    """
    gone = away(feeds)
    return gone if len(gone) < len(feeds) else frozenset()


def _confirms(row: Confirmations, symbol: Symbol, now: int) -> bool:
    lapse = row.lapsed.get(symbol)
    return symbol in row.told or (lapse is not None and now < lapse.due)
