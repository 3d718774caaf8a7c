"""Three real nodes, whole at first. Then something breaks: what clients see, and what comes after.

The database is away all the time: prices flow without it. The limits are those of the design for an
interval of 1 s, and a second more, for the processes share a machine with other tests; the time in
which they had no CPU does not count.
"""

from __future__ import annotations

import random
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.chaos.support import chosen_seed
from tests.support.deep import DEEP, only_deep
from tests.support.follower import Follower
from tests.support.nodes import SETTLE_SECONDS, Node, Nodes, running_nodes, until, watched
from tests.support.server import TOKEN
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tests.support.client import Client

MARGIN = 1.0
INTERVAL = 1.0
KILLS = 200
AWAY_SECONDS = 10.0 if DEEP else 3.0
VICTIMS = ["cluster/bus", "cluster/membership", "cluster", "market/streamer",
           "market/feeds/api/feed", "pubsub", "delivery/broadcaster",
           "delivery/subscription_manager"]  # fmt: skip


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes, on which faults may be injected."""
    folder = tmp_path_factory.mktemp("nodes")
    with running_nodes(folder, settings={"CHAOS_ENABLED": "true"}) as started:
        yield started


@dataclass
class Observed:
    """The clients while something breaks; `longest` is a client's longest pause, at its end."""

    clients: list[Client]
    longest: list[float]


@asynccontextmanager
async def observed(watching: Sequence[Node], running: Sequence[Node]) -> AsyncIterator[Observed]:
    """Watch from a moment when prices flow to one when they flow again; versions only rise."""
    async with watched(watching) as clients:
        seen = Observed(clients, [])
        watch = Stopwatch(tuple(node.pid for node in running))
        begin = trio.current_time()
        yield seen
        for client in clients:
            count = len(client.came)
            await client.wait_for(lambda c=client, n=count: len(c.came) > n + 1)
        end = trio.current_time()
        starved = end - begin - watch.until(end)
        seen.longest = [client.longest_pause(begin, end) - starved for client in clients]


async def fetches_once(nodes: Nodes) -> None:
    """Check with the stub that one node fetches, once an interval, while clients are there."""
    before, begin = nodes.requests(), trio.current_time()
    await trio.sleep(3)
    asked, passed = nodes.requests() - before, trio.current_time() - begin
    assert passed / INTERVAL - 2 <= asked <= passed / (0.9 * INTERVAL) + 1


def presence(node: Node) -> dict[str, int]:
    """How many clients each node has, as this one says."""
    answer = httpx.get(f"{node.url}/api/v1/presence", timeout=10).json()
    return {each["node"]: each["connections"] for each in answer["nodes"]}


@pytest.mark.proves("N3", "N4", "N12")
async def test_one_node_asks_once_an_interval_and_all_clients_have_the_same(nodes: Nodes) -> None:
    """The stub counts the requests; the versions on all nodes are the same ones."""
    await nodes.settle()
    async with watched(list(nodes)) as clients:
        watch = Stopwatch(tuple(node.pid for node in nodes))
        begin, before = watch.at, nodes.requests()
        await trio.sleep(4)
        end, asked = trio.current_time(), nodes.requests() - before
        had = watch.until(end)
        assert had * 0.9 - 1 <= asked <= (end - begin) / 0.9 + 1
        for client in clients:
            assert client.longest_pause(begin, end) - (end - begin - had) < 1.3
        one, *others = clients
        await until(lambda: all(other.versions == one.versions for other in others), 3)
        assert len(one.versions) > 1


@pytest.mark.proves("N7", "N12", "C12", "C13")
async def test_a_killed_node_is_followed_by_another(nodes: Nodes) -> None:
    """The clients of the others wait a second longer, and its own are no more counted."""
    await nodes.settle()
    holder, others = nodes.holder, nodes.others
    async with observed(others, others) as seen:
        async with watched([holder]):
            everybody = {node.name: 1 for node in nodes}
            await until(lambda: all(presence(node) == everybody for node in nodes), 10)
        await trio.to_thread.run_sync(holder.stop, signal.SIGKILL)
        await until(lambda: nodes.are_one, SETTLE_SECONDS)
        await fetches_once(nodes)
        assert [presence(node) for node in others] == [{node.name: 1 for node in others}] * 2
    assert max(seen.longest) <= INTERVAL + 1.4 + MARGIN


@only_deep("freezes a node")
@pytest.mark.proves("N7", "N2")
async def test_a_frozen_node_loses_what_it_fetches_and_comes_back(nodes: Nodes) -> None:
    """Its own clients wait with it, and then go on; what it fetched meanwhile is refused."""
    await nodes.settle()
    holder, others = nodes.holder, nodes.others
    async with watched([holder]) as (its_own,):
        async with observed(others, others) as seen:
            with holder.held():
                await until(lambda: any(node.holds for node in others), 8)
        assert max(seen.longest) <= INTERVAL + 3.5 + MARGIN
        count = len(its_own.came)
        await its_own.wait_for(lambda: len(its_own.came) > count + 1)
    await until(lambda: nodes.are_one, 5)


@only_deep("restarts NATS, too")
@pytest.mark.proves("N6")
async def test_nats_may_restart_in_a_blink(nodes: Nodes) -> None:
    """Nobody is alone, and the same node goes on."""
    await nodes.settle()
    holder = nodes.holder
    async with observed(list(nodes), list(nodes)) as seen:
        nodes.nats.stop(signal.SIGKILL)
        nodes.nats.start()
    await until(lambda: nodes.are_one, 5)
    assert nodes.holder is holder
    assert max(seen.longest) <= INTERVAL + MARGIN


@pytest.mark.proves("N8")
async def test_without_nats_each_node_fetches_for_its_own_clients(nodes: Nodes) -> None:
    """And says so; at the return one fetches for all, with no older price after a newer."""
    await nodes.settle()
    async with observed(list(nodes), list(nodes)) as seen:
        nodes.nats.stop(signal.SIGKILL)
        await until(lambda: all(node.state == "alone" for node in nodes), 5)
        await until(lambda: len(nodes.holders) == 3, 5)  # what it holds is its next line
        await trio.sleep(AWAY_SECONDS - 2)
        await trio.to_thread.run_sync(nodes.nats.start)
        watch = Stopwatch(tuple(node.pid for node in nodes))
        await until(lambda: nodes.are_one, SETTLE_SECONDS)
        healed = watch.until()
        if DEEP:
            await fetches_once(nodes)
    assert max(seen.longest) <= INTERVAL + 2.0 + MARGIN
    assert healed <= 2 + 2 * MARGIN


@only_deep("freezes NATS for ten seconds")
@pytest.mark.proves("N8")
async def test_with_nats_frozen_each_node_fetches_for_its_own_clients(nodes: Nodes) -> None:
    """The connection stands, and nothing comes back over it."""
    await nodes.settle()
    async with observed(list(nodes), list(nodes)) as seen:
        with nodes.nats.held():
            await until(lambda: all(node.state == "alone" for node in nodes), 8)
            await trio.sleep(6)
        healed = await until(lambda: nodes.are_one, 8)
    assert max(seen.longest) <= INTERVAL + 4.5 + MARGIN
    assert healed <= 2 + 2 * MARGIN


@only_deep("cuts a node off")
@pytest.mark.proves("N8", "N17")
async def test_a_node_cut_off_fetches_for_itself_and_its_clients_may_go_to_another(
    nodes: Nodes,
) -> None:
    """Also when it dies before it was heard: another node gives versions above its own."""
    await nodes.settle()
    lonely, *others = nodes.others + nodes.holders
    follower = Follower([lonely.websocket_url, others[0].websocket_url])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run)
        await follower.wait_for(lambda: len(follower.came) > 1)
        async with observed(others, others) as seen:
            begin = trio.current_time()
            lonely.wire.cut()
            await until(lambda: lonely.state == "alone", 6)
            shown = dict(follower.versions)
            await follower.wait_for(
                lambda: all(version[0] > shown[s][0] for s, version in follower.versions.items())
            )
            assert follower.longest_pause(begin, trio.current_time()) <= INTERVAL + 4.5 + MARGIN
            brought = dict(follower.versions)
            await trio.to_thread.run_sync(lonely.stop, signal.SIGKILL)
            died = trio.current_time()
            await follower.wait_for(
                lambda: all(version > brought[s] for s, version in follower.versions.items())
            )
        assert follower.longest_pause(died, trio.current_time()) <= INTERVAL + 2 + 2 * MARGIN
        assert max(seen.longest) <= INTERVAL + MARGIN
        assert follower.connections == 2
        assert follower.faults == []
        nursery.cancel_scope.cancel()


@only_deep("restarts all nodes in turn")
@pytest.mark.proves("N13")
async def test_a_rolling_restart_leaves_no_client_without_prices(nodes: Nodes) -> None:
    """Each client goes to the next node, and comes after what it has."""
    await nodes.settle()
    order = list(nodes)
    urls = [node.websocket_url for node in order]
    followers = [Follower(urls[number:] + urls[:number]) for number in range(3)]
    async with trio.open_nursery() as nursery:
        for follower in followers:
            nursery.start_soon(follower.run)
            await follower.wait_for(lambda f=follower: len(f.came) > 1)
        watch = Stopwatch()
        begin = trio.current_time()
        for node in order:
            assert await trio.to_thread.run_sync(node.stop) == 0
            await trio.to_thread.run_sync(node.start)
            await until(lambda: nodes.are_one, 10)
        end = trio.current_time()
        starved = end - begin - watch.until(end)
        for follower in followers:
            assert follower.faults == []
            assert follower.longest_pause(begin, end) - starved <= 3 + MARGIN
        nursery.cancel_scope.cancel()


@only_deep("starts nodes with wrong settings")
@pytest.mark.proves("N1", "N2")
async def test_a_node_of_a_taken_name_or_another_source_harms_nobody(nodes: Nodes) -> None:
    """The older of two of one name stands by, and says where the other one is; the other source's
    setting is named, and its node shows the prices of the cluster.
    """
    await nodes.settle()
    odd = nodes.make("odd", {"STOCK_API_URL": "http://127.0.0.1:1"})
    older = nodes.others[0]
    double = nodes.make(older.name)
    try:
        async with observed([node for node in nodes if node not in (odd, double)], []) as seen:
            await trio.to_thread.run_sync(odd.start)
            await trio.to_thread.run_sync(double.start)
            await until(lambda: odd.state == older.state == "standing_by", 10)
            await until(lambda: double.state == "ready", 10)
            async with watched([odd]):
                pass
        assert max(seen.longest) <= INTERVAL + 1.4 + MARGIN
        assert double.url in older.logged("the state in the cluster changed")[-1]["meaning"]
        assert "STOCK_API_URL" in odd.logged("the state in the cluster changed")[-1]["meaning"]
        assert not odd.holds
        assert not older.holds
    finally:
        for node in (odd, double):
            await trio.to_thread.run_sync(nodes.forget, node)
    await until(lambda: nodes.are_one, 10)


@only_deep("kills 200 actors")
@pytest.mark.proves("C12", "C13", "N19")
async def test_actors_of_the_cluster_may_be_killed_at_any_moment(nodes: Nodes) -> None:
    """No client is dropped, prices flow on, and in the end one node fetches."""
    rng = random.Random(chosen_seed())
    await nodes.settle()
    every = list(nodes)
    async with observed(every, every) as seen, httpx.AsyncClient(timeout=10) as http:
        for _ in range(KILLS):
            await _kill(http, rng.choice(every), rng.choice(VICTIMS))
            await trio.sleep(rng.uniform(0, 0.4))
        await until(lambda: nodes.are_one, 10)
        await fetches_once(nodes)
        assert [client.closed for client in seen.clients] == [None, None, None]
    assert max(seen.longest) <= INTERVAL + 1.4 + MARGIN


async def _kill(http: httpx.AsyncClient, node: Node, path: str) -> None:
    answer = await http.post(
        f"{node.url}/admin/api/chaos/inject",
        json={"action": "kill", "target": path},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    # It may be coming back from the last kill.
    assert answer.status_code in {200, 404, 409}, answer.text
