"""A price API over real sockets that behaves as badly as it is told."""

from __future__ import annotations

import json
import socket
import struct

import trio

PRICES = [
    {"symbol": "AAPL", "price": 150.25, "timestamp": "2026-11-22T10:00:00Z"},
    {"symbol": "MSFT", "price": 312.5, "timestamp": "2026-11-22T10:00:00Z"},
]


def answer(body=None, status="200 OK", headers=(), *, length=None):
    """The bytes of an HTTP answer; `length` lies about the body's where it is given."""
    if body is None:
        body = json.dumps(PRICES).encode()
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body) if length is None else length}"]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("content-type: application/json")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def reset(stream):
    """Close a connection with RST instead of FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


class RogueServer:
    """Plays `script(stream, request_head)` for each request; a request is read to its end first."""

    def __init__(self, nursery):
        self.nursery = nursery
        self.script = self.well
        self.requests = []
        self.connections = 0
        self.open_now = 0
        self.changed = trio.Event()
        self.port = None
        self.scope = trio.CancelScope()
        self.tls = None

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def well(self, stream, head):
        await stream.send_all(answer())

    def always(self, data):
        async def script(stream, head):
            await stream.send_all(data)

        self.script = script

    async def start(self):
        """Listen, on the same port each time."""
        self.scope = trio.CancelScope()
        await self.nursery.start(self.serve)

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED):
        with self.scope:
            listeners = await trio.open_tcp_listeners(self.port or 0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            await trio.serve_listeners(self.handle, listeners, task_status=task_status)

    def stop(self):
        """Stop listening and drop every connection: the machine is gone."""
        self.scope.cancel()

    async def handle(self, stream):
        self.connections += 1
        self.note(+1)
        raw = stream.socket
        if self.tls is not None:
            stream = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)
        try:
            buffered = b""
            while True:
                while b"\r\n\r\n" not in buffered:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffered += data
                head, _, buffered = buffered.partition(b"\r\n\r\n")
                self.requests.append(head.decode())
                await self.script(stream, head.decode())
                if raw.fileno() == -1:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            self.note(-1)
            await trio.aclose_forcefully(stream)

    def note(self, change):
        self.open_now += change
        self.changed.set()
        self.changed = trio.Event()

    async def until_all_closed(self):
        with trio.fail_after(20):
            while self.open_now:
                await self.changed.wait()
