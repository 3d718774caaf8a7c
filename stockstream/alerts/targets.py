"""Where a webhook may go. Users name the addresses, so they must not lead inside (SSRF).

A name is looked up once for each try, and the connection goes to exactly that address: a second
lookup could give a different one.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.alerts.lookups import Lookups

LONGEST_URL = 1_000
# IANA's registry of special IPv4 addresses, multicast, and unassigned ranges. The list is our own
# because `is_global` of 3.11, 3.12 and 3.13 differ. It includes ranges that are globally routable
# (192.88.99.0/24 was 6to4, the others are services for name servers).
_SPECIAL_V4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
# All global IPv6 addresses are within these. Outside are loopback, the deprecated site-local, and
# the forms that carry an IPv4 address, which may be inside: IPv4-compatible, SIIT, NAT64.
_GLOBAL_V6 = "2000::/3"
# Excluded from these: protocols (Teredo, which carries IPv4, too), examples, 6to4, name servers.
_SPECIAL_V6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


_INTERNET = (ip_network("0.0.0.0/0"), ip_network(_GLOBAL_V6))
_SPECIAL = tuple(map(ip_network, (_SPECIAL_V4 + _SPECIAL_V6).split()))


class Forbidden(Exception):
    """An address that may not be called; the text says why, for the user."""


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """`http` without TLS is for receivers nearby; `networks` are inside, and allowed."""

    allow_http: bool = False
    networks: tuple[Network, ...] = ()

    def permits(self, address: Address) -> bool:
        """Whether it may be connected to: the internet, and what is allowed by name."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if _is_in(address, self.networks):
            return True
        return _is_in(address, _INTERNET) and not _is_in(address, _SPECIAL)


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


async def find_target(url: str, policy: TargetPolicy, lookups: Lookups) -> Target:
    """Look up where `url` leads now. All addresses of its name must be permitted.

    Raises:
        Forbidden: it may not be called.
        NotFound: the name has no address, or no name server answers.
    """
    parts = check_url(url, policy)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    literal = _literal(host)
    found = await lookups.addresses(host, port) if literal is None else [literal]
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


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
