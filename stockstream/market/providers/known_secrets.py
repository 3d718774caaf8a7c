"""The secrets that stand in an address, taken out of what its server says: some tell a key back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from stockstream.masks import MASK

if TYPE_CHECKING:
    import httpx

_SHORTEST = 6
"""A shorter value is hardly a key, and would be masked inside of other words."""


class KnownSecrets:
    """The values of an address's query and its login, as they are written and as they are meant."""

    def __init__(self, url: httpx.URL) -> None:
        written = [part.partition("=")[2] or part for part in url.query.decode().split("&")]
        meant = [way(part) for part in written for way in (unquote, unquote_plus)]
        found = {*written, *meant, url.username, url.password}
        # The longest first: one may hold another.
        self._all = sorted((s for s in found if len(s) >= _SHORTEST), key=len, reverse=True)

    def masked(self, text: str) -> str:
        """`text` without any of them."""
        for secret in self._all:
            text = text.replace(secret, MASK)
        return text
