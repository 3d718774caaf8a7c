"""Admits operators: from this machine, by the admin token or by a session made with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import structlog
from quart import current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from web.admin.access import TooManyFailures
from web.callers import SAFE_METHODS
from web.cookies import read_cookies
from web.request_caller import current_caller

if TYPE_CHECKING:
    from quart import Quart

    from web.admin.access import AdminAccess, Login

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


class TooManyFailuresError(TooManyRequests):
    """There were too many wrong tokens recently."""

    word: ClassVar[str] = "too_many_failures"


class WrongCsrfError(Forbidden):
    """A change was asked for with a session's cookie alone, or by another page."""

    word: ClassVar[str] = "wrong_csrf_token"


def install(app: Quart, access: AdminAccess) -> None:
    """Tell `require_admin` of this app which operators to admit."""
    app.extensions[_EXTENSION] = access


async def require_admin() -> None:
    """Admit the request of an operator: `blueprint.before_request(require_admin)`.

    The token comes as `Authorization: Bearer`. A session's cookie does as well; then a request
    that changes something must carry the session's CSRF token in `X-CSRF-Token` and come from a
    page of this host.

    Raises:
        NotLoopbackError, WrongTokenError, TooManyFailuresError, WrongCsrfError.
    """
    require_loopback()
    token = bearer_token(request.headers.get("authorization", ""))
    if token is not None:
        check_token(token)
        g.admin = "token"
        return
    login = current_login()
    if login is None:
        raise WrongTokenError(f"{HOW_TO_ASK}, or log in", www_authenticate=CHALLENGE)
    if request.method not in SAFE_METHODS:
        require_csrf(login, request.headers.get(CSRF_HEADER, ""))
    g.admin = f"session {login.id}"


def admin_name() -> str:
    """The operator of this request, for the audit log: `token` or `session <id>`."""
    return cast("str", g.admin)


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
        WrongTokenError, TooManyFailuresError.
    """
    token = bearer_token(request.headers.get("authorization", ""))
    if token is not None:
        check_token(token)
    elif token_needed or not current_caller().local:
        raise WrongTokenError(HOW_TO_ASK, www_authenticate=CHALLENGE)


def bearer_token(header: str) -> str | None:
    """The token in an `Authorization` header; None when that is of another scheme."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


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


def require_csrf(login: Login, given: str) -> None:
    """Admit a page of this session.

    Raises:
        WrongCsrfError: its token is not the session's, or the request came from another origin.
    """
    require_own_page()
    if not access().check_csrf(login, given):
        raise WrongCsrfError(f"send the page's CSRF token in {CSRF_HEADER}")


def require_own_page() -> None:
    """Refuse a request that a foreign page made.

    Raises:
        WrongCsrfError: its origin is another one.
    """
    if not current_caller().of_page():
        raise WrongCsrfError("this came from a page of another origin")
