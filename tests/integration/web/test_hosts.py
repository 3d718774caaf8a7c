"""A page whose name was made to point at this machine reads and changes nothing here."""

from __future__ import annotations

import socket

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


async def handshake(tree: Tree, host: str, *headers: str) -> tuple[int, str]:
    """Status of the answer to an upgrade for a host, and all of it where it is a refusal."""
    request = upgrade_request("/ws", "".join(f"{header}\r\n" for header in headers))
    request = request.replace(b"Host: localhost", b"Host: " + host.encode())
    async with await trio.open_tcp_stream("127.0.0.1", port(tree)) as stream:
        await stream.send_all(request)
        answer = b""
        with trio.fail_after(10):
            async for piece in stream:
                answer += piece
                if answer.startswith(b"HTTP/1.1 101"):
                    return 101, ""
    return int(answer.split()[1]), answer.decode()


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
        status, told = await handshake(tree, REBOUND, f"Origin: http://{REBOUND}")
        assert status == 421
        assert "ALLOWED_HOSTS" in told
        for path in ("/health/live", "/health/ready"):
            assert (await browser.get(path, headers=HEADERS)).status_code != 421


@pytest.mark.proves("W12")
async def test_a_host_that_is_named_in_the_setting_is_served(nursery: trio.Nursery) -> None:
    """And so are this machine's name and addresses, without it."""
    async with running_tree(allowed_hosts=("prices.example", "*.shop.example")) as tree:
        async with httpx.AsyncClient(base_url=tree.url) as browser:
            ours = socket.gethostname()
            for host in ("prices.example:4000", "a.shop.example", "192.0.2.7:4000", "[::1]", ours):
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
        async with httpx.AsyncClient(base_url=tree.url) as browser:
            script = {"X-Forwarded-Host": "<script>alert(1)</script>"}
            refused = await browser.get("/", headers=script)
            assert refused.status_code == 421
            assert "<script>" not in refused.text
    async with running_tree(allowed_hosts="prices.example") as tree:
        assert (await handshake(tree, "127.0.0.1:4240", *told, page))[0] == 403


async def test_redirects_stay_with_the_address_that_the_browser_used() -> None:
    """Scheme, host and port are the browser's business; a host that was sent is not repeated."""
    async with (
        running_tree(allowed_hosts="*") as tree,
        httpx.AsyncClient(base_url=tree.url) as browser,
    ):
        for path, where in (
            ("/s//AAPL", "/s/AAPL"),
            ("/s//AAPL?range=1d", "/s/AAPL?range=1d"),
            ("/s/aapl?range=1d", "/s/AAPL?range=1d"),
            ("//s//AAPL", "/s/AAPL"),
            ("/static//app.css", "/static/app.css"),
            ("/admin", "/admin/login"),
        ):
            url = httpx.URL(tree.url).copy_with(raw_path=path.encode())
            host = "localhost" if path == "/admin" else "evil.example"
            answer = await browser.get(url, headers={"Host": host})
            assert answer.status_code in {303, 308}, path
            assert answer.headers["location"] == where
            assert "evil.example:" not in answer.text
            assert "http:" not in answer.text
    async with (
        running_tree(base_path="/stocks") as tree,
        httpx.AsyncClient(base_url=tree.url) as browser,
    ):
        for path in ("/stocks/s//AAPL", "/s//AAPL"):
            answer = await browser.get(path)
            assert answer.headers["location"] == "/stocks/s/AAPL"


async def test_who_came_by_tls_is_told_to_stay_with_it() -> None:
    """Where a trusted proxy says so, on every answer; not for localhost, nor at anybody's word."""
    told = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https", "Host": "prices.example"}
    lines = [f"{name}: {value}" for name, value in list(told.items())[:2]]
    header = "strict-transport-security"
    async with running_tree(trusted_proxies="127.0.0.1", allowed_hosts="prices.example") as tree:
        async with httpx.AsyncClient(base_url=tree.url) as browser:
            for path in ("/", "/nothing", "/health/live", "/static/app.css", "/s//A", "/admin"):
                answer = await browser.get(path, headers=told)
                assert answer.headers[header] == "max-age=31536000", path
                assert header not in (await browser.get(path)).headers, path
            answer = await browser.get("/", headers=told | {"Host": "localhost:4000"})
            assert header not in answer.headers
        status, refusal = await handshake(tree, "prices.example", *lines, "Origin: http://evil")
        assert status == 403
        assert f"\r\n{header}: max-age=31536000\r\n" in refusal.lower()
    async with (
        running_tree(allowed_hosts="prices.example") as tree,
        httpx.AsyncClient(base_url=tree.url) as browser,
    ):
        assert header not in (await browser.get("/", headers=told)).headers
