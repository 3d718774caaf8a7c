"""The cookies of a login: the session's token, and the mark of a device that has logged in. No I/O.

Behind TLS a session's cookie has a name that begins with `__Host-`: a browser takes one of that
name from this very host alone, over TLS, for all paths of it. Below a `BASE_PATH` it is for that
path alone, so it cannot have such a name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, NamedTuple

from web.cookies import HOST_ONLY, NamedCookie
from web.sealing import Seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.datastructures import MultiDict

    from web.callers import Caller
    from web.cookies import Instance

KIND = "stockstream_session"
DEVICE_KIND = "stockstream_device"
DEVICE_SECONDS = 400 * 86_400
"""As long as browsers keep a cookie at most."""
_DEVICE_BYTES = 12


class CookieName(NamedTuple):
    """How a cookie is called and where it is sent."""

    name: str
    path: str


class SessionCookies:
    """Names, reads and makes them. Made once; outlives every life of `web`."""

    def __init__(
        self, secret: str, instance: Instance, base_path: str, *, previous: str | None = None
    ) -> None:
        """`secret` is `SECRET_KEY_BASE`, `previous` the one it replaces; `base_path` is "" or as
        `/stocks`.
        """
        secrets_known = [secret] if previous is None else [secret, previous]
        self._csrf_key = hmac.digest(secret.encode(), b"account csrf", hashlib.sha256)
        keys = Seal(secrets_known, b"account session").keys
        self._sessions = NamedCookie(KIND, keys, instance)
        self._device_seal = Seal(secrets_known, b"account device")
        self._devices = NamedCookie(DEVICE_KIND, self._device_seal.keys, instance)
        self._base = base_path

    def session(self, caller: Caller) -> CookieName:
        """The cookie of a session that such a caller is given."""
        return self._named(self._sessions.name, caller)

    def tokens(self, cookies: MultiDict[str, str], caller: Caller) -> Iterator[str]:
        """What may be tokens of sessions among the cookies of a request, the best first.

        Where they have the name that no other host can give, those alone.
        """
        hosted = self._hosted(caller)
        for name, value in self._sessions.found(cookies):
            if name.startswith(HOST_ONLY) == hosted:
                yield value

    def csrf_of(self, session: str) -> str:
        """What a page of a session sends with a change; `session` names it, and is no secret."""
        return hmac.digest(self._csrf_key, session.encode(), hashlib.sha256).hex()

    def device(self, caller: Caller) -> CookieName:
        """The cookie of a device."""
        return self._named(self._devices.name, caller)

    def device_of(self, cookies: MultiDict[str, str], user: str) -> str | None:
        """The device, if this very user has logged in from it before."""
        for _, value in self._devices.found(cookies):
            read = self._device_seal.read(value)
            if read is None:
                continue
            device, _, whose = read[0].partition(".")
            if whose == _marked(user):
                return device
        return None

    def new_device(self, user: str) -> str:
        """The value of a device's cookie, after a good login of a user."""
        return self._device_seal.sign(f"{secrets.token_urlsafe(_DEVICE_BYTES)}.{_marked(user)}")

    def _named(self, name: str, caller: Caller) -> CookieName:
        if self._hosted(caller):
            return CookieName(HOST_ONLY + name, "/")
        return CookieName(name, self._base or "/")

    def _hosted(self, caller: Caller) -> bool:
        return caller.secure and not self._base


def _marked(user: str) -> str:
    """A name as it may stand in a cookie, which takes no other letters than those of ASCII."""
    return hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:16]
