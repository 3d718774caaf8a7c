"""What comes from outside to real nodes: forged messages by somebody who has the token of NATS, and
a NATS that is not there when a node starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
import trio

from stockstream.cluster.codec import encode
from stockstream.cluster.prices import Prices
from stockstream.cluster.wire import ClaimMessage, Heartbeat
from stockstream.shards import Claim, Shard
from stockstream.times import now_ms
from tests.integration.cluster.nodes import a_row
from tests.support.deep import only_deep
from tests.support.nodes import TOKEN_OF_NATS, Node, running_nodes, until, watched
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.nodes import Nodes

DAYS_MS = 3 * 86_400_000
READY_SECONDS = 15.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes."""
    with running_nodes(tmp_path_factory.mktemp("nodes"), 2) as started:
        yield started


async def publish(nodes: Nodes, messages: Sequence[tuple[str, bytes]]) -> None:
    """Say it on the bus, and wait until the server has it."""
    async with await trio.open_tcp_stream("127.0.0.1", nodes.nats.port) as stream:
        await stream.send_all(b'CONNECT {"auth_token": "%b"}\r\n' % TOKEN_OF_NATS.encode())
        for kind, data in messages:
            subject = f"stockstream.{kind}".encode()
            await stream.send_all(b"PUB %b %d\r\n%b\r\n" % (subject, len(data), data))
        await stream.send_all(b"PING\r\n")
        said = b""
        while b"PONG" not in said:
            said += await stream.receive_some()
            assert b"-ERR" not in said, said


def forged_price(epoch: int, seq: int) -> bytes:
    row = a_row("AAPL", 1.0, seq)
    quote = msgspec.structs.replace(row.quote, version=row.quote.version._replace(epoch=epoch))
    row = msgspec.structs.replace(row, quote=quote)
    return encode(Prices(name="rogue", boot=1, number=1, now=row.steady, rows=(row,)))


@pytest.mark.proves("N2", "N3", "N5")
async def test_forged_messages_stop_no_prices_and_crash_nothing(nodes: Nodes) -> None:
    """The last numbers there are, epochs and boots of other days, thousands of nodes, a megabyte
    of rubbish: the clients have their prices, and no actor ends.
    """
    await nodes.settle()
    far = now_ms() + DAYS_MS
    claims = {Shard("api/0"): Claim(far, "rogue", far)}
    forged = [
        ("tell", forged_price(now_ms() + 60_000, 2**64 - 1)),
        ("tell", forged_price(far, 1)),
        ("members", encode(ClaimMessage(name="rogue", boot=far, claims=claims))),
        ("members", encode(Heartbeat(name="rogue", boot=far, number=1, claims=claims, ready=True))),
        *(("members", encode(Heartbeat(name=f"r{n}", boot=1, number=1))) for n in range(3_000)),
        *((kind, b"\xc1" * 1_000_000) for kind in ("members", "tell")),
    ]
    async with watched(list(nodes)) as clients:
        watch = Stopwatch(tuple(node.pid for node in nodes))
        await publish(nodes, forged)
        for client in clients:
            count = len(client.came)
            await client.wait_for(lambda c=client, n=count: len(c.came) > n + 3)
            end = trio.current_time()
            starved = end - watch.at - watch.until(end)
            assert client.longest_pause(watch.at, end) - starved < 4
            epoch, seq = client.versions["AAPL"]
            assert epoch < far
            assert seq < 1_000_000
    await until(lambda: nodes.are_one, 10)
    crashed = [line["event"] for node in nodes for line in node.logged_at("error")]
    assert [event for event in crashed if "crashed" in event] == []


@only_deep("starts a node without NATS")
@pytest.mark.proves("N8")
async def test_a_node_that_never_found_nats_is_ready_before_it_has_clients(nodes: Nodes) -> None:
    """A balancer that asks sends clients to ready nodes only: without prices none would be."""
    node = nodes.make("lonely", {"CLUSTER_NATS_URL": "nats://127.0.0.1:1", "FETCH_INTERVAL": "0.5"})
    try:
        await trio.to_thread.run_sync(node.start)
        await until(lambda: is_ready(node), READY_SECONDS)
        assert node.state == "alone"
    finally:
        await trio.to_thread.run_sync(nodes.forget, node)


def is_ready(node: Node) -> bool:
    return httpx.get(f"{node.url}/health/ready", timeout=10).status_code == 200
