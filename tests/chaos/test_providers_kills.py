"""Three providers that push: every actor of the market is killed, and each provider fails."""

from __future__ import annotations

import dataclasses
import gc
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from stockstream import part_settings, paths
from stockstream.market.feeds.line import LineTimes
from stockstream.market.feeds.push_settings import PushSettings
from stockstream.market.providers import chosen
from stockstream.market.providers.kraken import KRAKEN
from stockstream.market.providers.push import Bucket, PushLimits
from tests.chaos.support import chosen_seed
from tests.integration.market.test_push_feed import QUICK
from tests.support.client import Client, connected
from tests.support.deep import DEEP
from tests.support.kraken import Kraken, kraken
from tests.support.stopwatch import Stopwatch
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trio

    from stockstream.config import Settings

pytestmark = [pytest.mark.chaos, pytest.mark.alone]

KILLS = 50 if DEEP else 1
FAULTS = 10
"""Of each kind at each provider, in the deep run; in the quick one each kind comes once."""
SILENCE_SECONDS = 1.0
AGAIN_SECONDS = 1.25
"""After a kill, and after a lost connection, whose pause is drawn anew each time."""
HOME = {"one": "BTC/USD", "two": "ETH/USD", "three": "SOL/USD"}
ROUTES = "BTC-*=one,two, ETH-*=two,three, *=three,one"
WRONG = 1.0
"""What a provider tells of the symbols of another one, if anybody asks it."""
ACTORS = [
    *(path for name in HOME for path in (paths.feed(name), paths.circuit_breaker(name))),
    *(f"market/feeds/{name}" for name in HOME),
    "market/feeds",
    "market",
    paths.ROUTER,
    paths.STREAMER,
]
GARBAGE = [
    "no JSON",
    "",
    "[1,2",
    '{"channel":"ticker","data":{"symbol":"BTC/USD"}}',
    '{"channel":"ticker","data":[null,{"symbol":7},{"symbol":"BTC/USD","last":"NaN"}]}',
    '{"channel":"ticker","data":[{"symbol":"XXX/USD","last":1}]}',
    '{"channel":"ticker","data":[{"symbol":"BTC/USD","last":0},{"symbol":"BTC/USD","last":-1}]}',
    '{"channel":"ticker","data":[{"symbol":"BTC/USD","last":9,"timestamp":"2999-01-01T00:00:00Z"}]}',
    '{"channel":"tomorrow","type":"news"}',
    '"' + "x" * 2_000_000 + '"',
]


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider allows many connections, and is soon missed: no minutes of waiting here. A
    connection has lived long as soon as it is there, so that pauses do not grow.
    """
    limits = PushLimits(connects=Bucket(1_000, 100), messages=Bucket(1_000, 100))
    quick = dataclasses.replace(KRAKEN, silence=SILENCE_SECONDS, limits=limits)
    monkeypatch.setattr(chosen, "PUSH_PROVIDERS", {"kraken": quick})

    def pushing(settings: Settings) -> PushSettings:
        times = LineTimes(tick=0.05)
        return PushSettings(symbols=frozenset(settings.symbols), healthy=0.0, line=times)

    monkeypatch.setattr(part_settings, "pushing", pushing)


async def cut(server: Kraken) -> None:
    """The connection ends without a word."""
    before = server.attempts
    await server.cut()
    await server.until(lambda: server.attempts > before)


async def mute(server: Kraken) -> None:
    """Nothing comes any more, not even a heartbeat, and the socket stays."""
    before, beat = server.attempts, server.heartbeat
    server.heartbeat = 1_000.0
    await server.until(lambda: server.attempts > before)
    server.heartbeat = beat


async def garble(server: Kraken) -> None:
    """What comes is of no use, and the connection stays."""
    before = server.attempts
    for text in GARBAGE:
        await server.say(text)
    assert server.attempts == before


async def break_frames(server: Kraken) -> None:
    """What comes is no WebSocket frame."""
    before = server.attempts
    await server.say_raw(b"\xff\xff not a frame")
    await server.until(lambda: server.attempts > before)


class Market:
    """A running server, its three providers, and a client that wants a symbol of each."""

    def __init__(self, tree: Tree, servers: dict[str, Kraken], client: Client) -> None:
        self.tree = tree
        self.servers = servers
        self.client = client
        self.pauses: list[float] = []

    async def next_prices(self, since: Stopwatch) -> None:
        """Each provider tells another price of its symbol, and the client has it soon."""
        for name, server in self.servers.items():
            symbol = HOME[name].replace("/", "-")
            price = server.known[HOME[name]] + 1
            await server.tell({HOME[name]: price})
            await self.client.wait_for(lambda s=symbol, p=price: self.client.prices[s] == p)
            self.pauses.append(since.until(self.client.price_times[symbol]))

    async def kill(self, path: str) -> None:
        """Kill an actor, which may still be coming back from the kill before."""
        await self.tree.until(self.tree.system.ref(path).kill)
        await self.next_prices(Stopwatch())

    async def fail(
        self, name: str, fault: Callable[[Kraken], Awaitable[None]], rng: random.Random
    ) -> None:
        """Have a provider fail, and perhaps a feed be killed in the midst of it."""
        await fault(self.servers[name])
        if rng.random() < 0.5:
            await self.tree.until(self.tree.system.ref(paths.feed(name)).kill)
        await self.next_prices(Stopwatch())

    def check(self) -> None:
        """Nobody was disconnected, no version fell, and each symbol had one source all the time."""
        assert self.client.closed is None
        assert not self.client.faults, self.client.faults
        for message in self.client.messages:
            for quote in message.get("quotes", []) + message.get("prices", []):
                name = quote.get("source")
                assert name is None or HOME[name].replace("/", "-") == quote["symbol"], quote
                assert quote["price"] != WRONG, quote
        for name, server in self.servers.items():
            assert HOME[name] in server.now
            assert len(server.open) == 1
            assert server.most_open == 1, "one connection at a time"
        assert sorted(self.pauses)[len(self.pauses) * 99 // 100 - 1] <= AGAIN_SECONDS, self.pauses


@pytest.mark.proves("C12", "C13", "C14", "C15")
async def test_no_client_sees_it_but_for_a_moment(nursery: trio.Nursery) -> None:
    """No connection is lost, no price goes back, each symbol comes from the provider of its route
    and from no other one, after each kill and each fault its next price comes, and in the end
    nothing is left over.
    """
    rng = random.Random(chosen_seed())
    events = [(ACTORS[n % len(ACTORS)], None) for n in range(KILLS * len(ACTORS))]
    faults = [cut, mute, garble, break_frames]
    if DEEP:
        events += [(name, fault) for name in HOME for fault in faults for _ in range(FAULTS)]
    else:
        events += [(rng.choice(list(HOME)), fault) for fault in faults]
    rng.shuffle(events)
    async with AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(
                kraken(known=dict.fromkeys(HOME.values(), WRONG) | {symbol: 100.0})
            )
            for name, symbol in HOME.items()
        }
        symbols = [symbol.replace("/", "-") for symbol in HOME.values()]
        tree = await stack.enter_async_context(
            running_tree(
                providers=",".join(f"{name}={one.provider}" for name, one in servers.items()),
                routes=ROUTES,
                symbols=",".join(symbols),
                **QUICK,
            )
        )
        async with connected(tree.websocket_url, nursery) as me:
            market = Market(tree, servers, me)
            await me.send(action="subscribe", symbols=symbols)
            await me.wait_for(lambda: len(me.prices) == len(HOME))
            before = set(tree.actors())
            for path, fault in events:
                if fault is None:
                    await market.kill(path)
                else:
                    await market.fail(path, fault, rng)
            market.check()
            assert set(tree.actors()) == before
        await tree.until(lambda: all(a.actor != "Session" for a in tree.actors().values()))
        standing = {path for path, actor in tree.actors().items() if actor.uptime is not None}
        assert set(tree.system.paths) == standing
        gc.collect()
