"""Host name lookups, in threads that are used for nothing else.

Users choose the names, and so the name servers, which may never answer. The system's resolver
cannot be cancelled: an abandoned lookup keeps its thread until it returns. So these threads have a
limit of their own, apart from all other threads of the process.
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
    """The name has no address now."""


def system_resolver(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """The system's own; blocks, for as long as it likes."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Lookups:
    """Lookups of one kind, so many `threads` at a time."""

    def __init__(self, threads: int, resolver: Resolver = system_resolver) -> None:
        self._limiter = trio.CapacityLimiter(threads)
        self._resolver = resolver

    async def addresses(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        """The addresses of a name now; at least one.

        Raises:
            NotFound: it has none, or no name server answers in time.
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
