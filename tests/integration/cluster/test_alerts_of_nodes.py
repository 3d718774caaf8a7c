"""Alerts on three real nodes: judged on all, stored once, told once on each connection."""

from __future__ import annotations

import random
import signal
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.integration.alerts.receiver import Receiver
from tests.integration.alerts.support import RULES
from tests.integration.delivery.upstream import started_api
from tests.support.client import connected
from tests.support.database import psql
from tests.support.nodes import SETTLE_SECONDS, running_nodes, until
from tests.support.users import rows_are_there, user_cookie

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.client import Client
    from tests.support.nodes import Nodes

LISTS = "/api/v1/watchlists"
WAIT_SECONDS = 30.0


async def add_rule(http: httpx.AsyncClient, symbol: str, above: float, hook: str) -> int:
    """A rule that has been judged; its number."""
    body = {"symbol": symbol, "kind": "above", "threshold": above, "cooldown": 0, "webhook": hook}
    answer = await http.post(RULES, json=body)
    assert answer.status_code == 201, answer.text
    number = int(answer.json()["id"])
    with trio.fail_after(WAIT_SECONDS):
        while (await http.get(f"{RULES}/{number}")).json()["armed"] is None:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return number


def told(client: Client, rule: int) -> list[Any]:
    return [m for m in client.messages if m["type"] == "alert" and m["rule"] == rule]


async def are_one_to_a_browser(nodes: Nodes) -> None:
    """Wait until a user of one node is the same on the others: the database tells them."""
    with trio.fail_after(WAIT_SECONDS):
        while True:
            names = set()
            for node in nodes.running:
                async with httpx.AsyncClient(base_url=node.url, timeout=10) as http:
                    await http.get("/")
                    await rows_are_there(http)
                    http.cookies.clear()
                    await http.get("/")
                    names.add(user_cookie(http)[0])
            if len(names) == 1:
                return
            await trio.sleep(0.1)


async def is_known_everywhere(nodes: Nodes, rules: int) -> None:
    """Wait until all nodes judge so many rules."""
    wanted = f"stockstream_alert_rules {rules}\n"
    for node in nodes.running:
        async with httpx.AsyncClient(base_url=node.url, timeout=10) as http:
            with trio.fail_after(WAIT_SECONDS):
                while wanted not in (await http.get("/metrics")).text:  # noqa: ASYNC110
                    await trio.sleep(0.1)


async def lists_are_seen_by_all_at_once(nodes: Nodes, cookies: httpx.Cookies) -> None:
    """Each node answers with what was changed at another one the moment before."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=node.url, timeout=20, cookies=cookies)
            )
            for node in nodes.running
        ]

        async def seen() -> list[list[tuple[str, list[str]]]]:
            answers = [(await client.get(LISTS)).json()["watchlists"] for client in clients]
            return [[(one["name"], one["symbols"]) for one in answer] for answer in answers]

        for number, client in enumerate(clients):
            made = await client.post(LISTS, json={"name": f"of {number}", "symbols": ["AAPL"]})
            assert made.status_code == 201, made.text
            assert await seen() == [[(f"of {number}", ["AAPL"])]] * len(clients)
            after = clients[(number + 1) % len(clients)]
            path = made.headers["Location"]
            assert (await after.patch(path, json={"add": ["MSFT"]})).status_code == 200
            assert await seen() == [[(f"of {number}", ["AAPL", "MSFT"])]] * len(clients)
            assert (await after.delete(path)).status_code == 200
            assert await seen() == [[]] * len(clients)
            assert [(await each.get(path)).status_code for each in clients] == [404] * len(clients)


@pytest.mark.proves("N22", "N23", "N25", "T16")
async def test_an_alert_is_stored_posted_and_told_once_though_its_node_is_killed(
    tmp_path: Path, empty_database_url: str, nursery: trio.Nursery
) -> None:
    """First nothing happens to the node that fetches; then it is killed with a crossing at hand.

    Before that a user's lists, which are rows too, are changed at each node and read at all.
    """
    seed = random.randrange(1_000_000)
    print("seed", seed)
    pause = random.Random(seed).uniform(0, 0.05)
    url, receiver = empty_database_url, Receiver()
    await receiver.start(nursery)
    async with started_api(nursery, AAPL=90.0, MSFT=390.0) as api, AsyncExitStack() as stack:
        settings = {
            "STOCK_API_URL": api.url,
            "DATABASE_URL": url,
            "FETCH_INTERVAL": "0.2",
            "FETCH_INTERVAL_IDLE": "0.2",
            "WEBHOOK_ALLOW_HTTP": "true",
            "WEBHOOK_NETWORKS": "127.0.0.0/8",
        }
        started = ExitStack()
        stack.push_async_callback(trio.to_thread.run_sync, started.close)
        nodes = await trio.to_thread.run_sync(
            started.enter_context, running_nodes(tmp_path, settings=settings)
        )
        await until(lambda: nodes.are_one, SETTLE_SECONDS)
        await are_one_to_a_browser(nodes)
        where = nodes.others[0].url
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=where, timeout=20))
        assert (await http.get("/")).status_code == 200
        await rows_are_there(http)
        await lists_are_seen_by_all_at_once(nodes, http.cookies)
        rules = [await add_rule(http, *of, receiver.url) for of in (("AAPL", 100), ("MSFT", 400))]
        await is_known_everywhere(nodes, 2)
        cookie = [("Cookie", "=".join(user_cookie(http)))]
        clients = {
            node.name: await stack.enter_async_context(
                connected(node.websocket_url, nursery, cookie)
            )
            for node in nodes
        }

        def posts(rule: int) -> list[str]:
            ids = [post.headers["stockstream-alert"] for post in receiver.posts]
            return [one for one in ids if one.startswith(f"{rule}-")]

        api.put(AAPL=101.0)
        for client in clients.values():
            await client.wait_for(lambda client=client: told(client, rules[0]))
        await receiver.until(lambda: posts(rules[0]))
        # Who posted it may be the one that is killed, and has it from then on as a row.
        under_way = "SELECT count(*) = 0 FROM webhook_deliveries WHERE state = 'pending'"
        await until(lambda: psql(url, under_way) == "t", WAIT_SECONDS)

        holder = nodes.holder
        del clients[holder.name]
        api.put(MSFT=401.0)
        await api.fetches(1)
        await trio.sleep(pause)
        holder.send_signal(signal.SIGKILL)
        await until(lambda: nodes.are_one, SETTLE_SECONDS)
        for client in clients.values():
            await client.wait_for(lambda client=client: told(client, rules[1]), WAIT_SECONDS)
        stored = f"SELECT count(*) > 0 FROM alerts WHERE rule_id = {rules[1]}"
        await until(lambda: psql(url, stored) == "t", WAIT_SECONDS)
        # The killed node may have claimed the call: its lease is over.
        psql(url, "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'")
        await receiver.until(lambda: posts(rules[1]))
        await trio.sleep(1.5)
        assert psql(url, "SELECT rule_id, count(*) FROM alerts GROUP BY 1 ORDER BY 1").split() == [
            f"{rule}|1" for rule in rules
        ]
        for rule in rules:
            assert len(set(posts(rule))) == 1
            assert [len(told(client, rule)) for client in clients.values()] == [1, 1]
        assert len(posts(rules[0])) == 1
    await receiver.stop()
