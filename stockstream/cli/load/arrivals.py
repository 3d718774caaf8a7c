"""When bytes arrived; they are read later: the clients of one process wait for each other."""

from __future__ import annotations

import socket
import struct
import sys

import trio

_LAST_DATA_RECEIVED = struct.Struct("=52xI")
"""`tcpi_last_data_recv` in Linux' `struct tcp_info` (tcp(7), linux/tcp.h), in ms."""


def arrived_ago(stream: trio.abc.Stream) -> int:
    """How long ago the kernel received the last bytes of a connection, in ms; 0 where it does not
    tell. It counts in steps of its own clock, of 1 to 10 ms.
    """
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if sys.platform != "linux" or not isinstance(stream, trio.SocketStream):
        return 0
    try:
        told = stream.socket.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED.size
        )
    except OSError:
        return 0  # closed meanwhile
    return int(_LAST_DATA_RECEIVED.unpack(told)[0])
