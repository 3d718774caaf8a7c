"""Who may do what: every method of every route, for everyone who may ask.

The table names each route of the running app with the scope that it needs. A route that it does
not name fails, and so does one that it names and that is gone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import web.actor
from stockstream import part_settings
from stockstream.users.roles import Role, Scope
from tests.integration.admin.operators import by_token, somebody
from tests.support.people import CHEAP_SETTINGS, add_account, browser, csrf_of, log_in
from tests.support.tree import running_tree
from tests.support.users import visitor
from web.app import create_app
from web.users.access import CHANGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart_trio import QuartTrio

PRICES, HISTORY, ROWS = Scope.PRICES_READ, Scope.HISTORY_READ, Scope.ALERTS_WRITE
METRICS, LOOK, CHANGE = Scope.METRICS_READ, Scope.ADMIN_READ, Scope.ADMIN_WRITE
BREAK, PEOPLE = Scope.CHAOS_RUN, Scope.USERS_WRITE

HERE = "this machine"
"""Instead of a scope: whoever sits at it, who has the admin token to enter."""
OPERATOR = "an operator's login"
"""And not a token: what a program asks for is the API behind the page."""
DOOR = "nothing"
"""Where one logs in and out."""
LOGIN = "an account's login"
OWN_LOGIN = "an account's login that has its own password"
OWN_LOGIN_BY_FORM = "the same, with the form of its page"
LOGIN_OF_ADMIN = "the login of one who looks after accounts"

NEEDS: Mapping[str, Scope | str | None] = {
    "GET /static/<path:filename>": None,
    "GET /health/live": None,
    "GET /health/ready": None,
    "GET /health/traffic": None,
    "GET /login": DOOR,
    "POST /login": DOOR,
    "POST /logout": DOOR,
    "GET /login/oidc": DOOR,
    "GET /login/oidc/return": DOOR,
    "GET /mail/confirm": DOOR,
    "POST /mail/confirm": DOOR,
    "GET /mail/stop": DOOR,
    "POST /mail/stop": DOOR,
    "GET /account": LOGIN,
    "GET /account/moved": LOGIN,
    "GET /account/password": LOGIN,
    "POST /account/password": LOGIN,
    "POST /account/sessions/end": LOGIN,
    "POST /account/mail": OWN_LOGIN_BY_FORM,
    "POST /account/mail/remove": OWN_LOGIN_BY_FORM,
    "POST /account/tokens": OWN_LOGIN_BY_FORM,
    "POST /account/tokens/revoke": OWN_LOGIN_BY_FORM,
    "GET /admin/users": PEOPLE,
    "POST /admin/users": LOGIN_OF_ADMIN,
    "POST /admin/users/<number>": LOGIN_OF_ADMIN,
    "GET /": PRICES,
    "GET /s/<symbol>": PRICES,
    "GET /ws": PRICES,
    "GET /docs": PRICES,
    "GET /openapi.json": PRICES,
    "GET /api/v1/quotes": PRICES,
    "GET /api/v1/quotes/<symbol>": PRICES,
    "GET /api/v1/symbols": PRICES,
    "GET /api/v1/presence": PRICES,
    "GET /api/v1/history/<symbol>": HISTORY,
    "GET /api/v1/ticks/<symbol>": HISTORY,
    "GET /api/v1/indicators/<symbol>": HISTORY,
    "GET /api/v1/sparks": HISTORY,
    "GET /api/v1/alerts/mail": ROWS,
    "POST /api/v1/alerts/mail": ROWS,
    "DELETE /api/v1/alerts/mail/<row:number>": ROWS,
    "GET /api/v1/watchlists": ROWS,
    "POST /api/v1/watchlists": ROWS,
    "GET /api/v1/watchlists/deleted": ROWS,
    "GET /shared/<token>": PRICES,
    "GET /api/v1/shared/<token>": PRICES,
    "GET /api/v1/shares": ROWS,
    "POST /api/v1/shares": ROWS,
    "DELETE /api/v1/shares/<row:number>": ROWS,
    "POST /api/v1/watchlists/read": ROWS,
    "POST /api/v1/watchlists/write": ROWS,
    "GET /api/v1/watchlists/<row:number>/file": ROWS,
    "GET /api/v1/watchlists/<row:number>": ROWS,
    "PUT /api/v1/watchlists/<row:number>": ROWS,
    "PATCH /api/v1/watchlists/<row:number>": ROWS,
    "DELETE /api/v1/watchlists/<row:number>": ROWS,
    "POST /api/v1/watchlists/<row:number>/restore": ROWS,
    "GET /api/v1/alerts/rules": ROWS,
    "POST /api/v1/alerts/rules": ROWS,
    "GET /api/v1/alerts/rules/deleted": ROWS,
    "GET /api/v1/alerts/rules/<row:number>": ROWS,
    "PUT /api/v1/alerts/rules/<row:number>": ROWS,
    "DELETE /api/v1/alerts/rules/<row:number>": ROWS,
    "POST /api/v1/alerts/rules/<row:number>/restore": ROWS,
    "GET /api/v1/alerts/fired": ROWS,
    "POST /api/v1/alerts/fired/read": ROWS,
    "POST /api/v1/alerts/fired/<alert>/post": ROWS,
    "GET /api/v1/tokens": OWN_LOGIN,
    "POST /api/v1/tokens": OWN_LOGIN,
    "DELETE /api/v1/tokens/<key>": OWN_LOGIN,
    "POST /api/v1/ws-tickets": OWN_LOGIN,
    "GET /metrics": METRICS,
    "GET /api/v1/cluster": METRICS,
    "GET /admin": OPERATOR,
    "GET /admin/login": HERE,
    "POST /admin/login": HERE,
    "POST /admin/logout": HERE,
    "GET /admin/api/tree": LOOK,
    "GET /admin/api/overview": LOOK,
    "GET /admin/api/symbols/<symbol>": LOOK,
    "GET /admin/api/incidents": LOOK,
    "GET /admin/api/items": LOOK,
    "GET /admin/api/feeds": LOOK,
    "GET /admin/api/log": LOOK,
    "GET /admin/api/about": LOOK,
    "GET /admin/api/figures": LOOK,
    "GET /admin/api/webhooks": LOOK,
    "POST /admin/api/webhooks/<alert>/post": CHANGE,
    "GET /admin/api/mail": LOOK,
    "POST /admin/api/mail/<letter>/send": CHANGE,
    "GET /admin/api/connections": LOOK,
    "GET /admin/api/connections/<number>": LOOK,
    "POST /admin/api/connections/<number>/close": CHANGE,
    "POST /admin/api/actions/fetch": CHANGE,
    "POST /admin/api/actions/reconnect": CHANGE,
    "POST /admin/api/actions/restart": CHANGE,
    "POST /admin/api/actions/drain": CHANGE,
    "DELETE /admin/api/actions/drain": CHANGE,
    "GET /admin/api/events": LOOK,
    "GET /admin/api/audit": PEOPLE,
    "GET /admin/api/tokens": PEOPLE,
    "DELETE /admin/api/tokens/<key>": PEOPLE,
    "GET /admin/api/jobs": LOOK,
    "GET /admin/api/jobs/<name>": LOOK,
    "POST /admin/api/jobs/<name>/run": CHANGE,
    "GET /admin/api/loggers": LOOK,
    "GET /admin/api/loggers/<name>": LOOK,
    "PUT /admin/api/loggers/<name>": CHANGE,
    "DELETE /admin/api/loggers/<name>": CHANGE,
    "GET /admin/api/chaos/status": LOOK,
    "GET /admin/api/chaos/actions": LOOK,
    "GET /admin/api/chaos/targets": LOOK,
    "POST /admin/api/chaos/inject": BREAK,
    "POST /admin/api/chaos/experiments": BREAK,
    "DELETE /admin/api/chaos/experiments/<experiment>": BREAK,
    "POST /admin/api/chaos/halt": BREAK,
}

BY_A_PROVIDER = {
    "oidc_issuer": "http://127.0.0.1:1",
    "oidc_client_id": "stockstream",
    "oidc_client_secret": "secret",
    "smtp_url": "smtp://127.0.0.1:1",
    "mail_from": "alerts@example.com",
    "public_url": "http://127.0.0.1:1",
}
"""Nobody listens there; but the pages are there."""
PROXIED = {"X-Forwarded-For": "203.0.113.7"}
"""As a proxy on this machine hands on what another machine has sent."""
VALUES = {"symbol": "AAPL", "number": "1", "alert": "1", "letter": "1", "name": "web"}
VALUES |= {"experiment": "none"}
VALUES |= {"token": "A" * 32}
VALUES |= {"filename": "favicon.svg", "key": "0abcDEF9"}
_PLACE = re.compile(r"<(?:[^<>]+:)?(\w+)>")

Need = Scope | str | None
FORMS: frozenset[Need] = frozenset({LOGIN, OWN_LOGIN_BY_FORM, LOGIN_OF_ADMIN})


def routes_of(app: QuartTrio) -> set[str]:
    """Every route by method and address; which number is one is no matter here."""
    return {
        f"{method} {re.sub(r'<int[^:]*:', '<', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


async def admitted(client: httpx.AsyncClient, route: str, needs: Need, csrf: str) -> bool:
    """Whether the gate lets a request pass, whatever is answered behind it."""
    refusals = {httpx.codes.FORBIDDEN}
    if needs == DOOR:
        refusals = set()
    elif needs != HERE:  # where 401 is what a wrong token in the form is told
        refusals |= {httpx.codes.UNAUTHORIZED, httpx.codes.SEE_OTHER}
    method, address = route.split()
    path = _PLACE.sub(lambda place: VALUES[place[1]], address)
    form = {"data": {"csrf_token": csrf}} if needs in FORMS else {}
    async with client.stream(method, path, **(form if method == "POST" else {})) as answer:
        # But where wrong logins are told to wait: the gate was not asked.
        assert needs == DOOR or answer.status_code != httpx.codes.TOO_MANY_REQUESTS
        return answer.status_code not in refusals


async def unlike(client: httpx.AsyncClient, may: frozenset[Need], csrf: str = "") -> list[str]:
    """Routes that admit this client and should not, or the other way round."""
    wrong = []
    brought = httpx.Cookies(client.cookies)
    for route, needs in NEEDS.items():
        for asked in (route, route.replace("GET", "HEAD")) if route[:3] == "GET" else (route,):
            client.cookies = httpx.Cookies(brought)  # a page gives one
            came_in = await admitted(client, asked, needs, csrf)
            wrong += [f"{asked}, for {needs}: {came_in}"] * (came_in != (needs in may))
    return wrong


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> list[QuartTrio]:
    """The apps that are made."""
    made: list[QuartTrio] = []

    def kept(*given: Any) -> QuartTrio:
        made.append(create_app(*given))
        return made[-1]

    monkeypatch.setattr(web.actor, "create_app", kept)
    return made


EVERYBODY: frozenset[Need] = frozenset({None, DOOR})
PUBLIC: frozenset[Need] = EVERYBODY | {PRICES, HISTORY}
SCOPES_OF_THE_KEY: frozenset[Need] = frozenset(Scope)
OWN: frozenset[Need] = frozenset({ROWS, LOGIN, OWN_LOGIN, OWN_LOGIN_BY_FORM})
OPERATORS = OWN | {METRICS, LOOK, CHANGE, OPERATOR}
OF_ROLES: Mapping[Role, frozenset[Need]] = {
    Role.VIEWER: PUBLIC | OWN,
    Role.OPERATOR: PUBLIC | OPERATORS,
    Role.CHAOS: PUBLIC | OPERATORS | {BREAK},
    Role.ADMIN: PUBLIC | frozenset(Scope) | OWN | {OPERATOR, LOGIN_OF_ADMIN},
}


async def test_an_open_dashboard_admits_whom_it_should_and_nobody_else(
    apps: list[QuartTrio],
) -> None:
    """Who shows nothing, a browser's cookie, the admin token; the database may be away."""
    async with running_tree(chaos_enabled=True, **BY_A_PROVIDER) as tree:
        assert routes_of(apps[-1]) ^ set(NEEDS) == set()
        async with somebody(tree) as client:
            assert await unlike(client, PUBLIC | {METRICS, HERE}) == []
            client.headers.update(PROXIED)
            assert await unlike(client, PUBLIC) == []
        async with visitor(tree) as client:
            assert await unlike(client, PUBLIC | {ROWS, METRICS, HERE}) == []
        async with visitor(tree) as client:
            client.headers.update(by_token(tree).headers)
            assert await unlike(client, PUBLIC | SCOPES_OF_THE_KEY | {HERE}) == []
            client.headers.update(PROXIED)
            assert await unlike(client, PUBLIC | {ROWS, METRICS}) == []


async def test_where_all_log_in_a_stranger_comes_no_further_than_the_door(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each role may what it is for, from any address; the admin token, from this machine."""
    # All of them ask from one address, and each route that changes something counts there.
    monkeypatch.setattr(part_settings, "CHANGES", replace(CHANGES, burst=1_000))
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    settings |= BY_A_PROVIDER
    async with running_tree(chaos_enabled=True, **settings) as tree:
        async with somebody(tree) as client:
            assert await unlike(client, EVERYBODY | {HERE}) == []
            client.headers.update(PROXIED)
            assert await unlike(client, EVERYBODY) == []
        async with by_token(tree) as client:
            # A list is somebody's, and the token is nobody's.
            may = (EVERYBODY | SCOPES_OF_THE_KEY | {HERE}) - {ROWS}
            assert await unlike(client, may) == []
        for role, may in OF_ROLES.items():
            await add_account(tree, role.value, role)
            async with browser(tree) as client:
                assert (await log_in(client, role.value)).status_code == 303
                csrf = await csrf_of(client)
                client.headers.update(PROXIED)
                assert await unlike(client, may, csrf) == [], role
        await add_account(tree, "new", Role.ADMIN, must_change=True)
        async with browser(tree) as client:
            await log_in(client, "new")
            csrf = await csrf_of(client, "/account/password")
            client.headers.update(PROXIED)
            # Its own page leads to that of the password.
            wrong = await unlike(client, EVERYBODY | {LOGIN}, csrf)
            assert wrong == [f"{method} /account, for {LOGIN}: False" for method in ("GET", "HEAD")]
