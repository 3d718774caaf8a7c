"""All quotes as one encoded answer, shared by all requests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.delivery.protocol import LIST_TAIL, encode
from stockstream.quotes import iso_utc
from stockstream.statuses import SymbolState, Unconfirmed
from stockstream.symbol_states import away, standing
from stockstream.times import Moment, tell
from stockstream.told_quote import ToldQuote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Self

    from stockstream.delivery.flush_book import FlushBook
    from stockstream.quotes import Symbol
    from stockstream.statuses import Confirmations, FeedStatus, QuoteRow

PART = 200
"""Symbols between two checkpoints: less than a millisecond."""
SHARE = 0.1
"""The part of a core that encoding may take, however many requests come."""


class QuoteItem(ToldQuote[str], frozen=True):
    """All of a quote; `changed` and `confirmed` in ISO 8601."""


class _Standing(msgspec.Struct, frozen=True):
    """The fields of a quote that say how its symbol stands: the last ones of a `QuoteItem`."""

    state: SymbolState
    reason: str | None
    confirmed: str

    @classmethod
    def of(cls, how: Unconfirmed) -> Self:
        state = SymbolState.LIVE if how.reason is None else SymbolState.STALE
        return cls(state, how.reason, _iso(how.confirmed))


def quote_item(row: QuoteRow, how: Unconfirmed) -> QuoteItem:
    """A quote for the API."""
    return QuoteItem.of(
        row, changed=_iso(row.changed), reason=how.reason, confirmed=_iso(how.confirmed)
    )


def standing_of(
    row: QuoteRow, confirmations: Mapping[str, Confirmations], now: int, away: Collection[str]
) -> Unconfirmed:
    """How a quote's symbol stands; the answer that brought it is noted after it is published."""
    how = standing(row.quote.symbol, confirmations, now, away)
    return how or Unconfirmed(None, row.steady)


def _iso(steady: int) -> str:
    return iso_utc(tell(Moment(steady / 1000)))


class QuotesAnswer(msgspec.Struct, frozen=True):
    """The newest price of each symbol; `as_of` is when the last successful fetch ended."""

    as_of: str | None
    quotes: list[QuoteItem]


@dataclass(frozen=True, slots=True)
class Document:
    """An encoded answer. `etag` differs whenever `body` may."""

    body: bytes
    etag: str


class AllQuotes:
    """See the module. It holds what clients were sent last, as the broadcaster encoded it.

    With 10,000 symbols, encoding took 120 ms per request. Now one request at a time encodes, with
    checkpoints, and the result is reused until encoding is a small part of the time. Each quote is
    encoded once, but for the time of its confirmation, which is new with every fetch.
    """

    def __init__(
        self,
        book: FlushBook,
        confirmations: Mapping[str, Confirmations],
        feeds: Mapping[str, FeedStatus],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._book = book
        self._confirmations = confirmations
        self._feeds = feeds
        self._clock = clock
        # Flushes are counted from the start of the process.
        self._run = secrets.token_hex(4)
        self._made: Document | None = None
        self._good_until = 0.0
        self._sorted: list[Symbol] = []
        self._beginnings: dict[Symbol, tuple[QuoteRow, bytes]] = {}
        self._making = trio.Lock()

    async def get(self) -> Document:
        """The newest price of every symbol; it may be a moment old."""
        async with self._making:
            began = self._clock()
            if self._made is not None and (
                began < self._good_until or self._made.etag == self._etag()
            ):
                return self._made
            # A flush meanwhile may be in it in part. With the old tag the next call encodes again.
            etag, head = self._etag(), self._head()
            if len(self._sorted) != len(self._book):
                self._sorted = sorted(self._book.symbols)
            parts = []
            for first in range(0, len(self._sorted), PART):
                parts.append(self._encoded(self._sorted[first : first + PART]))
                await trio.lowlevel.checkpoint()
            self._made = Document(b"".join((head, b",".join(parts), LIST_TAIL)), etag)
            ended = self._clock()
            self._good_until = ended + (ended - began) / SHARE
            return self._made

    def of(self, symbols: Iterable[Symbol]) -> Document:
        """The newest price of each of these that has one, as of now."""
        there = [symbol for symbol in symbols if symbol in self._book.symbols]
        return Document(b"".join((self._head(), self._encoded(there), LIST_TAIL)), self._etag())

    def _encoded(self, symbols: Iterable[Symbol]) -> bytes:
        now, gone = Moment.now().milliseconds, away(self._feeds)
        tails: dict[Unconfirmed, bytes] = {}
        items: list[bytes] = []
        for symbol in symbols:
            row = self._book[symbol].row
            how = standing_of(row, self._confirmations, now, gone)
            tail = tails.get(how)
            if tail is None:
                tail = tails[how] = b"," + encode(_Standing.of(how))[1:]
            items.append(self._beginning(symbol, row) + tail)
        return b",".join(items)

    def _beginning(self, symbol: Symbol, row: QuoteRow) -> bytes:
        """A quote as far as it stays the same from fetch to fetch."""
        known = self._beginnings.get(symbol)
        if known is None or known[0] is not row:
            encoded = encode(quote_item(row, Unconfirmed(None, 0)))
            known = self._beginnings[symbol] = row, encoded[: encoded.rindex(b',"state":')]
        return known[1]

    def _etag(self) -> str:
        fetched = [row.fetched for row in self._confirmations.values()]
        parts = self._run, self._book.number, *fetched, *sorted(away(self._feeds))
        return "-".join(map(str, parts))

    def _head(self) -> bytes:
        # By the same clock as the quotes' times: another one's wall time may be a millisecond off.
        fetched = self._book.stamp.fetched
        as_of = None if fetched is None else _iso(fetched)
        return encode(QuotesAnswer(as_of, [])).removesuffix(LIST_TAIL)
