"""A WebSocket client that checks the invariants all the time."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

Message = dict[str, Any]


class Client:
    """Reads all the time; keeps what came, and fails on a version that does not rise (C13)."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.messages: list[Message] = []
        self.versions: dict[str, tuple[int, int]] = {}
        self.prices: dict[str, float] = {}
        self.price_times: dict[str, float] = {}
        self.subscribed: set[str] = set()
        self.closed: ConnectionClosed | None = None
        self.faults: list[str] = []
        self.expected: list[int] = []
        self.came: list[float] = []  # when prices came, by trio's clock
        self.status: Message = {}
        self.not_served: dict[str, str] = {}  # why, by the symbol
        self.counts: dict[str, int] = defaultdict(int)
        self._changed = trio.Event()

    async def run(self) -> None:
        """Read until the connection ends."""
        try:
            while True:
                self._take(json.loads(await self.socket.get_message()))
        except ConnectionClosed as closed:
            self.closed = closed
        finally:
            self._wake()

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if not self.messages and kind != "welcome":
            self.faults.append(f"the first message was {kind}")
        self.messages.append(message)
        self.counts[kind] += 1
        if kind == "status":
            self.status = message
        if kind == "not_served":
            self.not_served.update((one["symbol"], one["reason"]) for one in message["symbols"])
            for symbol in message["served"]:
                if self.not_served.pop(symbol, None) is None:
                    self.faults.append(f"{kind}: {symbol} was never refused")
        if kind == "subscriptions":
            now = set(message["symbols"])
            for gone in self.subscribed - now:
                self.versions.pop(gone, None)
                self.not_served.pop(gone, None)
            self.subscribed = now
        quotes = message.get("quotes", []) + message.get("prices", [])
        for quote in quotes:
            self._take_quote(kind, quote)
        if quotes:
            self.came.append(trio.current_time())
        self._wake()

    def _take_quote(self, kind: str, quote: Message) -> None:
        symbol = quote["symbol"]
        version = tuple(quote["version"])
        last = self.versions.get(symbol)
        # What is told again under a version is a state, or another field than the price.
        again = kind == "snapshot" or "state" in quote
        if last is not None and (version < last or (version == last and not again)):
            self.faults.append(f"{kind}: {symbol} went from {last} to {version}")
        if symbol not in self.subscribed and "*" not in self.subscribed:
            self.faults.append(f"{kind}: {symbol} is not subscribed")
        self.versions[symbol] = version
        self.prices[symbol] = quote["price"]
        self.price_times[symbol] = trio.current_time()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, **message: Any) -> None:
        await self.socket.send_message(json.dumps(message))

    async def wait_for(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until `holds`, looked at after each message; fails when it takes too long."""
        with trio.move_on_after(seconds):
            while not holds():
                if self.closed is not None:
                    raise AssertionError(f"closed meanwhile: {self.closed.reason}")
                await self._changed.wait()
            return
        raise AssertionError(f"waited {seconds} s in vain; last: {self.messages[-3:]}")

    async def message(self, kind: str, number: int = 1, seconds: float = 20.0) -> Message:
        """The `number`-th message of a kind, waiting for it."""
        await self.wait_for(lambda: self.counts[kind] >= number, seconds)
        return [message for message in self.messages if message["type"] == kind][number - 1]

    def longest_pause(self, begin: float, end: float) -> float:
        """The longest time without prices between two moments of trio's clock."""
        marks = [begin, *(at for at in self.came if begin < at < end), end]
        return max(later - earlier for earlier, later in pairwise(marks))

    def messages_with_id(self, mark: object) -> list[Message]:
        """The answers to the command with that id."""
        return [message for message in self.messages if message.get("id") == mark]

    async def wait_closed(self, seconds: float = 20.0) -> tuple[int, str]:
        """The close code and reason, waiting for them."""
        with trio.fail_after(seconds):
            while self.closed is None:
                await self._changed.wait()
        reason = self.closed.reason
        return reason.code, reason.reason or ""

    def check(self) -> None:
        """Fail if an invariant was broken."""
        assert self.faults == [], self.faults


@asynccontextmanager
async def connected(
    url: str,
    nursery: trio.Nursery,
    headers: Sequence[tuple[str, str] | tuple[bytes, bytes]] = (),
    *,
    tls: ssl.SSLContext | None = None,
    at: str | None = None,
) -> AsyncIterator[Client]:
    """A client for the time of a `with`; checked at its end.

    `at` is the address to connect to if the name in `url` has none.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    resource = parts.path + (f"?{parts.query}" if parts.query else "")
    # On a stream of our own: the library leaves the socket open when the server closed first.
    async with await _stream(at or parts.hostname, parts.port, parts.hostname, tls) as stream:
        with trio.fail_after(20):
            socket = await wrap_client_stream(
                nursery, stream, parts.netloc, resource, extra_headers=list(headers)
            )
        client = Client(socket)
        nursery.start_soon(client.run)
        yield client
        client.check()
        with trio.move_on_after(3):
            await socket.aclose()


async def _stream(
    address: str, port: int, name: str, tls: ssl.SSLContext | None
) -> trio.abc.Stream:
    stream = await trio.open_tcp_stream(address, port)
    if tls is None:
        return stream
    return trio.SSLStream(stream, tls, server_hostname=name, https_compatible=True)
