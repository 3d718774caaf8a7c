"""A login that ends on one node ends on the others: by the bus at once, without it by the database.

Two nodes in one process, on one database and one NATS server.
"""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio

from stockstream import paths
from stockstream.cluster.messages import SayLast
from stockstream.cluster.wire import RulesTold
from supervision import CallError
from tests.support.client import connected
from tests.support.people import CHEAP_SETTINGS, SECONDS, add_account, browser, csrf_of, log_in
from tests.support.tree import running_tree
from web.live.credentials import CODE_ENDED

if TYPE_CHECKING:
    import httpx

    from stockstream.cluster.nats_server import NatsServer
    from tests.support.tree import Tree

BUS_SECONDS = 1.0
DATABASE_SECONDS = 10.0


async def reaches_nats(tree: Tree, *, is_there: bool) -> None:
    """Wait until the node's bus has a connection, or none."""
    with trio.fail_after(SECONDS):
        while True:
            question = SayLast(RulesTold(name="test", boot=1))
            try:
                if await tree.system.ref(paths.BUS).call(question) is is_there:
                    return
            except CallError:
                pass
            await trio.sleep(0.05)


async def logged_in(stack: AsyncExitStack, one: Tree, two: Tree) -> tuple[httpx.AsyncClient, str]:
    """A browser that has logged in at one node, and its cookie, which the other one takes: at
    first they may not know yet by which name the nodes of this database call it.
    """
    other = await stack.enter_async_context(browser(two))
    http = await stack.enter_async_context(browser(one))
    with trio.fail_after(SECONDS):
        while True:
            assert (await log_in(http, "ada")).status_code == 303
            cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
            seen = await other.get("/api/v1/quotes", headers={"Cookie": cookie})
            if seen.status_code == 200:
                return http, cookie
            http.cookies.clear()
            await trio.sleep(0.1)


async def test_a_logout_on_one_node_closes_sockets_on_the_other(
    database_url: str, nats: NatsServer, nursery: trio.Nursery
) -> None:
    """Within a second; and within ten where the bus is away, as nobody tells then."""
    shared = {
        "database_url": database_url,
        "dashboard": "login",
        "cluster_nats_url": nats.url,
        "secret_key_base": "0" * 48,
        **CHEAP_SETTINGS,
    }
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(running_tree(node_name=name, **shared))
            for name in ("one", "two")
        ]
        await add_account(one, "ada")
        for seconds in (BUS_SECONDS, DATABASE_SECONDS):
            by_bus = seconds == BUS_SECONDS
            if not by_bus:
                nats.send_signal(signal.SIGKILL)
            for tree in (one, two):
                await reaches_nats(tree, is_there=by_bus)
            http, cookie = await logged_in(stack, one, two)
            headers = [("Cookie", cookie), ("Origin", two.url)]
            async with connected(two.websocket_url, nursery, headers) as client:
                await client.message("welcome")
                out = await http.post("/logout", data={"csrf_token": await csrf_of(http)})
                assert out.status_code == 303
                assert (await client.wait_closed(seconds))[0] == CODE_ENDED
            async with browser(two) as other:
                refused = await other.get("/api/v1/quotes", headers=dict(headers))
                assert refused.status_code == 401
