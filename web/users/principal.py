"""The principal of a request: who it is of, and what they may do. Read once, after the caller.

What a request shows counts in this order: `Authorization: Bearer`, the cookie of an operator who
logged in with the admin token, the cookie of a browser. A token of another scheme is nobody's, and
what is shown and does not count is told only where it would have been needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from quart import g, request

from stockstream.users.roles import Scope
from web.cookies import read_cookies
from web.request_caller import current_caller

if TYPE_CHECKING:
    from quart import Quart
    from werkzeug.datastructures import Headers

    from web.callers import Caller
    from web.users.break_glass import AdminAccess
    from web.users.browser_users import BrowserUsers

EVERYBODY = frozenset({Scope.PRICES_READ, Scope.HISTORY_READ, Scope.ALERTS_WRITE})
"""What anybody may where the dashboard is open; lists and alerts are those of their own browser."""
BREAK_GLASS = frozenset(Scope) - {Scope.LOAD}
"""What the admin token is for on this machine: all, whatever state the accounts are in."""
BREAK_GLASS_ELSEWHERE = frozenset({Scope.METRICS_READ})
"""What it is for from other machines: a Prometheus shows it."""


class Kind(StrEnum):
    """What a request has shown."""

    ANONYMOUS = "anonymous"
    BROWSER = "browser"
    BREAK_GLASS = "break_glass"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request is of. `name` is for the audit; rows are those of `owner`, if there is one.

    `csrf` is what a page of the same login sends with a change; None where no cookie logged it in.
    """

    kind: Kind
    name: str
    scopes: frozenset[Scope]
    owner: str | None = None
    csrf: str | None = None


class Principals:
    """Reads them, of requests and of handshakes."""

    def __init__(self, users: BrowserUsers, admin: AdminAccess) -> None:
        self._users = users
        self._admin = admin

    def of(self, headers: Headers, caller: Caller) -> Principal:
        """Who sent these headers."""
        cookies = read_cookies(headers)
        owner = self._users.user_of(cookies)
        given = bearer_token(headers.get("authorization", ""))
        if given is not None:
            if self._admin.check_token.knows(given):
                scopes = BREAK_GLASS if caller.local else BREAK_GLASS_ELSEWHERE
                return Principal(Kind.BREAK_GLASS, "token", EVERYBODY | scopes, owner)
        elif caller.local and (found := self._admin.found(cookies)) is not None:
            login, _ = found
            csrf = self._admin.csrf_token(login)
            name = f"session {login.id}"
            return Principal(Kind.BREAK_GLASS, name, EVERYBODY | BREAK_GLASS, owner, csrf)
        if owner is not None:
            return Principal(Kind.BROWSER, f"browser {owner}", EVERYBODY, owner)
        return Principal(Kind.ANONYMOUS, "anonymous", EVERYBODY)


def install(app: Quart, principals: Principals) -> None:
    """Have each request of this app read."""

    @app.before_request
    async def read() -> None:
        g.principal = principals.of(request.headers, current_caller())


def current_principal() -> Principal:
    """Who the request at hand is of."""
    return cast("Principal", g.principal)


def bearer_token(header: str) -> str | None:
    """The token in an `Authorization` header; None when that is of another scheme."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
