"""Which flush changed which symbol, and the frames that follow from it: no I/O, no clock.

Each symbol has the number of the flush that last changed it. Each client has one integer: the last
flush it has seen. A client lacks those of its symbols that have a higher number. So a client that
fell behind needs no queue, and gets only the newest of each symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from stockstream.delivery.protocol import (
    LIST_TAIL,
    Stamp,
    price_update,
    prices_head,
    snapshot_head,
    snapshot_part,
    state_update,
)
from stockstream.quotes import iso_utc
from stockstream.tables import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from collections.abc import Set as AbstractSet

    from stockstream.quotes import Symbol, Version
    from stockstream.statuses import QuoteRow, Unconfirmed

Pieces = tuple[bytes, ...]
"""A message, to be joined."""

AheadOf = Mapping["Symbol", "Version"]
"""The versions that a client has of symbols of which there are only older ones here."""
NOTHING: AheadOf = {}

MOST_PARTS = 8
"""Of one subscription's snapshot, where a part would otherwise hold fewer than an eighth."""
RESTAMP_MS = 30_000
"""An unchanged price is sent again when its time has moved on by so much, so that the time that a
client has of it is never far behind. What is live or frozen does not follow from that time."""


REQUOTE_MS = 1_000
"""Beside an unchanged price another bid or ask is sent when the time has moved on by so much: who
watches them sees them move, and a feed that tells every change of a book floods nobody."""


class Flushed:
    """The newest row of a symbol that was flushed, and how it stands, if the last fetch did not
    confirm it.

    `number` is the flush that last changed it. `renewed` is the flush that last changed the fields
    that only snapshots carry, `stated` the one that last changed its state, `figured` the one that
    last changed the figures of its day, 0 where it has none. `amended` says that one of these has
    changed since the version was flushed.
    """

    __slots__ = ("amended", "figured", "number", "renewed", "row", "stated", "unconfirmed")

    def __init__(
        self, row: QuoteRow, unconfirmed: Unconfirmed | None, number: int, before: Flushed | None
    ) -> None:
        self.row = row
        self.unconfirmed = unconfirmed
        self.number = self.renewed = self.stated = number
        figures = row.quote.figures
        self.figured = 0 if figures is None else number
        # A bid with a time of its own may have been told after the price: a client that comes from
        # another node may have the version without it.
        self.amended = _has_own_time(row)
        if before is None:
            return
        last = before.row
        old = last.quote.figures
        # Beside a price that clients have already, bid and ask come with its state: such an update
        # is taken though its version is the same.
        same = last.quote.version == row.quote.version
        self.amended = self.amended or same
        retold = same and row.quote.top != last.quote.top
        if before.unconfirmed == unconfirmed and not retold:
            self.stated = before.stated
        if figures is old or figures == old:
            self.figured = before.figured
        elif same or figures is None:
            # A price that clients have already is told again in snapshots only, and so is it that
            # there are no figures any more.
            return
        if _same_still(row, last):
            self.renewed = before.renewed


class _Encoded(dict["Symbol", bytes]):
    """The message part of each symbol, encoded when it is first wanted.

    It is a dictionary that fills itself, so frames are joined from it without a step of Python for
    each symbol. Such steps would be most of the cost of a frame for a single client.
    """

    def __init__(
        self, flushed: Mapping[Symbol, Flushed], encode: Callable[[Flushed], bytes]
    ) -> None:
        super().__init__()
        self._flushed = flushed
        self._encode = encode

    def __missing__(self, symbol: Symbol) -> bytes:
        encoded = self[symbol] = self._encode(self._flushed[symbol])
        return encoded


class FlushBook:
    """Rows wait here until they are flushed; from then on they may be shown to clients."""

    def __init__(self) -> None:
        self.number = 0
        """The last flush; 0 before the first."""
        self._as_of: int | None = None
        self._stamp = Stamp(None, 0, None)
        self._heads: tuple[bytes, bytes] | None = None
        self._flushed: dict[Symbol, Flushed] = {}
        self._updates = _Encoded(
            self._flushed,
            lambda entry: (
                price_update(entry.row)
                if entry.figured < entry.number
                else price_update(entry.row, figures=True)
            ),
        )
        self._states = _Encoded(
            self._flushed, lambda entry: state_update(entry.row, entry.unconfirmed)
        )
        # Kept: else a client that asks for everything again and again has it encoded each time.
        self._quotes = _Encoded(
            self._flushed, lambda entry: snapshot_part(entry.row, entry.unconfirmed)
        )
        self._more = 0  # the last flush that changed anything but prices and figures
        self._figured = 0  # the last one that changed figures
        self._waiting: dict[Symbol, QuoteRow] = {}
        self._renumbered: dict[Symbol, QuoteRow] = {}
        self._unconfirmed: Mapping[Symbol, Unconfirmed] = {}
        self._restated: set[Symbol] = set()

    @property
    def as_of(self) -> int | None:
        """The last successful fetch, in ms since 1970."""
        return self._as_of

    @property
    def stamp(self) -> Stamp:
        """The times at the head of a message that is made now."""
        return self._stamp

    def fetched(self, as_of: int | None, fetched: int | None) -> None:
        """Set when the last successful fetch was, in ms: by the wall clock, and by the steady."""
        if as_of != self._as_of or fetched != self._stamp.fetched:
            self._as_of = as_of
            text = None if as_of is None else iso_utc(as_of)
            self._stamp = Stamp(text, self._stamp.steady, fetched)
            self._heads = None

    def at(self, now: float) -> None:
        """Set the time of the messages that are made from here on, on trio's clock."""
        steady = round(now * 1000)
        if steady != self._stamp.steady:
            self._stamp = Stamp(self._stamp.as_of, steady, self._stamp.fetched)
            self._heads = None

    def _head(self, *, of_prices: bool) -> bytes:
        if self._heads is None:
            self._heads = snapshot_head(self._stamp), prices_head(self._stamp)
        return self._heads[of_prices]

    def __len__(self) -> int:
        return len(self._flushed)

    def __getitem__(self, symbol: Symbol) -> Flushed:
        return self._flushed[symbol]

    @property
    def waiting(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._waiting or self._restated or self._renumbered)

    def note(self, rows: Iterable[QuoteRow]) -> None:
        """Have rows wait for the next flush, the newest of each symbol; older ones are ignored.

        What only has a version of a later epoch is sent to clients that are ahead of the one there
        is, and to nobody else.
        """
        for row in rows:
            symbol = row.quote.symbol
            known = self._waiting.get(symbol)
            if known is None:
                flushed = self._flushed.get(symbol)
                known = None if flushed is None else flushed.row
            if known is None or _is_news(row, known):
                self._waiting[symbol] = row
            elif row.quote.version.epoch > known.quote.version.epoch:
                renumbered = self._waiting if symbol in self._waiting else self._renumbered
                renumbered[symbol] = row

    def note_unconfirmed(self, unconfirmed: Mapping[Symbol, Unconfirmed]) -> None:
        """Take which symbols the last fetch did not confirm; changes wait for the next flush."""
        symbols = self._unconfirmed.keys() | unconfirmed.keys() | self._restated
        self._unconfirmed = unconfirmed
        self._restated = {
            symbol
            for symbol in symbols
            if (entry := self._flushed.get(symbol)) is not None
            and entry.unconfirmed != unconfirmed.get(symbol)
        }

    def flush(self) -> frozenset[Symbol]:
        """Begin the next flush with all that waits; returns the symbols that it changes."""
        self.number += 1
        waiting, flushed = self._waiting, self._flushed
        for symbol in self._restated:
            if symbol not in waiting:
                waiting[symbol] = flushed[symbol].row
        number, unconfirmed = self.number, self._unconfirmed
        more = self._more
        for symbol, row in waiting.items():
            entry = Flushed(row, unconfirmed.get(symbol), number, flushed.get(symbol))
            flushed[symbol] = entry
            if number in (entry.renewed, entry.stated):
                more = number
            if entry.figured == number:
                self._figured = number
        self._more = more
        changed = frozenset(waiting)
        for symbol, row in self._renumbered.items():
            if symbol not in changed:
                flushed[symbol].row = row
        for encoded in (self._updates, self._states, self._quotes):
            for symbol in encoded.keys() & (changed | self._renumbered.keys()):
                del encoded[symbol]
        waiting.clear()
        self._renumbered.clear()
        self._restated.clear()
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

    def updates(
        self, symbols: Collection[Symbol], seen: int, ahead: AheadOf = NOTHING
    ) -> list[Pieces]:
        """The messages that bring a client up to date that has `symbols` as of flush `seen`.

        These are updates, with the state of symbols whose state it lacks, and a snapshot of symbols
        whose other fields it lacks: symbols that were listed after the client subscribed, or that
        got a new opening price with a new day. A client that was `ahead` of one of them was not
        told how that stood meanwhile, so it gets all of it.
        """
        if not symbols:
            return []
        # Each update has the figures that have changed with it, not those that did before.
        missed = seen < self.number - 1 and seen < self._figured
        if self._more <= seen and not ahead and not missed:
            return [self.prices(symbols)]
        moved: list[Symbol] = []
        stated: list[Symbol] = []
        renewed: list[Symbol] = []
        for symbol in symbols:
            entry = self._flushed[symbol]
            if entry.renewed > seen or symbol in ahead:
                lacked = renewed
            else:
                missed = seen < entry.figured < entry.number
                lacked = stated if entry.stated > seen or missed else moved
            lacked.append(symbol)
        messages: list[Pieces] = [self._snapshot(renewed)] if renewed else []
        return [*messages, self.prices(moved, stated)] if moved or stated else messages

    def prices(self, symbols: Iterable[Symbol], stated: Collection[Symbol] = ()) -> Pieces:
        """A `prices` message with the newest update of each of `symbols`.

        The updates of `stated` symbols come with their state.
        """
        updates = b",".join(map(self._updates.__getitem__, symbols))
        if stated:
            states = b",".join(map(self._states.__getitem__, stated))
            updates = b",".join(filter(None, (updates, states)))
        return self._head(of_prices=True), updates, LIST_TAIL

    @property
    def symbols(self) -> AbstractSet[Symbol]:
        """Those that were flushed."""
        return self._flushed.keys()

    def quotes(self, symbols: Iterable[Symbol]) -> bytes:
        """All of the newest quote of each of `symbols`, encoded, with commas between."""
        return b",".join(map(self._quotes.__getitem__, symbols))

    def known(self, want: Subscription, since: Mapping[Symbol, Version]) -> frozenset[Symbol]:
        """The symbols of `want` for which a client with these versions is up to date.

        A symbol that was not confirmed, or of which something has changed under the same version,
        is not one of them. This result is kept for a slow client, and not `since`: it is a hundred
        bytes smaller for each symbol, and has no more symbols than exist.
        """
        return frozenset(
            symbol
            for symbol, version in since.items()
            if (want.everything or symbol in want.symbols)
            and (entry := self._flushed.get(symbol)) is not None
            and version >= entry.row.quote.version
            and entry.unconfirmed is None
            and not entry.amended
        )

    def ahead(self, want: Subscription, since: Mapping[Symbol, Version]) -> dict[Symbol, Version]:
        """The symbols of `want` of which a client with these versions has newer ones than there are
        here: it comes from a node that knew more.
        """
        ahead: dict[Symbol, Version] = {}
        for symbol, version in since.items():
            entry = self._flushed.get(symbol)
            if entry is None:
                # Not with everything: what nobody ever tells would be kept for ever.
                newer = symbol in want.symbols
            else:
                wanted = want.everything or symbol in want.symbols
                newer = wanted and version > entry.row.quote.version
            if newer:
                ahead[symbol] = version
        return ahead

    def still_ahead(self, want: Subscription, ahead: Mapping[Symbol, Version]) -> AheadOf:
        """The part of `ahead` of which there is nothing here yet that the client lacks."""
        return {
            symbol: version
            for symbol, version in ahead.items()
            if (want.everything or symbol in want.symbols)
            and ((entry := self._flushed.get(symbol)) is None or entry.row.quote.version < version)
        }

    def due(self, want: Subscription, lacking: Iterable[Symbol], ahead: AheadOf) -> list[Symbol]:
        """What a client may be told that is `ahead`: the other symbols that it is `lacking`, and
        those of which there is by now what it has, or more.
        """
        here = ahead.keys() - self.still_ahead(want, ahead).keys()
        due = [symbol for symbol in lacking if symbol not in ahead]
        return due + [symbol for symbol in here if want.everything or symbol in want.symbols]

    def part(self, want: Subscription, before: Subscription, most: int) -> Subscription:
        """The next subscription of a client on its way from `before` to `want`.

        Adds `most` symbols at a time, or an eighth of all where there are very many: one
        snapshot of everything would be held whole for each client that does not take it.
        """
        if before.everything:
            return want
        added = self._added(want, before)
        most = max(most, len(self._flushed if want.everything else want.symbols) // MOST_PARTS)
        if len(added) <= most:
            return want
        kept = before.symbols if want.everything else before.symbols & want.symbols
        return Subscription(kept.union(islice(added, most)))

    def _added(self, want: Subscription, before: Subscription) -> AbstractSet[Symbol]:
        wanted = self._flushed.keys() if want.everything else want.symbols
        return wanted - before.symbols

    def snapshot(
        self,
        want: Subscription,
        before: Subscription,
        known: frozenset[Symbol] = frozenset(),
        known_at: int = 0,
        ahead: AheadOf = NOTHING,
    ) -> Pieces | None:
        """A `snapshot` of what `want` adds to `before`; None when it adds nothing.

        Symbols that the client had at flush `known_at`, and that have not changed since, are
        left out. So are those of which it has a newer version, which is in `ahead`.
        """
        if before.everything or want == before:
            return None
        added = self._added(want, before)
        if not want.everything and not added:
            return None
        return self._snapshot(
            symbol
            for symbol in added
            if (entry := self._flushed.get(symbol)) is not None
            and (symbol not in known or entry.number > known_at)
            and (symbol not in ahead or entry.row.quote.version >= ahead[symbol])
        )

    def _snapshot(self, symbols: Iterable[Symbol]) -> Pieces:
        return self._head(of_prices=False), self.quotes(symbols), LIST_TAIL


def _same_still(row: QuoteRow, other: QuoteRow) -> bool:
    """Whether the fields are the same that only snapshots carry; those of the prices aside.

    Asked for each update: tuples of the fields would be made and thrown away.
    """
    quote, old = row.quote, other.quote
    return (
        row.open == other.open
        and (row.base is other.base or row.base == other.base)
        and quote.session is old.session
        and (row.session is other.session or row.session == other.session)
        and quote.exchange == old.exchange
        and quote.currency == old.currency
        and quote.delayed is old.delayed
        and quote.delayed_seconds == old.delayed_seconds
        and quote.name == old.name
        and row.source == other.source
        and quote.previous_close == old.previous_close
    )


def _has_own_time(row: QuoteRow) -> bool:
    top = row.quote.top
    return top is not None and top.at is not None


def _is_news(row: QuoteRow, known: QuoteRow) -> bool:
    quote, old = row.quote, known.quote
    if quote.version < old.version:
        return False
    if quote.version == old.version:
        return row is not known and not (
            _same_still(row, known) and quote.figures == old.figures and quote.top == old.top
        )
    passed = quote.timestamp - old.timestamp
    return (
        quote.price != old.price
        or passed >= RESTAMP_MS
        or passed < 0
        # Nobody trades where it has a time of its own, so no later price would bring it.
        or (quote.top != old.top and (passed >= REQUOTE_MS or _has_own_time(row)))
        or not _same_still(row, known)
    )
