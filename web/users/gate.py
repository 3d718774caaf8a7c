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
from web.request_caller import current_caller, told_path
from web.users.break_glass import TooManyFailures
from web.users.principal import (
    NOBODYS,
    TOKEN_REALM,
    Kind,
    LoginEndedError,
    PasswordChangeNeededError,
    UnknownTokenError,
    bearer_token,
    current_principal,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quart import Quart
    from werkzeug.datastructures import MultiDict

    from web.users.break_glass import AdminAccess, Login

CSRF_HEADER = "X-CSRF-Token"
HOW_TO_ASK = "send the header Authorization: Bearer with ADMIN_TOKEN"
REALM = "StockStream operators"
"""It has a blank: without one Werkzeug omits the quotes that a realm must have (RFC 9110, 11.5)."""
CHALLENGE = WWWAuthenticate("bearer", {"realm": REALM})
REFUSAL = WWWAuthenticate("bearer", {"realm": REALM, "error": "invalid_token"})
HOW_TO_LOG_IN = "log in with an account that may, or send its API token as a Bearer"
TOKEN_CHALLENGE = WWWAuthenticate("bearer", {"realm": TOKEN_REALM})
FETCH_HEADER = "Sec-Fetch-Site"
OPERATORS = frozenset(
    {
        Scope.METRICS_READ,
        Scope.ADMIN_READ,
        Scope.ADMIN_WRITE,
        Scope.CHAOS_RUN,
        Scope.USERS_WRITE,
    }
)
"""What the admin token is for, too."""
_OPEN = frozenset({"login", "oidc", "admin", "mail"})
"""Blueprints of pages that lead to a login, or are led to by a link in a letter, and look by
themselves who asks for more."""
_SCOPES_OF_ROOMS = {
    "admin_api": Scope.ADMIN_READ,
    "chaos_api": Scope.ADMIN_READ,
    "items_api": Scope.ADMIN_READ,
    "feeds_api": Scope.ADMIN_READ,
    "figures_api": Scope.ADMIN_READ,
    "log_api": Scope.ADMIN_READ,
    "about_api": Scope.ADMIN_READ,
    "webhooks_api": Scope.ADMIN_READ,
    "letters_api": Scope.ADMIN_READ,
    "connections_api": Scope.ADMIN_READ,
    "actions_api": Scope.ADMIN_WRITE,
    "loggers_api": Scope.ADMIN_READ,
    "audit_api": Scope.USERS_WRITE,
    "people_tokens_api": Scope.USERS_WRITE,
    "people": Scope.USERS_WRITE,
    "metrics": Scope.METRICS_READ,
    "cluster": Scope.METRICS_READ,
}
"""What a stranger is told to bring, where it is not a login for prices."""
_EXTENSION = "stockstream_admin"

_log = structlog.stdlib.get_logger("web.admin")


class NotLoopbackError(Forbidden):
    """The request came over the network."""

    word: ClassVar[str] = "not_loopback"


class WrongTokenError(Unauthorized):
    """There is no token, or a wrong one, and no session."""

    word: ClassVar[str] = "wrong_token"


class LoginNeededError(Unauthorized):
    """It takes a login, or an API token, and the request shows none."""

    word: ClassVar[str] = "login_needed"


class MissingScopeError(Forbidden):
    """Who asks is known, and may not do this."""

    word: ClassVar[str] = "missing_scope"


class TooManyFailuresError(TooManyRequests):
    """There were too many wrong tokens recently."""

    word: ClassVar[str] = "too_many_failures"


class WrongCsrfError(Forbidden):
    """A change was asked for with a session's cookie alone, or by another page."""

    word: ClassVar[str] = "wrong_csrf_token"


ACCESS_ERRORS = (
    LoginNeededError,
    LoginEndedError,
    UnknownTokenError,
    MissingScopeError,
    PasswordChangeNeededError,
)
"""What any route of the API may answer who shows nothing that counts, or too little."""


def install(app: Quart, access: AdminAccess, *, login_needed: bool) -> None:
    """Tell the gate of this app which admin token counts.

    With `login_needed` who shows nothing comes no further than to a login, whatever route it is:
    one that forgets to name its scope is closed, too.
    """
    app.extensions[_EXTENSION] = access
    if not login_needed:
        return

    @app.before_request
    async def refuse_strangers() -> None:
        if request.endpoint in NOBODYS or request.blueprint in _OPEN or request.endpoint is None:
            return
        principal = current_principal()
        if not principal.scopes and principal.credential is None:
            room = request.blueprint or ""
            scope = _SCOPES_OF_ROOMS.get(room, Scope.PRICES_READ)
            raise why_not(scope, page=room == "people")


def require(scope: Scope, *, forms: bool = False) -> Callable[[], Awaitable[None]]:
    """Admit requests of those with this scope: `blueprint.before_request(require(…))`.

    A request that changes something, and that a login's cookie allows, must come from a page of
    this host, and say so: by that login's CSRF token in `X-CSRF-Token`, or, where an account has
    logged in, by what only the browser writes: `Sec-Fetch-Site` or `Origin`. Routes of `forms` look
    for the token in the form by themselves: `require_form`.

    Raises:
        LoginNeededError, LoginEndedError, UnknownTokenError: it shows nothing that counts.
        WrongTokenError, TooManyFailuresError: nothing, where the admin token does as well.
        NotLoopbackError: the admin token, and is of elsewhere.
        PasswordChangeNeededError, MissingScopeError: who it is of may not do this.
        WrongCsrfError: a page of another login may have sent it.
        UnavailableError: nobody can say now whether what it shows counts.
    """

    async def check() -> None:
        if not forms:
            allow(scope)
        elif scope not in current_principal().scopes:
            raise why_not(scope, page=True)

    return check


def allow(scope: Scope, *, origins: Sequence[str] = ()) -> None:
    """Admit the request at hand, as `require` does: for a route that needs another scope.

    Pages of `origins` may change things as those of this host may.
    """
    principal = current_principal()
    if scope not in principal.scopes:
        raise why_not(scope)
    if principal.csrf is None or request.method in SAFE_METHODS:
        return
    if principal.kind is Kind.SESSION and _written_by_browser(origins):
        return
    require_csrf(request.headers.get(CSRF_HEADER, ""))


async def require_form() -> MultiDict[str, str]:
    """The form of the request at hand, which a page of its login has sent.

    A form sends no headers of its own, so the CSRF token is one of its fields, `csrf_token`.

    Raises:
        WrongCsrfError: another page has sent it.
    """
    form = await request.form
    require_csrf(form.get("csrf_token", ""))
    return form


def admin_name() -> str:
    """The operator of this request, for the audit log: an account, `token` or `session <id>`."""
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
                path=told_path(),
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


def _written_by_browser(origins: Sequence[str]) -> bool:
    """Whether the browser itself says that a page of ours, or of `origins`, sent the request.

    No script can write these headers. `Sec-Fetch-Site` is not sent without TLS, but to localhost.
    """
    caller = current_caller()
    if not caller.of_page(origins):
        return False
    return caller.origin is not None or request.headers.get(FETCH_HEADER) == "same-origin"


def why_not(scope: Scope, *, page: bool = False) -> HTTPException:
    """What to answer who does not have a scope; a `page` leads to the login, not to the token."""
    principal = current_principal()
    if principal.refusal is not None:
        return principal.refusal
    if principal.credential is not None:
        return MissingScopeError(
            f"this takes the scope {scope.value}, which {principal.name} has not"
        )
    given = bearer_token(request.headers.get("authorization", ""))
    if scope not in OPERATORS or (page and given is None):
        return LoginNeededError(HOW_TO_LOG_IN, www_authenticate=TOKEN_CHALLENGE)
    caller = current_caller()
    if given is None and not caller.local and scope is not Scope.METRICS_READ:
        return LoginNeededError(HOW_TO_LOG_IN, www_authenticate=TOKEN_CHALLENGE)
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
