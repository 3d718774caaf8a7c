"""A really started server, and clients that see every byte."""

import base64
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio
from quart_trio import QuartTrio

from web.server import (
    Handler,
    Server,
    ServerConfig,
    ServerSocket,
    open_sockets,
    serve,
    websocket_class,
)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

SOON = 10.0  # seconds for what takes milliseconds; a test that needs it all has failed


async def echo(sock: ServerSocket) -> None:
    """Send each message back."""
    await sock.accept()
    while True:
        await sock.send(await sock.receive())


def make_app(handlers: Mapping[str, Handler] | None = None) -> QuartTrio:
    """A Quart app with `/` and `/echo`, and the given WebSocket handlers."""
    app = QuartTrio(__name__)
    app.asgi_websocket_class = websocket_class(handlers or {})

    @app.get("/")
    async def index() -> str:
        return "hello"

    return app


@dataclass
class Running:
    server: Server
    port: int
    listeners: list[socket.socket]
    clients: list["RawClient"] = field(default_factory=list)

    async def connect(
        self, *, receive_buffer: int | None = None, local: str = "127.0.0.1"
    ) -> "RawClient":
        sock = trio.socket.socket()
        await sock.bind((local, 0))
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        self.clients.append(RawClient(trio.SocketStream(sock)))
        return self.clients[-1]

    async def upgrade(
        self,
        path: str = "/ws",
        *,
        receive_buffer: int | None = None,
        headers: str = "",
        local: str = "127.0.0.1",
    ) -> "RawClient":
        client = await self.connect(receive_buffer=receive_buffer, local=local)
        await client.upgrade(path, headers=headers)
        return client

    async def until(self, *, open_connections: int) -> None:
        """Wait until the server has so many connections."""
        with trio.fail_after(SOON):
            while self.server.statistics().open != open_connections:  # noqa: ASYNC110 - a plain count
                await trio.sleep(0.005)


@asynccontextmanager
async def running(
    handlers: Mapping[str, Handler] | None = None,
    config: ServerConfig | None = None,
    *,
    app: object = None,
) -> AsyncIterator[Running]:
    """Serve on a free port of 127.0.0.1 until the block ends; then everything is cancelled."""
    listeners = open_sockets("127.0.0.1", 0)
    try:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(
                partial(
                    serve,
                    app or make_app(handlers),
                    [listener.dup() for listener in listeners],
                    config=config,
                )
            )
            run = Running(server, listeners[0].getsockname()[1], listeners)
            try:
                yield run
            finally:
                for client in run.clients:
                    client.stream.socket.close()
            nursery.cancel_scope.cancel()
    finally:
        for listener in listeners:
            listener.close()


def client_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A masked frame as RFC 6455, section 5.2 asks of clients."""
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + masked


def upgrade_request(path: str = "/ws", headers: str = "") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    ).encode("latin-1")


class RawClient:
    """A TCP client that parses server frames strictly and hides nothing.

    It waits `patience` seconds at most for each piece.
    """

    def __init__(self, stream: trio.abc.Stream, patience: float = SOON) -> None:
        self.stream = stream
        self.patience = patience
        self.buffer = bytearray()
        self.head = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def text(self, message: str) -> None:
        await self.send(client_frame(TEXT, message.encode()))

    async def upgrade(self, path: str = "/ws", *, headers: str = "") -> None:
        await self.send(upgrade_request(path, headers))
        self.head = await self.read_head()
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head

    async def more(self, size: int = 65536) -> bytes:
        with trio.fail_after(self.patience):
            data = await self.stream.receive_some(size)
        self.buffer += data
        return bytes(data)

    async def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self.buffer:
            if not await self.more():
                raise EOFError(bytes(self.buffer))
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer[:] = rest
        return head

    async def answer(self) -> tuple[bytes, bytes]:
        """The next HTTP answer: its head and the body that Content-Length announces."""
        head = await self.read_head()
        told = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        size = int(told or b"0")
        while len(self.buffer) < size:
            if not await self.more():
                raise EOFError(bytes(self.buffer))
        body = bytes(self.buffer[:size])
        del self.buffer[:size]
        return head, body

    def parse_frame(self) -> tuple[int, bytes] | None:
        """The next whole frame in the buffer; fails on what no server may send."""
        data = self.buffer
        if len(data) < 2:
            return None
        first, size = data[0], data[1]
        assert first & 0x70 == 0, f"reserved bits: {bytes(data[:16])!r}"
        assert size & 0x80 == 0, f"a masked frame: {bytes(data[:16])!r}"
        opcode = first & 0x0F
        assert opcode in {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}, bytes(data[:16])
        offset = 2
        if size == 126:
            if len(data) < 4:
                return None
            (size,), offset = struct.unpack_from("!H", data, 2), 4
        elif size == 127:
            if len(data) < 10:
                return None
            (size,), offset = struct.unpack_from("!Q", data, 2), 10
        if len(data) < offset + size:
            return None
        payload = bytes(data[offset : offset + size])
        del data[: offset + size]
        return opcode, payload

    async def frame(self) -> tuple[int, bytes]:
        while (frame := self.parse_frame()) is None:
            if not await self.more():
                raise EOFError
        return frame

    async def close_code(self) -> int:
        """Read on to the close frame; return its code."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0] if payload else 1005

    async def ended(self) -> None:
        """Wait for the end of the stream, throwing away what is before it."""
        while await self.more():
            pass

    def reset(self) -> None:
        """Vanish with RST."""
        sock = self.stream.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    async def aclose(self) -> None:
        await self.stream.aclose()
