"""The user of a browser, until there are accounts: a random id in a signed cookie. No I/O.

The signature is bound to `SECRET_KEY_BASE`: with another secret every browser gets a new id beside
the old one, which is valid again when the old secret is. An id does not prove who a person is, and
gives access only to the rows that were made with it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from web.cookies import NamedCookie

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from web.cookies import Instance

KIND = "stockstream_user"
ID_BYTES = 16
"""An id of 128 bits cannot be guessed, and two browsers never draw the same."""


class BrowserUsers:
    """Makes and reads the cookies. Made once; outlives every life of `web`."""

    def __init__(self, secret: str, instance: Instance) -> None:
        """`secret` is `SECRET_KEY_BASE`; cookies are signed with a key made from it."""
        self._key = hmac.digest(secret.encode(), b"browser user", hashlib.sha256)
        self._cookie = NamedCookie(KIND, self._key, instance)

    @property
    def cookie_name(self) -> str:
        """The name of a cookie that is set now."""
        return self._cookie.name

    def cookie_for(self, cookies: MultiDict[str, str]) -> str:
        """The new value for the user of these cookies; a new user's value if there is none."""
        found = self._found(cookies)
        return self.new() if found is None else found[1]

    def user_of(self, cookies: MultiDict[str, str]) -> str | None:
        """The id that a request's cookies name; None when none of them is one of ours."""
        found = self._found(cookies)
        return None if found is None else found[0]

    def _found(self, cookies: MultiDict[str, str]) -> tuple[str, str] | None:
        for _, value in self._cookie.found(cookies):
            user = self.user(value)
            if user is not None:
                return user, value
        return None

    def new(self) -> str:
        """The value of a new user's cookie."""
        user = secrets.token_urlsafe(ID_BYTES)
        return f"{user}.{self._sign(user)}"

    def user(self, cookie: str) -> str | None:
        """The id in a cookie; None when it is not one of ours."""
        user, _, signature = cookie.rpartition(".")
        # In constant time: else the time would tell a forger how many characters are right.
        if not hmac.compare_digest(signature.encode(), self._sign(user).encode()):
            return None
        return user

    def _sign(self, user: str) -> str:
        return hmac.digest(self._key, user.encode(), hashlib.sha256).hex()
