"""The user of a request: the cookie that pages set, and the conditions for a change."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar, cast

import trio
from quart import current_app, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from stockstream.users.roles import Scope
from web.callers import SAFE_METHODS
from web.cookies import read_cookies
from web.limits import Limit
from web.request_caller import current_caller
from web.users.gate import allow
from web.users.principal import current_principal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Quart
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.throttles import Throttles
    from web.users.browser_users import BrowserUsers

COOKIE_SECONDS = 400 * 86_400
"""The longest time that browsers keep a cookie; each page that is opened sets it again."""
CHANGES = Limit("changes", burst=60, seconds=12.0, keys=2_048)
"""Deleted rows and audit entries stay for weeks, so each address may add them at a pace only."""
NEW_ROWS = Limit("new_rows", burst=500, seconds=10_000.0, keys=4_096)
"""New rows stay until their user deletes them, and all users share the node's limit of rules. An
office behind one address may make 500 lists and rules at once, and 180 more an hour. An attacker
with many made-up users would need three weeks to fill a node."""
REALM = "StockStream users"
_EXTENSION = "stockstream_users"


class NoUserError(Unauthorized):
    """There is no cookie, or a forged one, or one from before the secret was changed."""

    word: ClassVar[str] = "no_user"


class ForeignPageError(Forbidden):
    """A page of another origin asked for a change."""

    word: ClassVar[str] = "forbidden_origin"


class TooManyChangesError(TooManyRequests):
    """An address changes too much."""

    word: ClassVar[str] = "rate_limited"


@dataclass(slots=True)
class _Users:
    users: BrowserUsers
    allowed_origins: Sequence[str]
    throttles: Throttles


def install(
    app: Quart, users: BrowserUsers, allowed_origins: Sequence[str], throttles: Throttles
) -> None:
    """Give this app its signer of cookies, the other origins whose pages may change things, and
    how often that may be.
    """
    app.extensions[_EXTENSION] = _Users(users, allowed_origins, throttles)


def give_cookie(response: WerkzeugResponse) -> WerkzeugResponse:
    """Set the user's cookie with the answered page: `blueprint.after_request`."""
    users = _installed().users
    response.set_cookie(
        user_cookie(),
        users.cookie_for(read_cookies(request.headers)),
        max_age=COOKIE_SECONDS,
        path=_cookie_path(),
        secure=current_caller().secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def user_cookie() -> str:
    """The name of the cookie that pages give to the sender of this request."""
    host_only = current_caller().secure and _cookie_path() == "/"
    return _installed().users.name_for(host_only=host_only)


def _cookie_path() -> str:
    return request.root_path or "/"


def current_user() -> str:
    """The id of the request's user.

    Raises:
        NoUserError: it names none.
    """
    user = current_principal().owner
    if user is None:
        how = WWWAuthenticate("cookie", {"realm": REALM, "cookie-name": user_cookie()})
        raise NoUserError(
            "open the dashboard first: it gives a browser its user cookie", www_authenticate=how
        )
    return user


async def admit_user() -> None:
    """Admit a user and their changes: `blueprint.before_request` of routes over users' rows.

    Raises:
        NoUserError: the request names none.
        ForeignPageError, TooManyChangesError: it may not change anything.
    """
    if request.method not in SAFE_METHODS:
        require_change_allowed()
    allow(Scope.ALERTS_WRITE, origins=_installed().allowed_origins)
    current_user()


def require_change_allowed() -> None:
    """Admit a request that changes something; to be called before anything is changed.

    Raises:
        ForeignPageError: a page of another origin made it.
        TooManyChangesError: its address changes too much.
    """
    installed, caller = _installed(), current_caller()
    if not caller.of_page(installed.allowed_origins):
        raise ForeignPageError(caller.why_foreign)
    changes = installed.throttles.changes
    wait = changes.take(caller.holder, trio.current_time())
    if wait:
        why = f"at most {changes.limit.rate:g} changes per second from one address"
        raise TooManyChangesError(why, retry_after=ceil(wait))


def require_new_row_allowed() -> None:
    """Admit a request that makes a list or a rule; to be called once its body was read.

    Raises:
        TooManyChangesError: its address has made enough for now.
    """
    rows = _installed().throttles.new_rows
    wait = rows.take(current_caller().holder, trio.current_time())
    if wait:
        why = (
            f"one new list or rule in {1 / rows.limit.rate:g} seconds from one address, "
            f"{rows.limit.burst} at once"
        )
        raise TooManyChangesError(why, retry_after=ceil(wait))


def _installed() -> _Users:
    return cast("_Users", current_app.extensions[_EXTENSION])
