"""Which server to try next, and when. No I/O: chance comes from outside."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from stockstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

BACKOFF_BASE_SECONDS = 1.0
"""The first pause is drawn from half of this to all of it, then doubling."""
BACKOFF_MAX_SECONDS = 60.0
HOP_SECONDS = 0.25
"""Clients that lost one server do not come to the next in one instant."""
MOST_LEARNED = 64
"""Addresses that a server may tell; a cluster has fewer."""

_PORTS = {"http": 80, "https": 443}
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Address:
    """A server. `path` is what it is reached under, "" or as "/stocks"; `user` "name:password".

    `token` is what it is shown where it takes a login; it makes no other server of it.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    user: str = ""
    token: str = field(default="", compare=False, repr=False)

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme == "https"

    @property
    def netloc(self) -> str:
        """Host and port, as they stand in a header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What shows who asks: the token, or to a proxy in front a name and a password."""
        if self.token:
            return [(b"authorization", b"Bearer " + self.token.encode())]
        if not self.user:
            return []
        return [(b"authorization", b"Basic " + base64.b64encode(self.user.encode()))]

    def __str__(self) -> str:
        """Without name and password: it is shown."""
        return f"{self.scheme}://{self.netloc}{self.path}"


def parse_address(text: str, token: str = "") -> Address:
    """Read the address of a server, which is shown the token.

    Raises:
        UsageError: it is none; the message names it.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{text!r} is no address of a server: {error}") from error
    shown = text.replace(f"{parts.username}:{parts.password}@", "") if parts.username else text
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or not _is_host(parts.hostname):
        raise UsageError(f"{shown!r} is no address of a server; write http://HOST:PORT")
    if parts.query or parts.fragment:
        raise UsageError(f"{shown!r}: an address of a server has no ? and no #")
    path = parts.path.rstrip("/").removesuffix("/ws")
    if token and parts.username is not None:
        raise UsageError(
            f"{shown!r} has a name, and a token is given: a server is shown one of both"
        )
    return Address(scheme, parts.hostname, port or _PORTS[scheme], path, _user(parts), token)


def _is_host(name: str) -> bool:
    return all(character.isprintable() and not character.isspace() for character in name)


def _user(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    return f"{unquote(parts.username)}:{unquote(parts.password or '')}"


@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt: where, and after how many seconds."""

    address: Address
    seconds: float


class Itinerary:
    """The servers that were named, and behind them those that the last one told of.

    They are tried in a ring. A whole round in vain makes the pauses longer.
    """

    def __init__(self, named: Sequence[Address], random: Callable[[], float]) -> None:
        self._named = list(dict.fromkeys(named))
        self._learned: list[Address] = []
        self._barred: set[Address] = set()
        self._random = random
        self._failed = 0
        self.current = self._named[0]

    @property
    def ring(self) -> list[Address]:
        """All that may be tried, in their order."""
        every = dict.fromkeys([*self._named, *self._learned])
        return [address for address in every if address not in self._barred]

    def learn(self, nodes: Iterable[str]) -> None:
        """Take what a server says of the other nodes; what is no address is left out.

        A client that speaks TLS is not sent to a node that does not.
        """
        found: list[Address] = []
        for text in list(nodes)[:MOST_LEARNED]:
            try:
                address = parse_address(text)
            except UsageError:
                continue
            if not address.user and (address.secure or not self.current.secure):
                # Who tells of it has the token already, and could show it anywhere.
                found.append(replace(address, token=self.current.token))
        # Who tells is not in its own list, and is a good place to come back to.
        if self.current not in self._named and self.current not in found:
            found.append(self.current)
        self._learned = found

    def was_good(self) -> None:
        """The current server served us for a while: pauses begin with the shortest again."""
        self._failed = 0

    def bar(self) -> None:
        """The current server does not want us back unchanged."""
        self._barred.add(self.current)

    @property
    def round_failed(self) -> bool:
        """Whether every server was tried in vain since the last good one."""
        return self._failed >= len(self.ring)

    def lost(self, asked: float | None = None) -> Step | None:
        """The next attempt after a loss; None when there is nobody left to try.

        With another server to try it comes soon. `asked` are the seconds that the server wants us
        to stay away for; they are for those who come back to itself.
        """
        ring = self.ring
        if not ring:
            return None
        self._failed += 1
        before = self.current
        self.current = self._after(ring)
        if asked is not None and self.current == before:
            return Step(self.current, min(asked, BACKOFF_MAX_SECONDS))
        # With one server each failure is a round; with more, the first pass goes fast.
        rounds = (self._failed - 1) // len(ring) if len(ring) > 1 else self._failed
        if rounds == 0:
            return Step(self.current, HOP_SECONDS * self._random())
        ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(rounds - 1, 10))
        return Step(self.current, ceiling / 2 * (1 + self._random()) / (len(ring) or 1))

    @property
    def others(self) -> bool:
        """Whether there is another server than the current one."""
        return any(address != self.current for address in self.ring)

    def moved(self) -> Step:
        """The current server goes away: the next one, at once."""
        self.current = self._after(self.ring)
        return Step(self.current, 0.0)

    def _after(self, ring: Sequence[Address]) -> Address:
        if self.current not in ring:
            return ring[0]
        return ring[(ring.index(self.current) + 1) % len(ring)]
