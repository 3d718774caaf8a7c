"""The incoming side of a socket: bytes, the end, and whether either has arrived already."""

import socket

import trio

from .wire import Wire

__all__ = ["Incoming", "peer_has_left"]

_READ_SIZE = 16 * 1024  # bounds what a connection holds unparsed; a body of 16 MB is 1,000 reads

# Linux, include/net/tcp_states.h: the states in which the peer has sent FIN or RST.
_TCP_LEFT = {7, 8, 9, 11}  # CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING


def peer_has_left(sock: socket.socket) -> bool:
    """Whether FIN or RST has arrived, though unread data may lie before it. Linux only."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _TCP_LEFT
    except OSError:
        return True


class Incoming:
    """The reading side of a connection's socket; `wire`, the writing side, is told of errors."""

    __slots__ = ("_socket", "_tls", "_wire")

    def __init__(
        self, sock: socket.socket, tls: trio.SSLStream[trio.SocketStream] | None, wire: Wire
    ) -> None:
        self._socket = sock
        self._tls = tls
        self._wire = wire

    async def receive(self) -> bytes:
        """Return some bytes; none at the end of the stream or when the peer is gone."""
        try:
            if self._tls is not None:
                return bytes(await self._tls.receive_some(_READ_SIZE))
            while self._socket.fileno() != -1:
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    return self._socket.recv(_READ_SIZE)
                except BlockingIOError:
                    continue  # a spurious wake-up
        except OSError as error:
            self._wire.fail(error)
            return b""
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if isinstance(error.__cause__, OSError):
                self._wire.fail(error.__cause__)
            return b""
        return b""  # closed on our side

    async def discard(self) -> None:
        """Throw everything away, to the end."""
        while await self.receive():
            pass

    def waiting(self) -> bool:
        """Whether bytes have come that nobody has read."""
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:  # nothing has come, or the connection is broken
            return False

    def peer_has_left(self) -> bool:
        """Whether the peer has ended the stream, though unread data may lie before its end."""
        return peer_has_left(self._socket)
