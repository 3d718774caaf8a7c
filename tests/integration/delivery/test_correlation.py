"""One request, one id: in the log lines of all actors that work for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.client import connected
from tests.support.collector import running_collector
from tests.support.server import SIMULATED, running_server
from tests.support.tree import running_tree

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
    """Session, manager and broadcaster; the next command has another one. Where the command is
    traced, the lines name its trace.
    """
    settings = {"STOCK_API_URL": SIMULATED, "LOG_LEVEL": "debug"}
    async with (
        running_collector() as collector,
        running_server(tmp_path, {**settings, **collector.settings}) as server,
        connected(server.websocket_url, nursery) as me,
    ):
        session = (await me.message("welcome"))["session"]
        trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        carried = {"traceparent": f"00-{trace}-{span}-01"}
        await me.send(action="subscribe", symbols=["AAPL"], id=1, **carried)
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
        await collector.until(lambda: collector.named("subscribe"))
        (command,) = collector.named("subscribe")
        assert (command.trace, command.parent) == (trace, span)
        # The session has begun to trace it when it has read it.
        named = [line for line in lines(server) if line.get("trace_id") == trace]
        assert [line["logger"] for line in named] == expected[1:]
        assert {line["correlation_id"] for line in named} == {f"{session}-1"}
        assert {line["span_id"] for line in named} == {command.id}
        assert await server.stop() == 0


async def test_a_proxy_and_this_machine_may_bring_the_id_of_a_request() -> None:
    """The answer has it, as the log lines have; of anybody else, and of another shape, it is not
    taken over.
    """
    taken = "proxy-0123456789"
    async with (
        running_tree(trusted_proxies="127.0.0.2") as tree,
        httpx.AsyncClient(base_url=tree.url) as here,
        httpx.AsyncClient(
            base_url=tree.url, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        ) as proxy,
    ):

        async def id_of(client: httpx.AsyncClient, sent: str, **headers: str) -> str:
            given = {"X-Request-Id": sent, **headers}
            return str((await client.get("/health/live", headers=given)).headers["X-Request-Id"])

        assert await id_of(here, taken) == taken
        assert await id_of(proxy, taken, **{"X-Forwarded-For": "203.0.113.7"}) == taken
        assert await id_of(here, taken, **{"X-Forwarded-For": "203.0.113.7"}) != taken
        for wrong in ("short", "with a blank in it", "x" * 129, "<script>alert()"):
            assert await id_of(here, wrong) != wrong
