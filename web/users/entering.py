"""A login that is right: its session, its cookies, and what moves to the account with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from quart import request
from werkzeug.exceptions import HTTPException

from stockstream import paths
from stockstream.alerts.moving import Moved, MoveOwner
from stockstream.messages import AccountChanged, CredentialsEnded, RulesChanged
from stockstream.users.doorkeeper import tell
from stockstream.users.operator_audit import Author
from stockstream.users.sessions import EndSessions, OpenSession, digest_of, new_token
from web.asking import ask_database
from web.audited import current_author
from web.cookies import read_cookies
from web.request_caller import current_caller
from web.users.principal import Kind, current_principal
from web.users.session_cookies import DEVICE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart.typing import ResponseTypes

    from stockstream.credential_keys import CredentialKey
    from stockstream.users.accounts import Account
    from stockstream.users.sessions import How
    from web.parts import Parts

_log = structlog.stdlib.get_logger("web.users")


@dataclass(frozen=True, slots=True)
class Entered:
    """A login: its account, the token of its session, and what came along from the browser.

    `all_came` is false where it is not known what the browser has: the next login asks again.
    """

    account: Account
    token: str
    moved: Moved
    all_came: bool


async def enter(
    parts: Parts, account: Account, how: How, *, password_number: int | None = None
) -> Entered | None:
    """Begin a session of an account; None where it may not log in any more, a moment later.

    The session that the browser had ends: each login has a token of its own. At the first login of
    the account from a browser, what was made there before goes to the account.

    Raises:
        UnavailableError, TooManyQueriesError: the database is away.
    """
    settings, caller, token = parts.settings, current_caller(), new_token()
    by = Author(account.name, account.id, how, caller.address, settings.node)
    query = OpenSession(
        digest=digest_of(token),
        account_id=account.id,
        how=how,
        address=caller.address,
        agent=request.headers.get("user-agent", ""),
        limits=settings.session_limits,
        author=by,
        password_number=password_number,
    )
    opened = (await ask_database(parts.database, query)).value
    if opened is None:
        return None
    _log.info("logged in", who=account.name, how=how, session=str(opened.key))
    try:
        await leave(parts)
    except HTTPException as error:
        # Nobody has its token any more; it ends unused.
        _log.warning("the session of before goes on", reason=error.description)
    cookies = read_cookies(request.headers)
    known = settings.session_cookies.device_of(cookies, account.name.lower()) is not None
    browser = settings.users.user_of(cookies)
    if known or browser is None:
        return Entered(account, token, Moved(), all_came=True)
    try:
        moved = (await ask_database(parts.database, MoveOwner(by, browser, account.id))).value
    except HTTPException as error:
        # The login stands.
        _log.warning("lists stay with the browser", who=account.name, reason=error.description)
        return Entered(account, token, Moved(), all_came=False)
    if moved.rules:
        parts.alerts.cast(RulesChanged())
    return Entered(account, token, moved, all_came=True)


async def leave(parts: Parts) -> None:
    """End the session of the request at hand, if it has one, everywhere.

    Raises:
        UnavailableError, TooManyQueriesError: the database is away.
    """
    credential = current_principal().credential
    if credential is not None and credential.kind == Kind.SESSION.value:
        query = EndSessions(current_author(), ids=(credential.id,))
        await end(parts, (await ask_database(parts.database, query)).value)


async def end(parts: Parts, keys: Sequence[CredentialKey]) -> None:
    """Have nobody let in any more by credentials that have ended; their sockets are closed."""
    if keys:
        doorkeeper = parts.system.ref(paths.DOORKEEPER)
        await tell(doorkeeper, CredentialsEnded(tuple(keys)))


def give_cookies(parts: Parts, response: ResponseTypes, entered: Entered) -> None:
    """Let the browser keep the login, and that the account has logged in from it before."""
    settings, secure = parts.settings, current_caller().secure
    cookie = settings.session_cookies.session(current_caller())
    response.set_cookie(
        cookie.name,
        entered.token,
        max_age=int(settings.session_limits.lifetime),
        path=cookie.path,
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
    if not entered.all_came:
        return
    device = settings.session_cookies.device(current_caller())
    response.set_cookie(
        device.name,
        settings.session_cookies.new_device(entered.account.name.lower()),
        max_age=DEVICE_SECONDS,
        path=device.path,
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def take_cookie(parts: Parts, response: ResponseTypes) -> None:
    """Have the browser forget its login."""
    cookie = parts.settings.session_cookies.session(current_caller())
    response.delete_cookie(
        cookie.name,
        path=cookie.path,
        secure=current_caller().secure,
        httponly=True,
        samesite="Lax",
    )


async def has_changed(parts: Parts, account_id: int) -> None:
    """Have what an account may do be looked up anew, at once, on all nodes."""
    await tell(parts.system.ref(paths.DOORKEEPER), AccountChanged(account_id))
