"""Who is an operator: the admin token, sessions made with it, and patience with wrong ones. No I/O.

A session is a signed value in a cookie, so it outlives a kill of `web` and needs no store. It is
bound to the admin token and to `SECRET_KEY_BASE`: changing either ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_SECONDS = 8 * 3600
"""A working day: an operator who left the page open over night logs in again."""
FAILURES = 10
FAILURES_SECONDS = 20.0
"""So many wrong tokens within so many seconds, and no token is looked at for the rest of them.
One count for all: every caller is this machine. Sessions go on meanwhile."""
MOST_ENDED = 1_000
"""Sessions logged out and not yet expired that are remembered."""


class TooManyFailures(Exception):
    """No token is looked at for another `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"too many wrong tokens; wait {seconds:.0f} s")


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in browser; `expires` in seconds since 1970."""

    id: str
    expires: int


class TokenCheck:
    """Knows the token, and for how long to look at none after too many wrong ones."""

    def __init__(self, token: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._monotonic = monotonic
        self._failures: deque[float] = deque(maxlen=FAILURES)

    def __call__(self, given: str) -> bool:
        """Whether `given` is the token; takes the same time whatever it has in common with it.

        Raises:
            TooManyFailures: there were too many wrong ones of late, so this one is not looked at.
        """
        now = self._monotonic()
        if len(self._failures) == FAILURES and now - self._failures[0] < FAILURES_SECONDS:
            raise TooManyFailures(FAILURES_SECONDS - (now - self._failures[0]))
        right = hmac.compare_digest(given.encode(), self._token)
        if not right:
            self._failures.append(now)
        return right


class AdminAccess:
    """Checks tokens, makes and reads sessions. Made once; outlives every life of `web`."""

    def __init__(
        self,
        token: str,
        secret: str,
        *,
        wall_clock: Callable[[], float] = lambda: now_ms() / 1000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`token` is what operators know, `secret` what signs sessions."""
        self._key = hmac.digest(secret.encode(), b"admin session" + token.encode(), hashlib.sha256)
        self._wall_clock = wall_clock
        self.check_token = TokenCheck(token, monotonic)
        """For the admin pages and API."""
        self.check_scraper = TokenCheck(token, monotonic)
        """For `/metrics`, which others than this machine may ask: their wrong tries lock nobody
        out of the admin page."""
        self._ended: dict[str, int] = {}

    def log_in(self) -> tuple[Session, str]:
        """A new session, and the value of its cookie."""
        session = Session(secrets.token_urlsafe(12), int(self._wall_clock()) + SESSION_SECONDS)
        text = f"{session.id}.{session.expires}"
        return session, f"{text}.{self._sign('session', text)}"

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie; None when it is forged, expired or ended."""
        text, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", text).encode()):
            return None
        id_, _, expires = text.partition(".")
        session = Session(id_, int(expires))
        if session.expires <= self._wall_clock() or session.id in self._ended:
            return None
        return session

    def log_out(self, session: Session) -> None:
        """End a session, on every copy of its cookie."""
        now = self._wall_clock()
        self._ended = {id_: at for id_, at in self._ended.items() if at > now}
        self._ended[session.id] = session.expires
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def csrf_token(self, session: Session) -> str:
        """What a page of this session sends along, and no other page knows."""
        return self._sign("csrf", session.id)

    def check_csrf(self, session: Session, given: str) -> bool:
        """Whether `given` is that."""
        return hmac.compare_digest(given.encode(), self.csrf_token(session).encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()
