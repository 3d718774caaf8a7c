"""A server below a sub-path, asked as two kinds of proxies ask: with the path, and without it."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

import web.actor
from stockstream.config import OWN_ADDRESSES
from tests.integration.admin.operators import log_in, token_of
from tests.support.client import connected
from tests.support.tree import running_tree
from tests.support.users import rows_are_there
from web.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart_trio import QuartTrio

    from tests.support.tree import Tree

BASE = "/stocks"
AS_ASKED = (BASE, "")
"""Before a path: passed on, or taken off by the proxy."""


@pytest.fixture
async def tree() -> AsyncIterator[Tree]:
    async with running_tree(base_path=BASE) as tree:
        yield tree


async def test_all_that_a_page_leads_to_is_below_the_path(tree: Tree) -> None:
    """And is there: links, scripts, styles, forms."""
    led_to: set[str] = set()
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        for path in ("/", "/s/AAPL", "/docs", "/admin/login", "/nothing/here"):
            pages = [(await client.get(f"{prefix}{path}")).text for prefix in AS_ASKED]
            for page in pages:
                assert f'data-base="{BASE}"' in page
                found = set(re.findall(r'(?:href|src|action)="(/[^"#]*)"', page))
                assert len(found) >= 4
                led_to |= found
        assert {where for where in led_to if not where.startswith(f"{BASE}/")} == set()
        for where in led_to:
            answer = await client.get(where)
            # That there is no cluster is an answer of the route.
            assert answer.status_code != 404 or "single_node" in answer.text, where


async def test_redirects_and_new_rows_are_below_it(database_url: str) -> None:
    """Whatever the request's own path was."""
    async with (
        running_tree(base_path=BASE, database_url=database_url) as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as client,
    ):
        for prefix in AS_ASKED:
            for path, where in [
                ("/s/aapl?range=1h", "/s/AAPL?range=1h"),
                ("/admin", "/admin/login"),
                ("/s//AAPL", "/s/AAPL"),  # the router's own
            ]:
                assert (await client.get(prefix + path)).headers["Location"] == BASE + where
        await client.get(f"{BASE}/")
        client.base_url = httpx.URL(f"{tree.url}{BASE}")  # as a browser, whose cookie is for it
        await rows_are_there(client)
        made = await client.post("/api/v1/watchlists", json={"name": "Mine", "symbols": ["AAPL"]})
        assert made.status_code == 201
        it = made.headers["Location"]
        assert it.startswith(f"{BASE}/api/v1/watchlists/")
        assert (await client.get(f"{tree.url}{it}")).json()["name"] == "Mine"


async def test_prices_come_over_the_socket(tree: Tree) -> None:
    """At both addresses of it."""
    async with trio.open_nursery() as nursery:
        for prefix in AS_ASKED:
            url = tree.url.replace("http", "ws") + prefix + "/ws"
            async with connected(url, nursery) as client:
                await client.send(action="subscribe", symbols="*")
                await client.message("prices", 2)


async def test_cookies_are_for_the_path_alone(tree: Tree) -> None:
    """Another application on the same host, below another path, never gets them."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        (user,) = SimpleCookie((await client.get("/")).headers["set-cookie"]).values()
        assert user["path"] == BASE
        answer = await log_in(client, token_of(tree))
        assert answer.headers["Location"] == f"{BASE}/admin/login?entered="
        (admin,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert admin["path"] == f"{BASE}/admin"
        page = await client.get(f"{BASE}/admin")
        assert page.status_code == 200
        csrf = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert csrf is not None
        out = await client.post(f"{BASE}/admin/logout", data={"csrf_token": csrf[1]})
        assert out.headers["Location"] == f"{BASE}/admin/login"
        assert (await client.get(f"{BASE}/admin")).status_code == 303


async def test_the_document_names_the_server_by_it(tree: Tree) -> None:
    """A client that is made from it asks for the right addresses."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        assert (await client.get("/openapi.json")).json()["servers"] == [{"url": BASE}]


async def test_probes_and_scrapers_need_not_know_it(tree: Tree) -> None:
    """Who asks the server itself, and not the proxy, finds health and figures either way."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        token = {"Authorization": f"Bearer {token_of(tree)}"}
        for path in ("/health/live", "/metrics", "/admin/api/tree"):
            for prefix in AS_ASKED:
                assert (await client.get(prefix + path, headers=token)).status_code == 200


async def test_every_address_of_the_server_is_known_to_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`BASE_PATH` may be none of them, or one path could be read in two ways."""
    made: list[QuartTrio] = []

    def kept(*given: Any) -> QuartTrio:
        made.append(create_app(*given))
        return made[-1]

    monkeypatch.setattr(web.actor, "create_app", kept)
    mail = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "a@example.com"}
    async with running_tree(**mail, public_url="http://localhost"):
        rules = [rule.rule for rule in made[-1].url_map.iter_rules()]
    assert {rule.split("/")[1] for rule in rules} - {""} | {"ws"} == OWN_ADDRESSES
