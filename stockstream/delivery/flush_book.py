"""Which flush changed which symbol, and the frames that follow from it: no I/O, no clock.

Each symbol has the number of the flush that last changed it, each client one integer: the last
flush it has seen. What a client lacks is its symbols with a higher number, so a client that
fell behind costs no queue, and gets the newest of each symbol only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.delivery.protocol import Prices, Snapshot, encode, price_update, snapshot_quote
from stockstream.messages import iso_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from msgspec import Raw

    from stockstream.messages import QuoteRow, Symbol, Version
    from stockstream.tables import Subscription

RESTAMP_MS = 30_000
"""An unchanged price is sent again when its time has moved on by so much. It is half of the
60 s after which clients call a price frozen: a provider that goes on confirming a price does
not look as if it had stopped."""


class _Flushed:
    """The newest row of a symbol that was flushed; its update is encoded when first wanted."""

    __slots__ = ("_update", "number", "row")

    def __init__(self, row: QuoteRow, number: int) -> None:
        self.row = row
        self.number = number
        self._update: Raw | None = None

    @property
    def update(self) -> Raw:
        if self._update is None:
            self._update = price_update(self.row)
        return self._update


class FlushBook:
    """Rows wait here until they are flushed; from then on they may be shown to clients."""

    def __init__(self) -> None:
        self.number = 0
        """The last flush; 0 before the first."""
        self.as_of: int | None = None
        """The last successful fetch, in ms since 1970."""
        self._flushed: dict[Symbol, _Flushed] = {}
        self._waiting: dict[Symbol, QuoteRow] = {}

    @property
    def waiting(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._waiting)

    def note(self, rows: Iterable[QuoteRow]) -> None:
        """Have rows wait for the next flush, the newest of each symbol; older ones are ignored."""
        for row in rows:
            symbol = row.quote.symbol
            known = self._waiting.get(symbol)
            if known is None:
                flushed = self._flushed.get(symbol)
                known = None if flushed is None else flushed.row
            if known is None or _is_news(row, known):
                self._waiting[symbol] = row

    def flush(self) -> frozenset[Symbol]:
        """Begin the next flush with all that waits; the answer is what it changes."""
        self.number += 1
        for symbol, row in self._waiting.items():
            self._flushed[symbol] = _Flushed(row, self.number)
        changed = frozenset(self._waiting)
        self._waiting.clear()
        return changed

    def lacking(self, want: Subscription, seen: int) -> list[Symbol]:
        """The symbols of `want` that changed after flush `seen`."""
        if seen >= self.number:
            return []
        flushed = self._flushed
        if want.everything:
            return [symbol for symbol, entry in flushed.items() if entry.number > seen]
        return [
            symbol
            for symbol in want.symbols
            if (entry := flushed.get(symbol)) is not None and entry.number > seen
        ]

    def prices(self, symbols: Iterable[Symbol]) -> bytes:
        """A `prices` message with the newest update of each of `symbols`."""
        flushed = self._flushed
        return encode(Prices(self._as_of, [flushed[symbol].update for symbol in symbols]))

    def snapshot(
        self, want: Subscription, before: Subscription, since: Mapping[Symbol, Version]
    ) -> bytes | None:
        """A `snapshot` of what `want` adds to `before`; None when it adds nothing.

        Symbols whose version the client has by `since`, or a newer one, are left out.
        """
        if before.everything or want == before:
            return None
        wanted = self._flushed if want.everything else want.symbols - before.symbols
        if not want.everything and not wanted:
            return None
        return encode(
            Snapshot(
                self._as_of,
                [
                    snapshot_quote(entry.row)
                    for symbol in wanted
                    if symbol not in before.symbols
                    and (entry := self._flushed.get(symbol)) is not None
                    and (symbol not in since or since[symbol] < entry.row.quote.version)
                ],
            )
        )

    @property
    def _as_of(self) -> str | None:
        return None if self.as_of is None else iso_utc(self.as_of)


def _is_news(row: QuoteRow, known: QuoteRow) -> bool:
    quote, old = row.quote, known.quote
    if quote.version <= old.version:
        return False
    return (
        quote.price != old.price
        or quote.timestamp - old.timestamp >= RESTAMP_MS
        or quote.timestamp < old.timestamp
        or (quote.exchange, quote.currency, quote.delayed)
        != (old.exchange, old.currency, old.delayed)
    )
