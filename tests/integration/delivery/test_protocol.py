"""The protocol over real sockets, with a market that moves only when told."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.integration.delivery.upstream import fed_by
from tests.support.client import Client, connected

if TYPE_CHECKING:
    from tests.integration.delivery.upstream import PriceApi


async def command(client: Client, **message: object) -> dict[str, object]:
    """Send a command and wait for its answer."""
    mark = f"command {len(client.messages)}"
    await client.send(**message, id=mark)
    await client.wait_for(lambda: client.messages_with_id(mark) != [])
    (answer,) = client.messages_with_id(mark)
    return answer


async def listed(client: Client) -> None:
    """Wait until the server has seen the provider's list."""
    await client.wait_for(lambda: _status(client).get("feed") == "live")


def _status(client: Client) -> dict[str, object]:
    return next((m for m in reversed(client.messages) if m["type"] == "status"), {})


@pytest.mark.proves("W4", "W5", "W10")
async def test_symbols_are_taken_or_rejected_one_by_one(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """Beside each other in one message; the answer is the whole state each time."""
    async with (
        fed_by(price_api, max_symbols_per_connection=7) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await listed(me)
        given = [" aapl", "NOPE", "!!", "", "A" * 33, "MSFT", "aapl"]
        answer = await command(me, action="subscribe", symbols=given)
        assert answer["symbols"] == ["AAPL", "MSFT"]
        rejected = {r["symbol"]: (r["code"], bool(r["reason"])) for r in answer["rejected"]}
        assert rejected == {
            "NOPE": ("unknown_symbol", True),
            "!!": ("invalid_symbol", True),
            "": ("invalid_symbol", True),
            "A" * 33: ("invalid_symbol", True),
        }
        snapshot = await me.message("snapshot")
        assert sorted(quote["symbol"] for quote in snapshot["quotes"]) == ["AAPL", "MSFT"]
        quote = snapshot["quotes"][0]
        assert (quote["open"], quote["exchange"], quote["delayed"]) == (
            quote["price"],
            "TEST",
            False,
        )
        price_api.put(**{f"S{number}": 250.0 for number in range(6)})
        await price_api.fetches(3)
        more = [f"S{number}" for number in range(6)]
        answer = await command(me, action="subscribe", symbols=more)
        assert [r["code"] for r in answer["rejected"]] == ["too_many_symbols"]
        assert len(answer["symbols"]) == 7
        refused = await command(me, action="subscribe", symbols=[*more, "AAPL", "MSFT"])
        assert (refused["type"], refused["code"]) == ("error", "too_many_symbols")
        assert (await command(me, action="unsubscribe", symbols=["TSLA"]))["rejected"] == []
        assert (await command(me, action="subscribe", symbols="*"))["symbols"] == ["*"]
        refused = await command(me, action="unsubscribe", symbols=["AAPL"])
        assert (refused["type"], refused["code"]) == ("error", "subscribed_to_all")
        assert (await command(me, action="unsubscribe", symbols=["*"]))["symbols"] == []


@pytest.mark.proves("W8")
async def test_commands_without_pause_are_answered_in_order(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """Of every kind, good and bad; and no price of what was given up comes after the answer."""
    async with fed_by(price_api) as tree, connected(tree.websocket_url, nursery) as me:
        numbers = range(90)
        for number, kind in zip(numbers, itertools.cycle("supb"), strict=False):
            symbols = ["AAPL", "MSFT"][: number % 3]
            match kind:
                case "s":
                    await me.send(action="subscribe", symbols=symbols, id=number)
                case "u":
                    await me.send(action="unsubscribe", symbols=symbols, id=number)
                case "p":
                    await me.send(action="ping", id=number)
                case _:
                    await me.send(action="subscribe", symbols="all", id=number)
            if kind == "b" and number > 30:
                break
            price_api.put(AAPL=150.0 + number, MSFT=310.0 - number)
        await me.wait_for(lambda: me.messages_with_id(number) != [])
        assert [m["id"] for m in me.messages if "id" in m] == list(range(number + 1))


@pytest.mark.proves("W6")
async def test_prices_that_did_not_change_are_not_sent_again(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """However often they are fetched; a change of one is told of that one, once."""
    async with fed_by(price_api) as tree, connected(tree.websocket_url, nursery) as me:
        await listed(me)
        await me.send(action="subscribe", symbols=["AAPL", "MSFT"])
        await me.message("snapshot")
        before = len(me.messages)
        await price_api.fetches(6)
        await command(me, action="ping")
        assert all(m["prices"] == [] for m in me.messages[before:] if m["type"] == "prices")
        price_api.put(AAPL=151.0)
        await me.wait_for(lambda: me.prices["AAPL"] == 151.0)
        price_api.put(AAPL=151.0)  # a newer time of the same price
        await price_api.fetches(6)
        await command(me, action="ping")
        told = [p for m in me.messages[before:] for p in m.get("prices", [])]
        assert [(p["symbol"], p["price"]) for p in told] == [("AAPL", 151.0)]
        assert set(told[0]) == {"symbol", "price", "timestamp", "version"}


@pytest.mark.proves("W3", "W1")
async def test_after_a_reconnect_only_what_is_newer_comes(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """By the versions the client names."""
    async with fed_by(price_api) as tree:
        async with connected(tree.websocket_url, nursery) as first:
            await listed(first)
            await first.send(action="subscribe", symbols="*")
            await first.wait_for(lambda: first.prices.keys() >= {"AAPL", "MSFT"})
            since = {symbol: list(version) for symbol, version in first.versions.items()}
        price_api.put(MSFT=311.0)
        async with connected(tree.websocket_url, nursery) as second:
            await second.send(action="subscribe", symbols="*")
            await second.wait_for(lambda: second.prices.get("MSFT") == 311.0)
            epoch, seq = since["MSFT"]
            assert second.versions["MSFT"] == (epoch, seq + 1)
        async with connected(tree.websocket_url, nursery) as third:
            await third.send(action="subscribe", symbols=["AAPL", "MSFT"], since=since)
            snapshot = await third.message("snapshot")
            assert [quote["symbol"] for quote in snapshot["quotes"]] == ["MSFT"]


@pytest.mark.proves("W2", "W4")
async def test_what_is_listed_later_comes_with_all_its_fields(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """A client that was there before the first fetch lacks nothing after it."""
    price_api.stop()
    async with fed_by(price_api) as tree, connected(tree.websocket_url, nursery) as me:
        status = await me.message("status")
        assert status["feed"] == "down"
        answer = await command(me, action="subscribe", symbols=["AAPL", "LATER"])
        assert (answer["symbols"], answer["rejected"]) == (["AAPL", "LATER"], [])
        assert (await me.message("snapshot"))["quotes"] == []
        await price_api.start()
        snapshot = await me.message("snapshot", 2)
        (quote,) = snapshot["quotes"]
        assert (quote["symbol"], quote["price"], quote["open"]) == ("AAPL", 150.0, 150.0)
        await listed(me)
        price_api.put(LATER=7.0)
        snapshot = await me.message("snapshot", 3)
        assert [quote["symbol"] for quote in snapshot["quotes"]] == ["LATER"]


@pytest.mark.proves("W1")
async def test_versions_go_on_when_the_streamer_restarts(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """The same epoch and the next numbers: they live in a table."""
    async with fed_by(price_api) as tree, connected(tree.websocket_url, nursery) as me:
        await listed(me)
        await me.send(action="subscribe", symbols=["AAPL"])
        await me.message("snapshot")
        epoch, seq = me.versions["AAPL"]
        assert tree.system.ref("market/streamer").kill()
        price_api.put(AAPL=151.0)
        await me.wait_for(lambda: me.prices["AAPL"] == 151.0)
        assert me.versions["AAPL"] == (epoch, seq + 1)


async def test_a_client_may_ask_for_fewer_updates(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """`max_rate` is its own; another client's updates come as before."""
    async with (
        fed_by(price_api, fetch_interval=0.02) as tree,
        connected(tree.websocket_url, nursery) as slow,
        connected(tree.websocket_url, nursery) as quick,
    ):
        await listed(slow)
        await slow.send(action="subscribe", symbols=["AAPL"], max_rate=5)
        await quick.send(action="subscribe", symbols=["AAPL"])
        for client in (slow, quick):
            await client.message("snapshot")
        slow_before, quick_before = slow.counts["prices"], quick.counts["prices"]
        begun = trio.current_time()
        for step in range(1, 31):
            price_api.put(AAPL=150.0 + step)
            await quick.wait_for(lambda s=step: quick.prices["AAPL"] == 150.0 + s)
        await slow.wait_for(lambda: slow.prices["AAPL"] == 180.0)
        assert quick.counts["prices"] - quick_before >= 30
        # A second's worth may come at first, and whole seconds of 5 since then.
        assert slow.counts["prices"] - slow_before <= 5 * (trio.current_time() - begun) + 2


@pytest.mark.proves("W18")
async def test_presence_counts_who_is_here(price_api: PriceApi, nursery: trio.Nursery) -> None:
    """By symbol, and for the node; who leaves is not counted any more."""
    async with fed_by(price_api, node_name="one") as tree, httpx.AsyncClient() as http:

        async def presence() -> dict[str, object]:
            return (await http.get(f"{tree.url}/api/v1/presence")).json()

        async with connected(tree.websocket_url, nursery) as a:
            await listed(a)
            async with connected(tree.websocket_url, nursery) as b:
                await command(a, action="subscribe", symbols=["AAPL", "MSFT"])
                await command(b, action="subscribe", symbols=["AAPL"])
                assert await presence() == {
                    "nodes": [{"node": "one", "connections": 2, "subscribed": 2, "everything": 0}],
                    "symbols": {"AAPL": 2, "MSFT": 1},
                }
            await tree.until(lambda: _sessions(tree) == 1)
            await command(a, action="subscribe", symbols="*")
            here = await presence()
            assert here["nodes"] == [
                {"node": "one", "connections": 1, "subscribed": 1, "everything": 1}
            ]
            assert here["symbols"] == {}


def _sessions(tree: object) -> int:
    return sum(path.startswith("delivery/sessions/") for path in tree.system.names)
