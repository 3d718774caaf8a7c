"""A client that goes from node to node and checks each frame against all that it has seen.

It shares no code with the product: what it knows of the protocol is in `docs/protocol.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec
import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

RETRY_SECONDS = 0.1
CONNECT_SECONDS = 3.0
SILENT_SECONDS = 6.5
"""A `prices` message comes every 5 s at least: after this, the connection is given up."""
LARGEST_MESSAGE = 16 * 2**20

Version = tuple[int, int]


class _Quote(msgspec.Struct):
    symbol: str
    price: float
    timestamp: str
    version: Version


class Frame(msgspec.Struct):
    """A message of the server, as far as it is looked at."""

    type: str
    quotes: list[_Quote] = []
    prices: list[_Quote] = []
    code: str = ""
    reason: str = ""


class Seen(NamedTuple):
    """The newest that a client has seen of a symbol. `timestamp` is the provider's, ISO 8601."""

    version: Version
    price: float
    timestamp: str


class Book:
    """What all clients have seen of `sample`d symbols: each version has one price on all nodes."""

    def __init__(self, sample: frozenset[str]) -> None:
        self.sample = sample
        self.prices: dict[tuple[str, Version], tuple[float, float]] = {}
        """By symbol and version: the price, and when the first client saw it (trio's clock)."""
        self.violations: list[str] = []

    def note(self, who: str, quote: _Quote, now: float) -> None:
        """A client has seen this."""
        if quote.symbol not in self.sample:
            return
        known = self.prices.setdefault((quote.symbol, quote.version), (quote.price, now))
        if known[0] != quote.price:
            self.violations.append(
                f"{who}: {quote.symbol} {quote.version} is {quote.price}, and was {known[0]}"
            )


class Witness:
    """Follows `symbols` (or `*`) on one node after another, its home first."""

    def __init__(self, name: str, urls: Sequence[str], symbols: Sequence[str], book: Book) -> None:
        self.name = name
        self._urls = urls
        self._symbols = list(symbols)
        self._book = book
        self._at = 0
        self.seen: dict[str, Seen] = {}
        self.violations: list[str] = []
        self.pauses: list[tuple[float, float]] = []
        """Each time between two messages with prices: when it began, and its seconds."""
        self.connections = 0
        self.frames = 0
        self.last = self._connected = trio.current_time()
        self._frames_here = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow(self._urls[self._at % len(self._urls)])
            except* (OSError, HandshakeError, ConnectionClosed, trio.TooSlowError):
                pass  # nobody listens there, or not any more, or it hangs
            self._at += 1
            await trio.sleep(RETRY_SECONDS)

    @property
    def standing(self) -> str:
        """Where it is, for how long, and the newest that it has."""
        newest = max(self.seen.items(), key=lambda item: item[1].timestamp, default=None)
        where = self._urls[self._at % len(self._urls)]
        ago = trio.current_time() - self._connected
        return f"{where} since {ago:.1f} s, {self._frames_here} messages there, newest {newest}"

    def since_last(self) -> float:
        """Seconds since it had prices `last`."""
        return trio.current_time() - self.last

    async def _follow(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        # On a stream of our own: the library leaves the socket open when the server closed first.
        async with (
            await trio.open_tcp_stream(parts.hostname, parts.port or 80) as stream,
            trio.open_nursery() as nursery,
        ):
            with trio.fail_after(CONNECT_SECONDS):
                socket = await wrap_client_stream(
                    nursery, stream, parts.netloc, parts.path, max_message_size=LARGEST_MESSAGE
                )
            await self._listen(socket)

    async def _listen(self, socket: WebSocketConnection) -> None:
        self.connections += 1
        self._connected, self._frames_here = trio.current_time(), 0
        had = {symbol: seen.version for symbol, seen in self.seen.items()}
        # What this connection has sent: a version comes once on each.
        told: dict[str, Version] = {}
        command = {"action": "subscribe", "symbols": self._symbols, "since": had}
        with trio.fail_after(CONNECT_SECONDS):
            await socket.send_message(msgspec.json.encode(command).decode())
        while True:
            with trio.fail_after(SILENT_SECONDS):
                data = await socket.get_message()
            self.take(msgspec.json.decode(data, type=Frame), told)

    def take(self, frame: Frame, told: dict[str, Version]) -> None:
        """Check a message. `told` is what came on this connection before."""
        self.frames += 1
        self._frames_here += 1
        if frame.type == "error":
            self.violations.append(f"{self.name}: error {frame.code}: {frame.reason}")
        now = trio.current_time()
        for quote in (*frame.quotes, *frame.prices):
            self._check(frame.type, quote, told)
            self._book.note(self.name, quote, now)
        if frame.quotes or frame.prices:
            self.pauses.append((self.last, now - self.last))
            self.last = now

    def _check(self, kind: str, quote: _Quote, told: dict[str, Version]) -> None:
        seen = self.seen.get(quote.symbol)
        if seen is not None:
            where = f"{self.name}, {kind}: {quote.symbol}"
            if quote.version < seen.version:
                self.violations.append(f"{where} went from {seen.version} to {quote.version}")
            elif quote.version == seen.version and quote.price != seen.price:
                self.violations.append(f"{where} {seen.version}: {seen.price}, then {quote.price}")
            elif quote.timestamp < seen.timestamp:
                self.violations.append(
                    f"{where} is older: {seen.timestamp} {seen.version}, "
                    f"then {quote.timestamp} {quote.version}"
                )
        if quote.version < told.get(quote.symbol, (0, 0)):
            self.violations.append(f"{self.name}: {quote.symbol} went back on one connection")
        told[quote.symbol] = quote.version
        self.seen[quote.symbol] = Seen(quote.version, quote.price, quote.timestamp)
