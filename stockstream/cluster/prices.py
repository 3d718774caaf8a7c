"""Prices as they stand on the bus.

Rows go as they are. Their times by the monotonic clock mean something only on the machine that read
them, so a message says what that clock was when it was made, and the receiver counts from its own.
What a message took to come is added to the ages.
"""

from __future__ import annotations

import math
from heapq import nsmallest
from typing import TYPE_CHECKING

import msgspec

from stockstream.cluster.wire import Count, Said
from stockstream.quotes import Symbol, parse_symbol
from stockstream.statuses import QuoteRow
from stockstream.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

ROWS_PER_MESSAGE = 1_000
"""Some 250 bytes each, where a server takes a megabyte."""


class Prices(Said, frozen=True, kw_only=True, tag="prices"):
    """Quotes that the sender has published, at most `ROWS_PER_MESSAGE`.

    `number` is above that of its last message by one; where it is not, the receiver has missed
    some. `now` is the sender's monotonic clock, in ms.
    """

    number: Count
    now: int
    rows: tuple[QuoteRow, ...]


class PageWanted(Said, frozen=True, kw_only=True, tag="page_wanted"):
    """A question: the rows of the symbols that come `after` this one, in their order."""

    after: str = ""


class Page(Said, frozen=True, kw_only=True, tag="page"):
    """The answer: the next rows, and whether there are `more`. `now` as in `Prices`."""

    now: int
    rows: tuple[QuoteRow, ...]
    more: bool


class InvalidRow(ValueError):
    """A row that no node of ours would send."""


def parts(rows: Sequence[QuoteRow]) -> Iterator[tuple[QuoteRow, ...]]:
    """The rows of one fetch, as they are sent: at least one message, be it empty."""
    for start in range(0, max(1, len(rows)), ROWS_PER_MESSAGE):
        yield tuple(rows[start : start + ROWS_PER_MESSAGE])


def own_rows(
    message: Prices | Page, *, now: int, wall: int, known: Container[Symbol]
) -> tuple[QuoteRow, ...]:
    """The rows of a message, their times by our clock, which is `now`; `wall` is the date.

    The rows are the message's: who has called this has no other use for it.

    Raises:
        InvalidRow: one of them cannot be a price; symbols that are `known` are not looked at again.
    """
    later, latest = now - message.now, wall + DAY_MS
    # In place, for what a copy would cost: they were made a moment ago and nobody has them yet.
    put = msgspec.structs.force_setattr
    for row in message.rows:
        quote = row.quote
        if not (0.0 < quote.price < math.inf and 0 <= quote.version[0] <= latest):
            raise InvalidRow(f"{quote.symbol!r:.32}: {quote.price} in epoch {quote.version[0]}")
        if quote.symbol not in known and parse_symbol(quote.symbol) != quote.symbol:
            raise InvalidRow(f"{quote.symbol!r:.32} is no symbol")
        put(row, "steady", row.steady + later)
        put(row, "changed", row.changed + later)
    return message.rows


def page_after(after: str, rows: Mapping[Symbol, QuoteRow]) -> tuple[tuple[QuoteRow, ...], bool]:
    """The next `ROWS_PER_MESSAGE` rows by the order of their symbols, and whether more follow."""
    symbols = nsmallest(ROWS_PER_MESSAGE + 1, (symbol for symbol in rows if symbol > after))
    page = tuple(rows[symbol] for symbol in symbols[:ROWS_PER_MESSAGE])
    return page, len(symbols) > ROWS_PER_MESSAGE
