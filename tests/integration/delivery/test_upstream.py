"""Trouble at the price API, as clients meet it: told, survived, and over when it is over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.integration.delivery.upstream import PACE, PriceApi, fed_by
from tests.integration.market.rogue import answer, reset
from tests.support.client import connected
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.client import Client
    from tests.support.tree import Tree

QUICK = {
    "http_timeout": 0.3,
    "http_read_timeout": 0.2,
    "http_connect_timeout": 0.2,
    "breaker_wait": 0.4,
    "breaker_max_wait": 0.4,
    "breaker_slow_call": 0.15,
}


def down(api: PriceApi) -> None:
    api.stop()


def slow(api: PriceApi) -> None:
    async def script(stream: trio.abc.Stream, _head: str) -> None:
        await trio.sleep(60)

    api.script = script


def drip(api: PriceApi) -> None:
    async def script(stream: trio.abc.Stream, _head: str) -> None:
        for byte in answer():
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.05)

    api.script = script


def resets(api: PriceApi) -> None:
    async def script(stream: trio.abc.Stream, _head: str) -> None:
        await stream.send_all(answer()[:60])
        reset(stream)

    api.script = script


def half(api: PriceApi) -> None:
    async def script(stream: trio.abc.Stream, _head: str) -> None:
        await stream.send_all(answer()[:-20])
        await stream.aclose()

    api.script = script


def html(api: PriceApi) -> None:
    api.always(answer(b"<html><h1>Bad gateway</h1></html>", headers=["content-type: text/html"]))


def error_500(api: PriceApi) -> None:
    api.always(answer(b"oh no", "500 Internal Server Error"))


def large(api: PriceApi) -> None:
    api.always(answer(b"[" + b" " * 10_000_000 + b"]"))


def nothing_usable(api: PriceApi) -> None:
    prices: list[object] = [0, -1, None, "x", [], {}, True]
    items = [{**api.prices["AAPL"], "price": price} for price in prices]
    body = json.dumps([*items, 3, None, {"symbol": "AAPL"}])[:-1]
    body += ',{"symbol":"AAPL","price":NaN,"timestamp":1},{"symbol":"AAPL","price":1e999}]'
    api.always(answer(body.encode()))


TROUBLES = [down, slow, drip, resets, half, html, error_500, large, nothing_usable]


def newest(client: Client) -> dict[str, object]:
    return [message for message in client.messages if message["type"] == "status"][-1]


async def told(client: Client, **fields: object) -> None:
    """Wait for a status with these fields."""
    await client.wait_for(
        lambda: (
            client.counts["status"] > 0
            and all(newest(client).get(name) == value for name, value in fields.items())
        )
    )


@pytest.mark.proves("C17", "C18")
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
async def test_an_upstream_in_trouble_is_a_state_that_clients_are_told(
    trouble: Callable[[PriceApi], None], price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """The breaker opens with the time of the next probe; the last prices stay; then it is over."""
    async with (
        fed_by(price_api, **QUICK) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await told(me, feed="live", circuit="closed")
        await me.send(action="subscribe", symbols=["AAPL"])
        await me.message("snapshot")
        trouble(price_api)
        await told(me, circuit="open")
        status = newest(me)
        assert str(status["next_probe"]).endswith("Z")
        assert status["reason"]
        async with connected(tree.websocket_url, nursery) as late:
            await late.send(action="subscribe", symbols=["AAPL"])
            assert (await late.message("snapshot"))["quotes"][0]["price"] == 150.0
            assert newest(late)["circuit"] in {"open", "half_open"}
        assert [price for message in me.messages for price in message.get("prices", [])] == []
        await _recover(price_api)
        await told(me, feed="live", circuit="closed")
        assert "next_probe" not in newest(me)
        price_api.put(AAPL=151.0)
        await me.wait_for(lambda: me.prices["AAPL"] == 151.0)
        _nobody_died(tree)


async def _recover(api: PriceApi) -> None:
    if api.scope.cancel_called:
        await api.start()
    api.put(AAPL=150.0)


def _nobody_died(tree: Tree) -> None:
    for path in ("market/streamer", "market/feeds/api/circuit_breaker", "delivery/broadcaster"):
        assert tree.actors()[path].generation == 1


@pytest.mark.proves("C18")
async def test_bad_items_do_not_hide_the_good_ones_beside_them(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """Unknown fields, wrong types, no price and a price of 0 in one body; AAPL moves on."""
    async with fed_by(price_api) as tree, connected(tree.websocket_url, nursery) as me:
        await told(me, feed="live")
        await me.send(action="subscribe", symbols="*")
        await me.message("snapshot")
        price_api.put(AAPL=151.0)
        good = {**price_api.prices["AAPL"], "surprise": {"a": [1]}}
        price_api.tell(
            [
                {"symbol": "MSFT", "price": 0, "timestamp": good["timestamp"]},
                {"symbol": "!!", "price": 1, "timestamp": good["timestamp"]},
                {"symbol": 7, "price": "1"},
                "TSLA",
                good,
            ]
        )
        await me.wait_for(lambda: me.prices["AAPL"] == 151.0)
        assert me.prices["MSFT"] == 310.0
        assert (newest(me)["feed"], newest(me)["circuit"]) == ("live", "closed")
        _nobody_died(tree)


async def test_a_key_in_the_address_of_the_api_is_not_told(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """Neither in the status nor anywhere else that a client can read."""
    error_500(price_api)
    url = price_api.url.replace("//", "//user:very-secret@") + "/v1?apikey=very-secret"
    async with (
        running_tree(stock_api_url=url, **PACE, **QUICK) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await told(me, circuit="open")
        assert newest(me)["reason"]
        assert "very-secret" not in json.dumps(me.messages)
        async with httpx.AsyncClient(base_url=tree.url) as http:
            assert "very-secret" not in (await http.get("/health/ready")).text


@pytest.mark.proves("C17")
async def test_prices_that_come_no_more_are_called_stale(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """As of the last success, though the breaker is not open yet."""
    async with (
        fed_by(price_api, **QUICK, breaker_minimum_calls=1000, breaker_window=1000) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await told(me, feed="live")
        price_api.stop()
        await told(me, feed="stale", circuit="closed")
        assert newest(me)["reason"]
        await _recover(price_api)
        await told(me, feed="live")
