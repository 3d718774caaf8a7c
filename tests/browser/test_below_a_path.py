"""The whole product below a path of a host, as a browser has it through nginx."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.chart import ChartPage
from tests.browser.conftest import FAST, until_rows_are_kept
from tests.browser.dashboard import A_MOVE
from tests.browser.test_alerts import add_alert
from tests.browser.test_lists import chosen, make_list
from tests.support.programs import Server, Stub, running
from tests.support.proxies import documented, proxying
from tests.support.selfsigned import server_context
from tests.support.server import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Visit
    from tests.support.database import PostgresServer

BASE = "/stocks"


@pytest.fixture(scope="module")
def below(
    stub: Stub, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server below a path; it was told of its proxy."""
    own = {
        "STOCK_API_URL": stub.url,
        "DATABASE_URL": postgres_server.create_database(),
        "TRUSTED_PROXIES": "127.0.0.2",
        "BASE_PATH": BASE,
    }
    server = Server(tmp_path_factory.mktemp("below"), FAST | own)
    with running(server):
        until_rows_are_kept(server)
        yield server


@pytest.fixture(scope="module")
def outside(below: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address on nginx, with the configuration that the documentation shows."""
    folder = tmp_path_factory.mktemp("nginx")
    server_context(folder)
    text = documented("nginx below a path")
    to = below.url.removeprefix("http://")
    with proxying("nginx", text, to, folder / "server.pem", folder) as proxy:
        yield f"https://localhost:{proxy.port}{BASE}"


def test_a_user_has_all_of_it_there(outside: str, visit: Visit) -> None:
    """Prices, a kept list, an alert, the chart, the API; nothing beside the path is asked for."""
    me = visit("about:blank", ignore_https_errors=True)
    asked: list[str] = []
    me.page.on("request", lambda request: asked.append(request.url))
    me.page.on("websocket", lambda socket: asked.append(socket.url))
    me.page.goto(f"{outside}/")
    me.expect_live()
    me.subscribe("AAPL MSFT")
    make_list(me, "Tech")
    me.expect_changes("AAPL", 2)
    add_alert(me, "AAPL", "moves by", A_MOVE)
    expect(me.page.get_by_test_id("alert-notice")).to_contain_text("AAPL ")
    me.page.reload()
    expect(chosen(me)).to_have_text("Tech")
    me.row("AAPL").get_by_role("link", name="AAPL").click()
    expect(me.page).to_have_url(f"{outside}/s/AAPL")
    ChartPage(me.page).expect_drawn()
    me.page.get_by_role("link", name="StockStream", exact=True).click()
    me.page.get_by_role("link", name="API", exact=True).click()
    expect(me.page).to_have_url(f"{outside}/docs")
    example = me.page.get_by_role("link", name=f"{BASE}/api/v1/quotes/AAPL", exact=True)
    # Not clicked: for a page of JSON Chromium itself asks the host for /favicon.ico.
    assert me.page.request.get(str(example.evaluate("link => link.href"))).ok
    host = outside.removeprefix("https://")
    strange = [url for url in asked if not re.match(rf"(https|wss)://{re.escape(host)}/", url)]
    assert strange == []
    assert any(url.startswith("wss:") for url in asked)


def test_what_the_browser_keeps_is_that_paths_own(outside: str, visit: Visit) -> None:
    """Another server on the same host has its storage at the same origin."""
    me = visit(f"{outside}/", ignore_https_errors=True)
    me.subscribe("AAPL")
    me.expect_rows("AAPL")
    kept = me.page.evaluate("Object.keys(localStorage)")
    assert kept
    assert [key for key in kept if not key.startswith(f"stockstream{BASE}.")] == []


def test_an_operator_at_the_machine_has_the_admin_page(below: Server, visit: Visit) -> None:
    """Asked without the proxy: log in, see the tree live, log out."""
    me = visit(f"{below.url}{BASE}/admin").page
    me.get_by_label("Admin token").fill(TOKEN)
    me.get_by_role("button", name="Log in").click()
    expect(me.get_by_test_id("actor-market/streamer")).to_be_visible()
    expect(me.get_by_test_id("stream-state")).to_have_attribute("data-state", "open")
    me.get_by_role("button", name="Log out").click()
    expect(me).to_have_url(f"{below.url}{BASE}/admin/login")
