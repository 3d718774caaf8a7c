"""Three real nodes that share out an upstream's symbols, and record them in one database."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import trio

from tests.support.deep import only_deep
from tests.support.nodes import running_nodes, until, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.database import PostgresServer
    from tests.support.nodes import Nodes

pytestmark = only_deep("shares symbols out among real nodes")

SYMBOLS = {"AAPL", "GOOGL", "MSFT", "TSLA", "AMZN", "NFLX"}
SHARDS = 64
"""So many that each of the three nodes has some of the six symbols."""
DUPLICATES = """
SELECT count(*) FROM (
    SELECT symbol, epoch, seq FROM ticks GROUP BY symbol, epoch, seq HAVING count(*) > 1
) AS doubled
"""
LONGEST_GAP = """
SELECT coalesce(max(extract(epoch FROM gap)), 0) FROM (
    SELECT received - lag(received) OVER (PARTITION BY symbol ORDER BY received) AS gap FROM ticks
) AS gaps
"""


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> str:
    """The one database of the nodes."""
    return postgres_server.create_database()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Nodes]:
    """Three nodes, which fetch some symbols each."""
    settings = {"FETCH_SHARDS": str(SHARDS), "DATABASE_URL": database, "LOG_LEVEL": "info"}
    with running_nodes(tmp_path_factory.mktemp("nodes"), settings=settings) as started:
        yield started


def share_out(nodes: Nodes) -> bool:
    """Whether all know each other, and each shard is fetched by one node."""
    names = sorted(node.name for node in nodes.running)
    known = all(node.members == names and node.state == "ready" for node in nodes.running)
    return known and sum(node.holds for node in nodes.running) == SHARDS


def asked_for(nodes: Nodes) -> list[set[str]]:
    """The symbols of each request that the stub has had, in their order; of lists, none."""
    answer = httpx.post(
        f"{nodes.stub.url}/__admin/requests/find",
        json={"urlPathPattern": "/api/stock-prices"},
        timeout=10,
    )
    queries = [parse_qs(urlsplit(each["url"]).query) for each in answer.json()["requests"]]
    return [set(",".join(query.get("symbols", [])).split(",")) - {""} for query in queries]


@pytest.mark.proves("N4", "N3")
async def test_each_symbol_is_asked_for_once_an_interval(nodes: Nodes) -> None:
    """By the node that has its shard; and all clients have all prices."""
    await until(lambda: share_out(nodes), 15)
    async with watched(list(nodes)) as clients:
        await until(lambda: all(asked_for(nodes)[-6:]), 15)
        before, begin = len(asked_for(nodes)), trio.current_time()
        await trio.sleep(4)
        asked, passed = asked_for(nodes)[before:], trio.current_time() - begin
        counts = Counter(symbol for request in asked for symbol in request)
        assert set(counts) == SYMBOLS
        for symbol, times in counts.items():
            assert passed - 2 <= times <= passed / 0.9 + 1, symbol
        assert len({frozenset(request) for request in asked}) == 3
        one, *others = clients
        assert one.versions.keys() == SYMBOLS
        await until(lambda: all(other.versions == one.versions for other in others), 2)


@pytest.mark.proves("N21", "H7")
async def test_history_has_each_version_once_over_kills_and_an_outage_of_nats(
    nodes: Nodes, database: str, postgres_server: PostgresServer
) -> None:
    """And goes on all the time: while NATS is away too, as who held a shard records it still."""
    await until(lambda: share_out(nodes), 15)
    name = urlsplit(database).path.lstrip("/")
    first, *others = list(nodes)
    async with watched(others):
        await trio.to_thread.run_sync(first.stop, signal.SIGKILL)
        await until(lambda: share_out(nodes), 6)
        await trio.to_thread.run_sync(first.start)
        await until(lambda: share_out(nodes), 15)
        nodes.nats.stop(signal.SIGKILL)
        await until(lambda: all(node.state == "alone" for node in nodes), 6)
        await trio.sleep(2)
        await trio.to_thread.run_sync(nodes.nats.start)
        await until(lambda: share_out(nodes), 8)
        await trio.sleep(1.5)
    for node in list(nodes):
        await trio.to_thread.run_sync(node.stop)
    assert postgres_server.psql(DUPLICATES, database=name).strip() == "0"
    assert float(postgres_server.psql(LONGEST_GAP, database=name)) < 6
    total = int(postgres_server.psql("SELECT count(*) FROM ticks", database=name))
    assert total > 6 * 10, json.dumps(total)
