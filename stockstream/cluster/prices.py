"""Prices as they stand on the bus.

Rows go as they are. Their times by the monotonic clock mean something only on the machine that read
them, so a message says what that clock was when it was made, and the receiver counts from its own.
What a message took to come is added to the ages.
"""

from __future__ import annotations

import math
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stockstream.cluster.claim_book import MOST_AHEAD_MS
from stockstream.cluster.wire import MOST, Count, Said
from stockstream.quotes import LARGEST_VOLUME, LATEST_TIMESTAMP, Symbol, parse_symbol
from stockstream.statuses import QuoteRow

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from stockstream.quotes import Base, DayFigures, TopOfBook
    from stockstream.statuses import Traded

ROWS_PER_MESSAGE = 1_000
"""Some 400 bytes each, where a server takes a megabyte."""
_MOST_TRADED = LARGEST_VOLUME * 1e12
"""Of many trades on a connection."""


class Prices(Said, frozen=True, kw_only=True, tag="prices"):
    """Quotes that the sender has published, at most `ROWS_PER_MESSAGE`.

    `number` is above that of its last message by one; where it is not, the receiver has missed
    some. `now` is the sender's monotonic clock, in ms. `traceparent` names
    the span that published them, where that is traced.
    """

    number: Count
    now: int
    rows: tuple[QuoteRow, ...]
    traceparent: str = ""


class PageWanted(Said, frozen=True, kw_only=True, tag="page_wanted"):
    """A question: the rows of the symbols that come `after` this one, in their order."""

    after: str = ""


class Page(Said, frozen=True, kw_only=True, tag="page"):
    """The answer: the next rows, and whether there are `more`. `now` as in `Prices`."""

    now: int
    rows: tuple[QuoteRow, ...]
    more: bool


def parts(rows: Sequence[QuoteRow]) -> Iterator[tuple[QuoteRow, ...]]:
    """The rows of one fetch, as they are sent: at least one message, be it empty."""
    for start in range(0, max(1, len(rows)), ROWS_PER_MESSAGE):
        yield tuple(rows[start : start + ROWS_PER_MESSAGE])


class Taken(NamedTuple):
    """The `rows` of a message that may be taken in. Those of an epoch that is `ahead`, the last
    such one, are not among them: nothing that our clocks give would come after them for days.
    """

    rows: tuple[QuoteRow, ...]
    ahead: int | None


def taken(message: Prices | Page, *, now: int, wall: int, known: Container[Symbol]) -> Taken:
    """The rows of a message, their times by our clock, which is `now`; `wall` is the date.

    The rows are the message's: who has called this has no other use for it.

    Raises:
        ValueError: one of them cannot be a price; symbols that are `known` are not looked at again.
    """
    later, latest, ahead = now - message.now, wall + MOST_AHEAD_MS, None
    # In place, for what a copy would cost: they were made a moment ago and nobody has them yet.
    put = msgspec.structs.force_setattr
    for row in message.rows:
        quote = row.quote
        epoch, seq = quote.version
        if not (
            0.0 < quote.price < math.inf
            and epoch >= 0
            and 0 <= seq <= MOST
            and 0 < quote.timestamp <= LATEST_TIMESTAMP
            and 0 < quote.received <= LATEST_TIMESTAMP
            and 0.0 < row.open < math.inf
            and (row.previous is None or 0.0 < row.previous < math.inf)
            and -MOST <= row.shift <= MOST
            and -MOST <= row.steady + later <= MOST
            and -MOST <= row.changed + later <= MOST
            and (quote.previous_close is None or 0.0 < quote.previous_close < math.inf)
            and (quote.figures is None or _are_figures(quote.figures))
            and (quote.top is None or _is_top(quote.top))
            and (row.base is None or _can_be_told(row.base))
            and (row.day is None or _can_be_told(row.day.first))
            and (row.traded is None or _can_be_summed(row.traded))
        ):
            raise ValueError(f"{quote.symbol!r:.32}: {row!r:.300} cannot be a price")
        if quote.symbol not in known and parse_symbol(quote.symbol) != quote.symbol:
            raise ValueError(f"{quote.symbol!r:.32} is no symbol")
        if epoch > latest:
            ahead = epoch
        put(row, "steady", row.steady + later)
        put(row, "changed", row.changed + later)
    if ahead is None:
        return Taken(message.rows, None)
    rows = tuple(row for row in message.rows if row.quote.version.epoch <= latest)
    return Taken(rows, ahead)


def _can_be_told(base: Base) -> bool:
    moment = base.at
    return 0.0 < base.price < math.inf and (moment is None or 0 < moment <= LATEST_TIMESTAMP)


def _can_be_summed(traded: Traded) -> bool:
    most, volume = _MOST_TRADED, traded.volume
    return 0.0 <= traded.counted <= most and (volume is None or 0.0 <= volume <= most)


def _are_figures(figures: DayFigures) -> bool:
    return (
        all(
            price is None or 0.0 < price < math.inf
            for price in (figures.high, figures.low, figures.open)
        )
        and (figures.volume is None or 0.0 <= figures.volume < math.inf)
        and (figures.at is None or 0 < figures.at <= LATEST_TIMESTAMP)
    )


def _is_top(top: TopOfBook) -> bool:
    bid, ask, moment = top.bid, top.ask, top.at
    return (
        (bid is None or 0.0 < bid < math.inf)
        and (ask is None or 0.0 < ask < math.inf)
        and (bid is None or ask is None or bid <= ask)
        and (moment is None or 0 < moment <= LATEST_TIMESTAMP)
    )


def page_after(after: str, rows: Mapping[Symbol, QuoteRow]) -> tuple[tuple[QuoteRow, ...], bool]:
    """The next `ROWS_PER_MESSAGE` rows by the order of their symbols, and whether more follow."""
    symbols = nsmallest(ROWS_PER_MESSAGE + 1, (symbol for symbol in rows if symbol > after))
    page = tuple(rows[symbol] for symbol in symbols[:ROWS_PER_MESSAGE])
    return page, len(symbols) > ROWS_PER_MESSAGE
