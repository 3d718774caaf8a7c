"""The admin page, its login and logout. What the page shows comes from the admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quart import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from stockstream.users.roles import Scope
from stockstream.version import program_version
from web.audited import break_glass_author, note
from web.cookies import read_cookies
from web.request_caller import current_caller
from web.security import Elsewhere, headers_of
from web.users.break_glass import SESSION_SECONDS
from web.users.gate import (
    access,
    check_token,
    current_login,
    require_csrf,
    require_loopback,
    require_own_page,
    why_not,
)
from web.users.principal import Kind, current_principal

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.parts import Parts

PATH = "/admin"
_ACCOUNTS = frozenset({Kind.SESSION, Kind.TOKEN})
NO_COOKIE = (
    "the token was right, but this browser kept no cookie of it; allow cookies for this address"
)


def admin(parts: Parts) -> Blueprint:
    """The routes `/admin`, `/admin/login` and `/admin/logout`."""
    blueprint = Blueprint("admin", __name__, url_prefix=PATH)

    @blueprint.before_request
    async def check() -> Response | None:
        if request.endpoint != "admin.page":
            require_loopback()  # what the admin token is entered at
        own = _own_address(parts.settings.own_port)
        return None if own is None or request.method != "GET" else Elsewhere(own)

    @blueprint.after_request
    async def tell_own_forms(response: WerkzeugResponse) -> WerkzeugResponse:
        # Under `no-referrer`, which other pages have, a browser sends `Origin: null` with a form.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    @blueprint.get("")
    async def page() -> Response | WerkzeugResponse:
        principal = current_principal()
        if Scope.ADMIN_READ not in principal.scopes or principal.csrf is None:
            if principal.kind in _ACCOUNTS or not current_caller().local:
                raise why_not(Scope.ADMIN_READ)
            return redirect(url_for("admin.login_form"), 303)
        login = None if principal.kind in _ACCOUNTS else current_login()
        anew = None if login is None else access().signed_anew(login)
        page = await make_response(
            await render_template(
                "admin.html",
                node=parts.settings.node,
                version=program_version(),
                csrf_token=principal.csrf if anew is None else access().csrf_token(anew.login),
                by_account=principal.kind is Kind.SESSION,
                clustered=parts.tables.members.value is not None,
            )
        )
        if anew is not None:
            _set_cookie(page, anew.cookie, anew.seconds)
        return page

    @blueprint.get("/login")
    async def login_form() -> str | WerkzeugResponse:
        if current_login() is not None:
            return redirect(url_for("admin.page"), 303)
        # Where a right token leads: who is not logged in there kept no cookie.
        error = NO_COOKIE if "entered" in request.args else None
        return await render_template("admin_login.html", error=error)

    @blueprint.post("/login")
    async def login() -> tuple[str, int, list[tuple[str, str]]] | WerkzeugResponse:
        require_own_page()  # or any page could try tokens from this machine
        form = await request.form
        try:
            check_token(form.get("token", "").strip())
        except HTTPException as error:
            page = await render_template("admin_login.html", error=error.description)
            return page, error.code or 401, headers_of(error)
        session, cookie = access().log_in()
        note(break_glass_author(f"session {session.id}").entry("break_glass.login"))
        response = redirect(url_for("admin.login_form", entered=""), 303)
        _set_cookie(response, cookie, SESSION_SECONDS)
        return response

    @blueprint.post("/logout")
    async def logout() -> Response | WerkzeugResponse:
        response = await make_response(redirect(url_for("admin.login_form"), 303))
        found = access().found(read_cookies(request.headers))
        if found is not None:
            login, name = found
            require_csrf((await request.form).get("csrf_token", ""))
            access().log_out(login)
            note(break_glass_author(f"session {login.id}").entry("break_glass.logout"))
            response.delete_cookie(name, path=_cookie_path(), httponly=True, samesite="Strict")
        return response

    return blueprint


def _own_address(port: int | None) -> str | None:
    """Where this node is alone, if the browser asked at a port that it shares with other nodes.

    There each request may come to another node. The page would show now one tree and now another,
    and a kill would hit whichever node took it. A proxy's clients cannot reach that port, so they
    stay: the proxy has to choose a node for `/admin`.
    """
    asked_at = request.scope.get("server")
    if port is None or asked_at is None or asked_at[1] == port:
        return None
    asked_for = urlsplit(f"//{request.host}")
    if asked_for.port != asked_at[1] or asked_for.hostname is None:
        return None
    host = f"[{asked_for.hostname}]" if ":" in asked_for.hostname else asked_for.hostname
    return f"{request.scheme}://{host}:{port}{url_for('admin.page')}"


def _set_cookie(response: Response | WerkzeugResponse, cookie: str, seconds: int) -> None:
    """Its name has no `__Host-`: that asks for all paths, and this one is for these pages alone."""
    response.set_cookie(
        access().cookie.name,
        cookie,
        max_age=seconds,
        path=_cookie_path(),
        secure=current_caller().secure,
        httponly=True,
        samesite="Strict",
    )


def _cookie_path() -> str:
    return f"{request.root_path}{PATH}"
