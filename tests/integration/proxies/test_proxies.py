"""The configurations of `docs/proxies.md`, and what comes of others."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, ExitStack
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.proxies.visitors import visitor
from tests.support.proxies import KINDS, PAGE, documented, find, proxying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.proxies.visitors import Visitor
    from tests.support.client import Client
    from tests.support.programs import Server
    from tests.support.proxies import Proxy

ROWS_SECONDS = 20.0
BACK_SECONDS = 20.0


def upstream(server: Server) -> str:
    return server.url.removeprefix("http://")


@pytest.fixture(scope="module", params=list(KINDS))
def proxy(
    request: pytest.FixtureRequest,
    told: Server,
    certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """Each of the page's proxies, as the page has it."""
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    with proxying(kind, documented(kind), upstream(told), certificate, folder) as proxy:
        yield proxy


def test_every_configuration_of_the_page_is_run() -> None:
    """Each block of it has a mark, and each mark is one that a test here starts something with."""
    page = PAGE.read_text(encoding="utf-8")
    marks = re.findall(r"<!-- tested: ([^>]+) -->", page)
    assert page.count("```") == 2 * len(marks)
    expected = [what + where for what in ("settings", *KINDS) for where in ("", " below a path")]
    rehearsed = ["blue-green"]  # tests/integration/operations/test_blue_green.py
    assert sorted(marks) == sorted(expected + rehearsed)


async def test_a_page_its_socket_and_its_lists_work(proxy: Proxy) -> None:
    """Prices come, a list is made, and the user's cookie never leaves TLS."""
    async with visitor(proxy) as me:
        await expect_all_works(me, "/")


async def test_compressed_files_and_their_tags_pass(proxy: Proxy) -> None:
    """As they are: each encoding with its tag, by which it is 304 afterwards."""
    async with visitor(proxy) as me:
        found = re.search(r"/static/\w+/app\.css", (await me.get("/")).text)
        assert found is not None
        tags = set()
        for encoding in ("gzip", "identity"):
            sent = await me.get(found[0], Accept_Encoding=encoding)
            assert sent.headers.get("content-encoding", "identity") == encoding
            assert "Accept-Encoding" in sent.headers["vary"]
            tag = sent.headers["etag"]
            tags.add(tag)
            same = await me.get(found[0], Accept_Encoding=encoding, If_None_Match=tag)
            assert (same.status_code, same.content) == (304, b"")
            head = await me.ask("HEAD", found[0], headers={"Accept-Encoding": encoding})
            assert head.headers["etag"] == tag
            assert head.headers["content-length"] == sent.headers["content-length"]
        assert len(tags) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_below_a_path_the_same_works(
    kind: str, below: Server, certificate: Path, tmp_path: Path
) -> None:
    """Whether the page's configuration takes it off (Caddy's) or not."""
    text = documented(f"{kind} below a path")
    with proxying(kind, text, upstream(below), certificate, tmp_path) as proxy:
        async with visitor(proxy) as me:
            await expect_all_works(me, "/stocks/")
            short = await me.get("/stocks")
            assert short.status_code == 200 or short.headers["Location"].endswith("/stocks/")
            beside = await me.get("/stocksx")  # Caddy answers 200 and nothing by itself
            assert "X-Request-Id" not in beside.headers


async def test_nginx_may_take_the_path_off(
    below: Server, certificate: Path, tmp_path: Path
) -> None:
    """One slash more, and it does: that is no trap."""
    text = documented("nginx below a path")
    stripping = text.replace(
        "proxy_pass http://127.0.0.1:4000;", "proxy_pass http://127.0.0.1:4000/;"
    )
    assert stripping != text
    with proxying("nginx", stripping, upstream(below), certificate, tmp_path) as proxy:
        async with visitor(proxy) as me:
            await expect_all_works(me, "/stocks/")


async def expect_all_works(me: Visitor, base: str) -> None:
    page = await me.get(base)
    assert page.status_code == 200
    (cookie,) = SimpleCookie(page.headers["set-cookie"]).values()
    assert cookie["secure"]
    assert "max-age" in page.headers["strict-transport-security"]
    async with trio.open_nursery() as nursery, me.socket(nursery, f"{base}ws") as client:
        await client.send(action="subscribe", symbols="*")
        await client.message("prices", 3)
    lists = f"{base}api/v1/watchlists"
    with trio.fail_after(ROWS_SECONDS):
        while (await me.get(lists)).status_code == 503:  # noqa: ASYNC110
            await trio.sleep(0.02)
    made = await me.ask("POST", lists, json={"name": "A", "symbols": []})
    assert made.status_code == 201, made.text
    assert made.headers["Location"].startswith(f"{lists}/")


async def test_a_stranger_sees_no_figures_and_no_login(proxy: Proxy, elsewhere: str) -> None:
    """Whatever they say of themselves."""
    async with visitor(proxy, elsewhere) as stranger:
        for forged in ({}, {"X_Forwarded_For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
            assert (await stranger.get("/metrics", **forged)).status_code == 401
            assert (await stranger.get("/admin/login", **forged)).status_code == 403


async def test_at_a_restart_clients_are_told_and_the_way_is_free_again(
    told: Server, certificate: Path, tmp_path: Path
) -> None:
    """The farewell and its close code reach everybody; meanwhile proxies answer that nobody is
    there, and send people on once somebody is.
    """
    kinds = [kind for kind in KINDS if find(kind) is not None]
    with ExitStack() as proxies:
        running = [
            proxies.enter_context(
                proxying(kind, documented(kind), upstream(told), certificate, tmp_path)
            )
            for kind in kinds
        ]
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            visitors = [await stack.enter_async_context(visitor(proxy)) for proxy in running]
            clients: list[Client] = [
                await stack.enter_async_context(each.socket(nursery)) for each in visitors
            ]
            for client in clients:
                await client.message("welcome")
            await trio.to_thread.run_sync(told.stop)
            for client in clients:
                assert (await client.wait_closed())[0] == 1012
                assert client.counts["going_away"] == 1
            for each in [*visitors, *visitors]:
                assert (await each.get("/")).status_code in {502, 503}
            await trio.to_thread.run_sync(told.start)
            with trio.fail_after(BACK_SECONDS):
                for each in visitors:
                    while (await each.get("/")).status_code != 200:  # noqa: ASYNC110
                        await trio.sleep(0.05)
