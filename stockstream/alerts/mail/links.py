"""The links in letters: signed, so that only who reads the letter has them. No I/O.

A link says what it is for, which address it is about, and until when it holds. It needs no login:
who gets the mail need not be who made the rule.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIRM_SECONDS = 172_800
"""Two days: some servers hold a first letter back for hours."""
_FOR_EVER = 0
_LONGEST = 200


class Purpose(StrEnum):
    """What a link is for."""

    CONFIRM = "confirm"
    """Letters may come to this address. Or never again, from anybody here."""
    STOP = "stop"
    """No more letters of this user to this address."""


class Link(NamedTuple):
    """What a link that holds says: the number of the row of `mail_addresses`."""

    purpose: Purpose
    address_id: int


class MailLinks:
    """Makes and reads them. `base` is where browsers reach the pages."""

    def __init__(self, secrets: Sequence[str], base: str) -> None:
        """`secrets` are `SECRET_KEY_BASE`, and the one it replaces if there is one."""
        kind = b"mail links"
        self._keys = [hmac.digest(secret.encode(), kind, hashlib.sha256) for secret in secrets]
        self.base = base

    def confirm(self, address_id: int, now: int) -> str:
        """The address of the page that confirms; `now` in seconds since 1970."""
        return self._url(Purpose.CONFIRM, address_id, now + CONFIRM_SECONDS)

    def stop(self, address_id: int) -> str:
        """The address of the page that ends it, for ever."""
        return self._url(Purpose.STOP, address_id, _FOR_EVER)

    def read(self, token: str, now: int) -> Link | None:
        """What a token says; None for one that is forged, or over."""
        if len(token) > _LONGEST or not token.isascii():
            return None
        said, _, given = token.rpartition(".")
        if not any(hmac.compare_digest(given, _signature(key, said)) for key in self._keys):
            return None
        # It was signed by us, so it is what `_url` writes.
        purpose, number, until = said.split(".")
        if int(until) != _FOR_EVER and int(until) < now:
            return None
        return Link(Purpose(purpose), int(number))

    def _url(self, purpose: Purpose, address_id: int, until: int) -> str:
        said = f"{purpose.value}.{address_id}.{until}"
        return f"{self.base}/mail/{purpose.value}?token={said}.{_signature(self._keys[0], said)}"


def _signature(key: bytes, said: str) -> str:
    made = hmac.digest(key, said.encode(), hashlib.sha256)
    return urlsafe_b64encode(made).decode().rstrip("=")
