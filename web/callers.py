"""The caller of a request: its client, its proxies and its page, as the request tells them. Pure.

A proxy is believed when its address is one of `TRUSTED_PROXIES`. It has to say for whom it asks in
`X-Forwarded-For`, and may say for which host and how in `X-Forwarded-Host` and `-Proto`. Each proxy
appends to these lists, so they are read from the end. The client may have made up the entries
before that of the last trusted proxy.

The check for this machine fails closed: a proxy on it looks almost like a local program, so every
trace of a proxy counts, and a request that cannot be read is never local.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from web.server.hosts import host_name, is_loopback_name, read_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from werkzeug.datastructures import Headers

    from web.server.hosts import Address

Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""The address of a client whose proxy names none that can be read."""
NETWORK_BITS = 64
"""An IPv6 customer has a /64 at least (RFC 6177), so an address of it is nobody in particular."""
MOST_SHOWN = 100
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1), so the caller need not prove its origin."""

_FORWARDING = frozenset(
    {
        "forwarded",
        "via",
        "cdn-loop",
        "client-ip",
        "cluster-client-ip",
        "early-data",
        "fastly-client-ip",
        "fastly-ssl",
        "forwarded-for",
        "front-end-https",
        "incap-client-ip",
        "proxy-client-ip",
        "proxy-connection",
        "surrogate-capability",
        "true-client-ip",
        "x-amzn-trace-id",
        "x-arr-log-id",
        "x-arr-ssl",
        "x-client-ip",
        "x-cloud-trace-context",
        "x-cluster-client-ip",
        "x-coming-from",
        "x-nf-client-connection-ip",
        "x-nginx-proxy",
        "x-remote-addr",
        "x-remote-ip",
        "x-request-start",
        "x-scheme",
        "x-url-scheme",
        "x-varnish",
    }
)
_FORWARDING_FAMILIES = (
    "x-forwarded",
    "x-original-",
    "x-proxy",
    "x-real-",
    "x-envoy-",
    "x-azure-",
    "x-appengine-",
    "x-vercel-",
    "x-amz-cf-",
    "x-akamai-",
    "akamai-",
    "cloudfront-",
    "cf-",
    "do-connecting-",
    "fly-",
    "wl-proxy-",
)
_HOP = re.compile(
    r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?|(?P<bare>[0-9a-fA-F:.]+)"
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, as far as it is known.

    `address` is the client's, or `UNKNOWN`; `holder` is whom limits count it for. `remote` says why
    it does not count as a program or person on this machine, and is None when it does. `host` is
    the host, with a port where one was given, that the client asked for, in lower case. `secure`
    means that it came by TLS, as far as is known. `origin` is that of the page that had a browser
    ask; programs have none.
    """

    address: str
    holder: str
    remote: str | None
    host: str
    secure: bool
    origin: str | None

    @property
    def local(self) -> bool:
        """Whether it is somebody on this machine, without any doubt."""
        return self.remote is None

    def of_page(self, allowed: Sequence[str] = ()) -> bool:
        """Whether no page had it sent, or one of this server's own, or of an `allowed` origin.

        A page that came by TLS may not be asked for by one that did not: anybody on the way could
        have written that.
        """
        if self.origin is None:
            return True
        origin = self.origin.lower().rstrip("/")
        return origin in allowed or _is_own(origin, self.host, secure=self.secure)

    @property
    def why_foreign(self) -> str:
        """What is told to a page that `of_page` refuses: mostly a proxy changed the host."""
        return (
            f"the page is of {shown(self.origin or '')}, and it asks for the host "
            f"{shown(self.host)}; a proxy has to pass on Host as it came, or ALLOWED_ORIGINS to "
            "name the page's origin"
        )


def read_caller(
    peer: str,
    headers: Headers,
    *,
    trusted: Sequence[Network],
    http_version: str = "1.1",
    secure: bool = False,
) -> Caller:
    """Who asks, by the address that the connection comes from and the headers of the request.

    `secure` says whether the connection itself is encrypted.
    """
    sender = read_address(peer)
    host = headers.get("host", "")
    if sender is not None and _is_in(sender, trusted):
        address, holder = _client(sender, _entries(headers.getlist("x-forwarded-for")), trusted)
        host = _last(headers.getlist("x-forwarded-host")) or host
        # Some say of a WebSocket that it came by `wss`.
        secure = secure or _last(headers.getlist("x-forwarded-proto")).lower() in {"https", "wss"}
        remote: str | None = (
            f"its sender, {sender}, is one of TRUSTED_PROXIES, and nobody else on this machine can "
            "be told from it; have the proxy connect from an address of its own, such as 127.0.0.2"
        )
    else:
        address, holder = (UNKNOWN, UNKNOWN) if sender is None else (str(sender), held_by(sender))
        remote = _why_remote(sender, headers, http_version)
    return Caller(address, holder, remote, host.lower(), secure, headers.get("origin"))


def socket_holder(trusted: Sequence[Network], peer: str) -> str | None:
    """The holder of a socket; None for a trusted proxy, which holds it for its clients."""
    sender = read_address(peer)
    if sender is None:
        return UNKNOWN
    return None if _is_in(sender, trusted) else held_by(sender)


def request_holder(
    trusted: Sequence[Network], peer: str, headers: Iterable[tuple[bytes, bytes]]
) -> str:
    """The holder of a request on the socket of a trusted proxy: its caller's `holder`."""
    sender = read_address(peer)
    if sender is None:
        return UNKNOWN
    said = (value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
    return _client(sender, _entries(said), trusted)[1]


def held_by(address: Address) -> str:
    """The holder of an address: itself, or its network where one customer has many."""
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(ip_network((int(address), NETWORK_BITS), strict=False))


def read_hop(text: str) -> Address | None:
    """The address in an entry of `X-Forwarded-For`; None when it says no address.

    Some proxies add the port, put IPv6 into brackets or all of it into quotes (RFC 7239, 6).
    """
    found = _HOP.fullmatch(text.strip().removeprefix('"').removesuffix('"'))
    return None if found is None else read_address(next(filter(None, found.groups())))


def is_forwarding(name: str) -> bool:
    """Whether a header of this name tells that a proxy passed the request on."""
    lower = name.lower()
    return lower in _FORWARDING or lower.startswith(_FORWARDING_FAMILIES)


def shown(text: str) -> str:
    """What somebody sent, as an answer or the log may repeat it."""
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")


def _client(sender: Address, hops: list[str], trusted: Sequence[Network]) -> tuple[str, str]:
    """Address and holder of who stands before the trusted proxies."""
    speaker = sender
    while hops and _is_in(speaker, trusted):
        said = read_hop(hops.pop())
        if said is None:
            # Its clients cannot be told apart, so they share one limit, and none of others.
            return UNKNOWN, f"{UNKNOWN} behind {speaker}"
        speaker = said
    return str(speaker), held_by(speaker)


def _why_remote(sender: Address | None, headers: Headers, http_version: str) -> str | None:
    if sender is None or not sender.is_loopback:
        return f"it comes from {sender or UNKNOWN}"
    for name, _ in headers:
        if is_forwarding(name):
            return f"a proxy passed it on, by its header {shown(name)}"
    if http_version == "1.0":
        return "it is of HTTP/1.0, which proxies speak by default and hardly anybody else"
    host = headers.get("host", "")
    named = host_name(host)
    if named is None or not is_loopback_name(named):
        return f"it is for the host {shown(host)}; ask for localhost"
    return None


def _is_own(origin: str, host: str, *, secure: bool) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:  # an IPv6 address that never ends, say
        return False
    # Browsers leave the default port out; a proxy may write it into the host.
    port = _DEFAULT_PORTS.get(parts.scheme)
    if port is None or not parts.netloc or (secure and parts.scheme != "https"):
        return False
    return parts.netloc.removesuffix(port) == host.removesuffix(port)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _entries(values: Iterable[str]) -> list[str]:
    """The entries of a list that may be spread over several headers."""
    return [part.strip() for value in values for part in value.split(",")]


def _last(values: Iterable[str]) -> str:
    entries = _entries(values)
    return entries[-1] if entries else ""
