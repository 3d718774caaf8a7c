"""Sockets before the upgrade: nobody takes the node with them, and health answers."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.integration.delivery.raw import raw_client
from tests.integration.web.support import TEXT, RawClient
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Tree

STRANGER = "127.0.0.66"
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNFINISHED = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def port(tree: Tree) -> int:
    return int(tree.addresses.sockets[0].getsockname()[1])


@asynccontextmanager
async def plain(tree: Tree, local: str) -> AsyncIterator[RawClient]:
    sock = trio.socket.socket()
    await sock.bind((local, 0))
    await sock.connect(("127.0.0.1", port(tree)))
    async with trio.SocketStream(sock) as stream:
        yield RawClient(stream)


@pytest.mark.proves("W10", "D7")
async def test_one_address_does_not_take_a_node_with_idle_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More of them than there are sockets: others have prices, pages, and the node's health."""
    monkeypatch.setattr("web.actor.REQUESTS", 40)
    async with running_tree(max_connections=20) as tree, AsyncExitStack() as stack:
        for _ in range(100):
            client = await stack.enter_async_context(plain(tree, STRANGER))
            await client.send(HEALTH)
            await client.answer()
        async with raw_client(port(tree), local="127.0.0.2") as client:
            assert (await client.frame())[0] == TEXT
        for local in ("127.0.0.2", STRANGER):
            async with plain(tree, local) as client:
                await client.send(HEALTH)
                head, body = await client.answer()
                assert (head[:12], json.loads(body)) == (b"HTTP/1.1 200", {"status": "live"})
        async with httpx.AsyncClient(base_url=tree.url) as client:
            metrics = (await client.get("/metrics")).text
            assert "stockstream_sockets_refused_total 0\n" in metrics
            assert "stockstream_sockets_evicted_total 0\n" not in metrics


async def test_a_trusted_proxy_may_have_as_many_sockets_as_its_clients_need() -> None:
    """Each of them as many as one address may; so another one, whatever it says of its clients."""
    settings = {
        "max_connections_per_address": 1,
        "max_http_connections_per_address": 1,
        "trusted_proxies": (STRANGER,),
    }
    async with running_tree(**settings) as tree, AsyncExitStack() as stack:
        for local, answered in ((STRANGER, b"HTTP/1.1 200"), ("127.0.0.67", b"HTTP/1.1 429")):
            for number in range(4):
                client = await stack.enter_async_context(plain(tree, local))
                await client.send(asked_by(f"203.0.113.{number % 2}", UNFINISHED))
                await trio.testing.wait_all_tasks_blocked(0.01)
            last = await stack.enter_async_context(plain(tree, local))
            await last.send(asked_by("203.0.113.9", GET))
            assert (await last.read_head()).startswith(answered)
        over = await stack.enter_async_context(plain(tree, STRANGER))
        await over.send(asked_by("203.0.113.0", GET))
        assert (await over.read_head()).startswith(b"HTTP/1.1 429")


def asked_by(client: str, sent: bytes) -> bytes:
    """A request as a proxy passes it on for a client."""
    return sent.replace(b"\r\n", b"\r\nX-Forwarded-For: %s\r\n" % client.encode(), 1)


@pytest.mark.parametrize("base", ["", "/stocks"])
async def test_a_proxy_that_passes_no_upgrade_is_told_what_is_missing(base: str) -> None:
    """426 where the WebSocket is, with what is spoken there (RFC 9110, section 15.5.22)."""
    async with (
        running_tree(base_path=base) as tree,
        httpx.AsyncClient(base_url=tree.url) as client,
    ):
        answer = await client.get(f"{base}/ws")
        assert answer.status_code == 426
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["connection"].lower() == "upgrade"
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["x-content-type-options"] == "nosniff"
        error = answer.json()["error"]
        assert error["code"] == "upgrade_required"
        assert "proxy_set_header Upgrade $http_upgrade;" in error["reason"]
        assert (await client.post(f"{base}/ws")).status_code == 405


async def test_what_the_server_answers_itself_has_the_headers_of_all_answers() -> None:
    async with running_tree() as tree, plain(tree, "127.0.0.1") as client:
        await client.send(b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"content-security-policy: default-src 'none'" in head
        assert b"cache-control: no-store" in head
        assert json.loads(body)["error"]["code"] == "bad_request"
