"""Where a webhook may go. Users name the addresses, so they must not lead inside (SSRF).

What a name stands for is looked up once for each try, and that very address is connected to: a
second answer of the name service could be another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_URL = 1_000
RESOLVE_SECONDS = 5.0
# Addresses that are global by themselves, and carry one that need not be: NAT64, 6to4, Teredo.
_CARRIERS = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Forbidden(Exception):
    """An address that may not be called; the text says why, for the user."""


class NotFound(Exception):
    """A name that stands for nothing now."""


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """`http` without TLS is for receivers nearby; `networks` are inside, and allowed."""

    allow_http: bool = False
    networks: tuple[Network, ...] = ()

    def permits(self, address: Address) -> bool:
        """Whether it may be connected to: the internet, and what is allowed by name."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.networks):
            return True
        carried = any(address in network for network in _CARRIERS)
        return address.is_global and not address.is_multicast and not carried


@dataclass(frozen=True, slots=True)
class Target:
    """One place to connect to: the `url` with the address in it, and the host it stands for."""

    url: str
    host: str
    name: str


def check_url(url: str, policy: TargetPolicy) -> SplitResult:
    """The parts of an address that a user gave.

    Raises:
        Forbidden: it cannot be one, or may not be.
    """
    if len(url) > LONGEST_URL:
        raise Forbidden(f"at most {LONGEST_URL} characters")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Forbidden("printable ASCII characters without blanks only")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Forbidden(f"no address: {error}") from error
    if parts.scheme not in ({"http", "https"} if policy.allow_http else {"https"}) or not host:
        raise Forbidden("write https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Forbidden("no user, password or fragment, please")
    literal = _literal(host)
    if literal is not None and not policy.permits(literal):
        raise Forbidden(f"{host} is not on the internet")
    return parts


async def find_target(url: str, policy: TargetPolicy) -> Target:
    """Look up where `url` leads now. All that its name stands for must be permitted.

    Raises:
        Forbidden: it may not be called.
        NotFound: the name stands for nothing, or nobody says for what.
    """
    parts = check_url(url, policy)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found: Sequence[Address] = []
    with trio.move_on_after(RESOLVE_SECONDS):
        try:
            answers = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotFound(f"{host}: {error}") from error
        found = [ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    if not found:
        raise NotFound(f"{host}: nobody says where it is")
    for address in found:
        if not policy.permits(address):
            raise Forbidden(f"{host} is not on the internet")
    first = found[0]
    where = f"[{first}]" if first.version == 6 else str(first)
    query = f"?{parts.query}" if parts.query else ""
    named = parts.netloc.rpartition("@")[2]
    return Target(f"{parts.scheme}://{where}:{port}{parts.path or '/'}{query}", named, host)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
