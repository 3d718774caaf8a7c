"""Whose browser it is: what keeps its cookie, and what does not take it from another's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.instance import FILE
from tests.support.history import select
from tests.support.tree import Tree, running_tree
from tests.support.users import ODD_NEIGHBOURS, rows_are_there, user_cookie, visitor
from web.users.browser_users import KIND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.database import PostgresServer

LISTS = "/api/v1/watchlists"
A, B = "a" * 32, "b" * 32


def browser() -> httpx.AsyncClient:
    """One browser for all servers on this host: its cookies know no ports."""
    return httpx.AsyncClient(timeout=20)


async def told(tree: Tree) -> str:
    """The instance's id, once the database has told the server."""
    with trio.fail_after(20):
        while True:
            rows = await select(tree.system.ref(paths.DATABASE), "SELECT id FROM instance")
            kept = (tree.settings.data_directory / FILE).read_text().strip()
            if rows == [(kept,)]:
                return kept
            await trio.sleep(0.02)


async def open_page(somebody: httpx.AsyncClient, tree: Tree) -> httpx.Response:
    await told(tree)
    page = await somebody.get(tree.url)
    assert page.status_code == 200
    return page


async def make_list(somebody: httpx.AsyncClient, tree: Tree, name: str) -> None:
    await open_page(somebody, tree)
    made = await somebody.post(f"{tree.url}{LISTS}", json={"name": name})
    assert made.status_code == 201, made.text


async def names(somebody: httpx.AsyncClient, tree: Tree) -> list[str]:
    answer = await somebody.get(f"{tree.url}{LISTS}")
    assert answer.status_code == 200, answer.text
    return [found["name"] for found in answer.json()["watchlists"]]


def csrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf-token" content="([0-9a-f]{64})"', page.text)
    assert found is not None, page.status_code
    return found[1]


def instance_of(name: str) -> str:
    return name.removeprefix(f"{KIND}_").partition("_")[0]


@pytest.mark.proves("H15")
async def test_a_second_instance_on_the_same_host_takes_nobody_their_lists(
    postgres_server: PostgresServer,
) -> None:
    """With its own database and secret, or with either of them the same."""
    first_url, second_url = postgres_server.create_database(), postgres_server.create_database()
    async with browser() as me, running_tree(database_url=first_url, secret_key_base=A) as first:
        await make_list(me, first, "first")
        mine = dict(me.cookies)
        for url, secret in ((second_url, B), (second_url, A), (first_url, B)):
            async with running_tree(database_url=url, secret_key_base=secret) as second:
                page = await open_page(me, second)
                assert set(page.headers.get_list("set-cookie")) & set(mine.values()) == set()
                await make_list(me, second, f"second {secret[0]}")
        assert {name: me.cookies[name] for name in mine} == mine
        assert await names(me, first) == ["first"]
        await open_page(me, first)
        assert await names(me, first) == ["first"]


@pytest.mark.proves("H15")
async def test_the_old_secret_brings_the_lists_back(database_url: str) -> None:
    """Another one makes a new user, and leaves the cookie alone that it cannot verify."""
    async with browser() as me:
        for secret, expected in ((A, "before"), (B, "between"), (A, "after")):
            async with running_tree(database_url=database_url, secret_key_base=secret) as tree:
                await make_list(me, tree, expected)
                found = await names(me, tree)
                if secret == B:
                    assert found == ["between"]
        assert sorted(found) == ["after", "before"]
        given = [name for name in me.cookies if name.startswith(KIND)]
        assert len(given) == 2
        assert len({instance_of(name) for name in given}) == 1


@pytest.mark.proves("H15")
async def test_a_key_that_is_replaced_takes_nobody_anything(tmp_path: Path) -> None:
    """Neither a browser its user nor an operator the session, in the middle of work.

    The page that was open at the admin's goes on, and opened anew it has a cookie by the new key.
    """
    here = {"data_directory": tmp_path, "admin_token": "the-token-of-this-test"}
    async with browser() as me:
        async with running_tree(**here, secret_key_base=A) as tree:
            await me.get(tree.url)
            await me.post(f"{tree.url}/admin/login", data={"token": here["admin_token"]})
            csrf = csrf_of(await me.get(f"{tree.url}/admin"))
            before = dict(me.cookies)
            user, _ = user_cookie(me)
        async with running_tree(**here, secret_key_base=B, secret_key_base_previous=A) as tree:
            asked = {"seconds": 1, "level": "debug"}
            logger = f"{tree.url}/admin/api/loggers/web"
            answer = await me.put(logger, json=asked, headers={"X-CSRF-Token": csrf})
            assert answer.status_code == 200, answer.text
            page = await me.get(f"{tree.url}/admin")
            csrf = csrf_of(page)
            answer = await me.put(logger, json=asked, headers={"X-CSRF-Token": csrf})
            assert answer.status_code == 200, answer.text
            await me.get(tree.url)
            given = {name: value for name, value in me.cookies.items() if name not in before}
            assert len(given) == 2
        async with running_tree(**here, secret_key_base=B) as tree:
            assert (await me.get(f"{tree.url}/admin")).status_code == 200
            page = await me.get(tree.url)
            (anew,) = page.cookies.items()
            assert given[anew[0]] == anew[1]
            assert anew[1].partition(".")[0] == before[user].partition(".")[0]


async def test_a_cookie_from_before_there_were_ids_is_still_its_users(database_url: str) -> None:
    """An update takes nobody their lists: the page gives the same user under the new name."""
    async with running_tree(database_url=database_url) as tree:
        async with visitor(tree) as me:
            await rows_are_there(me)
            assert (await me.post(LISTS, json={"name": "old"})).status_code == 201
            name, value = user_cookie(me)
        old = {"Cookie": f"{KIND}={value}"}
        async with httpx.AsyncClient(base_url=tree.url) as updated:
            lists = (await updated.get(LISTS, headers=old)).json()["watchlists"]
            assert [found["name"] for found in lists] == ["old"]
            page = await updated.get("/", headers=old)
            assert user_cookie(updated) == (name, value)
            assert len(page.headers.get_list("set-cookie")) == 1, "the old one is left alone"
            alien = {"Cookie": f"{KIND}=somebody.{'0' * 64}"}
            assert (await updated.get("/", headers=alien)).cookies[name] != value


async def test_nodes_of_one_database_have_one_name_also_while_it_is_away(
    database_url: str, tmp_path: Path
) -> None:
    """The first to ask gives it; another learns it, and keeps it for a start without one."""
    async with running_tree(database_url=database_url, secret_key_base=A) as first:
        async with browser() as me:
            await open_page(me, first)
            name, value = user_cookie(me)
        here = {"data_directory": tmp_path, "secret_key_base": A}
        async with running_tree(database_url=database_url, **here) as second, browser() as me:
            assert await told(second) == instance_of(name)
            page = await me.get(second.url, headers={"Cookie": f"{name}={value}"})
            assert dict(page.cookies) == {name: value}
            document = (await me.get(f"{second.url}/openapi.json")).json()
            assert document["components"]["securitySchemes"]["user"]["name"] == name
    async with running_tree(**here) as away, browser() as me:
        page = await me.get(away.url, headers={"Cookie": f"{name}={value}"})
        assert dict(page.cookies) == {name: value}


async def test_a_page_is_named_before_the_database_has_told_anything(tmp_path: Path) -> None:
    """So that a page that is open when the database comes can save at once."""
    async with running_tree(data_directory=tmp_path) as tree, visitor(tree) as me:
        name, _ = user_cookie(me)
        assert instance_of(name) == (tmp_path / FILE).read_text().strip()
        assert (await me.get(LISTS)).status_code == 503


async def test_the_cookie_stays_the_same_and_pages_alone_give_it() -> None:
    """HttpOnly and Lax; not Secure over plain HTTP. Without it 401, which says what is wanted."""
    async with running_tree() as tree, visitor(tree) as me:
        first = await me.get("/")
        again = await me.get("/s/AAPL")
        assert dict(first.cookies) == dict(again.cookies) != {}
        told = first.headers["Set-Cookie"]
        assert "HttpOnly" in told
        assert "SameSite=Lax" in told
        assert "Secure" not in told
        assert "Set-Cookie" not in (await me.get("/api/v1/quotes")).headers
        name, _ = user_cookie(me)
        async with httpx.AsyncClient(base_url=tree.url) as nobody:
            refused = await nobody.get(LISTS)
            assert refused.status_code == 401
            assert f"cookie-name={name}" in refused.headers["www-authenticate"]
            # There is no database: a login that nobody can end now is not forgotten, either.
            shown = {"Cookie": "stockstream_session=of-somebody"}
            out = await nobody.post("/logout", headers=shown)
            assert (out.status_code, "Set-Cookie" in out.headers) == (503, False)
            assert (await nobody.post("/logout")).status_code == 303


async def test_what_other_applications_send_does_not_hide_it() -> None:
    """Nor is it sent back to them; the WebSocket reads with the same eyes."""
    async with running_tree() as tree, visitor(tree) as me:
        cookie = "=".join(user_cookie(me))
        async with httpx.AsyncClient(base_url=tree.url) as other:
            for neighbour in ODD_NEIGHBOURS:
                sent = f"{neighbour}; {cookie}".encode("latin-1")
                answer = await other.get(LISTS, headers=[(b"Cookie", sent)])
                assert answer.status_code == 503, neighbour


async def test_a_page_of_an_allowed_origin_changes_lists_too(database_url: str) -> None:
    """One rule for the WebSocket and the lists: a proxy that rewrites Host has to have a way."""
    settings = {"allowed_origins": ("https://prices.example",), "trusted_proxies": "127.0.0.1"}
    async with running_tree(database_url=database_url, **settings) as tree, visitor(tree) as me:
        await rows_are_there(me)
        for number, (origin, host, status) in enumerate(
            (
                ("https://prices.example", None, 201),
                ("https://localhost:8443", "localhost:8443", 201),
                ("https://localhost:8443", None, 403),
                ("https://evil.example", "localhost:8443", 403),
                ("null", None, 403),
            )
        ):
            headers = {"Origin": origin, "X-Forwarded-For": "9.9.9.9"}
            headers |= {} if host is None else {"X-Forwarded-Host": host}
            made = await me.post(LISTS, json={"name": f"{number}"}, headers=headers)
            assert made.status_code == status, (origin, host)
