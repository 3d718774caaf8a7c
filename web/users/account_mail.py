"""`/account/mail`: forms for the addresses to which one's alerts are mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, redirect, url_for
from werkzeug.exceptions import BadRequest, Conflict, NotFound, UnprocessableEntity

from stockstream.alerts.mail.address_rows import AskAddress, ForgetAddress
from stockstream.alerts.mail.addresses import WrongAddress, read_address
from stockstream.users.accounts import owner_of
from stockstream.users.rows import RowRefusal
from web.asking import ask_database
from web.users.access import require_change_allowed, require_new_row_allowed
from web.users.account import account_page, own_login
from web.users.forms import with_forms
from web.users.gate import require_form
from web.users.principal import current_principal

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.parts import Parts
    from web.users.forms import Page


def account_mail(parts: Parts) -> Blueprint:
    """The routes, for who has logged in with a password of their own, where mail is sent."""
    blueprint = with_forms(Blueprint("account_mail", __name__, url_prefix="/account/mail"))

    @blueprint.before_request
    async def check() -> None:
        refusal = current_principal().refusal
        if own_login().must_change and refusal is not None:
            raise refusal

    @blueprint.post("")
    async def ask() -> WerkzeugResponse | Page:
        form, credential = await require_form(), own_login()
        given = form.get("address", "").strip()
        try:
            address = read_address(given)
        except WrongAddress as error:
            why = f"“{given[:80]}”: {error}"
            return await account_page(parts, why, form), UnprocessableEntity.code, []
        require_change_allowed()
        require_new_row_allowed()
        asked = AskAddress(owner_of(credential.account_id), address)
        found = (await ask_database(parts.database, asked)).value
        if isinstance(found, RowRefusal):
            why = f"“{address}”: {found.reason}"
            return await account_page(parts, why, form), Conflict.code, []
        return redirect(url_for("account.page", done="asked", _anchor="mail"), 303)

    @blueprint.post("/remove")
    async def remove() -> WerkzeugResponse | Page:
        form, credential = await require_form(), own_login()
        number = form.get("number", "")
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise BadRequest("number: that of an address")
        require_change_allowed()
        query = ForgetAddress(owner_of(credential.account_id), int(number))
        found = (await ask_database(parts.database, query)).value
        if isinstance(found, RowRefusal):
            return await account_page(parts, found.reason), NotFound.code, []
        return redirect(url_for("account.page", done="removed", _anchor="mail"), 303)

    return blueprint
