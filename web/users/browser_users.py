"""The user of a browser that nobody logged in with: a random id in a signed cookie. No I/O.

The signature is bound to `SECRET_KEY_BASE`: with another secret every browser gets a new id beside
the old one, unless `SECRET_KEY_BASE_PREVIOUS` has the one of before. An id does not prove who a
person is, and gives access only to the rows that were made with it.

A version of before reads its own signatures alone, and gives a new user in the place of a cookie
that it cannot read. So what is signed now has a name of its own, and the cookie of before stays as
it came: for a node that is not updated yet, and for a roll-back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from web.cookies import HOST_ONLY, NamedCookie
from web.sealing import Seal

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from web.cookies import Instance

KIND = "stockstream_user"
ID_BYTES = 16
"""An id of 128 bits cannot be guessed, and two browsers never draw the same."""


class BrowserUsers:
    """Makes and reads the cookies. Made once; outlives every life of `web`."""

    def __init__(self, secret: str, instance: Instance, *, previous: str | None = None) -> None:
        """`secret` is `SECRET_KEY_BASE`, `previous` the one it replaces."""
        self._seal = Seal([secret] if previous is None else [secret, previous], b"browser user")
        keys = self._seal.keys
        named = [hmac.digest(key, b"itsdangerous", hashlib.sha256) for key in keys]
        self._cookie = NamedCookie(KIND, (*named, *keys), instance)

    @property
    def cookie_name(self) -> str:
        """The name of a cookie that is set now."""
        return self._cookie.name

    def name_for(self, *, host_only: bool) -> str:
        """The same, for an answer by TLS whose cookies are for all paths."""
        return f"{HOST_ONLY}{self.cookie_name}" if host_only else self.cookie_name

    def cookie_for(self, cookies: MultiDict[str, str]) -> str:
        """The new value for the user of these cookies; a new user's value if there is none.

        It is signed by the key of now, whatever has signed the one that came.
        """
        user = self.user_of(cookies)
        return self.new() if user is None else self._seal.sign(user)

    def user_of(self, cookies: MultiDict[str, str]) -> str | None:
        """The id that a request's cookies name; None when none of them is one of ours."""
        for _, value in self._cookie.found(cookies):
            user = self.user(value)
            if user is not None:
                return user
        return None

    def new(self) -> str:
        """The value of a new user's cookie."""
        return self._seal.sign(secrets.token_urlsafe(ID_BYTES))

    def user(self, cookie: str) -> str | None:
        """The id in a cookie; None when it is not one of ours."""
        read = self._seal.read(cookie)
        return None if read is None else read[0]
