"""Looking names up, in threads that nothing else needs.

Users choose the names, and with them the name servers that answer, or never do. The system's
resolver cannot be told to stop, so a lookup that nobody waits for any more keeps its thread until
it returns: the threads are limited apart from all others of the process.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import trio

RESOLVE_SECONDS = 5.0

Resolver = Callable[[str, int], Sequence[tuple[Any, ...]]]
"""Answers as `socket.getaddrinfo` does: the address is the first part of the last field."""


class NotFound(Exception):
    """A name that stands for nothing now."""


def system_resolver(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """The system's own; blocks, for as long as it likes."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Lookups:
    """Lookups of one kind, so many `threads` at a time."""

    def __init__(self, threads: int, resolver: Resolver = system_resolver) -> None:
        self._limiter = trio.CapacityLimiter(threads)
        self._resolver = resolver

    async def addresses(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        """What a name stands for now; at least one.

        Raises:
            NotFound: nothing, or nobody says what in time.
        """
        answers: Sequence[tuple[Any, ...]] = ()
        with trio.move_on_after(RESOLVE_SECONDS):
            try:
                answers = await trio.to_thread.run_sync(
                    self._resolver, host, port, limiter=self._limiter, abandon_on_cancel=True
                )
            except OSError as error:
                raise NotFound(f"{host}: {error.strerror or error}") from error
            except UnicodeError as error:
                raise NotFound(f"{host}: {error}") from error
        if not answers:
            raise NotFound(f"{host}: nobody says where it is")
        return [ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
