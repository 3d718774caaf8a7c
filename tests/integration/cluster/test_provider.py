"""Three real nodes, and the way to the price API breaks: from one of them, or for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.cut_wire import CutWire, cut_wire
from tests.support.deep import only_deep
from tests.support.nodes import Nodes, running_nodes, until, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.client import Client

pytestmark = only_deep("breaks the way to the price API")

INTERVAL = 0.5
FAILURES = 5
"""So many failed calls open a breaker."""
SETTINGS = {
    "STOCK_API_URL": "http://prices.example",  # the proxies know the way
    "FETCH_INTERVAL": str(INTERVAL),
    "HTTP_TIMEOUT": "0.4",
    "HTTP_READ_TIMEOUT": "0.4",
    "HTTP_CONNECT_TIMEOUT": "0.4",
    "BREAKER_MINIMUM_CALLS": str(FAILURES),
    "BREAKER_WINDOW": str(FAILURES),
    "BREAKER_WAIT": "1",
    "FETCH_INTERVAL_IDLE": "1",
}


@pytest.fixture(scope="module")
def wires() -> dict[str, CutWire]:
    """The way of each node to the price API, by the node's name."""
    return {}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, wires: dict[str, CutWire]) -> Iterator[Nodes]:
    """Three nodes, each of which reaches the API by a proxy of its own."""
    with (
        running_nodes(tmp_path_factory.mktemp("nodes"), 0, SETTINGS) as started,
        ExitStack() as stack,
        ThreadPoolExecutor() as pool,
    ):
        made = []
        for name in ("n1", "n2", "n3"):
            wires[name] = stack.enter_context(cut_wire(started.stub.url))
            made.append(started.make(name, {"http_proxy": wires[name].url}))
        list(pool.map(lambda node: node.start(), made))
        yield started


async def stays_at(client: Client, feed: str, circuit: str) -> None:
    await client.wait_for(
        lambda: (client.status["feed"], client.status["circuit"]) == (feed, circuit)
    )


@pytest.mark.proves("N11")
async def test_a_node_that_cannot_reach_the_api_leaves_it_to_another(
    nodes: Nodes, wires: dict[str, CutWire]
) -> None:
    """After the failures that open its breaker. No client sees that breaker open for long."""
    await nodes.settle()
    holder = nodes.holder
    async with watched(list(nodes)) as clients:
        begin = trio.current_time()
        wires[holder.name].cut()
        await until(lambda: any(node.holds for node in nodes if node is not holder), 10)
        for client in clients:
            count = len(client.came)
            await client.wait_for(lambda c=client, n=count: len(c.came) > n + 1)
            await stays_at(client, "live", "closed")
        longest = max(client.longest_pause(begin, trio.current_time()) for client in clients)
        assert longest <= (FAILURES + 3) * INTERVAL + 2
    await until(lambda: nodes.are_one, 5)
    assert nodes.holder is not holder
    wires[holder.name].mend()


@pytest.mark.proves("N11", "B17")
async def test_an_api_that_is_down_is_told_by_every_node(nodes: Nodes) -> None:
    """When all have tried in vain. Once it is back, prices flow on all nodes."""
    await until(lambda: nodes.are_one, 10)
    async with watched(list(nodes)) as clients:
        nodes.stub.switch(down=True)
        for client in clients:
            await stays_at(client, "stale", "open")
        nodes.stub.switch(down=False)
        for client in clients:
            count = len(client.came)
            await client.wait_for(lambda c=client, n=count: len(c.came) > n + 1)
            await stays_at(client, "live", "closed")
