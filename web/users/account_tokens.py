"""`/account/tokens`: forms that make and revoke one's own API tokens.

The page that answers the making shows the secret, and no other does: so there is no redirect, and
the secret stands in no address. The form has the key of the token that it makes. A browser that
sends it again, by a reload say, is refused: of a key there is one token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, redirect, render_template, url_for
from werkzeug.exceptions import BadRequest, Conflict, NotFound, UnprocessableEntity

from stockstream.users.api_tokens import is_key, new_token
from stockstream.users.roles import Scope
from stockstream.users.rows import RowRefusal
from stockstream.users.token_rows import (
    DAY_SECONDS,
    MADE_BEFORE,
    MOST_DAYS,
    CreateToken,
    RevokeToken,
    check_name,
)
from web.asking import ask_database
from web.audited import current_author
from web.parameters import Wrong, read_whole
from web.users.access import require_change_allowed
from web.users.account import account_page, own_login
from web.users.entering import end
from web.users.forms import with_forms
from web.users.gate import require_form
from web.users.principal import current_principal
from web.users.telling import told_time

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.parts import Parts
    from web.users.forms import Page


def account_tokens(parts: Parts) -> Blueprint:
    """The routes, for who has logged in by a password of their own."""
    blueprint = with_forms(Blueprint("account_tokens", __name__, url_prefix="/account/tokens"))

    @blueprint.before_request
    async def check() -> None:
        refusal = current_principal().refusal
        if own_login().must_change and refusal is not None:
            raise refusal

    @blueprint.post("")
    async def make() -> str | Page:
        form, credential = await require_form(), own_login()
        try:
            name, days, scopes = _name(form), _days(form), _scopes(form)
        except Wrong as error:
            return await account_page(parts, str(error), form), UnprocessableEntity.code, []
        token = new_token(_key(form))
        require_change_allowed()
        seconds = days * DAY_SECONDS
        query = CreateToken(current_author(), credential.account_id, name, scopes, seconds, token)
        made = (await ask_database(parts.database, query)).value
        if made == MADE_BEFORE:
            why = (
                f"ss_{token.key} was made before, and its secret is not shown again; "
                "if you have not kept it, revoke it and make another one"
            )
            return await account_page(parts, why), Conflict.code, []
        if isinstance(made, RowRefusal):
            return await account_page(parts, made.reason, form), Conflict.code, []
        return await render_template(
            "token.html", token=made, secret=token.text, told_time=told_time
        )

    @blueprint.post("/revoke")
    async def revoke() -> WerkzeugResponse | Page:
        form, credential = await require_form(), own_login()
        query = RevokeToken(current_author(), _key(form), credential.account_id)
        require_change_allowed()
        token = (await ask_database(parts.database, query)).value
        if isinstance(token, RowRefusal):
            return await account_page(parts, token.reason), NotFound.code, []
        await end(parts, (token.credential,))
        return redirect(url_for("account.page", done="revoked"), 303)

    return blueprint


def _name(form: MultiDict[str, str]) -> str:
    try:
        return check_name(form.get("name", ""))
    except ValueError as error:
        raise Wrong(f"what it is for: {error}") from error


def _days(form: MultiDict[str, str]) -> int:
    try:
        return read_whole(form.get("days", "").strip(), 1, int(MOST_DAYS))
    except Wrong as error:
        raise Wrong(f"days: {error}") from error


def _scopes(form: MultiDict[str, str]) -> frozenset[Scope]:
    try:
        scopes = frozenset(map(Scope, form.getlist("scope")))
    except ValueError as error:
        raise BadRequest(f"scope: some of {', '.join(Scope)}") from error
    if not scopes:
        raise Wrong("choose what it allows")
    return scopes


def _key(form: MultiDict[str, str]) -> str:
    key = form.get("key", "")
    if not is_key(key):
        raise BadRequest("key: the 8 characters after the ss_ of a token")
    return key
