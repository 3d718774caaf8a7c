"""What providers' REST sides have in common: where they are, and how they refuse. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stockstream.market.providers.failures import said_status
from stockstream.market.providers.frames import Taken, Unreadable, decoded
from stockstream.market.providers.push import Trouble, Turn
from stockstream.market.providers.server_message import server_message
from stockstream.market.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.market.providers.push import Access

OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 200, 400, 401, 403, 404, 429
_ERRORS = 400
_KEY_SECONDS = 300.0
_RATE_SECONDS = 60.0
_LONGEST_SAID = 200


def rest_address(access: Access, default: str) -> str:
    """Where REST is: at `default`, or below the address that takes the place of the socket's."""
    if access.url is None:
        return default
    parts = urlsplit(access.url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def words_of(body: bytes) -> str | None:
    """What a refusing answer says for people."""
    return shown(server_message(body, refused=True) or "", _LONGEST_SAID) or None


def refused(name: str, status: int, body: bytes) -> Trouble | None:
    """What an answer's status means; None for one that holds what was asked for."""
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return wrong_key(name, words_of(body))
    if status == TOO_MANY:
        return too_often(name, words_of(body))
    if status >= _ERRORS:
        detail = f"the server answered {said_status(status)}"
        return Trouble(f"status_{status}", detail, said=words_of(body))
    return None


def wrong_key(name: str, said: str | None) -> Trouble:
    """The key, or what it is allowed: to ask again soon is of no use."""
    detail = f"{name} does not take the key, or the plan has not this"
    return Trouble("auth_failed", detail, fatal=True, retry_after=_KEY_SECONDS, said=said)


def too_often(name: str, said: str | None) -> Trouble:
    """We ask more than the plan allows."""
    detail = f"{name} says that we ask too often"
    return Trouble("rate_limited", detail, retry_after=_RATE_SECONDS, said=said)


def answered(name: str, status: int, body: bytes, read: Callable[[object, Taken], None]) -> Turn:
    """The turn of an answer: `read` takes what it holds, once it is known to be no refusal."""
    taken = Taken()
    trouble = refused(name, status, body)
    if trouble is not None:
        taken.tell(trouble)
        return taken.turn()
    try:
        read(decoded(body), taken)
    except Unreadable as unreadable:
        taken.tell(Trouble(unreadable.kind, f"the answer cannot be read: {unreadable}"))
    return taken.turn()
