"""A line of ours to the stub's tape of its provider: our own WebSocket, over a stream in memory.

Time is virtual, so that a minute of silence costs nothing. What a network does to a connection is
done to the stream.
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import trio
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from mockserver.streams.market import Market
from mockserver.streams.player import Close, Player
from mockserver.streams.stream_faults import StreamFaults
from stockstream.market.feeds import push_socket
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.line import Line
from stockstream.market.providers.push import Event, Prices, PushProvider
from tests.unit.market.providers.contract import BEGIN, SEED, TAPES, access_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from stockstream.quotes import Observation


class Wire(trio.abc.Stream):
    """Our end. `lost`: nothing comes through any more, and nobody says so. `full`: the other side
    reads nothing, so that what we send waits.
    """

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner
        self.lost = self.full = False
        self._free = trio.Event()
        self._free.set()

    def hold(self) -> None:
        """What comes waits to be read."""
        self._free = trio.Event()

    def release(self) -> None:
        """It can be read now."""
        self._free.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        came = await self._inner.receive_some(max_bytes)
        await self._free.wait()
        if self.lost:
            await trio.sleep_forever()
        return came

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.full:
            await trio.sleep_forever()
        if not self.lost:
            await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()


class Provider:
    """The stub's part of connections to one provider. Each handshake is answered with `reject`, if
    that is set: a status, and headers.
    """

    def __init__(self, codec: PushProvider, nursery: trio.Nursery) -> None:
        self.codec = codec
        self.faults = StreamFaults()
        self.reject: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self.wires: list[Wire] = []
        self.sockets: list[WebSocketConnection] = []
        self.heard: list[float] = []
        """When each message of ours came."""
        self.nursery = nursery
        self._begin = trio.current_time()
        self._dice = random.Random(SEED)
        self._market = Market(TAPES[codec.scheme].prices, self._dice)

    def wall(self) -> int:
        return round(self._now().timestamp() * 1000)

    def _now(self) -> datetime:
        return BEGIN + timedelta(seconds=trio.current_time() - self._begin)

    async def open(self, *_address: object, **_how: object) -> trio.abc.Stream:
        """In place of a connection over the network."""
        ours, theirs = memory_stream_pair()
        self.wires.append(Wire(ours))
        self.nursery.start_soon(self._serve, theirs)
        return self.wires[-1]

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, stream)
                if self.reject is not None:
                    status, headers = self.reject
                    await request.reject(status, extra_headers=headers, body=b'{"error":"no"}')
                    return
                socket = await request.accept()
                self.sockets.append(socket)
                await self._play(socket, nursery)
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _play(self, socket: WebSocketConnection, nursery: trio.Nursery) -> None:
        tape = TAPES[self.codec.scheme]
        player = Player(tape, self._market, lambda: self.faults, dice=self._dice, clock=self._now)
        player.opened(trio.current_time())
        news = trio.Event()

        async def hear() -> None:
            nonlocal news
            while True:
                frame = await socket.get_message()
                self.heard.append(trio.current_time())
                player.received(frame, trio.current_time())
                news.set()

        nursery.start_soon(hear)
        while True:
            for frame in player.due(trio.current_time()):
                if isinstance(frame, Close):
                    await socket.aclose(frame.code)
                    return
                await socket.send_message(frame)
            news = trio.Event()
            with trio.move_on_at(min(player.next_due, trio.current_time() + 3600)):
                await news.wait()


class Told:
    """What a line told its feed."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = trio.Event()

    def take(self, _line: Line, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until a condition holds, looked at with each event."""
        while not holds():
            self._news = trio.Event()
            await self._news.wait()

    @property
    def prices(self) -> list[Observation]:
        return [
            one for event in self.events if isinstance(event, Prices) for one in event.observations
        ]


@asynccontextmanager
async def playing(codec: PushProvider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    """The stub's part, for the time of a `with`; lines that are still there end with it."""
    async with trio.open_nursery() as nursery:
        provider = Provider(codec, nursery)
        monkeypatch.setattr(push_socket, "open_stream", provider.open)
        yield provider
        nursery.cancel_scope.cancel()


def line_to(provider: Provider) -> tuple[Line, Told]:
    """A line that has not begun."""
    codec = provider.codec
    told = Told()
    messages = Tokens(codec.limits.messages, None, trio.current_time())
    return Line(codec, access_of(codec), messages, told.take, provider.wall), told
