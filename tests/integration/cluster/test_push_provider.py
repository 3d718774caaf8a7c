"""A provider that pushes, and some nodes: one of them is connected, and the next takes over."""

from __future__ import annotations

from collections import Counter
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import pytest
import trio
from pydantic import SecretStr

from stockstream.cluster.nats_server import NatsServer, run_nats_server
from stockstream.cluster.rendezvous import preferred
from stockstream.shards import part_of, shard
from stockstream.times import now_ms
from tests.integration.market.test_push_feed import overview, until
from tests.support.client import connected
from tests.support.kraken import Kraken, kraken
from tests.support.nodes import SECRET
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from tests.support.tree import Tree

# A node whose heartbeats come back too late is alone, and connects for its own clients.
pytestmark = pytest.mark.alone

NAMES = frozenset({"one", "two", "three"})


def in_order() -> list[str]:
    """The node that all prefer for the provider, that which they prefer without it, and the last.

    Nodes that are started in this order leave the provider where it is, as each of them joins.
    """
    found: list[str] = []
    while left := NAMES.difference(found):
        name = preferred(part_of(shard("crypto", 0)), left)
        assert name is not None
        found.append(name)
    return found


def kept_by(*nodes: str) -> list[str | None]:
    """Which of these nodes keeps each of three connections."""
    return [preferred(part_of(shard("crypto", number)), frozenset(nodes)) for number in range(3)]


def given_to_all(nats: NatsServer, server: Kraken) -> dict[str, Any]:
    return {
        "symbols": "BTC-USD",
        "providers": f"crypto={server.provider}",
        "cluster_nats_url": SecretStr(nats.url),
        "secret_key_base": SecretStr(SECRET),
    }


async def until_all_may_take_over(*trees: Tree) -> None:
    """Wait until each of these nodes knows that all of them are ready. One that joins is shown the
    prices, and how the provider does, before it is: who leaves then leaves it to another.
    """
    with trio.fail_after(20):
        for tree in trees:
            while not all(await ready(tree)):  # noqa: ASYNC110 - a document tells nobody
                await trio.sleep(0.1)


async def ready(tree: Tree) -> list[bool]:
    """Of each of the three nodes, as this one knows them."""
    members = {each["node"]: each["ready"] for each in (await overview(tree))["cluster"]["members"]}
    return [members.get(name, False) for name in NAMES]


async def test_one_node_is_connected_and_the_next_takes_over(nursery: trio.Nursery) -> None:
    """The provider has one connection at a time, whoever of three nodes leaves; clients of all of
    them see its prices, and those of the last go on when the others have left.
    """
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    first, second, third = in_order()
    async with kraken() as server:
        given = given_to_all(nats, server)
        async with running_tree(node_name=first, **given) as one:
            await until(one, lambda up: up["push"]["phase"] == "connected")
            async with (
                running_tree(node_name=second, **given) as two,
                running_tree(node_name=third, **given) as three,
                connected(three.websocket_url, nursery) as me,
            ):
                await me.send(action="subscribe", symbols=["BTC-USD"])
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
                for tree in two, three:
                    standing = await until(tree, lambda up: up["feed"]["state"] == "live")
                    assert standing["push"]["phase"] == "idle"
                await server.tell({"BTC/USD": 97_001.0})
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)

                await until_all_may_take_over(one, two, three)
                server.known["BTC/USD"] = 97_002.0
                await one.stop()
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_002.0)
                assert (await until(three, lambda _up: True))["push"]["phase"] == "idle"

                server.known["BTC/USD"] = 97_003.0
                await two.stop()
                await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_003.0)
                assert len(server.open) == 1
                assert server.most_open == 1


async def test_who_waits_for_an_attempt_leaves_it_to_the_node_that_took_over(
    nursery: trio.Nursery,
) -> None:
    """The pause after a refusal ends when the provider is another node's."""
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    first, second, _third = in_order()
    async with kraken(reject=503) as server:
        given = given_to_all(nats, server)
        async with running_tree(node_name=second, **given) as two:
            await until(two, lambda up: up["push"]["phase"] == "waiting")
            async with running_tree(node_name=first, **given) as one:
                await until(one, lambda up: up["push"]["phase"] == "waiting")
                server.reject = None
                await until(one, lambda up: up["push"]["phase"] == "connected")
                await until(two, lambda up: up["push"]["phase"] == "idle")
                assert len(server.sockets) == 1


async def test_what_does_not_trade_gets_above_a_version_that_a_client_brings(
    nursery: trio.Nursery,
) -> None:
    """It was shown that by a node that was alone and died. A provider tells no price twice, so
    nothing else would ever bring it what stands here.
    """
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    async with kraken(snapshots=False) as server:
        given = given_to_all(nats, server)
        async with (
            running_tree(node_name="one", **given) as one,
            connected(one.websocket_url, nursery) as me,
        ):
            await me.send(action="subscribe", symbols=["BTC-USD"])
            await server.until(lambda: "BTC/USD" in server.now)
            await server.tell({"BTC/USD": 97_001.0})
            await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)
            brought = now_ms() + 60_000, 1
            await me.send(action="subscribe", symbols=["BTC-USD"], since={"BTC-USD": brought})
            await me.wait_for(lambda: me.versions["BTC-USD"] > brought)
            assert me.prices["BTC-USD"] == 97_001.0


async def test_two_nodes_have_three_connections_between_them(nursery: trio.Nursery) -> None:
    """Each symbol is on one of them, and clients of either node see all prices. The node that is
    left has all three.
    """
    pairs = {f"S{number}/USD": float(number + 1) for number in range(12)}
    symbols = [name.replace("/", "-") for name in pairs]
    first, second = next(
        pair for pair in combinations(sorted(NAMES), 2) if len(set(kept_by(*pair))) > 1
    )
    mine = Counter(kept_by(first, second))
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    async with kraken(known=dict(pairs)) as server:

        def shared_out() -> bool:
            """Three connections are open, and have each symbol once."""
            there = [set(asked) for asked in server.asked_of_open]
            return len(there) == 3 and sorted(chain(*there)) == sorted(pairs)

        given = given_to_all(nats, server) | {
            "symbols": ",".join(symbols),
            "providers": f"crypto={server.provider}&connections=3",
            "fetch_shards": 8,
        }
        async with running_tree(node_name=first, **given) as one:
            await until(one, lambda up: up["push"]["connections"] == 3)
            async with (
                running_tree(node_name=second, **given) as two,
                connected(two.websocket_url, nursery) as me,
            ):
                await me.send(action="subscribe", symbols=symbols)
                await until(two, lambda up: up["push"]["connections"] == mine[second])
                await until(one, lambda up: up["push"]["connections"] == mine[first])
                await server.until(shared_out)
                await server.tell({name: 100.0 + price for name, price in pairs.items()})
                await me.wait_for(lambda: min(me.prices.values(), default=0.0) > 100.0)
                assert len(me.prices) == len(symbols)

                await one.stop()
                await server.until(shared_out)
                await server.tell({name: 200.0 + price for name, price in pairs.items()})
                await me.wait_for(lambda: min(me.prices.values()) > 200.0)
