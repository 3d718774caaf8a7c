"""Login by the identity provider: a browser leaves for it, and comes back with a code.

The way is a link and not a form: `form-action 'self'` would stop a form's redirect. Nothing that
the browser brings back is believed but by its cookie and the provider's signature.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio
from quart import Blueprint, Response, redirect, render_template, request
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from stockstream import paths
from stockstream.users.accounts import FindOrCreateBySubject
from stockstream.users.oidc.asking import shown
from stockstream.users.oidc.attempts import ATTEMPT_SECONDS, BadState
from stockstream.users.oidc.messages import Blame, FindLogin, FinishLogin, NoLogin
from stockstream.users.operator_audit import Author
from stockstream.users.roles import Role
from supervision import CallError, NoProc, correlation_id
from web.asking import ask_database
from web.cookies import HOST_ONLY, NamedCookie, read_cookies
from web.request_caller import current_caller
from web.security import Elsewhere
from web.users.entering import enter, give_cookies, has_changed
from web.users.login import SignIn, leads_to
from web.users.principal import current_principal
from web.users.return_address import return_address
from web.users.returning import NEXT, where_next

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

    from stockstream.users.accounts import Account
    from stockstream.users.oidc.attempts import Attempts
    from stockstream.users.oidc.messages import Identity, OidcSettings
    from supervision import ActorRef, Request
    from web.cookies import Instance
    from web.parts import Parts

R = TypeVar("R")

COOKIE = "stockstream_oidc"
LEAVE = "/login/oidc"
RETURN = "/login/oidc/return"
CALL_SECONDS = 15.0
"""Longer than the actor takes at most."""
PATIENCE_SECONDS = 2.0
"""While the actor is started again."""
RETRY_SECONDS = 0.02
AGAIN_SECONDS = 10
LONGEST_CODE = 4096
LONGEST_ONWARD = 1_000
"""Bytes: it goes to the provider and back, in an address."""
NOBODY = "the provider let nobody in"
DISABLED = "this account is disabled; whoever looks after accounts can enable it"

_STATUS = {Blame.AWAY: 503, Blame.SETUP: 503, Blame.LOGIN: 400, Blame.ROLE: 403}
LOGGED_IN = "You are logged in already"

_TITLES = {
    Blame.AWAY: "{name} cannot be asked now",
    Blame.SETUP: "{name} and this server do not understand each other",
    Blame.LOGIN: "Nobody is logged in",
    Blame.ROLE: "{name} gives you no role here",
}
_MESSAGES = {
    Blame.AWAY: "Nobody can log in by it for the moment. Who is logged in stays so.",
    Blame.SETUP: "An operator has to correct it. Who is logged in stays so.",
}

_log = structlog.stdlib.get_logger("web.users")


class AttemptCookie:
    """The cookie of a browser that is on its way: for ten minutes, and no script reads it."""

    def __init__(self, attempts: Attempts, instance: Instance, base: str) -> None:
        self._attempts = attempts
        self._named = NamedCookie(COOKIE, attempts.keys, instance)
        self._base = base

    def read(self) -> str | None:
        """That of the request, where it is one of ours."""
        for name, value in self._named.found(read_cookies(request.headers)):
            # Where the prefix is to be had, a name without it may be of anybody.
            if name.startswith(self._prefix) and self._attempts.knows(value):
                return value
        return None

    def give(self, response: Response, value: str) -> None:
        """Set it."""
        response.set_cookie(
            self._name,
            value,
            max_age=ATTEMPT_SECONDS,
            path=self._base or "/",
            secure=current_caller().secure,
            httponly=True,
            samesite="Lax",  # it has to come along from the provider's page
        )

    def take(self, response: WerkzeugResponse) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self._name,
            path=self._base or "/",
            secure=current_caller().secure,
            httponly=True,
            samesite="Lax",
        )

    @property
    def _prefix(self) -> str:
        return HOST_ONLY if current_caller().secure and not self._base else ""

    @property
    def _name(self) -> str:
        return f"{self._prefix}{self._named.name}"


def oidc(parts: Parts, settings: OidcSettings, attempts: Attempts) -> Blueprint:
    """The routes `/login/oidc` and `/login/oidc/return`."""
    blueprint = Blueprint("oidc", __name__)
    provider = parts.system.ref(paths.IDENTITY_PROVIDER)
    cookie = AttemptCookie(attempts, parts.settings.instance, parts.settings.base_path)
    failures = parts.settings.throttles.logins.by_holder

    def here() -> str:
        caller = current_caller()
        return return_address(
            caller.host,
            secure=caller.secure,
            base=parts.settings.base_path,
            path=RETURN,
            public_url=parts.settings.public_url,
        )

    @blueprint.get(LEAVE)
    async def leave() -> Response:
        onward = where_next(request.args.get(NEXT))
        if len(onward.encode()) > LONGEST_ONWARD:
            onward = where_next(None)
        begun = attempts.begin(cookie.read(), here(), onward)
        address = await _ask(provider, FindLogin(begun, here()))
        if isinstance(address, NoLogin):
            return await _no_login(settings, address, onward)
        response = Elsewhere(address)
        cookie.give(response, begun.cookie)
        return response

    @blueprint.get(RETURN)
    async def come_back() -> Response | WerkzeugResponse:
        args, holder = request.args, current_caller().holder
        try:
            resumed = attempts.resume(cookie.read(), args.get("state", ""), here())
        except BadState as error:
            # Some providers leave the state out where they say no; then no word of it is believed.
            reason = NOBODY if "error" in args else str(error)
            return await _no_login(settings, NoLogin(Blame.LOGIN, reason))
        wait = failures.wait(holder, trio.current_time())
        if wait:
            return await _no_login(settings, _too_many(wait), resumed.onward, wait)
        code = args.get("code", "")
        if "error" in args or not 0 < len(code) <= LONGEST_CODE:
            found: Identity | NoLogin = _not_let_in(args.get("error"))
        else:
            asked = FinishLogin(code, resumed, here(), args.get("iss"))
            found = await _ask(provider, asked)
        if isinstance(found, NoLogin):
            if found.blame is Blame.LOGIN:
                failures.take(holder, trio.current_time())
            return await _no_login(settings, found, resumed.onward)
        account = await _account_of(parts, found)
        entered = await enter(parts, account, "oidc")
        if entered is None:
            return await _no_login(settings, NoLogin(Blame.ROLE, DISABLED), resumed.onward)
        if found.role is not None:
            await has_changed(parts, account.id)  # which the sessions of before have, too
        response = redirect(leads_to(entered, resumed.onward), 303)
        give_cookies(parts, response, entered)
        cookie.take(response)
        return response

    return blueprint


def way_of(settings: OidcSettings, base: str) -> SignIn:
    """What leads there from the login page; `base` is before all our paths."""
    return SignIn(f"Log in by {settings.name}", f"{base}{LEAVE}")


async def _account_of(parts: Parts, who: Identity) -> Account:
    """Their account, made at their first login.

    Raises:
        UnavailableError, TooManyQueriesError: the database is away.
    """
    by = Author(who.name, None, "oidc", current_caller().address, parts.settings.node)
    query = FindOrCreateBySubject(
        by,
        who.issuer,
        who.subject,
        who.name,
        Role.VIEWER if who.role is None else who.role,
        role_follows=who.role is not None,
    )
    return (await ask_database(parts.database, query)).value


def _not_let_in(error: str | None) -> NoLogin:
    """What it says in place of a code (RFC 6749, 4.1.2.1). Only the word: the rest may be made up
    by whoever has made the address.
    """
    words = shown(error or "it gave no code")
    _log.info("the identity provider lets somebody not in", said=words)
    return NoLogin(Blame.LOGIN, f"the provider says: {words}")


def _too_many(wait: float) -> NoLogin:
    return NoLogin(Blame.LOGIN, f"too many logins from your address failed; wait {ceil(wait)} s")


async def _ask(provider: ActorRef, asked: Request[R | NoLogin]) -> R | NoLogin:
    """Ask the actor. One that is started again is waited for, as long as it has taken nothing."""
    give_up = trio.current_time() + PATIENCE_SECONDS
    while True:
        try:
            return await provider.call(asked, timeout=CALL_SECONDS)
        except NoProc as error:
            if trio.current_time() >= give_up:
                return NoLogin(Blame.AWAY, str(error))
        except CallError as error:
            return NoLogin(Blame.AWAY, str(error))
        await trio.sleep(RETRY_SECONDS)


async def _no_login(
    settings: OidcSettings, outcome: NoLogin, onward: str | None = None, wait: float = 0
) -> Response:
    """The page that says so. What is wrong out there is for the log alone."""
    reason = f"{outcome.reason[:1].upper()}{outcome.reason[1:]}."
    is_in = current_principal().credential is not None  # by another tab, say
    page = await render_template(
        "no_login.html",
        title=LOGGED_IN if is_in else _TITLES[outcome.blame].format(name=settings.name),
        message=reason if wait else _MESSAGES.get(outcome.blame, reason),
        provider=settings.name,
        onward=where_next(onward),
        id=str(correlation_id.get() or ""),
    )
    status = TooManyRequests.code if wait else _STATUS[outcome.blame]
    headers = {"Retry-After": str(ceil(wait) or AGAIN_SECONDS)}
    is_later = status in {TooManyRequests.code, ServiceUnavailable.code}
    return Response(page, status, headers if is_later else None)
