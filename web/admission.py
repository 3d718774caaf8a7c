"""Who may connect: origin, number of connections, connections per address."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of a WebSocket."""

    status: int
    code: str
    reason: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """Connections now, distinct addresses now, refusals by status since the start."""

    connections: int
    addresses: int
    refused: Mapping[int, int]


def client_address(
    peer: str, forwarded_for: Sequence[str], trusted: Sequence[IPv4Network | IPv6Network]
) -> str:
    """The client's address: the peer's, or what trusted proxies say of it.

    `forwarded_for` are the values of X-Forwarded-For in order. Each proxy appends whom it was
    talking to, so the list is read from its end for as long as the speaker is trusted.
    """
    address = peer
    hops = [part.strip() for value in forwarded_for for part in value.split(",")]
    while hops and is_in(address, trusted):
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def is_loopback(address: str) -> bool:
    """Whether the address belongs to this machine alone."""
    return _is_address(address) and ip_address(address).is_loopback


def origin_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of `origin` may open a WebSocket here (RFC 6455, section 10.2).

    A program sends none. A browser's must be the host it connects to, or be allowed by name.
    """
    if origin is None:
        return True
    normal = origin.lower().rstrip("/")
    if normal in allowed:
        return True
    parts = urlsplit(normal)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and parts.netloc == host.lower()


class Admission:
    """Counts connections, in all and by address."""

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_address: Counter[str] = Counter()
        self._connections = 0
        self._refused: Counter[int] = Counter()

    def refusal(self, address: str) -> Refusal | None:
        """Why one more from `address` is refused, or None."""
        if self._connections >= self._most:
            return Refusal(
                503, "full", f"this node has its {self._most} connections", RETRY_SECONDS
            )
        if self._by_address[address] >= self._most_per_address:
            return Refusal(
                429,
                "too_many_connections",
                f"at most {self._most_per_address} connections from one address",
                RETRY_SECONDS,
            )
        return None

    def count_refusal(self, refusal: Refusal) -> None:
        """Count an answer that was no WebSocket."""
        self._refused[refusal.status] += 1

    @contextmanager
    def admitted(self, address: str) -> Iterator[None]:
        """Count a connection for as long as it is there."""
        self._connections += 1
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._connections -= 1
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def statistics(self) -> AdmissionStatistics:
        """Counts, for operators."""
        return AdmissionStatistics(self._connections, len(self._by_address), dict(self._refused))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address lies in one of these networks."""
    return _is_address(address) and any(ip_address(address) in network for network in networks)
