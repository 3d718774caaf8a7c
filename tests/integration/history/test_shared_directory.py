"""Two servers on one data directory: what one of them keeps on disk is its own while it runs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.support.database import psql
from tests.support.server import SIMULATED, TOKEN, Server, running_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.database import PostgresServer

WAIT_SECONDS = 30.0
_HOLES = """
SELECT epoch, symbol, count(*), count(DISTINCT seq), min(seq), max(seq)
FROM ticks GROUP BY 1, 2 HAVING count(*) <> max(seq) OR count(DISTINCT seq) <> max(seq)
"""


async def history_of(server: Server, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until it holds of what health tells of the history."""
    told: dict[str, Any] = {}
    with trio.move_on_after(WAIT_SECONDS):
        while not told or not holds(told):
            await trio.sleep(0.05)
            told = (await server.get("/health/ready")).json()["checks"]["history"]
        return
    raise AssertionError(f"in vain: {told}")


async def kill_recorder(server: Server) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"action": "kill", "target": "history/recorder"}
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.post(
            f"{server.url}/admin/api/chaos/inject", json=body, headers=headers
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.proves("H8", "H23")
async def test_two_servers_on_one_directory_lose_nothing(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """The database is away for both, and the recorder of one is killed meanwhile; it finds the
    database first and is killed again, while the other stands still and then goes on to spool.
    """
    url = postgres_server.create_database()
    name = url.partition("?")[0].rpartition("/")[2]
    settings = {
        "STOCK_API_URL": SIMULATED,
        "DATABASE_URL": url,
        "DATA_DIRECTORY": str(tmp_path / "data"),
        "CHAOS_ENABLED": "true",
    }

    def spooling(history: dict[str, Any]) -> bool:
        return bool(history["recorder"] and history["recorder"]["spooled"] > 3)

    def drained(history: dict[str, Any]) -> bool:
        return bool(history["ok"] and not history["recorder"]["spooled"])

    async with (
        running_server(tmp_path, settings) as one,
        running_server(tmp_path, settings) as other,
    ):
        for server in (one, other):
            await history_of(server, drained)
        # One after the other: in one transaction, who connects again at once is still let in.
        postgres_server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres_server.psql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        for server in (one, other):
            await history_of(server, spooling)
        for _ in range(3):
            await kill_recorder(other)
        await history_of(other, spooling)
        os.kill(one.pid, signal.SIGSTOP)
        try:
            postgres_server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await kill_recorder(other)
            await history_of(other, drained)
        finally:
            os.kill(one.pid, signal.SIGCONT)
        await history_of(one, drained)
        assert await one.stop() == 0
        assert await other.stop() == 0
    assert psql(url, _HOLES) == ""
    assert psql(url, "SELECT count(DISTINCT epoch) FROM ticks") == "2"
    assert list((tmp_path / "data" / "spool").iterdir()) == []
