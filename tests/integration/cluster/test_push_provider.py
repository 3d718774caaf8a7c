"""A provider that pushes, and two nodes: one of them is connected, and the other takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from stockstream.cluster.nats_server import NatsServer, run_nats_server
from tests.integration.market.test_push_feed import until
from tests.support.client import connected
from tests.support.kraken import kraken
from tests.support.nodes import SECRET
from tests.support.tree import running_tree

if TYPE_CHECKING:
    import trio


async def test_one_node_is_connected_and_the_next_takes_over(nursery: trio.Nursery) -> None:
    """The provider has one connection; clients of both nodes see its prices, and those of
    the second go on when the first has left.
    """
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    given: dict[str, Any] = {
        "symbols": "BTC-USD",
        "cluster_nats_url": SecretStr(nats.url),
        "secret_key_base": SecretStr(SECRET),
    }
    async with kraken() as server:
        given["providers"] = f"crypto={server.provider}"
        async with running_tree(node_name="one", **given) as one:
            await until(one, lambda up: up["push"]["phase"] == "connected")
            async with (
                running_tree(node_name="two", **given) as two,
                connected(two.websocket_url, nursery) as me,
            ):
                await me.send(action="subscribe", symbols=["BTC-USD"])
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
                # One that has not heard the other yet may be connected for a moment.
                await until(
                    two, lambda up: up["feed"]["state"] == "live" and up["push"]["phase"] == "idle"
                )
                await server.until(lambda: len(server.open) == 1)
                await server.tell({"BTC/USD": 97_001.0})
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)

                server.known["BTC/USD"] = 97_002.0
                await one.stop()
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_002.0)
                await server.until(lambda: len(server.open) == 1)
