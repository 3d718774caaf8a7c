"""The socket to a provider: what servers answer to it, and how they end it, byte by byte."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.market.feeds.push_socket import Ended, closed, push_socket
from stockstream.market.feeds.web_socket import Disconnected
from stockstream.market.feeds.web_socket_frames import BadFrame
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.market.providers.push import Endpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Serve = Callable[[trio.SocketStream, bytes], Awaitable[None]]

NOTHING = KnownSecrets()


def accepted(head: bytes, more: bytes = b"") -> bytes:
    """The answer to an upgrade."""
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    key = lines[b"Sec-WebSocket-Key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + more
    )


async def serving(nursery: trio.Nursery, serve: Serve) -> Endpoint:
    """A server that does this with the head of each request."""

    async def handle(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        await serve(stream, head)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, handle, [listener])
    return Endpoint(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/v2?a=b")


async def ended(endpoint: Endpoint) -> Ended:
    """How a connection to it ends."""
    with trio.fail_after(5), pytest.raises(Ended) as caught:
        await _read(endpoint)
    return caught.value


async def _read(endpoint: Endpoint) -> None:
    async with push_socket(endpoint, NOTHING) as socket:
        try:
            while True:
                await socket.receive()
        except (Disconnected, BadFrame) as error:
            raise closed(error, NOTHING) from None


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol_error", None),
        (b"", "protocol_error", None),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "protocol_error", None),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "status_403", "no"),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 9\r\n\r\nno", "status_429", "no"),  # cut
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "status_302", None),
    ],
)
async def test_an_answer_that_is_no_upgrade_is_told(
    nursery: trio.Nursery, answer: bytes, kind: str, said: str | None
) -> None:
    """With its status and its words, where it has some."""

    async def serve(stream: trio.SocketStream, _head: bytes) -> None:
        await stream.send_all(answer)
        await stream.aclose()

    end = await ended(await serving(nursery, serve))
    assert (end.kind, end.said) == (kind, said)
    assert end.fatal == (kind == "status_403")


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        (b"", "cut"),
        (b"\x81\x02h", "cut"),
        (b"\x88\x05\x03\xe9bye", "closed_1001"),
        (b"\x88\x00", "closed_1005"),
        (b"\xf1garbage", "protocol_error"),
        (b"\x81\x7f" + (1 << 30).to_bytes(8, "big"), "frame_too_large"),
    ],
)
async def test_how_it_ends_is_told(nursery: trio.Nursery, frames: bytes, kind: str) -> None:
    """Also where it comes with the answer to the upgrade, in one piece."""

    async def serve(stream: trio.SocketStream, head: bytes) -> None:
        await stream.send_all(accepted(head, frames))
        await stream.send_eof()

    assert (await ended(await serving(nursery, serve))).kind == kind


async def test_messages_pings_and_goodbyes_go_both_ways(nursery: trio.Nursery) -> None:
    """A ping of the server is answered, ours is waited for, and nobody goes without a word."""
    heard = bytearray()
    gone = trio.Event()

    async def serve(stream: trio.SocketStream, head: bytes) -> None:
        await stream.send_all(accepted(head, b"\x89\x01p\x81\x03one\x81\x03two"))
        while piece := await stream.receive_some():
            heard.extend(piece)
            if piece[:1] == b"\x89":
                await stream.send_all(b"\x8a\x011")
            elif piece[:1] == b"\x88":
                await stream.send_all(b"\x88\x02\x03\xe8")
        gone.set()

    endpoint = await serving(nursery, serve)
    with trio.fail_after(5):
        async with push_socket(endpoint, NOTHING) as socket, trio.open_nursery() as both:
            assert await socket.receive() == ["one", "two"]
            both.start_soon(socket.receive)
            await socket.ping()
            both.cancel_scope.cancel()
        await gone.wait()
    assert heard[0] == 0x8A, "the pong"
    assert heard[1] & 0x80, "a client's frames are masked"
    assert heard[-8] == 0x88, "the goodbye"
