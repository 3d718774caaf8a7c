"""What the change of a symbol's day is against: the base, and what it is. Pure.

The provider's word counts: its previous close, else its open. Else it is the first price of the
exchange's day. A process that has just begun does not know whether the first price that it has seen
is that, so the history is asked (`stockstream/history/first_prices.py`). At a roll-over in the
midst of it, it is known: the first price of the new day was accepted just now.

What the provider told counts until its day is over and no longer, so an item that once lacks a
field changes no base, and yesterday's previous close is no base of today. When the provider goes
on telling it, it is today's: its day may well begin later than at midnight, with the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.market.exchange_days import day_at
from stockstream.market.exchange_zones import zone_of
from stockstream.quotes import Base, Basis, TradingSession
from stockstream.statuses import SymbolDay

if TYPE_CHECKING:
    from stockstream.market.exchange_days import Believed
    from stockstream.quotes import Observation
    from stockstream.statuses import ExchangeDay, QuoteRow

_OF_THE_PROVIDER = frozenset({Basis.PREVIOUS_CLOSE, Basis.OPEN})


def day_of(observation: Observation, row: QuoteRow | None, believed: Believed) -> SymbolDay:
    """The day that the price belongs to, by its own time, and the first price of that day.

    By its own time a price of Friday that is fetched on Saturday is of Friday, before a restart and
    after it. A time that is not `believed` is replaced by when the price was received. No day
    begins again, whichever clock is set back.
    """
    moment, told = observation.timestamp, observation.exchange
    dated = believed.earliest <= moment <= believed.latest
    if not dated:
        moment = believed.received
    known = None if row is None else row.day
    if row is None or known is None:
        zone = zone_of(told, observation.symbol)
    elif told is None or told == row.quote.exchange:  # one that is not told again is no other one
        zone = known.day.zone
    else:
        zone = zone_of(told, observation.symbol)
    if known is not None and known.day.zone == zone:
        if moment < known.day.end:
            return known
        if dated and known.dated:
            first = Base(observation.price, Basis.DAY_FIRST, moment)
            return SymbolDay(day_at(zone, moment), first, dated=True, settled=True)
    first = Base(observation.price, Basis.FIRST_SEEN, moment)
    # The history is ordered by the prices' own times, so it cannot help where these are wrong.
    return SymbolDay(day_at(zone, moment), first, dated=dated, settled=not dated)


def base_of(observation: Observation, day: SymbolDay, row: QuoteRow | None) -> Base:
    """What the change of the day is against."""
    before = None
    if row is not None and row.day is not None and row.day.day == day.day:
        before = row.base
    close = observation.previous_close
    if close is not None:
        return Base(close, Basis.PREVIOUS_CLOSE, None)
    if before is not None and before.basis is Basis.PREVIOUS_CLOSE:
        return before
    # Before the session has opened, an open is that of the day before.
    if observation.open is not None and observation.session is not TradingSession.PRE:
        return Base(observation.open, Basis.OPEN, None)
    if before is not None and before.basis is Basis.OPEN:
        return before
    return day.first


def corrected(row: QuoteRow, asked: ExchangeDay, found: Base | None, *, whole: bool) -> QuoteRow:
    """The row with what the history answered: the first price that it `found` in the day `asked`.

    `whole` when all that was ever recorded of the day is there by now. It is the same row if
    nothing is new.
    """
    known = row.day
    if known is None or known.settled or known.day != asked:
        return row
    first = known.first
    if found is not None and (first.at is None or found.at is None or found.at <= first.at):
        first = found
    elif whole:
        first = Base(first.price, Basis.DAY_FIRST, first.at)  # nobody knows of an earlier one
    day = SymbolDay(known.day, first, dated=known.dated, settled=whole)
    if day == known:
        return row
    base = row.base if row.base is not None and row.base.basis in _OF_THE_PROVIDER else first
    return msgspec.structs.replace(row, open=first.price, day=day, base=base)
