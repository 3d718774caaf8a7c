"""A provider that pushes, and two nodes: one of them is connected, and the other takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from stockstream.cluster.nats_server import NatsServer, run_nats_server
from stockstream.cluster.rendezvous import preferred
from stockstream.shards import part_of, shard
from tests.integration.market.test_push_feed import until
from tests.support.client import connected
from tests.support.kraken import Kraken, kraken
from tests.support.nodes import SECRET
from tests.support.tree import running_tree

if TYPE_CHECKING:
    import trio


NAMES = frozenset({"one", "two"})


def first_and_second() -> tuple[str, str]:
    """The node that both prefer for the provider, and the other."""
    first = preferred(part_of(shard("crypto", 0)), NAMES)
    assert first is not None
    (second,) = NAMES - {first}
    return first, second


def given_to_both(nats: NatsServer, server: Kraken) -> dict[str, Any]:
    return {
        "symbols": "BTC-USD",
        "providers": f"crypto={server.provider}",
        "cluster_nats_url": SecretStr(nats.url),
        "secret_key_base": SecretStr(SECRET),
    }


async def test_one_node_is_connected_and_the_next_takes_over(nursery: trio.Nursery) -> None:
    """The provider has one connection at a time; clients of both nodes see its prices, and those of
    the second go on when the first has left. The first is the one that both prefer: else the
    second would take over as it joins.
    """
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    first, second = first_and_second()
    async with kraken() as server:
        given = given_to_both(nats, server)
        async with running_tree(node_name=first, **given) as one:
            await until(one, lambda up: up["push"]["phase"] == "connected")
            async with (
                running_tree(node_name=second, **given) as two,
                connected(two.websocket_url, nursery) as me,
            ):
                await me.send(action="subscribe", symbols=["BTC-USD"])
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
                standing = await until(two, lambda up: up["feed"]["state"] == "live")
                assert standing["push"]["phase"] == "idle"
                await server.tell({"BTC/USD": 97_001.0})
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)

                server.known["BTC/USD"] = 97_002.0
                await one.stop()
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_002.0)
                assert len(server.open) == 1
                assert server.most_open == 1


async def test_who_waits_for_an_attempt_leaves_it_to_the_node_that_took_over(
    nursery: trio.Nursery,
) -> None:
    """The pause after a refusal ends when the provider is another node's."""
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    first, second = first_and_second()
    async with kraken(reject=503) as server:
        given = given_to_both(nats, server)
        async with running_tree(node_name=second, **given) as two:
            await until(two, lambda up: up["push"]["phase"] == "waiting")
            async with running_tree(node_name=first, **given) as one:
                await until(one, lambda up: up["push"]["phase"] == "waiting")
                server.reject = None
                await until(one, lambda up: up["push"]["phase"] == "connected")
                await until(two, lambda up: up["push"]["phase"] == "idle")
                assert len(server.sockets) == 1
