"""`/admin/users`: everybody's accounts and tokens, for those who look after them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from quart import Blueprint, render_template
from werkzeug.exceptions import BadRequest, Conflict

from stockstream.users.accounts import (
    CreateAccount,
    ListAccounts,
    SetDisabled,
    SetPassword,
    SetRole,
    check_name,
)
from stockstream.users.passwords import new_password
from stockstream.users.roles import Role, Scope
from stockstream.users.rows import RowRefusal
from stockstream.users.sessions import EndSessions, ListSessions
from stockstream.users.token_rows import ListTokens, RevokeToken
from web.asking import ask_database
from web.audited import current_author
from web.users.entering import end, has_changed
from web.users.forms import with_forms
from web.users.gate import require, require_form
from web.users.login import hashed
from web.users.principal import current_principal
from web.users.telling import told_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from werkzeug.datastructures import MultiDict

    from stockstream.users.token_rows import ApiToken
    from web.parts import Parts
    from web.users.forms import Page

    Form = MultiDict[str, str]
    _Action = Callable[[Parts, int, Form], Awaitable["Done | RowRefusal"]]

LARGEST_ID = 2**63 - 1
"""Of an account: a bigint of PostgreSQL."""


class Done(NamedTuple):
    """What a form has done: a sentence, and the password that it has made."""

    told: str
    password: str | None = None


def people(parts: Parts) -> Blueprint:
    """The routes."""
    blueprint = with_forms(Blueprint("people", __name__, url_prefix="/admin/users"))
    blueprint.before_request(require(Scope.USERS_WRITE, forms=True))
    limits = parts.settings.session_limits

    async def shown(done: Done | RowRefusal | None = None) -> str | Page:
        accounts = (await ask_database(parts.database, ListAccounts())).value
        sessions = (await ask_database(parts.database, ListSessions(limits))).value
        tokens: defaultdict[int, list[ApiToken]] = defaultdict(list)
        for token in (await ask_database(parts.database, ListTokens(living=True))).value:
            tokens[token.account_id].append(token)
        refused = isinstance(done, RowRefusal)
        page = await render_template(
            "people.html",
            accounts=accounts,
            sessions=Counter(session.account_id for session in sessions),
            tokens=tokens,
            roles=[role.value for role in Role],
            csrf_token=current_principal().csrf or "",
            done=None if refused else done,
            refusal=done.reason if isinstance(done, RowRefusal) else None,
            told_time=told_time,
        )
        return (page, Conflict.code, []) if refused else page

    @blueprint.get("")
    async def page() -> str | Page:
        return await shown()

    @blueprint.post("")
    async def add() -> str | Page:
        form = await require_form()
        try:
            name = check_name(form.get("name", ""))
        except ValueError as error:
            return await shown(RowRefusal("name", f"name: {error}"))
        role, password = _role(form), new_password()
        query = CreateAccount(
            current_author(), name, role, await hashed(parts, password), must_change=True
        )
        made = (await ask_database(parts.database, query)).value
        if isinstance(made, RowRefusal):
            return await shown(made)
        return await shown(Done(f"{made.name} was added, as {made.role.value}", password))

    @blueprint.post(f"/<int(max={LARGEST_ID}):number>")
    async def change(number: int) -> str | Page:
        form = await require_form()
        do = _ACTIONS.get(form.get("do", ""))
        if do is None:
            raise BadRequest(f"do: one of {', '.join(_ACTIONS)}")
        return await shown(await do(parts, number, form))

    return blueprint


async def _set_role(parts: Parts, number: int, form: Form) -> Done | RowRefusal:
    query = SetRole(current_author(), number, _role(form))
    now = (await ask_database(parts.database, query)).value
    if isinstance(now, RowRefusal):
        return now
    await has_changed(parts, number)
    return Done(f"{now.name} is {now.role.value} now")


async def _disable(parts: Parts, number: int, _form: Form) -> Done | RowRefusal:
    return await _set_disabled(parts, number, disabled=True)


async def _enable(parts: Parts, number: int, _form: Form) -> Done | RowRefusal:
    return await _set_disabled(parts, number, disabled=False)


async def _set_disabled(parts: Parts, number: int, *, disabled: bool) -> Done | RowRefusal:
    query = SetDisabled(current_author(), number, disabled)
    changed = (await ask_database(parts.database, query)).value
    if isinstance(changed, RowRefusal):
        return changed
    await end(parts, changed.ended)
    await has_changed(parts, number)
    how = "disabled" if disabled else "enabled"
    return Done(f"{changed.account.name} is {how}, {_ended(len(changed.ended))}")


async def _reset(parts: Parts, number: int, _form: Form) -> Done | RowRefusal:
    password = new_password()
    query = SetPassword(current_author(), number, await hashed(parts, password), must_change=True)
    changed = (await ask_database(parts.database, query)).value
    if isinstance(changed, RowRefusal):
        return changed
    await end(parts, changed.ended)
    await has_changed(parts, number)
    told = f"{changed.account.name} has a new password, {_ended(len(changed.ended))}"
    return Done(told, password)


async def _end(parts: Parts, number: int, _form: Form) -> Done | RowRefusal:
    query = EndSessions(current_author(), account_id=number)
    keys = (await ask_database(parts.database, query)).value
    await end(parts, keys)
    return Done(_ended(len(keys)).capitalize())


async def _revoke(parts: Parts, number: int, form: Form) -> Done | RowRefusal:
    query = RevokeToken(current_author(), form.get("key", ""), number)
    token = (await ask_database(parts.database, query)).value
    if isinstance(token, RowRefusal):
        return token
    await end(parts, (token.credential,))
    return Done(f"The token {token.name} of {token.account_name} lets nobody in any more")


_ACTIONS: Mapping[str, _Action] = {
    "role": _set_role,
    "disable": _disable,
    "enable": _enable,
    "reset": _reset,
    "end": _end,
    "revoke": _revoke,
}


def _ended(count: int) -> str:
    return f"{count} {'session has' if count == 1 else 'sessions have'} ended"


def _role(form: Form) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError as error:
        raise BadRequest(f"role: one of {', '.join(Role)}") from error
