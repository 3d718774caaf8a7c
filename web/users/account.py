"""One's own account: its password, where it is logged in, and its API tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import structlog
from quart import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, HTTPException

from stockstream.alerts.mail.address_rows import MOST_ADDRESSES, FetchAddresses
from stockstream.users.accounts import SetPassword, owner_of
from stockstream.users.api_tokens import new_key
from stockstream.users.passwords import BadPassword, check_password
from stockstream.users.roles import SCOPES
from stockstream.users.rows import RowRefusal
from stockstream.users.sessions import EndSessions, ListSessions
from stockstream.users.token_rows import (
    LONGEST_NAME,
    MOST_DAYS,
    USUAL_DAYS,
    ListTokens,
)
from web.asking import ask_database
from web.audited import current_author
from web.security import headers_of
from web.users.entering import end, has_changed
from web.users.forms import with_forms
from web.users.gate import HOW_TO_LOG_IN, LoginNeededError, require_form
from web.users.login import hashed, verified
from web.users.principal import ACCOUNT_CHALLENGE, Kind, current_principal
from web.users.returning import NEXT, where_next
from web.users.telling import TOLD_SCOPES, read_counts, told_agent, told_time

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as WerkzeugResponse

    from stockstream.users.credentials import Credential
    from web.parts import Parts
    from web.users.forms import Page

OTHERS = "others"
"""Instead of the number of a session: all but the one that asks."""

_log = structlog.stdlib.get_logger("web.users")


class NoPasswordError(BadRequest):
    """The account has no password here."""

    word: ClassVar[str] = "no_password"


def account(parts: Parts) -> Blueprint:
    """The routes below `/account`, for who has logged in."""
    blueprint = with_forms(Blueprint("account", __name__, url_prefix="/account"))

    @blueprint.before_request
    async def check() -> None:
        # No scope: who has to change the password first has none.
        own_login()

    @blueprint.get("")
    async def page() -> str | WerkzeugResponse:
        if own_login().must_change:
            return redirect(url_for("account.password_form"), 303)
        return await account_page(parts)

    @blueprint.post("/sessions/end")
    async def end_sessions() -> WerkzeugResponse:
        form, credential = await require_form(), own_login()
        which = form.get("session", "")
        if which != OTHERS and not (which.isascii() and which.isdigit() and len(which) < 19):
            raise BadRequest(f"session: {OTHERS}, or the number of one")
        query = EndSessions(
            current_author(),
            None if which == OTHERS else (int(which),),
            account_id=credential.account_id,
            but=credential.id,
        )
        await end(parts, (await ask_database(parts.database, query)).value)
        return redirect(url_for("account.page", done="ended"), 303)

    async def password_page(error: str | None = None) -> str:
        credential = own_login()
        values = (await request.form) if request.method == "POST" else request.args
        return await render_template(
            "password.html",
            name=credential.account_name,
            must_change=credential.must_change,
            csrf_token=current_principal().csrf,
            next=values.get(NEXT, ""),
            error=error,
        )

    @blueprint.get("/password")
    async def password_form() -> str:
        return await password_page()

    @blueprint.post("/password")
    async def change_password() -> WerkzeugResponse | Page:
        form = await require_form()
        try:
            await _change(parts, own_login(), form.get("password", ""), form.get("new", ""))
        except BadPassword as error:
            return await password_page(f"the new password: {error}"), 422, []
        except HTTPException as error:
            return await password_page(error.description), error.code or 500, headers_of(error)
        given = form.get(NEXT)
        where = where_next(given) if given else url_for("account.page", done="password")
        return redirect(where, 303)

    @blueprint.get("/moved")
    async def moved() -> str:
        return await render_template(
            "moved.html",
            next=where_next(request.args.get(NEXT)),
            counts=read_counts(request.args),
        )

    return blueprint


async def account_page(
    parts: Parts, refusal: str | None = None, given: MultiDict[str, str] | None = None
) -> str:
    """The page, with why something was not done, and the form for a token as it was `given`.

    Raises:
        UnavailableError, TooManyQueriesError: the database is away.
    """
    credential = own_login()
    query = ListSessions(parts.settings.session_limits, credential.account_id)
    found = (await ask_database(parts.database, query)).value
    of_account = ListTokens(credential.account_id, living=True)
    tokens = (await ask_database(parts.database, of_account)).value
    may_give = SCOPES[credential.role]
    addresses = FetchAddresses(owner_of(credential.account_id))
    return await render_template(
        "account.html",
        name=credential.account_name,
        role=credential.role.value,
        csrf_token=current_principal().csrf,
        sessions=found,
        by_password=any(one.how == "password" for one in found if one.id == credential.id),
        mine=credential.id,
        told_time=told_time,
        told_agent=told_agent,
        done=None if request.method == "POST" else request.args.get("done"),
        refusal=refusal,
        addresses=(await ask_database(parts.database, addresses)).value,
        most_addresses=MOST_ADDRESSES,
        given_address="" if given is None else given.get("address", ""),
        tokens=tokens,
        scopes={one.value: told for one, told in TOLD_SCOPES.items() if one in may_give},
        token_key=new_key(),
        longest_name=LONGEST_NAME,
        most_days=int(MOST_DAYS),
        given_name="" if given is None else given.get("name", ""),
        given_days=int(USUAL_DAYS) if given is None else given.get("days", int(USUAL_DAYS)),
        given_scopes=() if given is None else given.getlist("scope"),
    )


async def _change(parts: Parts, credential: Credential, before: str, wanted: str) -> None:
    """Set another password; all other sessions of the account end.

    Raises:
        BadPassword: it may not be chosen.
        WrongLoginError: the one of now is another.
        NoPasswordError: the account logs in elsewhere.
        TooManyLoginsError, BusyError, UnavailableError, TooManyQueriesError: try again.
    """
    # Before the old one is looked at: what may not be chosen is no guess.
    check_password(wanted, credential.account_name)
    if wanted == before:
        raise BadPassword("is the one of now")
    await verified(parts, credential.account_name, before)
    query = SetPassword(
        current_author(),
        credential.account_id,
        await hashed(parts, wanted),
        but=credential.id,
    )
    changed = (await ask_database(parts.database, query)).value
    if isinstance(changed, RowRefusal):
        raise NoPasswordError(changed.reason)
    _log.info("password changed", who=credential.account_name, ended=len(changed.ended))
    await end(parts, changed.ended)
    await has_changed(parts, credential.account_id)


def own_login() -> Credential:
    """The session of the request at hand.

    Raises:
        LoginNeededError, LoginEndedError, UnavailableError: there is none, or none that counts.
    """
    principal = current_principal()
    if principal.credential is None and principal.refusal is not None:
        raise principal.refusal
    if principal.credential is None or principal.kind is not Kind.SESSION:
        raise LoginNeededError(HOW_TO_LOG_IN, www_authenticate=ACCOUNT_CHALLENGE)
    return principal.credential
