"""What operators are told of the history's troubles: in the log, by health, on the admin page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.support.client import connected
from tests.support.server import SIMULATED, Server, running_server

if TYPE_CHECKING:
    from pathlib import Path


async def told_by_health(server: Server) -> dict[str, Any]:
    history: dict[str, Any] = (await server.get("/health/ready")).json()["checks"]["history"]
    return history


async def told_to_admins(server: Server) -> dict[str, Any]:
    history: dict[str, Any] = (await server.get("/admin/api/overview")).json()["history"]
    return history


@pytest.mark.proves("H9", "H10")
async def test_an_alert_stands_in_log_health_and_overview(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Neither database nor spool can be used: all three say so, and prices flow as ever."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool").write_text("in the way")
    settings = {"STOCK_API_URL": SIMULATED, "DATA_DIRECTORY": str(tmp_path / "data")}
    async with (
        running_server(tmp_path, settings) as server,
        connected(server.websocket_url, nursery) as client,
    ):
        await client.send(action="subscribe", symbols=["*"])
        await client.message("prices", 5)
        await server.until_said("recording is in trouble")
        alert = (await told_by_health(server))["reason"]
        assert alert.startswith("DATA_DIRECTORY: ")
        assert (await told_by_health(server))["ok"] is False
        told = await told_to_admins(server)
        assert told["recorder"]["alert"] == alert
        assert told["rows"] > 0
        assert alert in server.text
        assert (await server.get("/health/ready")).status_code == 200
        await client.message("prices", client.counts["prices"] + 5)


async def test_lag_grows_with_an_outage(tmp_path: Path) -> None:
    """The age of the oldest price that is not recorded, and how many wait, are told."""
    async with running_server(tmp_path, {"STOCK_API_URL": SIMULATED}) as server:
        with trio.fail_after(20):
            while (await told_by_health(server))["lag_seconds"] < 2:  # noqa: ASYNC110
                await trio.sleep(0.1)
        told = await told_to_admins(server)
        assert told["recorder"]["spooled"] > 1
        assert told["recorder"]["spool_bytes"] > 0
        assert told["oldest"] == told["recorder"]["spooled_since"]


@pytest.mark.proves("H19")
async def test_no_password_is_told_to_anybody(tmp_path: Path) -> None:
    """One line of the log names the setting and the server; the password is nowhere."""
    settings = {
        "STOCK_API_URL": SIMULATED,
        "DATABASE_URL": "postgresql://keeper:hunter2-secret@127.0.0.1:1/prices",
    }
    async with running_server(tmp_path, settings) as server:
        await server.until_said("no database; prices are spooled")
        (line,) = [x for x in server.text.splitlines() if "no database" in x]
        assert "DATABASE_URL: 127.0.0.1:1 cannot be reached" in line
        pages = [
            (await server.get(path)).text
            for path in ("/health/ready", "/admin/api/overview", "/admin/api/tree")
        ]
        assert "hunter2" not in server.text + "".join(pages)
        assert "DATABASE_URL: 127.0.0.1:1 cannot be reached" in pages[0]
