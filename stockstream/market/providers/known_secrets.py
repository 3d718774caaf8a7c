"""Secrets that we sent, taken out of what a server says: some tell a key back."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from stockstream.masks import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import httpx

_SHORTEST = 6
"""A shorter value is hardly a key, and would be masked inside of other words."""


class KnownSecrets:
    """The values of an address's query and its login, and `keys` that are sent in other ways; each
    as it is written and as it is meant.
    """

    def __init__(self, url: httpx.URL | None = None, keys: Iterable[str] = ()) -> None:
        found = {way(key) for key in keys for way in _WRITTEN}
        if url is not None:
            written = [part.partition("=")[2] or part for part in url.query.decode().split("&")]
            meant = [way(part) for part in written for way in (unquote, unquote_plus)]
            found |= {*written, *meant, url.username, url.password}
        # The longest first: one may hold another.
        self._all = sorted((s for s in found if len(s) >= _SHORTEST), key=len, reverse=True)
        self._bytes = [secret.encode() for secret in self._all]

    def masked(self, text: str) -> str:
        """`text` without any of them."""
        for secret in self._all:
            text = text.replace(secret, MASK)
        return text

    def masked_frame(self, frame: str | bytes) -> str | bytes:
        """A frame or a body without any of them."""
        return self.masked(frame) if isinstance(frame, str) else self.masked_bytes(frame)

    def masked_bytes(self, body: bytes) -> bytes:
        """`body` without any of them."""
        for secret in self._bytes:
            body = body.replace(secret, MASK.encode())
        return body


def _json(key: str) -> str:
    return json.dumps(key)[1:-1]


def _by_numbers(what: str, form: str) -> Callable[[str], str]:
    """JSON with some characters by their numbers."""
    return lambda key: re.sub(what, lambda one: f"\\u{ord(one[0]):{form}}", key)


def _small(key: str) -> str:
    """An address with the numbers behind its percents in small letters."""
    return re.sub("%..", lambda one: one[0].lower(), quote_plus(key))


_OF_NET = r"[\"&'+<>`\\]"
_WRITTEN = (
    str,
    _json,
    lambda key: _json(key).replace("/", "\\/"),
    # .NET writes a `+` so, Go a `&`, others all that is neither letter nor digit.
    _by_numbers(_OF_NET, "04X"),
    _by_numbers(_OF_NET, "04x"),
    _by_numbers("[&<>]", "04x"),
    _by_numbers("[^0-9A-Za-z]", "04x"),
    _by_numbers("[^0-9A-Za-z]", "04X"),
    html.escape,
    quote,  # leaves a `/`
    quote_plus,
    _small,
)
"""How a key may stand in an answer: in JSON, where characters may be escaped, in a page, and in an
address.
"""
