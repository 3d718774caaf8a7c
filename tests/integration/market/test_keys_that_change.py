"""A provider's key that changes while the server runs: the next attempt uses it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import httpx
import trio
from pydantic import SecretStr
from structlog.testing import capture_logs

from mockserver.server import serve
from stockstream import paths
from stockstream.environment import Configuration
from tests.integration.market.rogue import PRICES, RogueServer, answer
from tests.integration.market.test_push_feed import until
from tests.support.client import connected
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import Tree

DECLARED = """
url = "https://api.example.com/quotes"
headers.X-Key = "{key}"
items = "prices"
[fields]
symbol = "symbol"
price = "price"
time = "timestamp"
"""


async def change(tree: Tree, name: str, key: str) -> None:
    """Have the secrets read again, with another key of one provider."""
    current = tree.current
    new = current.settings.with_provider_key(name, SecretStr(key), None)
    current.read = lambda: Configuration(new, {})
    current.ask(tree.system)
    await tree.until(lambda: current.answered == current.asked)


async def test_a_feed_that_is_pushed_to_goes_over_to_a_new_key(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """The line that is there tells on, whatever the new key is worth; the next one uses that. One
    that was refused is tried again at once, and not after minutes; so does a killed feed.
    """
    (tmp_path / "expectations").mkdir()
    stub = await nursery.start(partial(serve, "127.0.0.1", 0, tmp_path / "expectations"))
    address = f"finnhub://?url={stub.replace('http', 'ws')}/__streams/finnhub"
    with capture_logs() as logs:
        async with (
            running_tree(
                providers=f"us={address}", keys={"us": "the-first-key"}, symbols="AAPL"
            ) as tree,
            connected(tree.websocket_url, nursery) as me,
            httpx.AsyncClient(base_url=stub) as admin,
        ):
            await me.send(action="subscribe", symbols=["AAPL"])
            await me.wait_for(lambda: "AAPL" in me.prices)
            await change(tree, "us", "wrong")
            before = me.prices["AAPL"]
            await me.wait_for(lambda: me.prices["AAPL"] != before)
            assert (await until(tree, lambda _: True, "us"))["push"]["phase"] == "connected"

            await admin.post("/__admin/streams/finnhub/cut", json={"code": 1001})
            await until(tree, lambda up: up["push"]["phase"] == "misconfigured", "us")
            await until(tree, lambda up: up["troubles"].get("status_401") == 1, "us")

            await change(tree, "us", "the-third-key")
            await until(tree, lambda up: up["push"]["phase"] == "connected", "us")

            feed = paths.feed("us")
            assert tree.system.ref(feed).kill()
            await tree.until(
                lambda: (
                    tree.actors()[feed].generation == 2 and tree.actors()[feed].state == "running"
                )
            )
            await until(tree, lambda up: up["push"]["phase"] == "connected", "us")
    said = repr(logs) + repr(tree.events)
    assert "changed=('US_API_KEY',)" in said
    for key in ("the-first-key", "the-third-key"):
        assert key not in said


async def test_a_feed_that_polls_goes_over_to_a_new_key(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """With its next fetch; after a refusal, at once and not after minutes."""
    file = tmp_path / "prices.toml"
    file.write_text(DECLARED)
    server = RogueServer(nursery)
    keys: list[str] = []
    news = trio.Event()

    async def until_asked(count: int) -> None:
        with trio.fail_after(20):
            while len(keys) < count:
                await news.wait()

    async def script(stream: trio.SocketStream, head: str) -> None:
        (key,) = [line[7:] for line in head.splitlines() if line.lower().startswith("x-key: ")]
        nonlocal news
        keys.append(key)
        news.set()
        news = trio.Event()
        body = json.dumps({"prices": PRICES}).encode()
        await stream.send_all(answer(b"{}", "401 Unauthorized") if key == "wrong" else answer(body))

    server.script = script
    await server.start()
    async with running_tree(
        providers=f"px=json://{file}?url={server.url}",
        keys={"px": "the-first-key"},
        symbols="AAPL",
        fetch_interval=0.1,
        fetch_interval_idle=0.1,
    ) as tree:
        await until(tree, lambda up: up["feed"]["state"] == "live", "px")
        file.write_text("this is read at a start alone")
        await change(tree, "px", "the-second-key")
        await until_asked(len(keys) + 2)  # one may have been on its way
        assert keys[-1] == "the-second-key"
        await change(tree, "px", "wrong")
        await until(tree, lambda up: "status_401" in up["troubles"], "px")
        await change(tree, "px", "the-third-key")
        await until_asked(len(keys) + 2)
        assert keys[-1] == "the-third-key"
        px = await until(tree, lambda up: up["feed"]["state"] == "live", "px")
        assert px["troubles"] == {"status_401": 1}
        assert keys.count("wrong") == 1
        assert tree.system.ref(paths.feed("px")).kill()
        await until_asked(len(keys) + 2)
        assert keys[-1] == "the-third-key"
    server.stop()
