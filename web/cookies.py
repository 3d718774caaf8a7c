"""Cookies: reading them, and the names of ours.

Cookies ignore ports: a browser sends the cookies of all servers on a host to each of them. So the
name of a cookie of ours identifies the StockStream that set it and the key that signed it. Another
one on the same host, or the same one with another secret, has another name, and neither overwrites
the other's cookie. While a key is being replaced, cookies are found by the names of both.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from werkzeug.sansio.http import parse_cookie

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from werkzeug.datastructures import Headers, MultiDict

HOST_ONLY = "__Host-"
"""What the name of a cookie begins with that came by TLS and is for all paths of this very host: a
browser takes one from nobody else, whatever a neighbouring name or an attacker on the way sets."""
MARK_LENGTH = 6
"""Hexadecimal digits. Two keys of one instance are to be told apart, and nothing is kept secret."""


def read_cookies(headers: Headers) -> MultiDict[str, str]:
    """The cookies of a request, of a page or of a WebSocket's handshake.

    Lenient: an odd cookie of another application must not hide ours. (The parser in
    `werkzeug.http` is for WSGI, and fails on bytes that are not UTF-8.)
    """
    return parse_cookie(";".join(headers.getlist("cookie")))


class Instance:
    """Which StockStream this is: an id that all nodes of one database share.

    Until the database has told it, a node goes by the one it would propose. Made once; outlives
    every life of `web`, which alone changes it.
    """

    def __init__(self, proposed: str) -> None:
        self._ids = [proposed]
        self._told = False

    @property
    def id(self) -> str:
        """The id it goes by now."""
        return self._ids[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """All it went by since the start, the one of now first."""
        return tuple(self._ids)

    @property
    def told(self) -> bool:
        """Whether the database has told it."""
        return self._told

    def become(self, told: str) -> bool:
        """Go by the id that the database tells; whether that is another one."""
        self._told = True
        if told == self.id:
            return False
        self._ids = [told, *(known for known in self._ids if known != told)]
        return True


class NamedCookie:
    """The names of one kind of cookie of ours, one for each of `keys`, that of now first: what its
    values are signed with, or what is made of that.
    """

    def __init__(self, kind: str, keys: Sequence[bytes], instance: Instance) -> None:
        self._kind = kind
        self._marks = [
            hmac.digest(key, b"name", hashlib.sha256).hex()[:MARK_LENGTH] for key in keys
        ]
        self._instance = instance

    @property
    def name(self) -> str:
        """What one that is given now is called."""
        return self._named(self._instance.id, self._marks[0])

    def found(self, cookies: MultiDict[str, str]) -> Iterator[tuple[str, str]]:
        """Names and values of those that came, the best first: `HOST_ONLY` before others, the key
        of now before that of before. What is not signed by us may be among them.

        Until the database has told which instance this is, any of them may be the one: a node
        that starts without its disk is asked by all its clients before. The last is the name that
        all of this kind had before instances had ids.
        """
        came = [name for name in cookies if name.removeprefix(HOST_ONLY).startswith(self._kind)]
        if not came:
            return
        ids = self._instance.ids
        names = [self._named(known, mark) for mark in self._marks for known in ids]
        if not self._instance.told:
            others = [name.removeprefix(HOST_ONLY) for name in came]
            names += [name for name in others if self._is_ours(name) and name not in names]
        for name in (*(f"{HOST_ONLY}{name}" for name in names), *names, self._kind):
            for value in cookies.getlist(name):
                yield name, value

    def _is_ours(self, name: str) -> bool:
        return any(name.endswith(f"_{mark}") for mark in self._marks)

    def _named(self, instance: str, mark: str) -> str:
        return f"{self._kind}_{instance}_{mark}"
