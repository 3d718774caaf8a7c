"""The other nodes of the cluster, as pages and clients are told of them (N18)."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stockstream.statuses import Member, Members

_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}
_NETLOC = re.compile(r"[A-Za-z0-9._:\[\]-]+")


def other_nodes(members: Members | None) -> list[str]:
    """The public addresses of those that are ready; by chance each time in another order.

    The order shares the clients of a node that goes among all that stay. An address that is this
    node's too is a balancer's, before all of them: it is no other place to go to.
    """
    urls = _addresses(member for member in _others(members) if member.ready)
    found = sorted(urls - _own(members))
    return random.sample(found, len(found))


def others_are_ready(members: Members | None) -> bool:
    """Whether clients have a node to go to now: by its public address, or behind this one's."""
    return any(member.ready for member in _others(members))


def socket_sources(members: Members | None) -> list[str]:
    """The same as sources of a content security policy, of all that are known.

    A page keeps its policy: who is not ready now may be when its own node goes.
    """
    urls = _addresses(_others(members)) - _own(members)
    return sorted({source for url in urls if (source := _socket_source(url)) is not None})


def _addresses(members: Iterable[Member]) -> set[str]:
    return {member.public_url for member in members if member.public_url}


def _own(members: Members | None) -> set[str]:
    if members is None:
        return set()
    return _addresses(member for member in members.members if member.node == members.me)


def _others(members: Members | None) -> Iterator[Member]:
    if members is not None:
        yield from (member for member in members.members if member.node != members.me)


def _socket_source(url: str) -> str | None:
    """None for what is no plain address: it came over the bus, and goes into a header."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    scheme = _SOCKET_SCHEMES.get(parts.scheme)
    plain = _NETLOC.fullmatch(parts.netloc)
    return f"{scheme}://{parts.netloc}" if scheme and plain else None
