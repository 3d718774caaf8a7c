"""The clients of a run. They read the protocol by themselves, and hand on what they are shown."""

from __future__ import annotations

import random
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stockstream.times import to_ms
from tests.simulation.sockets import Link
from tests.simulation.upstream import SELDOM, SYMBOLS

if TYPE_CHECKING:
    from tests.simulation.world import World

BACKOFF_SECONDS = (0.1, 0.6)
CONNECT_SECONDS = 3.0


class Shown(NamedTuple):
    """The newest that a client was shown of a symbol."""

    version: tuple[int, int]
    price: float
    timestamp: str

    @property
    def milliseconds(self) -> int:
        """Its time, in ms since 1970."""
        return _ms(self.timestamp)


@lru_cache(maxsize=1024)
def _ms(timestamp: str) -> int:
    return to_ms(datetime.fromisoformat(timestamp))


class Quote(msgspec.Struct):
    """Of an update, or of a quote in a snapshot."""

    symbol: str
    version: tuple[int, int]
    price: float
    timestamp: str


class Prices(msgspec.Struct, tag_field="type", tag="prices"):
    prices: list[Quote]


class Snapshot(msgspec.Struct, tag_field="type", tag="snapshot"):
    quotes: list[Quote]


class Welcome(msgspec.Struct, tag_field="type", tag="welcome"):
    node: str


class Subscriptions(msgspec.Struct, tag_field="type", tag="subscriptions"):
    symbols: list[str]


class Error(msgspec.Struct, tag_field="type", tag="error"):
    code: str
    reason: str


class Status(msgspec.Struct, tag_field="type", tag="status"):
    feed: str
    circuit: str


class Pong(msgspec.Struct, tag_field="type", tag="pong"):
    server_time: str


class GoingAway(msgspec.Struct, tag_field="type", tag="going_away"):
    reconnect_after: float


_decode = msgspec.json.Decoder(
    Prices | Snapshot | Welcome | Subscriptions | Error | Status | Pong | GoingAway
).decode


class SimulatedClient:
    """Connects to nodes, subscribes, and comes back when its connection ends.

    `answered` are the symbols of the last answer to a subscription on this connection. Of those
    `forgiven`, no node knows any more what it was shown; it `forgets` with its next connection. Of
    those `carried` it came with to another node, and was shown nothing newer since.
    """

    def __init__(self, number: int, world: World, seed: int) -> None:
        self.number = number
        self.name = f"c{number}"
        self._world = world
        self._random = random.Random(f"client {seed} {number}")
        self.delay = 0.0 if number % 2 == 0 else self._random.uniform(0.001, 0.06)
        self.home = number % len(world.nodes)
        self.wants = self._drawn_wants(self._random.randrange(1 << 16))
        self.has: dict[str, Shown] = {}
        self.carried: set[str] = set()
        self.came_ms = 0  # to the node where it is, in ms since 1970
        self._last_node: int | None = None
        self.forgets = False
        self.forgiven: set[str] = set()
        self.link: Link | None = None
        self.node: int | None = None
        self.answered: frozenset[str] = frozenset()
        self.stalled = self._welcomed = False
        self.leaving = False
        self._tries = 0

    @property
    def served(self) -> bool:
        """Whether it is connected, and subscribed to what it wants."""
        return self.link is not None and self.answered == self.wants

    @staticmethod
    def _drawn_wants(bits: int) -> frozenset[str]:
        some = frozenset(str(symbol) for at, symbol in enumerate(SYMBOLS) if bits >> at & 1)
        return (some or frozenset(map(str, SYMBOLS))) | set(map(str, SELDOM))

    # Its connection

    def connect(self) -> None:
        """Try its own node first, then the others in turn."""
        if self.link is not None or self.leaving:
            return
        nodes = self._world.nodes
        node = nodes[(self.home + self._tries) % len(nodes)]
        link = Link(self._world.agenda, self.delay, self._heard, self._cut, self._ended)
        link.reading = not self.stalled
        if not node.connect(link.socket):
            self._tries += 1
            self._come_back()
            return
        self.link, self.node, self._welcomed = link, node.number, False
        self.carried = set(self.has) if self.node != self._last_node else self.carried
        self._last_node = self.node
        self.came_ms = self._world.true_ns() // 1_000_000
        if self.forgets:
            self.forgets, self.forgiven = False, set(self.has)
        self._world.trace(self.name, "connects to", node.name)
        self._world.agenda.after(CONNECT_SECONDS, partial(self._give_up, link))

    def _give_up(self, link: Link) -> None:
        """A node that says nothing hangs: another may not."""
        if self.link is link and not self._welcomed and not self.stalled:
            link.reset()

    def _come_back(self) -> None:
        self._world.agenda.after(self._random.uniform(*BACKOFF_SECONDS), self.connect)

    def _cut(self, code: int, reason: str) -> None:
        self._world.checks.cut(self, self.node, code, reason)

    def _ended(self, code: int, reason: str) -> None:
        self._world.trace(self.name, "lost", code, reason)
        self.link, self.node, self.answered = None, None, frozenset()
        self._tries += 1
        self._world.checks.disconnected(self)
        self._come_back()

    def leave(self) -> None:
        """Go, for ever."""
        self.leaving = True
        if self.link is not None:
            self.link.reset()

    def hop(self, node: int) -> None:
        """Leave, and try this node first from now on."""
        self.home, self._tries = node, -1
        if self.link is not None:
            self.link.reset()

    def change(self, bits: int) -> None:
        """Want others from now on."""
        before, self.wants = self.wants, self._drawn_wants(bits)
        if self.answered:
            gone = sorted(before - self.wants)
            if gone:
                self._say({"action": "unsubscribe", "symbols": gone})
            self._subscribe()

    def _subscribe(self) -> None:
        since = {name: self.has[name].version for name in sorted(self.wants & self.has.keys())}
        self._say({"action": "subscribe", "symbols": sorted(self.wants), "since": since})

    def _say(self, message: object) -> None:
        if self.link is not None:
            self.link.up(msgspec.json.encode(message).decode())

    # What it is told

    def _heard(self, payload: bytes) -> None:
        self._world.trace_bytes(self.name, payload)
        message = _decode(payload)
        match message:
            case Prices():
                self._shown(message.prices)
            case Snapshot():
                self._shown(message.quotes)
            case Welcome():
                self._welcomed = True
                self._tries = 0
                self._subscribe()
            case Subscriptions():
                self.answered = frozenset(message.symbols)
                if self.answered == self.wants:
                    self._world.checks.served(self)
            case Error():
                self._world.checks.refused(self, message.code, message.reason)
            case _:
                pass

    def _shown(self, quotes: list[Quote]) -> None:
        for quote in quotes:
            shown = Shown(quote.version, quote.price, quote.timestamp)
            self._world.checks.shown(self, quote.symbol, self.has.get(quote.symbol), shown)
            self.has[quote.symbol] = shown
