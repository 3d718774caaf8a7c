"""The key for broken glass: the admin token, sessions made with it, wrong tokens counted. No I/O.

It opens all on this machine, whatever state the accounts and their database are in.

A session is a signed value in a cookie, so it outlives a kill of `web` and needs no store. It is
bound to the admin token and to `SECRET_KEY_BASE`: changing either ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from stockstream.times import now_ms
from web.cookies import NamedCookie
from web.limits import Buckets, Limit
from web.sealing import Seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.datastructures import MultiDict

    from web.cookies import Instance

KIND = "stockstream_admin"

SESSION_SECONDS = 8 * 3600
"""A working day: an operator who left the page open over night logs in again."""
FAILURES = 10
FAILURES_SECONDS = 20.0
"""After so many wrong tokens within so many seconds, a holder is told to wait. A right token is
accepted nevertheless: long random tokens are not guessed, and a lock that anybody can cause with
wrong tokens would lock out operators and scrapers only (ADR 0132)."""
MOST_HOLDERS = 2_048
WRONG_TOKENS = Limit("wrong_tokens", FAILURES, FAILURES_SECONDS, MOST_HOLDERS, shut=True)
MOST_ENDED = 1_000
"""Sessions logged out and not yet expired that are remembered."""


class TooManyFailures(Exception):
    """A holder had too many wrong tokens and should wait `seconds`. `news` marks the first time."""

    def __init__(self, seconds: float, *, news: bool) -> None:
        self.seconds = ceil(seconds)
        self.news = news
        super().__init__(f"too many wrong tokens; wait {self.seconds} s")


@dataclass(frozen=True, slots=True)
class Login:
    """A logged-in browser; `expires` in seconds since 1970. `key` is the place of the key that has
    signed its cookie: 0 for that of now.
    """

    id: str
    expires: int
    key: int = 0


class Renewed(NamedTuple):
    """A session whose cookie another key is to sign, that cookie, and the seconds it has left."""

    login: Login
    cookie: str
    seconds: int


class TokenCheck:
    """Knows the token, and the holders that recently gave a wrong one."""

    def __init__(
        self,
        token: str,
        monotonic: Callable[[], float] = time.monotonic,
        wrong: Buckets | None = None,
    ) -> None:
        """`wrong` are the wrong tokens that each holder may still give."""
        self._token = token.encode()
        self._monotonic = monotonic
        self._wrong = wrong or Buckets(WRONG_TOKENS)

    def change(self, token: str) -> None:
        """Know another token, and the old one no more."""
        self._token = token.encode()

    def knows(self, given: str) -> bool:
        """Whether `given` is the token; compared in constant time, and not counted."""
        return hmac.compare_digest(given.encode(), self._token)

    def __call__(self, given: str, holder: str) -> bool:
        """Whether `given` is the token. A wrong one is counted.

        Raises:
            TooManyFailures: it is wrong again, and `holder` (of a `Caller`) is to wait.
        """
        if self.knows(given):
            return True
        wait, news = self._wrong.ask(holder, self._monotonic())
        if wait:
            raise TooManyFailures(wait, news=news)
        return False


class AdminAccess:
    """Checks tokens, makes and reads sessions. Made once; outlives every life of `web`."""

    def __init__(
        self,
        token: str,
        secret: str,
        instance: Instance,
        *,
        previous: str | None = None,
        chaos_token: str | None = None,
        wall_clock: Callable[[], float] = lambda: now_ms() / 1000,
        monotonic: Callable[[], float] = time.monotonic,
        wrong_tokens: Buckets | None = None,
    ) -> None:
        """Operators know the `token`; the `secret` signs sessions, in place of the `previous` one.
        Where there is a `chaos_token`, injecting a fault takes that, too. `wrong_tokens` are those
        that each holder may still give.
        """
        self._secrets = [secret] if previous is None else [secret, previous]
        self._instance = instance
        self._wall_clock = wall_clock
        self.check_token = TokenCheck(token, monotonic, wrong_tokens)
        self._ended: dict[str, int] = {}
        self.renew(token, chaos_token)

    def renew(self, token: str, chaos_token: str | None) -> None:
        """Know these tokens, and those of before no more; another token ends all sessions."""
        self._chaos_token = None if chaos_token is None else chaos_token.encode()
        kind = b"admin session" + token.encode()
        self._seal = Seal(self._secrets, kind, before="session:")
        self.cookie = NamedCookie(KIND, self._seal.keys, self._instance)
        self.check_token.change(token)

    def check_chaos_token(self, given: str) -> bool:
        """Whether who sends that may inject faults; without a token of that kind, anybody may."""
        token = self._chaos_token
        return token is None or hmac.compare_digest(given.encode(), token)

    def log_in(self) -> tuple[Login, str]:
        """A new session, and the value of its cookie."""
        login = Login(secrets.token_urlsafe(12), int(self._wall_clock()) + SESSION_SECONDS)
        return login, self._value(login)

    def login_of(self, cookie: str) -> Login | None:
        """The session of a cookie; None when it is forged, expired or ended."""
        read = self._seal.read(cookie)
        if read is None:
            return None
        text, key = read
        id_, _, expires = text.partition(".")
        login = Login(id_, int(expires), key)
        if login.expires <= self._wall_clock() or login.id in self._ended:
            return None
        return login

    def found(self, cookies: MultiDict[str, str]) -> tuple[Login, str] | None:
        """The session of a request's cookies, and the name of its cookie."""
        for name, value in self.cookie.found(cookies):
            login = self.login_of(value)
            if login is not None:
                return login, name
        return None

    def signed_anew(self, login: Login) -> Renewed | None:
        """The session as the key of now signs it; None when that key has signed it."""
        if login.key == 0:
            return None
        anew = replace(login, key=0)
        return Renewed(anew, self._value(anew), int(login.expires - self._wall_clock()))

    def _value(self, login: Login) -> str:
        return self._seal.sign(f"{login.id}.{login.expires}")

    def log_out(self, login: Login) -> None:
        """End a session, on every copy of its cookie."""
        now = self._wall_clock()
        self._ended = {id_: at for id_, at in self._ended.items() if at > now}
        self._ended[login.id] = login.expires
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def csrf_token(self, login: Login) -> str:
        """The CSRF token: pages of this session send it, and no other page knows it."""
        signed = f"csrf:{login.id}".encode()
        return hmac.digest(self._seal.keys[login.key], signed, hashlib.sha256).hex()

    def check_csrf(self, login: Login, given: str) -> bool:
        """Whether `given` is that."""
        return hmac.compare_digest(given.encode(), self.csrf_token(login).encode())
