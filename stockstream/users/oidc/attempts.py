"""Attempts to log in, between leaving for the provider and coming back. Pure; nothing is stored.

A browser gets a random value in a signed cookie. The `state` of an attempt is bound to that value
and to the address of return, and is signed; nonce and PKCE verifier are worked out from both, so
that they never leave this server before they are needed, and any node can finish what another
began. Two tabs may be under way at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ATTEMPT_SECONDS = 600
"""For typing a password and a second factor at the provider."""
LONGEST_STATE = 4096
RANDOM_BYTES = 32


class BadState(Exception):
    """What came back does not belong to an attempt of this browser."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What leaves with the browser: its cookie, and what stands in the address."""

    cookie: str
    state: str
    nonce: str
    challenge: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """An attempt that came back: what its answer must hold, and where the person wanted to go."""

    nonce: str
    verifier: str
    onward: str


class _State(msgspec.Struct, frozen=True, array_like=True):
    id: str
    expires: int
    onward: str
    mark: str


class Attempts:
    """Makes and reads them. Made once; outlives every life of `web`."""

    def __init__(self, secrets: Sequence[str], wall_clock_ms: Callable[[], int] = now_ms) -> None:
        """`secrets` are `SECRET_KEY_BASE`, and the one that it replaces if there is one: what was
        begun with that is finished with it.
        """
        self.keys = tuple(
            hmac.digest(secret.encode(), b"oidc login", hashlib.sha256) for secret in secrets
        )
        self._now = wall_clock_ms

    def begin(self, cookie: str | None, redirect_uri: str, onward: str) -> Begun:
        """A new attempt of a browser; with another one under way it keeps the value of that."""
        key = self.keys[0]
        there = None if cookie is None else self._binding(cookie)
        # One of a key of before could not be signed anew: its other attempts are of that key.
        binding = there[0] if there is not None and there[1] == key else _random()
        expires, attempt = self._now() // 1000 + ATTEMPT_SECONDS, _random()
        mark = _mark(key, "state", binding, attempt, str(expires), onward, redirect_uri)
        state = _State(attempt, expires, onward, mark)
        verifier = _mark(key, "verifier", binding, attempt)
        return Begun(
            f"{binding}.{expires}.{_mark(key, 'cookie', binding, str(expires))}",
            _text(msgspec.msgpack.encode(state)),
            _mark(key, "nonce", binding, attempt),
            _text(hashlib.sha256(verifier.encode()).digest()),
        )

    def resume(self, cookie: str | None, state: str, redirect_uri: str) -> Resumed:
        """The attempt that `state` names.

        Raises:
            BadState: the browser has none, or another one, or it took too long.
        """
        if cookie is None:
            raise BadState("this browser has no login under way, or its cookie was not kept")
        found = self._binding(cookie)
        if found is None:
            raise BadState("the login took too long, or its cookie is not ours")
        (binding, key), read = found, _read(state)
        mark = _mark(key, "state", binding, read.id, str(read.expires), read.onward, redirect_uri)
        if not hmac.compare_digest(mark.encode(), read.mark.encode()):
            raise BadState("the answer belongs to another browser, another address, or nobody")
        if self._now() // 1000 >= read.expires:
            raise BadState("the login took too long")
        return Resumed(
            _mark(key, "nonce", binding, read.id),
            _mark(key, "verifier", binding, read.id),
            read.onward,
        )

    def knows(self, cookie: str) -> bool:
        """Whether a cookie is one of ours, and holds yet."""
        return self._binding(cookie) is not None

    def _binding(self, cookie: str) -> tuple[str, bytes] | None:
        """The random value in a cookie, and the key that has signed it."""
        binding, _, rest = cookie.partition(".")
        expires, _, mark = rest.partition(".")
        for key in self.keys:
            made = _mark(key, "cookie", binding, expires)
            if hmac.compare_digest(mark.encode(), made.encode()):
                return (binding, key) if self._now() // 1000 < int(expires) else None
        return None


def _random() -> str:
    return secrets.token_urlsafe(RANDOM_BYTES)


def _mark(key: bytes, *parts: str) -> str:
    """A value of 43 characters that only we can work out (RFC 7636 wants so many)."""
    return _text(hmac.digest(key, msgspec.json.encode(parts), hashlib.sha256))


def _read(state: str) -> _State:
    if len(state) > LONGEST_STATE:
        raise BadState("the answer is none to a question of ours: its state is too long")
    try:
        raw = urlsafe_b64decode(state.encode("ascii") + b"=" * (-len(state) % 4))
        return msgspec.msgpack.decode(raw, type=_State)
    except (ValueError, msgspec.DecodeError):
        raise BadState("the answer is none to a question of ours: its state is not") from None


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
