"""`stockstream chaos monkey` against all nodes of a real cluster, with one verdict over them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from stockstream.chaos.report import ExitCode
from tests.support.commands import run_command
from tests.support.server import SIMULATED, TOKEN, running_server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SETTINGS = {
    "STOCK_API_URL": SIMULATED,
    "FETCH_INTERVAL": "0.5",
    "NODE_NAME": "box",
    "CHAOS_ENABLED": "true",
}


async def stockstream(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a command, and the JSON that it printed."""
    environment = {"PATH": os.environ["PATH"], "STOCKSTREAM_TOKEN": TOKEN}
    ended = await run_command([*arguments, "--json"], environment, folder)
    return ended.returncode, json.loads(ended.stdout)


def of_node(strikes: Sequence[dict[str, Any]]) -> set[str]:
    return {strike["target"].partition(":")[0] for strike in strikes}


@pytest.mark.proves("C12", "C13", "C14", "C15")
async def test_the_monkey_kills_actors_of_all_nodes_and_judges_each(tmp_path: Path) -> None:
    """Said by address or by `--all-nodes`. Each verdict is of both nodes, and there are those that
    only several can have. What is no node, and what is none of the cluster, is refused before.
    """
    up = ("cluster", "up", "--nodes", "2")
    async with running_server(tmp_path, SETTINGS, command=up) as server:
        code, report = await stockstream(
            tmp_path, "chaos", "monkey", "--all-nodes", "--for", "3s", "--rate", "4/s",
            "--seed", "5", "--clients", "3",
        )  # fmt: skip
        assert code == ExitCode.HELD, report
        assert of_node(report["strikes"]) == {"box-1", "box-2"}
        assert report["node"] == "box-1, box-2"
        assert report["clients"]["count"] == 6
        names = [verdict["name"] for verdict in report["verdicts"]]
        assert len(names) == len(set(names))
        for words in ("C12", "C13", "C14", "C15", "each shard", "all nodes show the same"):
            assert any(words in name for name in names), words
        for verdict in report["verdicts"]:
            if "(C" in verdict["name"]:
                assert "box-1: " in verdict["detail"]
                assert "box-2: " in verdict["detail"]
        _, status = await stockstream(tmp_path, "cluster", "status", "--url", server.url)
        urls = [member["address"] for member in status["members"]]
        code, report = await stockstream(
            tmp_path, "chaos", "monkey", "--all-nodes", "--url", urls[0], "--for", "1s"
        )
        assert code == ExitCode.USAGE
        each = [part for url in urls for part in ("--url", url)]
        code, report = await stockstream(
            tmp_path, "chaos", "monkey", *each, "--for", "1s", "--clients", "1"
        )
        assert code == ExitCode.HELD, report
        assert report["node"] == "box-1, box-2"
        code, report = await stockstream(
            tmp_path, "chaos", "monkey", *each, "--url", "http://127.0.0.1:1", "--for", "1s"
        )
        assert code == ExitCode.TOOL_ERROR
        assert "127.0.0.1:1" in report["error"]
