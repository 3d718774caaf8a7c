"""A server that speaks what Kraken does, version 2, on a real socket, for as long as a test lasts.

A test says what it does next: prices, silence, a close, a refusal, heartbeats or none.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from stockstream.quotes import iso_utc
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

KNOWN = {"BTC/USD": 97_000.5, "ETH/USD": 3_600.25, "SOL/USD": 240.1}


@dataclass
class Kraken:
    """The server. `asked` are the symbols of each connection, in the order they came."""

    port: int = 0
    known: dict[str, float] = field(default_factory=lambda: dict(KNOWN))
    heartbeat: float = 0.2
    reject: int | None = None
    date: str | None = None  # as the handshake says it
    snapshots: bool = True
    sockets: list[WebSocketConnection] = field(default_factory=list)
    asked: list[set[str]] = field(default_factory=list)
    attempts: int = 0
    most_open: int = 0
    _news: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v2"

    @property
    def provider(self) -> str:
        """As `PROVIDERS` has it."""
        return f"kraken://?url={self.url}"

    @property
    def open(self) -> list[WebSocketConnection]:
        """The connections there are now."""
        return [socket for socket in self.sockets if socket.closed is None]

    @property
    def asked_of_open(self) -> list[set[str]]:
        """What each connection that there is now has subscribed to."""
        both = zip(self.sockets, self.asked, strict=True)
        return [asked for socket, asked in both if socket.closed is None]

    @property
    def now(self) -> set[str]:
        """What the newest connection has subscribed to."""
        return self.asked[-1] if self.asked else set()

    async def until(self, holds: object, seconds: float = 10.0) -> None:
        """Wait until a condition holds that follows of what clients ask."""
        assert callable(holds)
        with trio.fail_after(seconds):
            while not holds():
                self._news = trio.Event()
                await self._news.wait()

    async def tell(self, prices: dict[str, float], **more: object) -> None:
        """Tell prices to those who asked for them; who asks later gets them at first."""
        self.known.update(prices)
        for socket, asked in zip(self.sockets, self.asked, strict=True):
            items = [_item(name, price, **more) for name, price in prices.items() if name in asked]
            if items and not socket.closed:
                with suppress(ConnectionClosed):  # it has just gone
                    await socket.send_message(
                        json.dumps({"channel": "ticker", "type": "update", "data": items})
                    )

    async def say(self, text: str) -> None:
        """Send anything on the newest connection."""
        await self.sockets[-1].send_message(text)

    async def say_raw(self, data: bytes) -> None:
        """Send on the newest connection what need be no frame."""
        socket = self.sockets[-1]
        async with socket._stream_lock:
            await socket._stream.send_all(data)

    async def cut(self) -> None:
        """End the newest connection without a word."""
        await trio.aclose_forcefully(self.sockets[-1]._stream)

    async def serve(self, request: WebSocketRequest) -> None:
        self.attempts += 1
        self._news.set()
        if self.reject is not None:
            await request.reject(self.reject, body=b'{"error": "no"}')
            return
        headers = [] if self.date is None else [(b"Date", self.date.encode())]
        socket = await request.accept(extra_headers=headers)
        asked: set[str] = set()
        self.sockets.append(socket)
        self.asked.append(asked)
        self.most_open = max(self.most_open, len(self.open))
        status = {"channel": "status", "type": "update", "data": [{"system": "online"}]}
        try:
            async with trio.open_nursery() as nursery:
                await socket.send_message(json.dumps(status))
                nursery.start_soon(self._beat, socket)
                while True:
                    await self._take(socket, asked, json.loads(await socket.get_message()))
        except* (ConnectionClosed, trio.ClosedResourceError, trio.BrokenResourceError):
            pass
        finally:
            self._news.set()

    async def _take(self, socket: WebSocketConnection, asked: set[str], message: dict) -> None:
        method = message["method"]
        if method == "ping":
            await socket.send_message(json.dumps({"method": "pong", "req_id": message["req_id"]}))
            return
        for name in message["params"]["symbol"]:
            good = name in self.known
            answer: dict[str, object] = {"method": method, "success": good}
            if good:
                answer["result"] = {"channel": "ticker", "symbol": name}
                (asked.add if method == "subscribe" else asked.discard)(name)
            else:
                answer |= {"symbol": name, "error": f"Currency pair not supported {name}"}
            await socket.send_message(json.dumps(answer))
            if good and method == "subscribe" and self.snapshots:
                data = [_item(name, self.known[name])]
                snapshot = {"channel": "ticker", "type": "snapshot", "data": data}
                await socket.send_message(json.dumps(snapshot))
        self._news.set()

    async def _beat(self, socket: WebSocketConnection) -> None:
        while True:
            await trio.sleep(self.heartbeat)
            await socket.send_message('{"channel":"heartbeat"}')


def _item(name: str, price: float, **more: object) -> dict[str, object]:
    return {"symbol": name, "last": price, "timestamp": iso_utc(now_ms()), **more}


@asynccontextmanager
async def kraken(**settings: object) -> AsyncIterator[Kraken]:
    """Run one for the time of a `with`, on a free port."""
    server = Kraken(**settings)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        serve = partial(serve_websocket, server.serve, "127.0.0.1", 0, ssl_context=None)
        listening = await nursery.start(serve)
        server.port = listening.port
        yield server
        nursery.cancel_scope.cancel()


def names(symbols: Iterable[str]) -> set[str]:
    """Symbols as Kraken writes them."""
    return {symbol.replace("-", "/") for symbol in symbols}
