"""The main job over real sockets: subscribe, get prices, unsubscribe."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.client import connected
from tests.support.server import running_server

if TYPE_CHECKING:
    from pathlib import Path

    import trio


@pytest.mark.proves("W1", "W2", "W8")
async def test_a_client_gets_a_snapshot_then_rising_prices_then_silence(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Subscribing gives the state and a snapshot, updates follow, and end with unsubscribing."""
    async with running_server(tmp_path) as server, connected(server.websocket_url, nursery) as me:
        welcome = await me.message("welcome")
        assert welcome["protocol"] == 1
        assert welcome["limits"]["symbols"] == 1000
        await me.send(action="subscribe", symbols=["AAPL", "msft"], id=1)
        answer = await me.message("subscriptions")
        assert (answer["symbols"], answer["rejected"], answer["id"]) == (["AAPL", "MSFT"], [], 1)
        snapshot = await me.message("snapshot")
        assert {quote["symbol"] for quote in snapshot["quotes"]} <= {"AAPL", "MSFT"}
        await me.message("prices", 3)
        await me.send(action="unsubscribe", symbols=["AAPL"], id="x")
        answer = await me.message("subscriptions", 2)
        assert (answer["symbols"], answer["id"]) == (["MSFT"], "x")
        await me.message("prices", me.counts["prices"] + 5)
        await me.send(action="ping", id=7)
        pong = await me.message("pong")
        assert pong["id"] == 7
        assert await server.stop(signal.SIGTERM) == 0
        assert await me.wait_closed() == (1012, "the server restarts")
        assert (await me.message("going_away"))["reconnect_after"] > 0
