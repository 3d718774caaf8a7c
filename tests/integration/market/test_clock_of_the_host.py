"""A really started server whose wall clock is set while it runs, and what its clients get."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.market.rogue import RogueServer, answer
from tests.support.client import connected
from tests.support.host_clock import HostClock
from tests.support.server import free_port, running_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.client import Client
    from tests.support.server import Server

HOUR = 3600.0
LIMIT = 30.0
"""For a busy machine. Without what is tested here it would be ten minutes and more."""


async def until_fresh(client: Client) -> None:
    """Wait until new prices come."""
    seen = len(client.messages)

    def came() -> bool:
        return any(m["type"] == "prices" and m["prices"] for m in client.messages[seen:])

    with trio.fail_after(LIMIT):
        await client.wait_for(came, LIMIT)


async def suspects(server: Server) -> int:
    """How many items came so far whose time cannot be."""
    metrics = (await server.get("/metrics")).text
    counted = re.findall(r'troubles_total\{.*kind="item_(?:outdated|clock_ahead)"\} (\d+)', metrics)
    return sum(map(int, counted))


async def until_noticed(server: Server, step: float) -> None:
    """Wait until the server says that a clock was set by so many seconds.

    To a second: it reads two clocks one after the other, and others may run in between.
    """

    def said(output: str) -> bool:
        steps = re.findall(r'"seconds": (-?[\d.]+)', output)
        return any(abs(float(told) - step) <= 1 for told in steps)

    await server.until(said, LIMIT)


async def checks(server: Server) -> dict[str, dict[str, object]]:
    """What `/health/ready` says."""
    found: dict[str, dict[str, object]] = (await server.get("/health/ready")).json()["checks"]
    return found


@pytest.mark.proves("W23", "C13")
@pytest.mark.alone
async def test_the_clock_of_server_and_bundled_api_is_set(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Back by ten minutes, by an hour, and forward again: prices go on within
    three intervals each time, versions rise, and the health page tells why.
    """
    clock = HostClock(tmp_path)
    before = 0.0
    settings = {"STUB_PORT": str(free_port()), **clock.environment}
    async with (
        running_server(tmp_path, settings) as server,
        connected(server.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["AAPL", "MSFT", "TSLA"])
        await until_fresh(me)
        listed = len((await server.get("/api/v1/symbols")).json()["symbols"])
        for ahead in (-600, -600 - HOUR, 0):
            suspected = await suspects(server)
            clock.set(ahead)
            await until_noticed(server, ahead - before)
            await until_fresh(me)
            # Two polls of which nothing could be taken, and the third shows the step.
            assert await suspects(server) - suspected <= 2 * listed
            before = ahead
            assert (await checks(server))["feed"]["state"] == "live"
            if ahead == -600:
                why = str((await checks(server))["feed"]["reason"])
                assert re.search("the upstream's clock was set back by (599|600|601) s", why)
                assert me.status["feed"] == "live"
        assert me.faults == []
        metrics = (await server.get("/metrics")).text
        assert 'stockstream_upstream_clock_steps_total{upstream="stub"} 2' in metrics


@pytest.mark.proves("W23", "W1")
@pytest.mark.alone
async def test_the_clock_of_the_server_alone_is_set(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Also at the start, and over midnight; then the upstream fails: its prices grow old
    though the clock says that they are of the future.
    """
    clock = HostClock(tmp_path)
    upstream = RogueServer(nursery)

    async def moving(stream: trio.abc.Stream, _head: str) -> None:
        now = time.time()
        prices = [
            {"symbol": symbol, "price": round(now % 100_000, 3), "timestamp": round(now * 1000)}
            for symbol in ("AAPL", "MSFT", "TSLA")
        ]
        await stream.send_all(answer(json.dumps(prices).encode()))

    upstream.script = moving
    await upstream.start()
    before = -HOUR
    clock.set(before)
    breaker = {"BREAKER_WINDOW": "2", "BREAKER_MINIMUM_CALLS": "2"}
    settings = {"STOCK_API_URL": upstream.url, **breaker, **clock.environment}
    async with (
        running_server(tmp_path, settings) as server,
        connected(server.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["AAPL", "MSFT", "TSLA"])
        await until_fresh(me)
        for ahead in (0, -600, round(86_400 - time.time() % 86_400)):
            clock.set(ahead)
            await until_noticed(server, ahead - before)
            suspected = await suspects(server)
            await until_fresh(me)
            assert await suspects(server) == suspected
            before = ahead
        upstream.always(answer(b"", status="503 Service Unavailable"))
        await trio.sleep(1)
        clock.set(-HOUR)
        await me.wait_for(lambda: me.status["feed"] == "stale", LIMIT)
        assert (await checks(server))["feed"]["state"] == "stale"
        told = (await checks(server))["circuit_breaker"]
        assert isinstance(told["open_seconds"], float)
        assert 2 < told["open_seconds"] < LIMIT
        assert me.faults == []
