"""`stockstream chaos nodes` on `cluster up`: real nodes are killed, and their NATS is stopped."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from stockstream.chaos.report import ExitCode
from tests.support.commands import run_command
from tests.support.deep import DEEP
from tests.support.server import SIMULATED, TOKEN, running_server

if TYPE_CHECKING:
    from pathlib import Path

CUT = "4s" if DEEP else "1s"
"""Nobody is alone within a second: the quick run shows only that NATS is found and goes on."""
SETTINGS = {
    "STOCK_API_URL": SIMULATED,
    "FETCH_INTERVAL": "0.5",
    "NODE_NAME": "box",
    "CHAOS_ENABLED": "true",
}


async def chaos(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of `chaos nodes`, and what it printed."""
    environment = {"PATH": os.environ["PATH"], "STOCKSTREAM_TOKEN": TOKEN}
    ended = await run_command(["chaos", "nodes", *arguments, "--json"], environment, folder)
    return ended.returncode, json.loads(ended.stdout)


async def test_clients_of_all_nodes_survive_a_node_and_the_bus(tmp_path: Path) -> None:
    """With one verdict: pauses, versions, and who fetches in the end."""
    up = ("cluster", "up", "--nodes", "2")
    async with running_server(tmp_path, SETTINGS, command=up) as server:
        for arguments in (("node-kill", "--seed", "3"), ("bus-cut", "--for", CUT)):
            code, report = await chaos(tmp_path, *arguments, "--clients", "4")
            assert code == ExitCode.HELD, report
            assert len(report["verdicts"]) == 3
            assert report["clients"]["updates"] > 0
        code, report = await chaos(tmp_path, "node-kill", "--url", "http://127.0.0.1:1")
        assert code == ExitCode.USAGE
        assert "is no node of this machine" in report["error"]
        assert "was ended by SIGKILL" in server.text


async def test_without_nodes_it_says_what_to_start(tmp_path: Path) -> None:
    """And does nothing."""
    code, report = await chaos(tmp_path, "node-kill")
    assert code == ExitCode.TOOL_ERROR
    assert "stockstream cluster up" in report["error"]
