"""Providers that want a key: it gets to them, and nowhere else, even where they tell it back."""

from __future__ import annotations

import gzip
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import WebSocketRequest, serve_websocket

from mockserver.server import serve
from stockstream.cli.providers.trying import try_one
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.fill import Fill
from stockstream.market.providers.finnhub import FINNHUB
from stockstream.market.providers.push import Access, Bucket
from stockstream.quotes import Symbol
from stockstream.upstreams import Upstream
from tests.integration.market.rogue import RogueServer, answer
from tests.integration.market.test_push_feed import overview, until
from tests.support.client import connected
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.client import Client

KEY = "pk-3f9/a1b2c3d4e5f6"
MASKED = "********"


@pytest.fixture
async def stub(tmp_path: Path, nursery: trio.Nursery) -> str:
    """The address of a stub with the bundled tapes, in this process."""
    (tmp_path / "expectations").mkdir()
    url: str = await nursery.start(partial(serve, "127.0.0.1", 0, tmp_path / "expectations"))
    return url


def quotes_of(me: Client, symbol: str) -> Iterator[dict[str, Any]]:
    snapshots = (message for message in me.messages if message["type"] == "snapshot")
    return (one for told in snapshots for one in told["quotes"] if one["symbol"] == symbol)


def has_its_day(quote: dict[str, Any]) -> bool:
    return quote["basis"] == "previous_close" and {"high", "low", "open"} <= set(
        quote.get("day", {})
    )


async def test_a_key_gets_to_its_provider_and_into_no_output(
    stub: str, nursery: trio.Nursery
) -> None:
    """Prices come by the socket and by REST, which alone tells the day, whichever of the two is
    first, and nothing that anybody can read has the key. A
    symbol that is not there is refused, and so is one more than the plan has.
    """
    address = f"finnhub://?symbols=3&url={stub.replace('http', 'ws')}/__streams/finnhub"
    with capture_logs() as logs:
        async with (
            running_tree(
                upstreams=[Upstream("us", address, KEY)], symbols="AAPL,NO-SUCH,BINANCE:BTCUSDT,ZZZ"
            ) as tree,
            connected(tree.websocket_url, nursery) as me,
            httpx.AsyncClient(base_url=tree.url) as api,
        ):
            await me.send(action="subscribe", symbols=["AAPL", "BINANCE:BTCUSDT"])
            await me.wait_for(lambda: me.prices.keys() == {"AAPL", "BINANCE:BTCUSDT"})
            await me.wait_for(lambda: any(map(has_its_day, quotes_of(me, "AAPL"))))
            us = await until(tree, lambda up: "symbol_over_limit" in up["troubles"], "us")
            assert us["push"]["refused"] == {"NO-SUCH": "unknown_symbol", "ZZZ": "over_limit"}
            assert us["troubles"] == {"symbol_unknown_symbol": 1, "symbol_over_limit": 1}
            assert us["push"]["phase"] == "connected"
            shown = [json.dumps(await overview(tree)), (await api.get("/metrics")).text]
    assert "us" in shown[0]
    for text in (*shown, repr(logs), repr(tree.events)):
        assert KEY not in text
        assert "pk-3f9" not in text


async def test_a_connection_that_is_still_held_is_soon_tried_again(stub: str) -> None:
    """Alpaca allows one: that the last one lingers is no failure of it, and the breaker has no
    part in it. Key and secret both get there, and are shown nowhere.
    """
    address = f"alpaca://?url={stub.replace('http', 'ws')}/__streams/alpaca"
    with capture_logs() as logs:
        async with (
            httpx.AsyncClient(base_url=stub) as admin,
            running_tree(upstreams=[Upstream("us", address, KEY, f"of-{KEY}")]) as tree,
        ):
            await until(tree, lambda up: up["push"]["phase"] == "connected", "us")
            await admin.put("/__admin/streams/alpaca", json={"limit": 0})
            await admin.post("/__admin/streams/alpaca/cut", json={"code": 1001})
            held = await until(tree, lambda up: up["push"]["failures"] >= 3, "us")
            assert held["push"]["ends"].keys() == {"closed_1001", "connection_limit"}
            assert held["breaker"]["figures"]["failures"] == 0
            await admin.delete("/__admin/streams/alpaca")
            us = await until(tree, lambda up: up["push"]["phase"] == "connected", "us")
            assert us["push"]["symbols"] == 6
            shown = json.dumps(await overview(tree))
    assert KEY not in shown + repr(logs) + repr(tree.events)


async def test_a_wrong_key_is_misconfigured_and_no_failure_of_the_provider(stub: str) -> None:
    """It is said once; the breaker has seen no call."""
    address = f"finnhub://?url={stub.replace('http', 'ws')}/__streams/finnhub"
    async with running_tree(upstreams=[Upstream("us", address, "wrong")]) as tree:
        us = await until(tree, lambda up: up["push"]["phase"] == "misconfigured", "us")
        assert us["troubles"] == {"status_401": 1}
        assert us["breaker"]["status"]["state"] == "closed"


@asynccontextmanager
async def echo(how: str) -> AsyncIterator[str]:
    """The address of a provider that tells the key of its address back: while the connection is
    opened, in a message, or at the end.
    """

    async def talk(request: WebSocketRequest) -> None:
        (key,) = parse_qs(urlsplit(request.path).query)["token"]
        if how == "handshake":
            await request.reject(401, body=json.dumps({"error": f"bad key {key}"}).encode())
            return
        socket = await request.accept()
        if how == "message":
            words = "x" * 180 + f" invalid API key {key}"  # it would be cut in its middle
            frame = json.dumps({"type": "error", "msg": words}).replace("/", "\\/")
            await socket.send_message(frame)
        elif how == "binary":
            frame = json.dumps({"type": "error", "msg": f"invalid API key {key}"})
            await socket.send_message(frame.encode())
        elif how == "unknown":
            await socket.send_message(json.dumps({"type": key}))
        await socket.aclose(4001, f"bye {key}" if how == "close" else None)

    async with trio.open_nursery() as nursery:
        listening = await nursery.start(partial(serve_websocket, talk, "127.0.0.1", 0, None))
        try:
            yield f"finnhub://?url=ws://127.0.0.1:{listening.port}"
        finally:
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["handshake", "message", "binary", "unknown", "close"])
async def test_a_key_that_is_told_back_is_masked(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the provider says is shown, without the key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINNHUB_API_KEY", KEY)
    async with echo(how) as address:
        assert await try_one(address, "AAPL", seconds=2) == 1
    said = capsys.readouterr()
    assert MASKED[:1] in said.out
    for part in (KEY, "pk-3", "a1b2c3"):
        assert part not in said.out + said.err


async def test_a_key_that_is_told_back_by_rest_is_masked(nursery: trio.Nursery) -> None:
    """In an answer that refuses, in one that is none, and in the price that it stands for."""
    said: list[object] = []
    bodies = (
        ("500 Oops", json.dumps({"error": f"bad key {KEY}"}).encode()),
        ("403 Forbidden", f"no access with {KEY}".encode()),
        ("200 OK", json.dumps({"c": KEY, "t": KEY}).encode()),
        ("200 OK", f"not JSON {KEY}".encode()),
    )
    server = RogueServer(nursery)
    await server.start()
    try:
        access = Access(server.url.replace("http", "ws"), key=KEY)
        for status, body in bodies:
            server.script = partial(_send, answer(body, status=status))
            said.append(await _filled(access))
    finally:
        server.stop()
    assert len(said) == len(bodies)
    assert MASKED in repr(said)
    assert "pk-3" not in repr(said)


async def test_a_packed_answer_by_rest_is_unpacked_within_a_limit(nursery: trio.Nursery) -> None:
    """Packed twice, a few KiB would be gigabytes; what nobody asked for is not unpacked."""
    once = gzip.compress(bytes(6_000_000))
    good = gzip.compress(json.dumps({"c": 172.5, "t": 1_795_341_600}).encode())
    bodies = (
        (("content-encoding: gzip",), once, "latest_body_too_large"),
        (("content-encoding: gzip, gzip",), gzip.compress(once), "latest_body_encoding"),
        (("content-encoding: gzip",), good, "172.5"),
    )
    server = RogueServer(nursery)
    await server.start()
    try:
        access = Access(server.url.replace("http", "ws"), key=KEY)
        for headers, body, expected in bodies:
            server.script = partial(_send, answer(body, headers=headers))
            assert expected in repr(await _filled(access))
    finally:
        server.stop()


async def _filled(access: Access) -> object:
    """What is told of one question for the latest price, good or bad."""
    assert FINNHUB.latest is not None
    said: list[object] = []
    done = trio.Event()

    def hear(*told: object) -> None:
        said.append(told)
        done.set()

    tokens = Tokens(Bucket(10, 10), None, trio.current_time())
    fill = Fill(FINNHUB.latest, access, hear, hear, lambda: 5_000, tokens)
    with trio.fail_after(5):
        async with trio.open_nursery() as filling:
            filling.start_soon(fill.run)
            fill.want(frozenset({Symbol("AAPL")}))
            await done.wait()
            filling.cancel_scope.cancel()
    return said


async def _send(data: bytes, stream: trio.abc.Stream, _head: str) -> None:
    await stream.send_all(data)
