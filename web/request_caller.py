"""The caller of the request at hand: read once, before anything else is done for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from quart import g, request
from werkzeug.exceptions import HTTPException

from stockstream.masks import MASK
from web.callers import read_caller, shown
from web.server import wire_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Quart

    from web.callers import Caller, Network
    from web.server import AllowedHosts

HEALTH = "/health/"
"""Who starts the server asks by whatever address it has for it, and learns nothing else there."""
WRONG_HOST = "wrong_host"


class WrongHostError(HTTPException):
    """The request is for a host that this server is not known as."""

    code = 421
    word: ClassVar[str] = WRONG_HOST

    @property
    def name(self) -> str:
        """What the status means."""
        return "Misdirected Request"


def why_wrong_host(host: str) -> str:
    """The answer to a request for a host that is not ours."""
    return f"this server is not known as {shown(host)}; name that host in ALLOWED_HOSTS"


def install(app: Quart, hosts: AllowedHosts, trusted: Sequence[Network]) -> None:
    """Have each request of this app read; one for a host that is not ours is refused."""

    @app.before_request
    async def read() -> None:
        caller = _read(trusted)
        g.caller = caller
        if not request.path.startswith(HEALTH) and not hosts.allow(caller.host):
            raise WrongHostError(why_wrong_host(caller.host))


def current_caller() -> Caller:
    """Who sent the request at hand."""
    return cast("Caller", g.caller)


def told_path() -> str:
    """The path of the request at hand, for a log: without the token of a link, which opens it."""
    token = (request.view_args or {}).get("token")
    return request.path if token is None else request.path.replace(str(token), MASK)


def _read(trusted: Sequence[Network]) -> Caller:
    peer = wire_of(request.scope).peer
    return read_caller(
        peer[0] if peer else "",
        request.headers,
        trusted=trusted,
        http_version=request.http_version,
        secure=request.scheme == "https",
    )
