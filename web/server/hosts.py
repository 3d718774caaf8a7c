"""The `Host` of a request: reads it, and decides whether it is one of this server's. Pure.

To a browser, a page whose name is made to point at this machine (DNS rebinding) has our own origin.
Only its name shows the attack: the browser sends it as `Host`, and the page cannot change that.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["AllowedHosts", "host_name", "is_loopback_name", "machine_names", "read_address"]

Address = IPv4Address | IPv6Address

# A label has 1 to 63 characters (RFC 1035, 2.3.4): code behind us that reads hosts fails on others.
_HOST = re.compile(
    r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?))"
    r"(?::[0-9]{0,5})?",
    re.ASCII,
)


def read_address(text: str) -> Address | None:
    """The address; an IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2) becomes IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def host_name(host: str) -> str | None:
    """The name or address in a `Host`, in lower case, without port, brackets and the root's dot.

    None when it cannot be read.
    """
    found = _HOST.fullmatch(host.strip().lower())
    if found is None:
        return None
    if found["v6"] is not None:
        address = read_address(found["v6"])
        return None if address is None else str(address)
    return found["name"].removesuffix(".")


def is_loopback_name(name: str) -> bool:
    """Whether the name always means the own machine (RFC 6761, 6.3)."""
    address = read_address(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")


def machine_names() -> tuple[str, ...]:
    """The names of this machine: its host name, and the name for its neighbours (mDNS)."""
    name = socket.gethostname().lower()
    first = name.partition(".")[0]
    return (name, first, f"{first}.local")


class AllowedHosts:
    """The hosts that requests may be for.

    Loopback names and addresses always are: nobody can make an address point elsewhere. `names`
    are further ones; `*.example.com` stands for all names below it and `*` for any.
    """

    def __init__(self, names: Iterable[str]) -> None:
        given = [name.lower() for name in names]
        self._any = "*" in given
        self._names = frozenset(given)
        self._endings = tuple(name.removeprefix("*") for name in given if name.startswith("*."))

    def allow(self, host: str) -> bool:
        """Whether a request for `host` is served. Without one it is: a browser always sends one."""
        if self._any or not host:
            return True
        name = host_name(host)
        return name is not None and (
            read_address(name) is not None
            or is_loopback_name(name)
            or name in self._names
            or name.endswith(self._endings)
        )
