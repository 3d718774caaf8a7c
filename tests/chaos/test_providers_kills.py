"""Three providers that push, and every actor of the market killed in random order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from stockstream import paths
from tests.integration.market.test_push_feed import QUICK
from tests.support.client import connected
from tests.support.deep import DEEP
from tests.support.kraken import kraken
from tests.support.tree import running_tree

if TYPE_CHECKING:
    import trio

KILLS = 15 if DEEP else 2
NAMES = ("one", "two", "three")
SECONDS = 20.0


async def test_no_client_sees_it_but_for_a_moment(nursery: trio.Nursery) -> None:
    """No connection is lost, no price goes back, each symbol comes from the provider of its route,
    and after each kill its next price comes.
    """
    seed = random.randrange(1 << 32)
    print(f"{seed=}")
    rng = random.Random(seed)
    kills = [
        *(path for name in NAMES for path in (paths.feed(name), paths.circuit_breaker(name))),
        paths.ROUTER,
        paths.STREAMER,
    ] * KILLS
    rng.shuffle(kills)
    async with (
        kraken(known={"BTC/USD": 100.0}) as one,
        kraken(known={"ETH/USD": 200.0, "BTC/USD": 1.0}) as two,
        kraken(known={"SOL/USD": 300.0, "BTC/USD": 2.0}) as three,
        running_tree(
            providers=f"one={one.provider},two={two.provider},three={three.provider}",
            routes="BTC-*=one, ETH-*=two, *=three",
            symbols="BTC-USD,ETH-USD,SOL-USD",
            **QUICK,
        ) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD", "ETH-USD", "SOL-USD"])
        await me.wait_for(lambda: len(me.prices) == 3)
        servers = {"BTC/USD": one, "ETH/USD": two, "SOL/USD": three}
        for path in kills:
            assert tree.system.ref(path).kill()
            for name, server in servers.items():
                price = server.known[name] = server.known[name] + 1
                await server.tell({name: price})
                symbol = name.replace("/", "-")
                await me.wait_for(lambda s=symbol, p=price: me.prices[s] == p, SECONDS)
        assert me.closed is None
        assert not me.faults, me.faults
        assert two.now == {"ETH/USD"}
        assert three.now == {"SOL/USD"}
