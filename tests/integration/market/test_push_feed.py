"""A provider that pushes, from its socket to a client's: a server that speaks as Kraken does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.quotes import Symbol, iso_utc
from stockstream.shards import index_of
from stockstream.times import now_ms
from tests.support.asyncapi import faults, payload_schema
from tests.support.client import connected
from tests.support.kraken import kraken
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.tree import Tree

QUICK = {"breaker_window": 1_000, "breaker_minimum_calls": 1_000}
"""The breaker never opens: what is looked at is the feed itself."""


async def overview(tree: Tree) -> dict[str, Any]:
    token = tree.settings.admin_token.get_secret_value()
    async with httpx.AsyncClient(base_url=tree.url) as api:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await api.get("/admin/api/overview", headers=headers)
        document: dict[str, Any] = answer.json()
        return document


async def until(
    tree: Tree, holds: Callable[[dict[str, Any]], object], name: str = "crypto"
) -> dict[str, Any]:
    """The upstream's part of the admin's overview, once a condition holds of it."""
    with trio.fail_after(20):
        while True:
            upstreams = {one["name"]: one for one in (await overview(tree))["upstreams"]}
            if name in upstreams and holds(upstreams[name]):
                found: dict[str, Any] = upstreams[name]
                return found
            await trio.sleep(0.2)  # the document is made at most twice a second


async def test_a_price_goes_from_the_provider_to_a_client(nursery: trio.Nursery) -> None:
    """Its snapshot and then each trade; live without one, by the provider's heartbeat. What a
    client names is asked for, also as the provider writes it, and a pair that there is not is
    refused without harm to the others.
    """
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols="BTC-USD") as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["btc/usd"])
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
        await server.tell({"BTC/USD": 97_001.0})
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)
        await me.wait_for(lambda: me.status["feed"] == "live")
        assert me.subscribed == {"BTC-USD"}
        assert server.now == {"BTC/USD"}

        # The same price at the same time, and somebody bids less: told under the version there is.
        beside = {"timestamp": iso_utc(now_ms()), "ask": 97_002.5}
        await server.tell({"BTC/USD": 97_002.0}, **beside, bid=97_001.5)
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_002.0)
        version = me.versions["BTC-USD"]
        await server.tell({"BTC/USD": 97_002.0}, **beside, bid=97_001.25)
        await me.wait_for(
            lambda: any(
                one.get("bid") == 97_001.25 for m in me.messages for one in m.get("prices", ())
            )
        )
        assert me.versions["BTC-USD"] == version

        await me.send(action="subscribe", symbols=["NO-SUCH", "ETH-USD"])
        await me.wait_for(lambda: me.prices.get("ETH-USD") == 3_600.25)
        crypto = await until(tree, lambda up: up["push"]["refused"])
        assert crypto["push"]["refused"] == {"NO-SUCH": "unknown_symbol"}
        assert crypto["push"]["phase"] == "connected"
        assert server.attempts == 1
        await me.wait_for(lambda: me.not_served)
        assert me.not_served == {"NO-SUCH": "crypto does not know it"}
        assert faults(await me.message("not_served"), payload_schema("not_served")) == []
        async with httpx.AsyncClient(base_url=tree.url) as api:
            answer = await api.get("/api/v1/quotes/NO-SUCH")
        why = "no price of NO-SUCH: crypto does not know it"
        told = answer.json()["error"]
        assert (answer.status_code, told) == (404, {"code": "symbol_not_served", "reason": why})

        # Listed after all: a new connection asks again, and takes the refusal back.
        server.known["NO/SUCH"] = 1.5
        await server.cut()
        await me.wait_for(lambda: me.prices.get("NO-SUCH") == 1.5)
        await me.wait_for(lambda: not me.not_served)

        await me.send(action="unsubscribe", symbols=["ETH-USD", "NO-SUCH"])
        await server.until(lambda: server.now == {"BTC/USD"})


async def test_a_line_that_is_cut_comes_back_with_all_it_had(nursery: trio.Nursery) -> None:
    """The reason is counted, and the price of meanwhile comes by the snapshot."""
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols="BTC-USD", **QUICK) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD"])
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
        server.known["BTC/USD"] = 97_100.0
        await server.cut()
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_100.0)
        crypto = await until(tree, lambda up: up["push"]["phase"] == "connected")
        assert sum(crypto["push"]["ends"].values()) == 1


async def test_a_killed_feed_connects_at_once_and_leaves_no_socket(nursery: trio.Nursery) -> None:
    """And so it is with all actors of the market, one after the other: no price goes back."""
    async with (
        kraken() as server,
        running_tree(providers=f"crypto={server.provider}", symbols="BTC-USD") as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD"])
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
        price = 97_000.5
        for path in (paths.feed("crypto"), paths.circuit_breaker("crypto"), paths.ROUTER) * 2:
            price = server.known["BTC/USD"] = price + 1
            attempts = server.attempts
            assert tree.system.ref(path).kill()
            if path == paths.feed("crypto"):
                await server.until(lambda before=attempts: server.attempts > before)
                await server.until(lambda: server.now == {"BTC/USD"})
            await server.tell({"BTC/USD": price})
            await me.wait_for(lambda wanted=price: me.prices.get("BTC-USD") == wanted)
        assert server.attempts == 3
        await server.until(lambda: len(server.open) == 1)


async def test_a_key_that_is_refused_is_said_once_and_never_tried_in_a_loop() -> None:
    """The feed is misconfigured, its breaker stays closed, and the next attempt is minutes away."""
    async with (
        kraken(reject=403) as server,
        running_tree(providers=f"crypto={server.provider}") as tree,
    ):
        crypto = await until(tree, lambda up: up["push"]["phase"] == "misconfigured")
        assert crypto["push"]["reason"] == "misconfigured: the server answered 403 Forbidden"
        assert crypto["breaker"]["status"]["state"] == "closed"
        assert crypto["troubles"] == {"status_403": 1}
        assert tree.system.ref(paths.feed("crypto")).kill()
        again = await until(tree, lambda up: up["push"]["failures"] == 1)
        assert again["push"]["phase"] == "misconfigured"
        assert 200_000 < again["push"]["again"] - crypto["push"]["since"] < 301_000
        assert server.attempts == 1


async def test_the_next_provider_tells_the_prices_of_one_that_is_away(
    nursery: trio.Nursery,
) -> None:
    """One source at a time, the first while it is well; a symbol of the other route stays."""
    async with (
        kraken() as first,
        kraken(known={"BTC/USD": 97_000.0, "SOL/USD": 1.0}) as second,
        running_tree(
            providers=f"one={first.provider}, two={second.provider}",
            routes="ETH-*=one, *=one,two",
            symbols="BTC-USD,ETH-USD",
            breaker_minimum_calls=2,
            breaker_window=2,
        ) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD", "ETH-USD"])
        await me.wait_for(lambda: me.prices.keys() == {"BTC-USD", "ETH-USD"})
        assert second.attempts == 0
        first.reject = 503
        await first.cut()
        second.known["BTC/USD"] = 97_500.0
        await me.wait_for(lambda: me.prices["BTC-USD"] == 97_500.0, 30)
        assert me.prices["ETH-USD"] == 3_600.25
        routes = {route["symbols"]: route["now"] for route in (await overview(tree))["routes"]}
        assert routes == {"ETH-*": "one", "*": "two"}
        assert second.now == {"BTC/USD"}


async def test_several_connections_have_the_symbols_between_them(nursery: trio.Nursery) -> None:
    """Each symbol on one, by the rule of shards. One that is cut comes back with its own, and the
    others do not notice; a killed feed connects all of them again.
    """
    pairs = {f"S{number}/USD": float(number + 1) for number in range(12)}
    symbols = [name.replace("/", "-") for name in pairs]
    parts = [{n for n in pairs if index_of(Symbol(n.replace("/", "-")), 3) == p} for p in range(3)]
    assert all(parts)

    def shared_out() -> bool:
        return sorted(map(sorted, server.asked_of_open)) == sorted(map(sorted, parts))

    async with (
        kraken(known=dict(pairs)) as server,
        running_tree(
            providers=f"crypto={server.provider}&connections=3", symbols=",".join(symbols), **QUICK
        ) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=symbols)
        await server.until(shared_out)
        await me.wait_for(lambda: len(me.prices) == len(symbols))
        crypto = await until(tree, lambda up: up["push"]["symbols"] == len(symbols))
        assert (crypto["push"]["connections"], crypto["push"]["phase"]) == (3, "connected")
        assert crypto["feed"]["state"] == "live"

        lost = server.now
        others = set(server.open[:-1])
        name = min(lost)
        server.known[name] = 100.0
        await server.cut()
        await me.wait_for(lambda: me.prices[name.replace("/", "-")] == 100.0)
        await server.until(shared_out)
        assert others < set(server.open)
        assert server.attempts == 4

        assert tree.system.ref(paths.feed("crypto")).kill()
        await server.until(lambda: server.attempts == 7)
        await server.until(shared_out)
        assert server.most_open <= 6
        await server.until(lambda: len(server.open) == 3)


async def test_a_key_that_is_refused_on_one_connection_is_not_tried_on_the_others() -> None:
    """What is wrong with it is wrong on each: it is said once, and asked once in five minutes."""
    async with (
        kraken(reject=403) as server,
        running_tree(
            providers=f"crypto={server.provider}&connections=8", symbols="BTC-USD,ETH-USD,SOL-USD"
        ) as tree,
    ):
        crypto = await until(tree, lambda up: up["push"]["phase"] == "misconfigured")
        assert crypto["troubles"] == {"status_403": 1}
        assert tree.system.ref(paths.feed("crypto")).kill()
        await until(tree, lambda up: up["push"]["failures"] == 1)
        assert server.attempts == 1


@pytest.mark.parametrize("dated", [True, False])
async def test_a_server_whose_clock_is_slow_goes_by_the_date_of_the_handshake(
    dated: bool, nursery: trio.Nursery
) -> None:
    """Prices ten minutes ahead of its clock are believed, if the provider says that it is so late.
    Else they are refused, and the price of before stays.
    """
    later = datetime.now(UTC) + timedelta(minutes=10)
    async with (
        kraken(date=format_datetime(later, usegmt=True) if dated else None) as server,
        running_tree(providers=f"crypto={server.provider}", symbols="BTC-USD") as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["BTC-USD"])
        await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_000.5)
        await server.tell({"BTC/USD": 97_001.0}, timestamp=later.isoformat())
        if dated:
            await me.wait_for(lambda: me.prices.get("BTC-USD") == 97_001.0)
        else:
            await until(tree, lambda up: up["troubles"].get("item_clock_ahead"))
            assert me.prices["BTC-USD"] == 97_000.5
