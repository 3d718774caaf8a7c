"""Cookies: reading them, and the names of ours.

Cookies ignore ports: a browser sends the cookies of all servers on a host to each of them. So the
name of a cookie of ours identifies the StockStream that set it and the key that signed it. Another
one on the same host, or the same one with another secret, has another name, and neither overwrites
the other's cookie.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from werkzeug.sansio.http import parse_cookie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.datastructures import Headers, MultiDict

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
    """The names of one kind of cookie of ours; `key` is what its values are signed with."""

    def __init__(self, kind: str, key: bytes, instance: Instance) -> None:
        self._kind = kind
        self._mark = hmac.new(key, b"name", hashlib.sha256).hexdigest()[:MARK_LENGTH]
        self._instance = instance

    @property
    def name(self) -> str:
        """What one that is given now is called."""
        return self._named(self._instance.id)

    def found(self, cookies: MultiDict[str, str]) -> Iterator[tuple[str, str]]:
        """Names and values of those that came, the best first. What is not signed by us may be
        among them.

        Until the database has told which instance this is, any of them may be the one: a node
        that starts without its disk is asked by all its clients before. The last is the name that
        all of this kind had before instances had ids.
        """
        names = [self._named(known) for known in self._instance.ids]
        if not self._instance.told:
            names += [name for name in cookies if self._is_ours(name) and name not in names]
        for name in (*names, self._kind):
            for value in cookies.getlist(name):
                yield name, value

    def _is_ours(self, name: str) -> bool:
        return name.startswith(f"{self._kind}_") and name.endswith(f"_{self._mark}")

    def _named(self, instance: str) -> str:
        return f"{self._kind}_{instance}_{self._mark}"
