"""Admits a request: each route needs a scope, which the principal of the request has or not."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, ClassVar, cast

import structlog
from quart import current_app, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, Unauthorized

from stockstream.users.roles import Scope
from web.callers import SAFE_METHODS
from web.cookies import read_cookies
from web.request_caller import current_caller
from web.users.break_glass import TooManyFailures
from web.users.principal import bearer_token, current_principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart import Quart

    from web.users.break_glass import AdminAccess, Login

CSRF_HEADER = "X-CSRF-Token"
HOW_TO_ASK = "send the header Authorization: Bearer with ADMIN_TOKEN"
REALM = "StockStream operators"
"""It has a blank: without one Werkzeug omits the quotes that a realm must have (RFC 9110, 11.5)."""
CHALLENGE = WWWAuthenticate("bearer", {"realm": REALM})
REFUSAL = WWWAuthenticate("bearer", {"realm": REALM, "error": "invalid_token"})
_EXTENSION = "stockstream_admin"

_log = structlog.stdlib.get_logger("web.admin")


class NotLoopbackError(Forbidden):
    """The request came over the network."""

    word: ClassVar[str] = "not_loopback"


class WrongTokenError(Unauthorized):
    """There is no token, or a wrong one, and no session."""

    word: ClassVar[str] = "wrong_token"


class MissingScopeError(Forbidden):
    """Who asks is known, and may not do this."""

    word: ClassVar[str] = "missing_scope"


class TooManyFailuresError(TooManyRequests):
    """There were too many wrong tokens recently."""

    word: ClassVar[str] = "too_many_failures"


class WrongCsrfError(Forbidden):
    """A change was asked for with a session's cookie alone, or by another page."""

    word: ClassVar[str] = "wrong_csrf_token"


def install(app: Quart, access: AdminAccess) -> None:
    """Tell the gate of this app which admin token counts."""
    app.extensions[_EXTENSION] = access


def require(scope: Scope) -> Callable[[], Awaitable[None]]:
    """Admit requests of those with this scope: `blueprint.before_request(require(…))`.

    A request that changes something, and that a login's cookie allows, must carry that login's
    CSRF token in `X-CSRF-Token` and come from a page of this host.

    Raises:
        WrongTokenError, TooManyFailuresError: it shows nothing that counts.
        NotLoopbackError: it shows the admin token, or may only show that, and is of elsewhere.
        MissingScopeError: who it is of may not do this.
        WrongCsrfError: a page of another login may have sent it.
    """

    async def check() -> None:
        allow(scope)

    return check


def allow(scope: Scope) -> None:
    """Admit the request at hand, as `require` does: for a route that needs another scope."""
    principal = current_principal()
    if scope not in principal.scopes:
        raise _why_not(scope)
    if principal.csrf is not None and request.method not in SAFE_METHODS:
        require_csrf(request.headers.get(CSRF_HEADER, ""))


def admin_name() -> str:
    """The operator of this request, for the audit log: `token` or `session <id>`."""
    return current_principal().name


def access() -> AdminAccess:
    """The running app's."""
    return cast("AdminAccess", current_app.extensions[_EXTENSION])


def require_loopback() -> None:
    """Admit a request of this machine.

    Raises:
        NotLoopbackError: it came from elsewhere, or through a proxy that is not trusted.
    """
    remote = current_caller().remote
    if remote is not None:
        raise NotLoopbackError(
            f"the admin pages and API answer this machine only, and this request may be another's: "
            f"{remote}"
        )


def require_scraper(*, token_needed: bool) -> None:
    """Admit a request for metrics: with the admin token from anywhere, without it from here.

    `token_needed` demands the token here, too, when others could look like this machine.

    Raises:
        WrongTokenError, TooManyFailuresError, MissingScopeError.
    """
    shows_none = bearer_token(request.headers.get("authorization", "")) is None
    if shows_none and not token_needed and current_caller().local:
        return
    allow(Scope.METRICS_READ)


def check_token(given: str) -> None:
    """Admit the right token.

    Raises:
        WrongTokenError, TooManyFailuresError.
    """
    caller = current_caller()
    try:
        right = access().check_token(given, caller.holder)
    except TooManyFailures as error:
        if error.news:
            _log.warning(
                "too many wrong tokens",
                address=caller.address,
                path=request.path,
                seconds=error.seconds,
            )
        raise TooManyFailuresError(str(error), retry_after=error.seconds) from error
    if not right:
        why = "this is not the ADMIN_TOKEN of this server"
        raise WrongTokenError(why, www_authenticate=REFUSAL)


def current_login() -> Login | None:
    """The session of the request's cookie."""
    found = access().found(read_cookies(request.headers))
    return None if found is None else found[0]


def require_csrf(given: str) -> None:
    """Admit a page of the request's login.

    Raises:
        WrongCsrfError: its token is another one, or the request came from another origin.
    """
    require_own_page()
    expected = current_principal().csrf or ""
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise WrongCsrfError(f"send the page's CSRF token in {CSRF_HEADER}")


def require_own_page() -> None:
    """Refuse a request that a foreign page made.

    Raises:
        WrongCsrfError: its origin is another one.
    """
    if not current_caller().of_page():
        raise WrongCsrfError("this came from a page of another origin")


def _why_not(scope: Scope) -> HTTPException:
    """What to answer who does not have it."""
    given = bearer_token(request.headers.get("authorization", ""))
    try:
        if scope is not Scope.METRICS_READ:
            require_loopback()
        if given is not None:
            check_token(given)
    except HTTPException as refusal:
        return refusal
    if given is not None:
        return MissingScopeError(f"this takes the scope {scope.value}, which the token has not")
    return WrongTokenError(f"{HOW_TO_ASK}, or log in", www_authenticate=CHALLENGE)
