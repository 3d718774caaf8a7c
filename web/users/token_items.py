"""API tokens as an API tells of them: their owner's, and that of those who look after accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from werkzeug.exceptions import NotFound

from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from stockstream.users.token_rows import ApiToken


class NoSuchTokenError(NotFound):
    """There is none, or it is another account's; the answer does not tell which."""

    word: ClassVar[str] = "not_found"


class TokenItem(msgspec.Struct, frozen=True):
    """A token. It has those of its `scopes` that its account's role has; times in UTC.

    `used_at` is to the minute, null before its first use.
    """

    key: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str
    used_at: str | None
    revoked_at: str | None

    @classmethod
    def of(cls, token: ApiToken) -> TokenItem:
        """As the API tells of it."""
        return cls(
            key=token.key,
            name=token.name,
            scopes=list(token.scopes),
            created_at=iso_utc(token.created),
            expires_at=iso_utc(token.expires),
            used_at=None if token.used is None else iso_utc(token.used),
            revoked_at=None if token.revoked is None else iso_utc(token.revoked),
        )
