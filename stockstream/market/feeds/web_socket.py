"""A WebSocket to a provider, the client's end: it reads all that has come in one go.

trio-websocket wakes two tasks for each message, which is most of what a price costs where a
provider sends tens of thousands of frames a second (ADR 0241). No extensions are offered.
"""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import h11
import trio

from stockstream.market.feeds.web_socket_frames import (
    CLOSE,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    BadFrame,
    Close,
    FrameReader,
    masked,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PIECE_BYTES = 65_536
LARGEST_ANSWER = 16_384
"""Of the body of an answer that is no upgrade, so much is read."""
ANSWER_SECONDS = 1.0
"""For so long it is waited for."""
NORMAL = 1000
_UPGRADED = 101
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Disconnected(Exception):
    """The connection is over. `close` is what the other side said of it; None: it was cut."""

    def __init__(self, close: Close | None = None) -> None:
        super().__init__("cut" if close is None else f"closed with {close.code}")
        self.close = close


class NotUpgraded(Exception):
    """A server answered otherwise than with a WebSocket. `status` is None where it was no HTTP."""

    def __init__(
        self, status: int | None, headers: Mapping[bytes, bytes] | None = None, body: bytes = b""
    ) -> None:
        super().__init__("no HTTP" if status is None else f"status {status}")
        self.status = status
        self.headers = headers or {}
        self.body = body


class WebSocket:
    """An open connection. One task receives; any may send. The stream is its caller's to close."""

    def __init__(
        self, stream: trio.abc.Stream, largest: int, first: bytes = b"", date: str | None = None
    ) -> None:
        """Messages may be so large, in bytes; `first` has come with the answer to the upgrade, and
        so has its `Date`, where there was one.
        """
        self.date = date
        self._stream = stream
        self._reader = FrameReader(largest)
        self._first = first
        self._writing = trio.Lock()
        self._pings: dict[bytes, trio.Event] = {}
        self._numbered = 0
        self._over: Disconnected | BadFrame | None = None
        self.last_received = trio.current_time()
        """When anything came last, a pong or a part of a message too."""

    async def receive(self) -> list[str | bytes]:
        """The messages that have come, at least one.

        Raises:
            Disconnected: the other side has ended the connection.
            BadFrame: what came is no WebSocket frame; the other side was told.
        """
        while True:
            if self._over is not None:
                raise self._over
            arrived = self._reader.take(self._first or await self._piece())
            self._first = b""
            for payload in arrived.pongs:
                answered = self._pings.pop(payload, None)
                if answered is not None:
                    answered.set()
            for payload in arrived.pings[-1:]:  # the newest one stands for all
                await self._send(PONG, payload)
            if arrived.close is not None:
                self._over = Disconnected(arrived.close)
                await self._say_close(arrived.close.code)
            elif arrived.fault is not None:
                self._over = arrived.fault
                await self._say_close(arrived.fault.code)
            if arrived.messages:
                return arrived.messages

    async def send(self, text: str) -> None:
        """Send a message. Raises `Disconnected`."""
        await self._send(TEXT, text.encode())

    async def ping(self) -> None:
        """Ping, and wait for the pong, which the receiving task sees. Raises `Disconnected`."""
        self._numbered += 1
        payload = str(self._numbered).encode()
        answered = self._pings[payload] = trio.Event()
        try:
            await self._send(PING, payload)
            await answered.wait()
        finally:
            self._pings.pop(payload, None)

    async def say_goodbye(self) -> None:
        """Tell the other side that we go, and wait until it agrees; unless it has gone before."""
        if self._over is not None:
            return
        self._over = Disconnected()
        await self._say_close(NORMAL)
        with suppress(Disconnected):
            while self._reader.take(await self._piece()).close is None:
                continue

    async def _piece(self) -> bytes:
        try:
            piece = await self._stream.receive_some(PIECE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Disconnected from None
        if not piece:
            raise Disconnected
        self.last_received = trio.current_time()
        return bytes(piece)

    async def _say_close(self, code: int) -> None:
        said = b"" if code == NO_STATUS else code.to_bytes(2, "big")
        with suppress(Disconnected):  # it may have gone already
            await self._send(CLOSE, said)

    async def _send(self, opcode: int, payload: bytes) -> None:
        frame = masked(opcode, payload, os.urandom(4))
        async with self._writing:
            try:
                await self._stream.send_all(frame)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise Disconnected from None


async def upgraded(
    stream: trio.abc.Stream,
    host: str,
    resource: str,
    headers: Sequence[tuple[str, str]],
    largest: int,
) -> WebSocket:
    """Ask for a WebSocket on an open stream.

    Raises:
        NotUpgraded: the server did not agree.
        trio.BrokenResourceError: the connection broke.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    asked = h11.Connection(h11.CLIENT)
    sent: list[tuple[str, str]] = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
        *headers,
    ]
    request = h11.Request(method="GET", target=resource, headers=sent)
    await stream.send_all(asked.send(request) + asked.send(h11.EndOfMessage()))
    try:
        answer = await _next(asked, stream)
        while isinstance(answer, h11.InformationalResponse) and answer.status_code != _UPGRADED:
            answer = await _next(asked, stream)
        if isinstance(answer, h11.Response):
            raise await _refusal(asked, stream, answer)
    except h11.RemoteProtocolError:
        raise NotUpgraded(None) from None
    if not isinstance(answer, h11.InformationalResponse) or not _agrees(answer, key):
        raise NotUpgraded(None)
    date = dict(answer.headers).get(b"date")
    said = None if date is None else date.decode("latin-1")
    return WebSocket(stream, largest, asked.trailing_data[0], said)


async def _next(asked: h11.Connection, stream: trio.abc.Stream) -> h11.Event | None:
    while True:
        event = asked.next_event()
        if isinstance(event, h11.Event):
            return event
        if event is h11.PAUSED:
            return None
        asked.receive_data(bytes(await stream.receive_some(PIECE_BYTES)))


async def _refusal(
    asked: h11.Connection, stream: trio.abc.Stream, answer: h11.Response
) -> NotUpgraded:
    body = b""
    # Without its body the status says enough.
    with (
        trio.move_on_after(ANSWER_SECONDS),
        suppress(h11.RemoteProtocolError, trio.BrokenResourceError),
    ):
        while isinstance(part := await _next(asked, stream), h11.Data):
            body += bytes(part.data)
            if len(body) >= LARGEST_ANSWER:
                break
    return NotUpgraded(answer.status_code, dict(answer.headers), body[:LARGEST_ANSWER])


def _agrees(answer: h11.InformationalResponse, key: str) -> bool:
    headers = dict(answer.headers)  # their names are in small letters
    accept = base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT, usedforsecurity=False).digest())
    return (
        headers.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in headers.get(b"connection", b"").lower()
        and headers.get(b"sec-websocket-accept") == accept
        and b"sec-websocket-extensions" not in headers
        and b"sec-websocket-protocol" not in headers
    )
