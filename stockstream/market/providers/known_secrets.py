"""Secrets that we sent, taken out of what a server says: some tell a key back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from stockstream.masks import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable

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


_WRITTEN = (
    str,
    _json,
    lambda key: _json(key).replace("/", "\\/"),
    quote,  # leaves a `/`
    quote_plus,
)
"""How a key may stand in an answer: in JSON, where `/` may be escaped, and in an address."""
