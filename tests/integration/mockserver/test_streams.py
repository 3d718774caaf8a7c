"""The stub plays tapes to real WebSocket clients, and fails as it is switched to."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from urllib.parse import urlsplit

import httpx
import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    wrap_client_stream,
)

from tests.integration.mockserver.conftest import StubApi

pytestmark = pytest.mark.proves("M22")

SOON = 20.0  # seconds for what takes milliseconds, on a busy machine
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SUBSCRIBE = {
    "method": "subscribe",
    "params": {"channel": "ticker", "symbol": ["BTC/USD", "NO/PE"]},
    "req_id": 7,
}


class Client:
    def __init__(self, sock: WebSocketConnection) -> None:
        self.sock = sock

    async def frame(self) -> dict[str, object]:
        return json.loads(await self.sock.get_message())

    async def until(self, **members: object) -> dict[str, object]:
        """The next frame with these members."""
        while True:
            frame = await self.frame()
            if all(frame.get(name) == value for name, value in members.items()):
                return frame

    async def price(self) -> float:
        frame = await self.until(channel="ticker")
        return frame["data"][0]["last"]  # type: ignore[index]


@asynccontextmanager
async def connected(stub_api: StubApi, subscribe: object = None) -> AsyncIterator[Client]:
    host, port = urlsplit(stub_api.url).hostname, urlsplit(stub_api.url).port
    assert host is not None
    assert port is not None
    with trio.fail_after(SOON):
        # trio-websocket leaves the socket open when the other side resets it, so it is ours.
        async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
            sock = await wrap_client_stream(nursery, stream, host, "/__streams/kraken")
            if subscribe is not None:
                await sock.send_message(json.dumps(subscribe))
            yield Client(sock)
            nursery.cancel_scope.cancel()


async def switch(stub_api: StubApi, faults: object) -> None:
    answer = await stub_api.client.put("/__admin/streams/kraken", json=faults)
    assert answer.status_code == 200, answer.text


async def emptied(stub_api: StubApi) -> None:
    """Wait until the stub has seen its clients leave."""
    with trio.fail_after(SOON):
        while True:
            stream = await stub_api.client.get("/__admin/streams/kraken")
            if not stream.json()["connections"]:
                return
            await trio.sleep(0.01)


async def test_a_client_is_answered_and_told_moving_prices(stub_api: StubApi) -> None:
    """A partial refusal, a snapshot, then one price after another."""
    async with connected(stub_api, SUBSCRIBE) as client:
        assert (await client.frame())["channel"] == "status"
        yes = await client.until(method="subscribe", success=True)
        assert yes["req_id"] == 7
        no = await client.until(method="subscribe", success=False)
        assert no["symbol"] == "NO/PE"
        prices = [await client.price() for _ in range(4)]
        assert prices[0] == 105899.4
        assert all(one != two for one, two in pairwise(prices))
        (stream,) = [
            one
            for one in (await stub_api.client.get("/__admin/streams")).json()["streams"]
            if one["provider"] == "kraken"
        ]
        assert stream["connections"] == [["BTC/USD"]]


async def test_a_mute_stream_goes_on_with_its_heartbeats(stub_api: StubApi) -> None:
    """Its prices come again when that is switched off."""
    async with connected(stub_api, SUBSCRIBE) as client:
        await client.price()
        await switch(stub_api, {"mute": "prices"})
        heartbeats = 0
        while heartbeats < 2:
            heartbeats = heartbeats + 1 if await client.frame() == {"channel": "heartbeat"} else 0
        await stub_api.client.delete("/__admin/streams/kraken")
        await client.price()


@pytest.mark.parametrize("code", [1001, 1006, 4000])
async def test_a_cut_stream_ends_with_that_code(stub_api: StubApi, code: int) -> None:
    """1006 without a close frame, as a line that breaks."""
    async with connected(stub_api, SUBSCRIBE) as client:
        await client.price()
        answer = await stub_api.client.post("/__admin/streams/kraken/cut", json={"code": code})
        assert answer.json() == {"cut": 1}
        with pytest.raises(ConnectionClosed) as closed:
            await client.until(channel="nothing that ever comes")
        # trio-websocket says None for a line that broke.
        reason = closed.value.reason
        assert (1006 if reason is None else reason.code) == code


async def test_garbage_comes_in_the_place_of_frames(stub_api: StubApi) -> None:
    """All of them, or a share."""
    await switch(stub_api, {"garbage": 1})
    async with connected(stub_api) as client:
        with pytest.raises(json.JSONDecodeError):
            await client.frame()


async def test_frames_come_later_by_the_delay(stub_api: StubApi) -> None:
    """Each by as much, so as many come as before."""
    await switch(stub_api, {"delayMilliseconds": 400})
    begin = trio.current_time()
    async with connected(stub_api, SUBSCRIBE) as client:
        await client.frame()
        assert trio.current_time() - begin >= 0.4
        await client.until(method="subscribe", success=True)


async def test_one_connection_too_many_is_refused(stub_api: StubApi) -> None:
    """With status 429 where the provider has no words for it; a place that is left is free."""
    await switch(stub_api, {"limit": 1})
    async with connected(stub_api, SUBSCRIBE) as client:
        await client.price()
        refused = await stub_api.client.get("/__streams/kraken", headers=UPGRADE)
        assert refused.status_code == 429
    await emptied(stub_api)
    async with connected(stub_api) as client:
        await client.frame()


async def test_a_stub_that_is_down_breaks_the_handshake(stub_api: StubApi) -> None:
    """As all its other connections."""
    await stub_api.client.put("/__admin/outage", json={"down": True})
    with pytest.raises(httpx.ReadError):
        await stub_api.client.get("/__streams/kraken", headers=UPGRADE)


async def test_a_wrong_call_is_answered_with_what_there_is(stub_api: StubApi) -> None:
    """A provider without a tape, a switch that is none, a path without an answer."""
    unknown = await stub_api.client.put("/__admin/streams/bourse", json={})
    assert unknown.status_code == 404
    assert "kraken" in unknown.text
    wrong = await stub_api.client.put("/__admin/streams/kraken", json={"mute": "maybe"})
    assert wrong.status_code == 422
    assert "prices, all" in wrong.text
    assert (await stub_api.client.get("/__streams/bourse/price")).status_code == 404
    assert (await stub_api.client.get("/__streams/kraken/price")).status_code == 404
