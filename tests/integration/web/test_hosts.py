"""A page whose name was made to point at this machine reads and changes nothing here."""

from __future__ import annotations

import json

import httpx
import pytest
import trio

from tests.integration.delivery.raw import raw_client
from tests.integration.web.support import TEXT, upgrade_request
from tests.support.tree import Tree, running_tree

REBOUND = "evil.example:4210"
HEADERS = {"Host": REBOUND, "Origin": f"http://{REBOUND}"}
PATHS = ("/", "/metrics", "/api/v1/quotes", "/static/app.css", "/nothing", "/admin/login", "/s//A")


def port(tree: Tree) -> int:
    return int(tree.addresses.sockets[0].getsockname()[1])


async def handshake(tree: Tree, host: str, *headers: str) -> tuple[int, dict[str, object]]:
    """Status and body of the answer to an upgrade for a host."""
    request = upgrade_request("/ws", "".join(f"{header}\r\n" for header in headers))
    request = request.replace(b"Host: localhost", b"Host: " + host.encode())
    async with await trio.open_tcp_stream("127.0.0.1", port(tree)) as stream:
        await stream.send_all(request)
        answer = b""
        with trio.fail_after(10):
            async for piece in stream:
                answer += piece
                if answer.startswith(b"HTTP/1.1 101"):
                    return 101, {}
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.proves("W12")
async def test_a_request_for_a_host_that_is_not_ours_is_refused_and_told_of_the_setting() -> None:
    """421 on every path and on the WebSocket; health answers under any name."""
    async with running_tree() as tree, httpx.AsyncClient(base_url=tree.url) as browser:
        for path in PATHS:
            answer = await browser.get(path, headers=HEADERS)
            assert answer.status_code == 421, path
            assert "ALLOWED_HOSTS" in answer.text
            assert "set-cookie" not in answer.headers
        assert (await browser.get("/metrics", headers=HEADERS)).json() == {
            "error": {
                "code": "wrong_host",
                "reason": f"this server is not known as '{REBOUND}'; "
                "name that host in ALLOWED_HOSTS",
            }
        }
        status, body = await handshake(tree, REBOUND, f"Origin: http://{REBOUND}")
        assert status == 421
        assert "ALLOWED_HOSTS" in json.dumps(body)
        for path in ("/health/live", "/health/ready"):
            assert (await browser.get(path, headers=HEADERS)).status_code != 421
        shown = await browser.get("/", headers={"Host": "<script>alert(1)</script>"})
        assert shown.status_code == 421
        assert "<script>" not in shown.text


@pytest.mark.proves("W12")
async def test_a_host_that_is_named_in_the_setting_is_served(nursery: trio.Nursery) -> None:
    """And so are this machine's name and addresses, without it."""
    async with running_tree(allowed_hosts=("prices.example", "*.shop.example")) as tree:
        async with httpx.AsyncClient(base_url=tree.url) as browser:
            for host in ("prices.example:4000", "a.shop.example", "192.0.2.7:4000", "[::1]"):
                assert (await browser.get("/", headers={"Host": host})).status_code == 200, host
            for host in ("shop.example", "www.prices.example"):
                assert (await browser.get("/", headers={"Host": host})).status_code == 421, host
        assert (await handshake(tree, "prices.example", "Origin: http://prices.example"))[0] == 101
        async with raw_client(port(tree)) as client:
            assert (await client.frame())[0] == TEXT


@pytest.mark.proves("W12")
async def test_behind_a_trusted_proxy_the_host_is_what_it_says(nursery: trio.Nursery) -> None:
    """For the hosts allowed and for the origins; of anybody else it says nothing."""
    told = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Host: prices.example")
    page = "Origin: https://prices.example"
    async with running_tree(trusted_proxies="127.0.0.1", allowed_hosts="prices.example") as tree:
        assert (await handshake(tree, "127.0.0.1:4240", *told, page))[0] == 101
        assert (await handshake(tree, "127.0.0.1:4240", page))[0] == 403
        elsewhere = (told[0], "X-Forwarded-Host: evil.example")
        assert (await handshake(tree, "127.0.0.1:4240", *elsewhere))[0] == 421
    async with running_tree(allowed_hosts="prices.example") as tree:
        assert (await handshake(tree, "127.0.0.1:4240", *told, page))[0] == 403
