"""Lets operators in: from this machine, by the admin token or by a session made with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from quart import current_app, g, request
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from web.admin_access import TooManyFailures
from web.request_caller import current_caller

if TYPE_CHECKING:
    from quart import Quart

    from web.admin_access import AdminAccess, Session, TokenCheck

COOKIE = "stockstream_admin"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_EXTENSION = "stockstream_admin"


class NotLoopbackError(Forbidden):
    """The request came over the network."""

    word: ClassVar[str] = "not_loopback"


class WrongTokenError(Unauthorized):
    """There is no token, or a wrong one, and no session."""

    word: ClassVar[str] = "wrong_token"


class TooManyFailuresError(TooManyRequests):
    """There were too many wrong tokens of late."""

    word: ClassVar[str] = "too_many_failures"


class WrongCsrfError(Forbidden):
    """A change was asked for with a session's cookie alone, or by another page."""

    word: ClassVar[str] = "wrong_csrf_token"


def install(app: Quart, access: AdminAccess) -> None:
    """Tell `require_admin` of this app whom to let in."""
    app.extensions[_EXTENSION] = access


async def require_admin() -> None:
    """Let the request of an operator pass: `blueprint.before_request(require_admin)`.

    The token comes as `Authorization: Bearer`. A session's cookie does as well; then a request
    that changes something must carry the session's CSRF token in `X-CSRF-Token` and come from a
    page of this host.

    Raises:
        NotLoopbackError, WrongTokenError, TooManyFailuresError, WrongCsrfError.
    """
    require_loopback()
    header = request.headers.get("authorization", "")
    if header:
        check_token(header.removeprefix("Bearer ").strip())
        g.admin = "token"
        return
    session = current_session()
    if session is None:
        raise WrongTokenError("send the header Authorization: Bearer with ADMIN_TOKEN, or log in")
    if request.method not in SAFE_METHODS:
        require_csrf(session, request.headers.get(CSRF_HEADER, ""))
    g.admin = f"session {session.id}"


def admin_name() -> str:
    """Who the operator of this request is, for the audit log: `token` or `session <id>`."""
    return cast("str", g.admin)


def access() -> AdminAccess:
    """The running app's."""
    return cast("AdminAccess", current_app.extensions[_EXTENSION])


def require_loopback() -> None:
    """Let a request of this machine pass.

    Raises:
        NotLoopbackError: it came from elsewhere, or through a proxy that nobody vouches for.
    """
    remote = current_caller().remote
    if remote is not None:
        raise NotLoopbackError(
            f"the admin pages and API answer this machine only, and this request may be another's: "
            f"{remote}"
        )


def require_scraper(*, token_needed: bool) -> None:
    """Let a request for metrics pass: with the admin token from anywhere, without from here.

    `token_needed` asks for the token here too, as long as others could pass for this machine.

    Raises:
        WrongTokenError, TooManyFailuresError.
    """
    header = request.headers.get("authorization", "")
    if header:
        check_token(header.removeprefix("Bearer ").strip(), access().check_scraper)
    elif token_needed or not current_caller().local:
        raise WrongTokenError("send the header Authorization: Bearer with ADMIN_TOKEN")


def check_token(given: str, check: TokenCheck | None = None) -> None:
    """Let the right token pass, by `check` or that of the admin API.

    Raises:
        WrongTokenError, TooManyFailuresError.
    """
    try:
        right = (check or access().check_token)(given)
    except TooManyFailures as error:
        raise TooManyFailuresError(str(error)) from error
    if not right:
        raise WrongTokenError("this is not the ADMIN_TOKEN of this server")


def current_session() -> Session | None:
    """The session of the request's cookie."""
    cookie = request.cookies.get(COOKIE)
    return None if cookie is None else access().session(cookie)


def require_csrf(session: Session, given: str) -> None:
    """Let a page of this session pass.

    Raises:
        WrongCsrfError: its token is not the session's, or the request came from another origin.
    """
    require_own_page()
    if not access().check_csrf(session, given):
        raise WrongCsrfError(f"send the page's CSRF token in {CSRF_HEADER}")


def require_own_page() -> None:
    """Let a request pass that no foreign page made.

    Raises:
        WrongCsrfError: its origin is another one.
    """
    if not current_caller().of_page():
        raise WrongCsrfError("this came from a page of another origin")
