"""Who may connect, and when: origin, number of connections, the same and a rate per address."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from stockstream.delivery.limits import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RETRY_SECONDS = 5
ADMITTED_AT_ONCE = 2
"""Handshakes that are answered at the same time; others wait in the order they came. They share
the core with the prices of those who are there, and sessions start one after another anyway."""
MOST_WAITING = 5_000
"""So many may wait: at 250 a second, the last of them for 20 s. That is a storm of the size that
the backlog of the listening socket holds, and more than a browser's patience is no use."""
LEAST_BURST = 100
REFILL_SECONDS = 10.0
"""An address may open all its connections at once, twice over, and again after so long: a whole
office comes back after an outage. One that does nothing but come and go costs a handshake each."""
NETWORK_BITS = 64
"""An IPv6 customer has a /64 at least (RFC 6177), so an address of it is nobody in particular."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of a WebSocket."""

    status: int
    code: str
    reason: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """Connections now, handshakes that wait, distinct addresses now, refusals by code word."""

    connections: int
    waiting: int
    addresses: int
    refused: Mapping[str, int]


def client_address(
    peer: str, forwarded_for: Sequence[str], trusted: Sequence[IPv4Network | IPv6Network]
) -> str:
    """The client's address: the peer's, or what trusted proxies say of it.

    `forwarded_for` are the values of X-Forwarded-For in order. Each proxy appends whom it was
    talking to, so the list is read from its end for as long as the speaker is trusted.
    """
    address = _plain(peer)
    hops = [part.strip() for value in forwarded_for for part in value.split(",")]
    while hops and is_in(address, trusted):
        hop = hops.pop()
        if _parse(hop) is None:
            break
        address = _plain(hop)
    return address


def holder(address: str) -> str:
    """Whom an address is counted for: itself, or its network where one customer has many."""
    parsed = _parse(address)
    if not isinstance(parsed, IPv6Address):
        return address
    return str(ip_network((int(parsed), NETWORK_BITS), strict=False))


def is_loopback(address: str) -> bool:
    """Whether the address belongs to this machine alone."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


def origin_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of `origin` may open a WebSocket here (RFC 6455, section 10.2).

    A program sends none. A browser's must be the host it connects to, or be allowed by name.
    """
    if origin is None:
        return True
    normal = origin.lower().rstrip("/")
    if normal in allowed:
        return True
    try:
        parts = urlsplit(normal)
    except ValueError:  # an IPv6 address that never ends, say
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and parts.netloc == host.lower()


class Admission:
    """Counts connections, in all and by who holds the address, and lets some in at a time."""

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_holder: Counter[str] = Counter()
        self._connections = 0
        self._burst = max(LEAST_BURST, 2 * most_per_address)
        self._handshakes: OrderedDict[str, TokenBucket] = OrderedDict()
        self._door = trio.Semaphore(ADMITTED_AT_ONCE)
        self._refused: Counter[str] = Counter()

    def refusal(self, address: str, now: float) -> Refusal | None:
        """Why one more from `address` is refused, or None; that counts as a handshake of it."""
        whose = holder(address)
        if self._connections >= self._most:
            reason = f"this node has its {self._most} connections"
            return Refusal(503, "full", reason, RETRY_SECONDS)
        if self._by_holder[whose] >= self._most_per_address:
            reason = f"at most {self._most_per_address} connections from one address"
            return Refusal(429, "too_many_connections", reason, RETRY_SECONDS)
        if self._door.statistics().tasks_waiting >= MOST_WAITING:
            return Refusal(503, "busy", "too many are waiting to be let in", RETRY_SECONDS)
        if not self._bucket(whose, now).take(now):
            rate = self._burst / REFILL_SECONDS
            reason = f"at most {rate:g} new connections a second from one address"
            return Refusal(429, "too_many_handshakes", reason, ceil(1 / rate))
        return None

    def _bucket(self, whose: str, now: float) -> TokenBucket:
        """The handshakes of an address; forgotten when it has as many left as a new one."""
        while self._handshakes:
            oldest = next(iter(self._handshakes))
            if now - self._handshakes[oldest].updated < REFILL_SECONDS:
                break
            del self._handshakes[oldest]
        bucket = self._handshakes.pop(whose, None)
        if bucket is None:
            bucket = TokenBucket(self._burst / REFILL_SECONDS, self._burst, now)
        self._handshakes[whose] = bucket
        return bucket

    def count_refusal(self, refusal: Refusal) -> None:
        """Count an answer that was no WebSocket."""
        self._refused[refusal.code] += 1

    @contextmanager
    def admitted(self, address: str) -> Iterator[None]:
        """Count a connection for as long as it is there."""
        whose = holder(address)
        self._connections += 1
        self._by_holder[whose] += 1
        try:
            yield
        finally:
            self._connections -= 1
            self._by_holder[whose] -= 1
            if not self._by_holder[whose]:
                del self._by_holder[whose]

    @property
    def door(self) -> trio.Semaphore:
        """To be held while a client is let in; who comes first is first."""
        return self._door

    def statistics(self) -> AdmissionStatistics:
        """Counts, for operators."""
        return AdmissionStatistics(
            connections=self._connections,
            waiting=self._door.statistics().tasks_waiting,
            addresses=len(self._by_holder),
            refused=dict(self._refused),
        )


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address; that of IPv4 where it is written as one of IPv6 (RFC 4291, 2.5.5.2)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _plain(text: str) -> str:
    """The address as it is written elsewhere; what is none stays as it is."""
    address = _parse(text)
    return text if address is None else str(address)


def is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of these networks."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)
