"""Who may do what: every method of every route, for everyone who may ask.

The table names each route of the running app with the scope that it needs. A route that it does
not name fails, and so does one that it names and that is gone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx

import web.actor
from stockstream.users.roles import Scope
from tests.integration.admin.operators import by_token, somebody
from tests.support.tree import running_tree
from tests.support.users import visitor
from web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest
    from quart_trio import QuartTrio

PRICES, HISTORY, ROWS = Scope.PRICES_READ, Scope.HISTORY_READ, Scope.ALERTS_WRITE
METRICS, LOOK, CHANGE, BREAK, PEOPLE = (
    Scope.METRICS_READ,
    Scope.ADMIN_READ,
    Scope.ADMIN_WRITE,
    Scope.CHAOS_RUN,
    Scope.USERS_WRITE,
)

HERE = "this machine"
"""Instead of a scope: whoever sits at it, who has the admin token to enter."""
OPERATOR = "an operator's login"
"""And not a token: what a program asks for is the API behind the page."""

NEEDS: Mapping[str, Scope | str | None] = {
    "GET /static/<path:filename>": None,
    "GET /health/live": None,
    "GET /health/ready": None,
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
    "GET /api/v1/watchlists": ROWS,
    "POST /api/v1/watchlists": ROWS,
    "GET /api/v1/watchlists/deleted": ROWS,
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
    "GET /admin/api/events": LOOK,
    "GET /admin/api/audit": PEOPLE,
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

PROXIED = {"X-Forwarded-For": "203.0.113.7"}
"""As a proxy on this machine hands on what another machine has sent."""
VALUES = {"symbol": "AAPL", "number": "1", "alert": "1", "name": "web", "experiment": "none"}
VALUES["filename"] = "favicon.svg"
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")

Need = Scope | str | None


def routes_of(app: QuartTrio) -> set[str]:
    """Every route by method and address."""
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


async def admitted(client: httpx.AsyncClient, method: str, path: str, needs: Need) -> bool:
    """Whether the gate lets a request pass, whatever is answered behind it."""
    refusals = {httpx.codes.FORBIDDEN}
    if needs != HERE:  # where 401 is what a wrong token in the form is told
        refusals |= {httpx.codes.UNAUTHORIZED, httpx.codes.SEE_OTHER}
    async with client.stream(method, path) as answer:
        return answer.status_code not in refusals


async def unlike(client: httpx.AsyncClient, may: frozenset[Need]) -> list[str]:
    """Routes that admit this client and should not, or the other way round."""
    wrong = []
    brought = httpx.Cookies(client.cookies)
    for route, needs in NEEDS.items():
        method, address = route.split()
        path = _PLACE.sub(lambda place: VALUES[place[1]], address)
        for asked in ("GET", "HEAD") if method == "GET" else (method,):
            client.cookies = httpx.Cookies(brought)  # a page gives one
            came_in = await admitted(client, asked, path, needs)
            wrong += [f"{asked} {address}, for {needs}: {came_in}"] * (came_in != (needs in may))
    return wrong


async def test_every_route_admits_whom_it_should_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the dashboard is open, and who shows nothing, a browser's cookie, the admin token."""
    made: list[QuartTrio] = []

    def kept(*given: Any) -> QuartTrio:
        made.append(create_app(*given))
        return made[-1]

    monkeypatch.setattr(web.actor, "create_app", kept)
    everybody: frozenset[Need] = frozenset({None, PRICES, HISTORY})
    scopes: frozenset[Need] = frozenset(Scope)
    async with running_tree(chaos_enabled=True) as tree:
        assert routes_of(made[-1]) ^ set(NEEDS) == set()
        async with somebody(tree) as client:
            assert await unlike(client, everybody | {METRICS, HERE}) == []
            client.headers.update(PROXIED)
            assert await unlike(client, everybody) == []
        async with visitor(tree) as client:
            assert await unlike(client, everybody | {ROWS, METRICS, HERE}) == []
        async with visitor(tree) as client:
            client.headers.update(by_token(tree).headers)
            assert await unlike(client, everybody | scopes | {HERE}) == []
            client.headers.update(PROXIED)
            assert await unlike(client, everybody | {ROWS, METRICS}) == []
