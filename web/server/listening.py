"""Listening sockets: opens them, and accepts from them through all errors of accept(2)."""

import errno
import logging
import socket
from collections.abc import Callable

import trio

__all__ = ["BACKLOG", "PortTaken", "accept_for_ever", "open_sockets"]

logger = logging.getLogger("web.server")

BACKLOG = 4096
"""Holds a reconnect storm while its connections are admitted one by one."""

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_RESOURCE_PAUSE = 0.1  # seconds; accepting at once would spin until a descriptor is free

# accept(2), "Error handling": errors of the connection, not of the listening socket.
_ERRORS_OF_THE_PEER = {
    errno.ECONNABORTED,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EPROTO,
}


class PortTaken(Exception):
    """The address is in use by another process; the text names host and port."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(f"port {port} on {host} is taken by another process")


def open_sockets(host: str, port: int, *, backlog: int = BACKLOG) -> list[socket.socket]:
    """Open listening sockets, one per address of `host`. Port 0 asks for a free one.

    The caller owns them and gives each `serve` a `dup()`. Raises PortTaken, or OSError naming
    the address when it cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(f"cannot listen on {host}: {error.strerror}") from error
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            opened.append(_open_socket(family, address, host, port, backlog))
            if port == 0:
                break  # a second address would get another port
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    return opened


def _open_socket(
    family: int, address: tuple[object, ...], host: str, port: int, backlog: int
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {error}") from error
    sock.setblocking(False)
    return sock


async def accept_for_ever(
    listener: socket.socket,
    admit: Callable[[socket.socket], None],
    make_room: Callable[[], bool],
) -> None:
    """Call `admit` with each accepted socket; never return.

    One connection per turn of the loop, so that a storm of them delays no frame. Where too many
    files are open, `make_room` closes one if it can. Raises OSError only when the listening
    socket itself is broken.
    """
    out_of_resources = False
    while True:
        await trio.lowlevel.wait_readable(listener)
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            continue  # another process took it, or the client has gone
        except OSError as error:
            if error.errno in _ERRORS_OF_THE_PEER:
                continue
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            if make_room():
                continue
            if not out_of_resources:
                logger.warning("cannot accept: %s; trying again every %s s", error, _RESOURCE_PAUSE)
            out_of_resources = True
            await trio.sleep(_RESOURCE_PAUSE)
        else:
            out_of_resources = False
            sock.setblocking(False)
            admit(sock)
