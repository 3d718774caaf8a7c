"""Logins: by the form or JSON, what they open, and how they end, here and at open sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.client import connected
from tests.support.people import (
    CHEAP_SETTINGS,
    add_account,
    browser,
    csrf_of,
    log_in,
)
from tests.support.tree import running_tree
from web.live.credentials import CODE_ENDED

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import httpx
    import trio

    from tests.support.client import Client
    from tests.support.tree import Tree

NEW_PASSWORD = "another horse, less correct"


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def cookie_of(client: httpx.AsyncClient) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def socket_of(
    tree: Tree, client: httpx.AsyncClient, nursery: trio.Nursery
) -> AbstractAsyncContextManager[Client]:
    """The WebSocket of a page in that browser."""
    headers = [("Cookie", cookie_of(client)), ("Origin", tree.url)]
    return connected(tree.websocket_url, nursery, headers)


async def test_who_logs_in_sees_prices_until_the_logout_ends_them(
    database_url: str, nursery: trio.Nursery
) -> None:
    """The whole way, where the dashboard takes a login: form, page, socket, logout, 4503."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    async with running_tree(**settings) as tree, browser(tree) as client:
        await add_account(tree, "Ada")
        answer = await client.get("/s/AAPL?range=1d")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/login?next=/s/AAPL?range%3D1d",
        )
        refused = await client.get("/api/v1/quotes")
        assert (refused.status_code, code_of(refused)) == (401, "login_needed")
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        async with socket_of(tree, client, nursery) as stranger:
            assert (await stranger.wait_closed())[0] == CODE_ENDED
            assert stranger.messages == []
        form = await client.get(answer.headers["location"])
        assert 'value="/s/AAPL?range=1d"' in form.text
        wrong = await log_in(client, "ada", "wrong")
        assert wrong.status_code == 401
        assert "The name or the password is wrong." in wrong.text
        right = await log_in(client, " ADA ", next="/s/AAPL?range=1d")
        assert right.status_code == 303
        seen = await client.get(right.headers["location"], follow_redirects=True)
        assert seen.status_code == 200
        assert seen.url.raw_path == b"/s/AAPL?range=1d"
        assert (await client.get("/api/v1/quotes")).status_code == 200
        async with socket_of(tree, client, nursery) as socket:
            await socket.send(action="subscribe", symbols=["*"])
            await socket.message("prices")
            out = await client.post("/logout", data={"csrf_token": await csrf_of(client)})
            assert (out.status_code, out.headers["location"]) == (303, "/login")
            assert (await socket.wait_closed(1.0))[0] == CODE_ENDED
        assert (await client.get("/")).status_code == 303
