"""A client that goes to another node when its own goes, and brings the versions that it has."""

from __future__ import annotations

import json
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Version = tuple[int, int]

RETRY_SECONDS = 0.1
CONNECT_SECONDS = 3.0


class Follower:
    """Follows all symbols over one connection after another. Versions only rise."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = cycle(urls)
        self.versions: dict[str, Version] = {}
        self.came: list[float] = []
        self.faults: list[str] = []
        self.connections = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow(urlsplit(next(self._urls)))
            except* (OSError, HandshakeError, ConnectionClosed, trio.TooSlowError):
                pass  # nobody listens there, or not any more
            await trio.sleep(RETRY_SECONDS)

    async def _follow(self, url: SplitResult) -> None:
        assert url.hostname is not None
        # On a stream of our own: the library leaves the socket open when the server closed first.
        async with (
            await trio.open_tcp_stream(url.hostname, url.port or 80) as stream,
            trio.open_nursery() as nursery,
        ):
            with trio.fail_after(CONNECT_SECONDS):
                socket = await wrap_client_stream(nursery, stream, url.netloc, url.path)
            await self._listen(socket)

    async def _listen(self, socket: WebSocketConnection) -> None:
        self.connections += 1
        symbols = sorted(self.versions) or ["*"]
        command = {"action": "subscribe", "symbols": symbols, "since": self.versions}
        await socket.send_message(json.dumps(command))
        while True:
            self._take(json.loads(await socket.get_message()))

    def _take(self, message: dict[str, Any]) -> None:
        quotes = message.get("quotes", []) + message.get("prices", [])
        for quote in quotes:
            symbol, version = quote["symbol"], tuple(quote["version"])
            last = self.versions.get(symbol, (0, 0))
            if version < last:
                self.faults.append(f"{symbol} went from {last} to {version}")
            if version > last:
                self.versions[symbol] = version
        if quotes:
            self.came.append(trio.current_time())

    async def wait_for(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until it holds."""
        with trio.move_on_after(seconds):
            while not holds():  # noqa: ASYNC110 - what it holds of comes from several connections
                await trio.sleep(0.02)
            return
        raise AssertionError(f"waited {seconds} s in vain")

    def longest_pause(self, begin: float, end: float) -> float:
        """The longest time without prices between two moments of trio's clock."""
        marks = [begin, *(at for at in self.came if begin < at < end), end]
        return max(later - earlier for earlier, later in pairwise(marks))
