"""One request, one id: in the log lines of all actors that work for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.client import connected
from tests.support.server import SIMULATED, running_server

if TYPE_CHECKING:
    from pathlib import Path

    import trio

    from tests.support.server import Server


def lines(server: Server) -> list[dict[str, object]]:
    """The log, line by line; what is no JSON is no log, and the last line may not be whole yet."""
    whole = server.text.rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


@pytest.mark.proves("R62")
async def test_a_command_has_one_id_in_the_log_of_all_its_actors(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Session, manager and broadcaster; the next command has another one."""
    settings = {"STOCK_API_URL": SIMULATED, "LOG_LEVEL": "debug"}
    async with (
        running_server(tmp_path, settings) as server,
        connected(server.websocket_url, nursery) as me,
    ):
        session = (await me.message("welcome"))["session"]
        await me.send(action="subscribe", symbols=["AAPL"], id=1)
        await me.send(action="subscribe", symbols=["MSFT"], id=2)
        await me.wait_for(lambda: me.messages_with_id(2) != [])

        def loggers(number: int) -> list[object]:
            mark = f"{session}-{number}"
            return [line["logger"] for line in lines(server) if line.get("correlation_id") == mark]

        actors = ("session", "subscription_manager", "broadcaster")
        expected = [f"delivery.{actor}" for actor in actors]
        # The log comes by a pipe of its own.
        await server.until(lambda _said: len(loggers(2)) >= len(expected))
        assert [loggers(number) for number in (1, 2)] == [expected, expected]
