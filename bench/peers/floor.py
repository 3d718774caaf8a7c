"""The floor: a loop that writes one ready frame to each socket with the non-blocking `send`.

No framework, no event loop, no protocol beyond the handshake, nothing looked at before a write.
What a server in Python spends above this is its own doing; below it is only the kernel.
"""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import time
from typing import TYPE_CHECKING

from common import options

if TYPE_CHECKING:
    from collections.abc import Callable

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame_of(payload: bytes) -> bytes:
    """An unmasked text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def answer_to(head: bytes) -> bytes:
    """The answer to a WebSocket handshake (RFC 6455, section 4.2.2)."""
    name = b"sec-websocket-key: "
    start = head.lower().index(name) + len(name)
    key = head[start : head.index(b"\r\n", start)]
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def main() -> None:
    """Accept, and broadcast, until killed."""
    given = options()
    listener = socket.create_server(("127.0.0.1", given.port), backlog=4096)
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    sockets: dict[int, socket.socket] = {}
    sends: dict[int, Callable[[bytes], int]] = {}
    due = time.monotonic() + given.interval
    while True:
        for fd, _ in epoll.poll(max(0.0, due - time.monotonic())):
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets[sock.fileno()] = sock
                epoll.register(sock, select.EPOLLIN)
                continue
            try:
                data = sockets[fd].recv(4096)
            except ConnectionResetError:
                data = b""
            if data:
                sockets[fd].send(answer_to(data))
                sends[fd] = sockets[fd].send
            else:
                sends.pop(fd, None)
                sockets.pop(fd).close()
        if time.monotonic() < due:
            continue
        due = max(due + given.interval, time.monotonic())
        if len(sends) < given.clients:
            continue
        frame = frame_of(given.message().encode())
        for fd, send in list(sends.items()):
            try:
                taken = send(frame)
            except BlockingIOError:
                continue
            except ConnectionError:
                del sends[fd]  # the reader above closes it
                continue
            if taken != len(frame):  # half a frame is on its way and nobody would finish it
                raise RuntimeError(f"socket {fd} took {taken} of {len(frame)} bytes")


if __name__ == "__main__":
    main()
