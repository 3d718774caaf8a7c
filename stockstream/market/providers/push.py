"""What a provider that pushes prices speaks: a codec per connection, without I/O.

A codec is the conversation on one connection, frames in, frames and events out. It is given the
time, sends nothing, waits for nothing and never raises, whatever comes. The feed that owns the
socket (`market/feeds/push.py`) sends what a turn holds and acts on its events; any frame at all is
a sign of life, so there is no event for that. Prices and symbols are in the product's spelling:
a codec writes ``BTC-USD`` as its provider does (`BTC/USD`, `btcusdt`) and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stockstream.market.providers.known_secrets import KnownSecrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stockstream.quotes import Observation, Symbol


CONNECTION_LIMIT = "connection_limit"
"""A kind of trouble: another connection of the same key is there, and no second one is allowed."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The provider has let us in. Without symbols to ask for, this is its first acknowledgement."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The provider will tell prices of these symbols."""

    symbols: frozenset[Symbol]


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will tell no prices of this symbol. `code` is a short stable word for counting,
    `reason` what it said, for whoever runs this.
    """

    symbol: Symbol
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in the order they came; several of a symbol are possible."""

    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that ends the connection. `kind` is a short stable word for counting; `detail` is
    in our words, fit for anybody.

    `fatal` is a wrong key or plan: another attempt would end as this one. `retry_after` is how many
    seconds the provider wants to be left alone; `said` its own words, for whoever runs this. A
    provider that `lingers` still holds the connection before this one, and will soon let it go.
    """

    kind: str
    detail: str
    fatal: bool = False
    retry_after: float | None = None
    said: str | None = None
    lingers: bool = False


@dataclass(frozen=True, slots=True)
class Replace:
    """The provider will end this connection soon, so another is to take its place before."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Something in a frame that could not be read, or is not known, so many times.

    `kind` is for counting, and `detail` says what the first one was.
    """

    kind: str
    detail: str
    count: int = 1


Event = Ready | Subscribed | Refused | Prices | Trouble | Replace | Unread


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows of a call: `frames` to send, in order, and what happened."""

    frames: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


NOTHING = Turn()


class Codec(Protocol):
    """The conversation on one connection. `now` is a monotonic clock in seconds, `wall` the time
    in ms since 1970, for prices that are told without one.
    """

    def opened(self, now: float) -> Turn:
        """The socket is open."""

    def want(self, symbols: frozenset[Symbol], now: float) -> Turn:
        """From now on prices of all these and of no others are wanted.

        May be called before `opened`, and before the provider has let us in: the codec asks for
        them when it can.
        """

    def received(self, frame: str | bytes, now: float, wall: int) -> Turn:
        """A frame came, as text or binary."""

    def received_all(self, frames: Iterable[str | bytes], now: float, wall: int) -> Turn:
        """Frames came together, in this order: the same as one by one, in one turn."""

    def due(self, now: float) -> Turn:
        """Time has passed; called about every second: our heartbeats, answers that never came."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many at once, and one more every `1 / rate` seconds."""

    burst: float
    rate: float


@dataclass(frozen=True, slots=True)
class PushLimits:
    """What a provider allows. `symbols` on a connection, None: no limit that is known; so many
    `connections` at a time; `connects` and `messages` from us.
    """

    symbols: int | None = None
    connections: int = 1
    connects: Bucket = Bucket(10, 1 / 6)
    messages: Bucket = Bucket(10, 5)


@dataclass(frozen=True, slots=True)
class Access:
    """How this provider is reached: the `url` in place of its own, the `options` of the address in
    `PROVIDERS`, and the key and what belongs to it, which are in no repr.
    """

    url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    verify_tls: bool = True

    @property
    def secrets(self) -> KnownSecrets:
        """What is taken out of the provider's words before anybody reads them."""
        return KnownSecrets(keys=[one for one in (self.key, self.secret) if one])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, with the key in it where the provider wants it there."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Latest:
    """How the latest prices are asked for by REST, where the socket tells none before the next
    trade. `request` says what to get; `read` reads the answer: the symbols that were asked for,
    its status, its body, and the wall clock in ms, for prices told without a time.
    """

    request: Callable[[Access, frozenset[Symbol]], Endpoint]
    read: Callable[[frozenset[Symbol], int, bytes, int], Turn]
    symbols: int = 100
    """As many are asked for at once."""
    calls: Bucket = Bucket(10, 5)
    """As often it may be asked."""


@dataclass(frozen=True, slots=True)
class PushProvider:
    """One provider that pushes. `scheme` is how `PROVIDERS` names it, `name` how people do.

    `silence` is after how many seconds without any frame the connection counts as dead; None where
    nothing comes while nothing trades.
    `options` are the names that its address may have after the `?`, `url` apart. `starters` are
    subscribed to where nobody has named a symbol. `endpoint` and `codec` are of one connection
    each; so many `connections` are kept. One that would be older than `lifetime` is replaced.
    `sessionless` markets never close, so that silence is a fault at any hour. What depends on the
    options, the limits of a plan or what there is to begin with, is `adapted` to them.
    """

    scheme: str
    name: str
    address: str
    silence: float | None
    endpoint: Callable[[Access], Endpoint]
    codec: Callable[[Access], Codec]
    needs_key: bool = False
    needs_secret: bool = False
    options: frozenset[str] = frozenset()
    starters: tuple[str, ...] = ()
    limits: PushLimits = PushLimits()
    connections: int = 1
    lifetime: float | None = None
    latest: Latest | None = None
    sessionless: bool = False
    check: Callable[[Access], str | None] = lambda _access: None
    """What is wrong with the options or the shape of the key, in words; None: nothing."""
    adapted: Callable[[PushProvider, Access], PushProvider] = lambda provider, _access: provider
