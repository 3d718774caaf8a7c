"""What a watching client knows: the symbols, their last quotes, and how the server does.

No I/O and no clock: messages and the time go in, and what is true then can be asked. Times are ms
of our monotonic clock. A version that is not higher than the one held is refused, whichever node
it comes from, so prices never go back when the client moves to another node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import UNSET

from stockstream.cli.watch.figures import decimals_for
from stockstream.cli.watch.standing import FEED_HEARTBEAT_MS, FeedView, Held, Standing, standing
from stockstream.cli.watch.steady import SteadyClock
from stockstream.delivery.protocol import (
    NotServed,
    Pong,
    Prices,
    PriceUpdate,
    ServerMessage,
    Snapshot,
    SnapshotQuote,
    Status,
    Subscriptions,
    Welcome,
)
from stockstream.statuses import SymbolState

if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE_MS = 800.0
"""A connection that is back within this has been there all the time, for who looks."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """A handshake is under way, or the welcome is awaited."""


@dataclass(frozen=True, slots=True)
class Open:
    """Messages arrive, from the node of that name."""

    node: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The connection is lost, or there was none; the next attempt comes at `retry_at`."""

    retry_at: float
    reason: str


Link = Connecting | Open | Waiting


@dataclass(slots=True)
class Row:
    """A symbol. `rejected` is why the server does not serve it, and `not_served` why its provider
    tells no price of it now. `moved` counts its prices.
    """

    symbol: str
    held: Held | None = None
    decimals: int = 2
    rejected: str | None = None
    not_served: str | None = None
    moved: int = 0


@dataclass
class Watching:
    """See the module. Symbols that were asked for come first; those of "*" as they are told.

    `told_every` is how far apart messages may be, in ms: the feed's heartbeat, unless the client
    asked for fewer.
    """

    symbols: tuple[str, ...]
    everything: bool = False
    told_every: float = FEED_HEARTBEAT_MS
    rows: dict[str, Row] = field(default_factory=dict)
    link: Link = field(default_factory=Connecting)
    url: str = ""
    status: Status | None = None
    fetched_at: float | None = None
    probe_at: float | None = None
    round_trip: float | None = None
    doubted_since: float | None = None
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    """Symbols newly refused, each with a code and a reason, until somebody takes them."""
    notices: list[str] = field(default_factory=list)
    """What else went wrong, in sentences, until somebody takes them."""
    changed: dict[str, None] = field(default_factory=dict)
    """Symbols of which something is new, the first first, until somebody takes them."""
    prices: int = 0
    """How many prices came."""

    def __post_init__(self) -> None:
        for symbol in self.symbols:
            self.rows[symbol] = Row(symbol)
        self._clock = SteadyClock()
        self._away_since: float | None = 0.0
        self._fetched_steady: int | None = None
        self._untold: set[str] = set()

    # The connection.

    def linked(self, link: Link, now: float) -> None:
        """Take how the connection does from now on."""
        if isinstance(link, Open):
            self._away_since = None
        elif self._away_since is None:
            self._away_since = now
        self.link = link
        self.doubted_since = None

    def answered(self, round_trip: float, now: float) -> None:
        """Take the answer to a ping."""
        self.round_trip = round_trip
        self._clock.answered(round_trip, now)

    def since(self, symbols: Iterable[str]) -> dict[str, tuple[int, int]]:
        """The versions of those symbols that a server may leave out, if it has none newer.

        Of a stale one it may not: another node may have the same price and call it live.
        """
        held = ((symbol, row.held) for symbol in symbols if (row := self.rows.get(symbol)))
        return {
            symbol: quote.version
            for symbol, quote in held
            if quote is not None and quote.state is SymbolState.LIVE
        }

    # What the server says.

    def take(self, message: ServerMessage, now: float) -> None:
        """Take a message."""
        if isinstance(message, Welcome):
            self._clock.begin(now)
            for row in self.rows.values():
                row.not_served = None  # it is told anew on each connection
        steady = None if isinstance(message, Pong) else getattr(message, "steady", None)
        if steady is not None:
            self._slept(self._clock.observe(steady, now))
        made_at = now if steady is None else self._clock.here(steady, now)
        match message:
            case Status():
                self._fetched(message.fetched, now)
                self.status = message
                self.probe_at = None if message.probe_in is None else made_at + message.probe_in
            case Subscriptions():
                for rejected in message.rejected:
                    self.refuse(rejected.symbol, rejected.code, rejected.reason)
            case NotServed():
                self._not_served(message)
            case Snapshot():
                self._fetched(message.fetched, now)
                for quote in message.quotes:
                    self._take_quote(quote, now)
            case Prices():
                self._fetched(message.fetched, now)
                for update in message.prices:
                    self._take_update(update, made_at, now)
            case _:
                pass

    def refuse(self, symbol: str, code: str, reason: str) -> None:
        """Take that a symbol is not served; news only when it was not known."""
        row = self.rows.setdefault(symbol, Row(symbol))
        if row.rejected is None:
            self.refused.append((symbol, code, reason))
            self.changed[symbol] = None
        row.rejected = reason

    def _not_served(self, message: NotServed) -> None:
        for told in message.symbols:
            row = self.rows.get(told.symbol)
            if row is not None and row.held is None:
                self.refused.append((told.symbol, told.code, told.reason))
                self.changed[told.symbol] = None
                row.not_served = told.reason
        for symbol in message.served:
            row = self.rows.get(symbol)
            if row is not None and row.not_served is not None:
                row.not_served = None
                self.changed[symbol] = None
                if row.held is None:
                    self.notices.append(f"{symbol} is served again, and has no price yet")

    @property
    def nothing_left(self) -> bool:
        """Whether every symbol was refused."""
        rows = self.rows.values()
        return not self.everything and all(row.rejected is not None for row in rows)

    def _row(self, symbol: str) -> Row | None:
        if self.everything:
            return self.rows.setdefault(symbol, Row(symbol))
        return self.rows.get(symbol)

    def _take_quote(self, quote: SnapshotQuote, now: float) -> None:
        row = self._row(quote.symbol)
        if row is None:
            return
        before = None if row.held is None else row.held.version
        version = tuple(quote.version)
        # The same version is let in: a snapshot repeats it with the fields that seldom change.
        if before is not None and version < before:
            return
        confirmed = None if quote.confirmed is None else self._clock.here(quote.confirmed, now)
        if confirmed is not None and quote.state is SymbolState.LIVE:
            self._untold.add(quote.symbol)
        row.held = Held(
            price=quote.price,
            timestamp=quote.timestamp,
            version=quote.version,
            changed_at=self._clock.here(quote.changed, now),
            state=quote.state,
            reason=quote.reason,
            confirmed_at=confirmed,
            base=quote.base,
            basis=quote.basis,
            base_at=quote.base_at,
            day_zone=quote.day_zone,
            exchange=quote.exchange,
            currency=quote.currency,
            name=quote.name,
            source=quote.source,
            session=quote.session,
            delayed=quote.delayed,
            delayed_seconds=quote.delayed_seconds,
            previous_close=quote.previous_close,
            day=quote.day or None,
            bid=quote.bid or None,
            ask=quote.ask or None,
            quoted_at=quote.quoted_at or None,
        )
        self._moved(row, new=before is None or version > before)

    def _take_update(self, update: PriceUpdate, made_at: float, now: float) -> None:
        row = self._row(update.symbol)
        if row is None:
            return
        held = row.held
        new = held is None or update.version > held.version
        # A symbol that is confirmed no more, or again, keeps the version of its price.
        if held is not None and not new and (update.version < held.version or not update.state):
            return
        if held is None:
            held = row.held = Held(update.price, update.timestamp, update.version, made_at)
        elif held.price != update.price:
            held.changed_at = made_at
        held.price, held.timestamp, held.version = update.price, update.timestamp, update.version
        held.day = update.day or held.day
        held.bid, held.ask = update.bid or None, update.ask or None
        held.quoted_at = update.quoted_at or None
        if update.state is not UNSET:
            held.state = update.state
            held.reason = None if update.reason is UNSET else update.reason
            told = update.confirmed
            held.confirmed_at = None if told is UNSET else self._clock.here(told, now)
        self._moved(row, new=new)

    def _moved(self, row: Row, *, new: bool) -> None:
        row.rejected = row.not_served = None
        self.changed[row.symbol] = None
        if new and row.held is not None:
            row.moved += 1
            self.prices += 1
            row.decimals = decimals_for(row.held.price, row.held.base, row.decimals)

    def _fetched(self, steady: int | None, now: float) -> None:
        if steady is None:
            return
        self.fetched_at = self._clock.here(steady, now)
        if steady == self._fetched_steady:
            return
        self._fetched_steady = steady
        # What the fetch before had not told, and is called live, this one has told.
        for symbol in self._untold:
            held = self.rows[symbol].held
            if held is not None and held.state is SymbolState.LIVE:
                held.confirmed_at = None
        self._untold.clear()

    def _slept(self, milliseconds: float) -> None:
        """Our clock stood still: whatever is kept happened longer ago than it seems."""
        if not milliseconds:
            return
        if self.fetched_at is not None:
            self.fetched_at -= milliseconds
        if self.probe_at is not None:
            self.probe_at -= milliseconds
        for row in self.rows.values():
            if row.held is not None:
                row.held.changed_at -= milliseconds
                if row.held.confirmed_at is not None:
                    row.held.confirmed_at -= milliseconds

    # What is true now.

    def view(self, now: float) -> FeedView:
        """The feed, as far as freshness needs it."""
        status, away = self.status, self._away_since
        return FeedView(
            fetched_at=self.fetched_at,
            interval=None if status is None else status.interval * 1000,
            feed="unknown" if status is None else status.feed,
            connected=away is None or (away > 0 and now - away < GRACE_MS),
            doubted_since=self.doubted_since,
            told_every=self.told_every,
            partly=status is not None and status.partly,
        )

    def standing(self, row: Row, now: float) -> Standing:
        """How a symbol stands."""
        return standing(row.held, row.rejected or row.not_served, self.view(now), now)
