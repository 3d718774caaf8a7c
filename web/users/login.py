"""Logging in and out: `/login` by a form or JSON, `/logout`."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from urllib.parse import urlencode

import msgspec
import structlog
import trio
from quart import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

from stockstream.alerts.moving import Moved
from stockstream.decoding import from_json
from stockstream.users.accounts import FindForLogin, SetRehashed, check_name
from stockstream.users.passwords import LONGEST, TooBusy
from web.answers import json_answer
from web.asking import UnavailableError, ask_database
from web.cookies import read_cookies
from web.request_caller import current_caller
from web.security import headers_of
from web.users.entering import Entered, enter, give_cookies, leave, take_cookie
from web.users.forms import with_forms
from web.users.gate import require_csrf, require_own_page
from web.users.principal import ACCOUNT_CHALLENGE, Kind, LoginEndedError, current_principal
from web.users.returning import NEXT, where_next
from web.users.telling import counts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.wrappers import Response as WerkzeugResponse

    from stockstream.users.accounts import FoundForLogin
    from web.parts import Parts

LONGEST_NAME = 200
"""Of what is typed as a name; accounts have shorter ones."""
WRONG = "the name or the password is wrong"

_log = structlog.stdlib.get_logger("web.users")


class SignIn(NamedTuple):
    """Another way to log in: a button of the login page."""

    label: str
    address: str


class WrongLoginError(Unauthorized):
    """The name or the password is wrong, or the account is disabled."""

    word: ClassVar[str] = "wrong_login"


class TooManyLoginsError(TooManyRequests):
    """Too many logins were wrong of late."""

    word: ClassVar[str] = "too_many_logins"


class BusyError(ServiceUnavailable):
    """Too many passwords wait to be looked at."""

    word: ClassVar[str] = "busy"


class BadLoginError(BadRequest):
    """What was sent is no login."""

    word: ClassVar[str] = "bad_login"


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody logs in with."""

    name: str
    password: str


class LoggedIn(msgspec.Struct, frozen=True):
    """Who has logged in, and what came along from the browser."""

    name: str
    role: str
    must_change: bool
    moved: Moved


def login(parts: Parts, ways: Sequence[SignIn] = ()) -> Blueprint:
    """The routes; `ways` are the buttons beside the form."""
    blueprint = with_forms(Blueprint("login", __name__))

    async def page(error: str | None = None, name: str = "") -> str:
        principal = current_principal()
        values = (await request.form) if request.method == "POST" else request.args
        return await render_template(
            "login.html",
            error=error,
            name=name,
            next=values.get(NEXT, ""),
            ways=ways,
            ended=isinstance(principal.refusal, LoginEndedError),
            entered="entered" in request.args,
            is_open=not parts.settings.login_needed,
        )

    @blueprint.get("/login")
    async def form() -> str | WerkzeugResponse:
        if current_principal().kind is Kind.SESSION and current_principal().credential is not None:
            return redirect(where_next(request.args.get(NEXT)), 303)
        return await page()

    @blueprint.post("/login")
    async def log_in() -> Response | WerkzeugResponse | tuple[str, int, list[tuple[str, str]]]:
        require_own_page()  # or a page elsewhere could log a browser in as somebody else
        if request.mimetype == "application/json":
            entered = await _log_in(parts, _read(await request.get_data()))
            response: Response | WerkzeugResponse = json_answer(_told(entered))
            give_cookies(parts, response, entered)
            return response
        values = await request.form
        given = Given(values.get("name", ""), values.get("password", ""))
        try:
            entered = await _log_in(parts, given)
        except HTTPException as error:
            text = await page(error.description, given.name[:LONGEST_NAME])
            return text, error.code or 500, headers_of(error)
        # By way of the form: who is not logged in there kept no cookie.
        going = leads_to(entered, where_next(values.get(NEXT)))
        response = redirect(url_for("login.form", entered="", next=going), 303)
        give_cookies(parts, response, entered)
        return response

    @blueprint.post("/logout")
    async def log_out() -> WerkzeugResponse:
        principal = current_principal()
        if isinstance(principal.refusal, UnavailableError):
            raise principal.refusal  # it would go on, and the browser forget that it is there
        if principal.credential is not None:
            require_csrf((await request.form).get("csrf_token", ""))
            await leave(parts)
        else:
            require_own_page()
        where = "login.form" if parts.settings.login_needed else "pages.dashboard"
        response = redirect(url_for(where), 303)
        take_cookie(parts, response)
        return response

    return blueprint


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try to log in, as the throttle counts it."""

    parts: Parts
    user: str
    device: str | None

    def check(self) -> None:
        wait = self.parts.settings.throttles.logins.check(
            self.user, current_caller().holder, self.device, trio.current_time()
        )
        if wait is not None:
            seconds = ceil(wait)
            raise TooManyLoginsError(
                f"too many wrong logins; wait {seconds} s", retry_after=seconds
            )

    def not_judged(self) -> None:
        throttle = self.parts.settings.throttles.logins
        throttle.not_judged(self.user, self.device, trio.current_time())

    def failed(self) -> None:
        throttle = self.parts.settings.throttles.logins
        throttle.failed(self.user, current_caller().holder, self.device, trio.current_time())

    def succeeded(self) -> None:
        throttle = self.parts.settings.throttles.logins
        throttle.succeeded(self.user, self.device, trio.current_time())


async def verified(parts: Parts, name: str, password: str) -> FoundForLogin:
    """The account of that name and password.

    Raises:
        WrongLoginError: there is none, or it may not log in; nobody is told which.
        TooManyLoginsError, BusyError, UnavailableError, TooManyQueriesError: it was not looked at.
    """
    try:
        wanted = check_name(name)
    except ValueError:
        wanted = None  # no account has such a name, and PostgreSQL takes no NUL
    user = (wanted or name.strip()).lower()[:LONGEST_NAME]
    device = parts.settings.session_cookies.device_of(read_cookies(request.headers), user)
    attempt = _Attempt(parts, user, device)
    attempt.check()
    try:
        found = None
        if wanted is not None:
            found = (await ask_database(parts.database, FindForLogin(wanted))).value
        stored = None if found is None else found.password_hash
        # One that is longer than any password is cut before it costs the hash of a book.
        is_right = await parts.settings.passwords.verify(stored, password[: LONGEST + 1])
    except TooBusy as error:
        attempt.not_judged()
        raise BusyError(str(error), retry_after=1) from error
    except HTTPException:
        attempt.not_judged()
        raise
    if found is None or not is_right:
        attempt.failed()
        _log.warning("a login was wrong", name=user, address=current_caller().address)
        raise WrongLoginError(WRONG, www_authenticate=ACCOUNT_CHALLENGE)
    attempt.succeeded()
    if found.account.disabled is not None:
        why = "this account is disabled; whoever looks after accounts can enable it"
        raise WrongLoginError(why, www_authenticate=ACCOUNT_CHALLENGE)
    return found


async def hashed(parts: Parts, password: str) -> str:
    """The hash of a password.

    Raises:
        BusyError: too many wait.
    """
    try:
        return await parts.settings.passwords.hash(password)
    except TooBusy as error:
        raise BusyError(str(error), retry_after=1) from error


async def _log_in(parts: Parts, given: Given) -> Entered:
    found = await verified(parts, given.name, given.password)
    account, stored = found.account, found.password_hash
    passwords = parts.settings.passwords
    entered = await enter(parts, account, "password", password_number=found.password_number)
    if entered is None:
        raise WrongLoginError(WRONG, www_authenticate=ACCOUNT_CHALLENGE)
    if stored is not None and passwords.needs_rehash(stored):
        await _hash_anew(parts, account.id, stored, given.password)
    return entered


async def _hash_anew(parts: Parts, account_id: int, before: str, password: str) -> None:
    """Keep the password as hashes are made now; another login does it, where this one cannot."""
    try:
        now = await hashed(parts, password)
        await ask_database(parts.database, SetRehashed(account_id, before, now))
    except HTTPException as error:
        _log.info("a password stays hashed as before", reason=error.description)


def _read(body: bytes | str) -> Given:
    try:
        return from_json(body, Given)
    except msgspec.MsgspecError as error:
        raise BadLoginError(str(error)) from error


def _told(entered: Entered) -> LoggedIn:
    account = entered.account
    return LoggedIn(account.name, account.role.value, account.must_change, entered.moved)


def leads_to(entered: Entered, going: str) -> str:
    """Where to go on: by way of what came along, and of a password that has to be changed."""
    if entered.moved != Moved():
        told = urlencode({NEXT: going, **counts_of(entered.moved)})
        going = f"{url_for('account.moved')}?{told}"
    if entered.account.must_change:
        return url_for("account.password_form", next=going)
    return going
