"""The figures of a day that come with a price: read, kept while they hold, and said later. Pure.

Some providers tell the range and the volume with each price, some only when they are asked by REST,
and then trades without them follow. What was told holds until the day is over, a name for as long
as the symbol is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.market.optional_fields import LARGEST_MOVE, OptionalFields, read_number
from stockstream.market.top_of_book import is_later_top, top_said_later
from stockstream.quotes import LARGEST_VOLUME, Base, Basis, DayFigures, TradingSession

if TYPE_CHECKING:
    from stockstream.quotes import Observation, Quote, Symbol
    from stockstream.statuses import QuoteRow

_BESIDE_THE_DAY = frozenset({TradingSession.PRE, TradingSession.POST})
"""Trades in these count for no high and no low."""


def read_figures(
    symbol: Symbol,
    price: float,
    unread: list[str],
    *,
    high: object = None,
    low: object = None,
    open_: object = None,
    volume: object = None,
    rolling: bool = False,
) -> DayFigures | None:
    """The figures that come with a `price`, None if there are none; what of them is bad is left out
    and added to `unread`. Zero is how many providers write that there is no such price.
    """
    if high is None and low is None and open_ is None and volume is None:
        return None
    if (
        # As most are, thousands of times a second.
        type(high) is type(low) is type(volume) is float and (open_ is None or type(open_) is float)
    ):
        least, most = price / LARGEST_MOVE, price * LARGEST_MOVE
        opens = open_ is None or least <= open_ <= most
        if opens and least <= low <= high <= most and 0.0 <= volume <= LARGEST_VOLUME:
            return DayFigures(high, low, open_, volume, rolling)
    field = OptionalFields(symbol, unread)
    top, bottom = _price(field, "high", high, price), _price(field, "low", low, price)
    if top is not None and bottom is not None and top < bottom:
        unread.append(f"the high of {symbol}, {top:g}, is below its low, {bottom:g}")
        top = bottom = None
    first = _price(field, "open", open_, price)
    traded = field.amount("volume", volume)
    if top is None and bottom is None and first is None and not traded:
        return None  # a volume of 0 alone is how some say that the day has not begun
    return DayFigures(top, bottom, first, traded, rolling)


def before(price: float, change: object) -> object:
    """The price that there was before a `change` of it; what is no change is no such price."""
    moved = change if type(change) is float else None if change is None else read_number(change)
    if moved is None:
        return change
    # As many digits as a price has; a difference has noise behind them.
    return round(price - moved, 8) if price >= 1.0 else float(f"{price - moved:.12g}")


def _price(field: OptionalFields, name: str, value: object, now: float) -> float | None:
    return None if value is None or read_number(value) == 0 else field.price(name, value, now)


def keep(quote: Quote, row: QuoteRow, source: str, *, same_day: bool) -> None:
    """Have a new quote say what the one before it said, and what it does not say itself.

    It is written into the quote, which nobody else has yet. Figures of another source are not its
    own: a volume may be that of one exchange.
    """
    put, last = msgspec.structs.force_setattr, row.quote
    if quote.name is None and last.name is not None:
        put(quote, "name", last.name)
    if not same_day:
        return
    if quote.previous_close is None and last.previous_close is not None:
        put(quote, "previous_close", last.previous_close)
    told = quote.figures
    if last.figures is None or row.source != source or (told is not None and _is_whole(told)):
        return
    session = quote.session or (None if row.session is None else row.session.session)
    held = _beside(last.figures, last.timestamp, quote.price, session)
    put(quote, "figures", held if told is None else _together(told, held))


def said_later(row: QuoteRow, seen: Observation) -> QuoteRow:
    """The row of a symbol with what an older price of the same day says beside it, which the row
    does not say itself: the same row for nothing.

    What is asked for by REST is often answered when the socket has told a newer price.
    """
    quote, day = row.quote, row.day
    if day is None or not day.day.start <= seen.timestamp < day.day.end:
        return row
    if seen.currency is not None and quote.currency not in {None, seen.currency}:
        return row
    name, close, figures = quote.name, quote.previous_close, quote.figures
    top = top_said_later(quote, seen)
    if name is None:
        name = seen.name
    if seen.previous_close is not None:
        close = seen.previous_close
    if seen.figures is not None:
        figures = _newer(quote, seen, None if row.session is None else row.session.session)
    same = name == quote.name and close == quote.previous_close and figures == quote.figures
    if same and top is quote.top:
        return row
    said = msgspec.structs.replace(quote, name=name, previous_close=close, figures=figures, top=top)
    base = row.base
    if close is not None and close != quote.previous_close:
        base = Base(close, Basis.PREVIOUS_CLOSE, None)
    return msgspec.structs.replace(row, quote=said, base=base)


def _newer(quote: Quote, seen: Observation, session: TradingSession | None) -> DayFigures | None:
    """The figures of a quote with those that an older price told, where these are newer."""
    told, held = seen.figures, quote.figures
    if told is None or (held is not None and held.at is not None and held.at >= seen.timestamp):
        return held
    beside = _beside(told, seen.timestamp, quote.price, quote.session or session)
    if seen.timestamp == quote.timestamp:
        beside = msgspec.structs.replace(beside, at=None)
    if held is None or held.at is not None:
        return beside if held is None else _together(beside, held)
    return _together(held, beside)


def said_by_both(here: Quote, there: Quote) -> Quote:
    """A quote with what another node says more of the same version; the same one for nothing."""
    name, close, figures, top = here.name, here.previous_close, here.figures, here.top
    if is_later_top(there.top, top):
        top = there.top
    if name is None:
        name = there.name
    if close is None:
        close = there.previous_close
    if there.figures is not None and _is_later(there.figures, figures):
        figures = there.figures
    same = name == here.name and close == here.previous_close and figures == here.figures
    if same and top is here.top:
        return here
    return msgspec.structs.replace(here, name=name, previous_close=close, figures=figures, top=top)


def _is_later(figures: DayFigures, others: DayFigures | None) -> bool:
    """Those without a time came with the price itself."""
    if others is None:
        return True
    return others.at is not None and (figures.at is None or figures.at > others.at)


def _is_whole(figures: DayFigures) -> bool:
    return (
        figures.volume is not None
        and figures.high is not None
        and figures.low is not None
        and figures.open is not None
    )


def _together(told: DayFigures, held: DayFigures) -> DayFigures:
    """What was told now, and beside it what was told before: a volume tells of when it is."""
    return DayFigures(
        held.high if told.high is None else told.high,
        held.low if told.low is None else told.low,
        held.open if told.open is None else told.open,
        held.volume if told.volume is None else told.volume,
        told.rolling,
        held.at if told.volume is None and held.volume is not None else told.at,
    )


def _beside(
    figures: DayFigures, told_at: int, price: float, session: TradingSession | None
) -> DayFigures:
    """Figures as they hold beside a later price, which may be a new high or low of the day."""
    if figures.at is None:
        figures = msgspec.structs.replace(figures, at=told_at)
    if session in _BESIDE_THE_DAY:
        return figures
    if figures.high is not None and price > figures.high:
        return msgspec.structs.replace(figures, high=price)
    if figures.low is not None and price < figures.low:
        return msgspec.structs.replace(figures, low=price)
    return figures
