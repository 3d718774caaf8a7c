"""Who a browser's user is, until there are accounts: a random id in a signed cookie. No I/O.

The signature is bound to `SECRET_KEY_BASE`: with another secret every browser gets a new id, and
what belongs to the old one is not shown any more. An id is no proof of a person, and gives access
to nothing but what was made with it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

ID_BYTES = 16
"""Nobody guesses one of 128 bits, and two browsers never draw the same."""


class BrowserUsers:
    """Makes and reads the cookies. Made once; outlives every life of `web`."""

    def __init__(self, secret: str) -> None:
        """`secret` is `SECRET_KEY_BASE`; cookies are signed with a key made from it."""
        self._key = hmac.digest(secret.encode(), b"browser user", hashlib.sha256)

    def new(self) -> str:
        """The value of a new user's cookie."""
        user = secrets.token_urlsafe(ID_BYTES)
        return f"{user}.{self._sign(user)}"

    def user(self, cookie: str) -> str | None:
        """The id in a cookie; None when it is not one of ours."""
        user, _, signature = cookie.rpartition(".")
        # In constant time, or the time taken would tell a forger how much is right already.
        if not hmac.compare_digest(signature.encode(), self._sign(user).encode()):
            return None
        return user

    def _sign(self, user: str) -> str:
        return hmac.new(self._key, user.encode(), hashlib.sha256).hexdigest()
