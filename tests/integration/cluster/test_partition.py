"""Real nodes at two NATS servers, and the route between them is cut: a partition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.cut_wire import cut_wire
from tests.support.deep import only_deep
from tests.support.nodes import Nats, Nodes, until, watched
from tests.support.programs import Stub, running
from tests.support.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = only_deep("cuts a cluster in two")

INTERVAL, MARGIN = 1.0, 1.0
MOST_SPLIT_SECONDS = 6.0
"""Nothing tells that the route is cut but silence: six heartbeats, or a server's own pings."""


def routed(folder: Path, cluster_port: int, *routes: str) -> Nats:
    """A server of a cluster of two; no other way between them than the one it is told."""
    place = [f"--cluster=nats://127.0.0.1:{cluster_port}", "--cluster_name=both"]
    return Nats(folder, [*place, "--no_advertise", *[f"--routes={route}" for route in routes]])


@pytest.mark.proves("N14")
async def test_each_side_of_a_partition_has_one_fetcher_and_the_whole_again_one(
    tmp_path: Path,
) -> None:
    """No client sees an older price after a newer, on either side."""
    port = free_port()
    with ExitStack() as stack:
        route = stack.enter_context(cut_wire(f"http://127.0.0.1:{port}"))
        first = routed(tmp_path, port)
        second = routed(tmp_path, free_port(), f"nats://{route.url.removeprefix('http://')}")
        stub = Stub(tmp_path)
        for program in (first, second, stub):
            stack.enter_context(running(program))
        nodes = Nodes(tmp_path, first, stub, {})
        stack.callback(nodes.end)
        here = [nodes.make("n1"), nodes.make("n2")]
        nodes.nats = second
        there = [nodes.make("n3")]
        with ThreadPoolExecutor() as pool:
            await trio.to_thread.run_sync(lambda: list(pool.map(lambda n: n.start(), nodes)))
        await until(lambda: nodes.are_one, 20)
        async with watched([*here, *there]) as clients:
            begin = trio.current_time()
            route.cut()
            await until(
                lambda: (
                    there[0].members == ["n3"]
                    and here[0].members == here[1].members == ["n1", "n2"]
                ),
                MOST_SPLIT_SECONDS,
            )
            await until(lambda: sum(node.holds for node in here) == there[0].holds == 1, 3)
            for client in clients:
                count = len(client.came)
                await client.wait_for(lambda c=client, n=count: len(c.came) > n + 2)
            route.mend()
            await until(lambda: nodes.are_one, 15)
            for client in clients:
                count = len(client.came)
                await client.wait_for(lambda c=client, n=count: len(c.came) > n + 1)
            pauses = [client.longest_pause(begin, trio.current_time()) for client in clients]
        assert max(pauses) <= INTERVAL + 3.5 + 2 * MARGIN
