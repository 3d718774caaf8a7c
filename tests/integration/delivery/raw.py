"""Clients that see every byte, and that need not behave."""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.web.support import SOON, RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
DROP_EVERYTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction of classic BPF: return 0


@asynccontextmanager
async def raw_client(
    port: int,
    path: str = "/ws",
    *,
    headers: str = "",
    receive_buffer: int | None = None,
    local: str = "127.0.0.1",
    patience: float = SOON,
) -> AsyncIterator[RawClient]:
    """A WebSocket for the time of a `with`; its socket is closed in the end, whatever happened."""
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.bind((local, 0))
    await sock.connect(("127.0.0.1", port))
    client = RawClient(trio.SocketStream(sock), patience)
    try:
        await client.upgrade(path, headers=headers)
        yield client
    finally:
        sock.close()


def vanish(client: RawClient) -> None:
    """From now on every packet to this client is lost, so it answers nothing: no ACK, no RST."""
    _lose_packets(client.stream.socket)


def _lose_packets(sock: socket.socket | trio.socket.SocketType) -> None:
    code = ctypes.create_string_buffer(DROP_EVERYTHING)
    program = struct.pack("HL", 1, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _may_vanish() -> bool:
    with socket.socket() as sock:
        try:
            _lose_packets(sock)
        except PermissionError:
            return False
    return True


CAN_VANISH = _may_vanish()
"""Some kernels let only root filter a socket's packets."""
needs_vanishing = pytest.mark.skipif(
    not CAN_VANISH, reason="clients that vanish ARE SKIPPED: this kernel lets only root do it"
)
