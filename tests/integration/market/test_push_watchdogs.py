"""What ends a line to a provider that pushes, each on a real socket, and what follows."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from mockserver.server import serve
from stockstream import part_settings
from stockstream.market.feeds.line import LineTimes
from stockstream.market.feeds.push_settings import PushSettings
from stockstream.market.providers import chosen
from stockstream.market.providers.kraken import KRAKEN
from stockstream.market.providers.push import Endpoint, Latest, Prices, Trouble, Turn
from stockstream.quotes import Observation, Symbol
from stockstream.upstreams import Upstream
from tests.integration.admin.operators import by_token
from tests.integration.delivery.upstream import started_api
from tests.integration.market.test_push_feed import QUICK, until
from tests.support.client import connected
from tests.support.cut_wire import CutWire
from tests.support.deep import only_deep
from tests.support.kraken import kraken
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stockstream.config import Settings
    from stockstream.market.providers.push import PushProvider
    from tests.support.tree import Tree

SYMBOLS = "BTC-USD,ETH-USD,SOL-USD"


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have Kraken be another provider in this, and its feed have other times."""

    def change(times: dict[str, Any] | None = None, **provider: Any) -> None:
        kraken_changed: PushProvider = replace(KRAKEN, **provider)
        monkeypatch.setattr(chosen, "PUSH_PROVIDERS", {"kraken": kraken_changed})

        def pushing(settings: Settings) -> PushSettings:
            return PushSettings(symbols=frozenset(settings.symbols), **(times or {}))

        monkeypatch.setattr(part_settings, "pushing", pushing)

    return change


async def line_of(tree: Tree, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The one line of the feed as operators see it, once a condition holds of it."""
    async with by_token(tree) as operator:
        with trio.fail_after(20):
            while True:
                (feed,) = (await operator.get("/admin/api/feeds")).json()["feeds"]
                assert feed["pushed"]
                (line,) = feed["lines"]
                if holds(line):
                    return dict(line)
                await trio.sleep(0.02)


async def test_silence_ends_a_line_and_its_reason_is_shown(changed: Any) -> None:
    """The provider's heartbeat stops, though the socket stays: a reconnect, counted by its kind."""
    changed(silence=1.5)
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols=SYMBOLS, **QUICK) as tree,
    ):
        await until(tree, lambda up: up["push"]["symbols"] == 3)
        line = await line_of(tree, lambda line: line["priced"])
        assert (line["phase"], line["tone"]) == ("connected", "good")
        assert line["opened"] <= line["priced"] <= line["heard"]
        assert line["told"].split()[0] in SYMBOLS.split(",")
        assert line["frame"].startswith("{")
        server.heartbeat = 1_000.0
        crypto = await until(tree, lambda up: up["push"]["ends"])
        assert crypto["push"]["ends"].keys() == {"silent"}
        silent = await line_of(tree, lambda line: line["tone"] == "bad")
        assert "nothing came for" in silent["reason"]
        assert silent["heard"] >= line["heard"]
        await server.until(lambda: server.attempts >= 2)


async def test_a_ping_that_nobody_answers_ends_a_line(changed: Any) -> None:
    """A network that drops everything without a word; without heartbeats to be missed."""
    changed({"line": LineTimes(ping=0.3, pong=0.5)}, silence=None)
    async with kraken() as server:
        wire = CutWire(f"http://127.0.0.1:{server.port}")
        wire.start()
        try:
            url = wire.url.replace("http", "ws")
            async with running_tree(
                providers=f"crypto=kraken://?url={url}", symbols=SYMBOLS, **QUICK
            ) as tree:
                await until(tree, lambda up: up["push"]["symbols"] == 3)
                wire.cut()
                crypto = await until(tree, lambda up: up["push"]["ends"])
                assert "ping_unanswered" in crypto["push"]["ends"]
                wire.mend()
                await server.until(lambda: server.attempts >= 2)
        finally:
            await trio.to_thread.run_sync(wire.close)


@only_deep("mutes a provider")
async def test_a_line_that_is_mute_is_replaced(changed: Any) -> None:
    """It answers and beats, and no price comes any more of symbols that traded."""
    changed({"quiet": 1.5})
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols=SYMBOLS, **QUICK) as tree,
    ):
        await until(tree, lambda up: up["push"]["symbols"] == 3)
        for step in range(10):
            await server.tell({name: price + step for name, price in server.known.items()})
        crypto = await until(tree, lambda up: up["push"]["ends"])
        assert crypto["push"]["ends"] == {"mute": 1}
        await server.until(lambda: server.attempts == 2)


async def test_a_line_is_replaced_before_its_end_without_a_gap(
    changed: Any, nursery: trio.Nursery
) -> None:
    """The old one goes when the new one has all its symbols: each price of meanwhile comes."""
    changed(lifetime=1.0)
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols=SYMBOLS, **QUICK) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD"])
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
        price = 97_000.5
        while server.attempts < 3:
            price = server.known["BTC/USD"] = price + 1
            await server.tell({"BTC/USD": price})
            await me.wait_for(lambda wanted=price: me.prices.get("BTC-USD") == wanted)
        crypto = await until(tree, lambda up: up["push"]["phase"] == "connected")
        assert crypto["push"]["ends"] == {}
        assert crypto["push"]["failures"] == 0


def _latest(base: str) -> Latest:
    """Ask an API that answers as `STOCK_API_URL` does."""

    def read(symbols: frozenset[Symbol], status: int, body: bytes, wall: int) -> Turn:
        if status != 200:
            return Turn(events=(Trouble("unavailable", f"status {status}", retry_after=0.1),))
        told = {item["symbol"]: item["price"] for item in json.loads(body)}
        found = [Observation(s, told[s], wall) for s in symbols if s in told]
        return Turn(events=(Prices(tuple(found)),))

    return Latest(lambda _access, _symbols: Endpoint(f"{base}/api/stock-prices"), read)


async def test_the_latest_price_is_fetched_where_the_socket_tells_none(
    changed: Any, nursery: trio.Nursery
) -> None:
    """After a subscription, and again until it is answered; a failure costs no connection."""
    async with started_api(nursery, **{"DOT-USD": 7.5}) as api:
        changed(latest=_latest(api.url))
        async with (
            kraken(snapshots=False, known={"DOT/USD": 7.0}) as server,
            running_tree(providers=f"crypto={server.provider}", symbols="DOT-USD") as tree,
            connected(tree.websocket_url, nursery) as me,
        ):
            await me.send(action="subscribe", symbols=["DOT-USD"])
            await me.wait_for(lambda: me.prices.get("DOT-USD") == 7.5)
            api.put(**{"DOT-USD": 8.5})
            api.stop()
            await server.cut()
            crypto = await until(tree, lambda up: "latest_connect_failed" in up["troubles"])
            assert crypto["push"]["phase"] == "connected"
            attempts = server.attempts
            await api.start()
            await me.wait_for(lambda: me.prices.get("DOT-USD") == 8.5)
            assert server.attempts == attempts


@only_deep("mutes a provider whose market closes")
async def test_a_market_that_falls_silent_is_mute_only_if_rest_knows_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """The stub's REST tells newer prices than its socket, which was muted."""

    def pushing(settings: Settings) -> PushSettings:
        return PushSettings(symbols=frozenset(settings.symbols), quiet=1.5)

    monkeypatch.setattr(part_settings, "pushing", pushing)
    url: str = await nursery.start(partial(serve, "127.0.0.1", 0, tmp_path))
    address = f"finnhub://?url={url.replace('http', 'ws')}/__streams/finnhub"
    async with (
        httpx.AsyncClient(base_url=url) as stub,
        running_tree(upstreams=[Upstream("us", address, "our-key")], **QUICK) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["AAPL"])
        for _ in range(4):
            before = me.prices.get("AAPL")
            await me.wait_for(lambda before=before: me.prices.get("AAPL") != before)
        await stub.put("/__admin/streams/finnhub", json={"mute": "prices"})
        us = await until(tree, lambda up: up["push"]["ends"], "us")
        assert us["push"]["ends"] == {"mute": 1}
