"""What a real provider does to a symbol, as clients and the API are told: W21, with its inputs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tests.support.client import Client

pytestmark = pytest.mark.proves("W21")

LIMIT = 3.0
"""Three intervals, of which each counts a second at least."""
SLACK = 1.0
BAD: dict[str, dict[str, object] | None] = {
    "GONE": None,
    "ZERO": {"price": 0},
    "NULL": {"price": None},
    "MINUS": {"price": -37.63},
    "TEXT": {"price": "n/a"},
    "OLD": {"timestamp": -600_000},
    "FAR": {"timestamp": 400_000},
    "UNTIMED": {"timestamp": "yesterday"},
}
REASONS = {
    "GONE": "not_listed",
    "ZERO": "not_positive",
    "NULL": "missing_field",
    "MINUS": "not_positive",
    "TEXT": "wrong_type",
    "OLD": "outdated",
    "FAR": "clock_ahead",
    "UNTIMED": "invalid_timestamp",
}
NAMES = ["FINE", *BAD, "AHEAD"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def item(symbol: str, price: float = 10.0, ahead: int = 0, **more: object) -> dict[str, Any]:
    return {"symbol": symbol, "price": price, "timestamp": now_ms() + ahead, **more}


def garbled(symbol: str) -> list[dict[str, object]]:
    """The item of a provider that goes wrong, if it still tells the symbol at all."""
    change = BAD[symbol]
    if change is None:
        return []
    told = item(symbol)
    moved = change.get("timestamp")
    return [{**told, **change, **({"timestamp": now_ms() + moved} if _is_ms(moved) else {})}]


def _is_ms(value: object) -> bool:
    return isinstance(value, int)


class States:
    """The state of each symbol as a client is told it, message by message."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.reasons: dict[str, str | None] = {}
        self.read = 0

    def take(self) -> dict[str, str | None]:
        """The stale symbols with their reasons, and what is told of the live ones."""
        for message in self.client.messages[self.read :]:
            for quote in message.get("quotes", []) + message.get("prices", []):
                if "state" in quote:
                    assert (quote["state"] == "stale") == (quote.get("reason") is not None)
                    self.reasons[quote["symbol"]] = quote.get("reason")
        self.read = len(self.client.messages)
        return {symbol: reason for symbol, reason in self.reasons.items() if reason is not None}


@pytest.mark.proves("C18")
async def test_a_symbol_the_provider_tells_no_more_or_as_garbage_is_stale_and_says_why(
    nursery: trio.Nursery,
) -> None:
    """The inputs of H1 and H2: within three intervals, everywhere; and live with the next price."""
    api = PriceApi(nursery)
    everything = [item(symbol, ahead=280_000 * (symbol == "AHEAD")) for symbol in NAMES]
    api.tell(everything)
    await api.start()
    async with (
        fed_by(api, admin_token="x" * 32) as tree,
        connected(tree.websocket_url, nursery) as me,
        httpx.AsyncClient(base_url=tree.url, timeout=10) as http,
    ):
        await me.send(action="subscribe", symbols="*")
        states = States(me)
        await me.wait_for(lambda: states.take() == {} and len(states.reasons) == len(NAMES))
        api.tell([item("FINE")] + [bad for symbol in BAD for bad in garbled(symbol)])
        await api.fetches(2)
        watch = Stopwatch()
        expected = {**REASONS, "AHEAD": "not_listed"}
        await me.wait_for(lambda: states.take() == expected)
        assert trio.current_time() - watch.at > LIMIT - SLACK
        assert watch.until() < LIMIT + SLACK
        quotes = (await http.get("/api/v1/quotes")).json()["quotes"]
        assert {q["symbol"]: q["reason"] for q in quotes if q["state"] == "stale"} == expected
        one = (await http.get("/api/v1/quotes/ZERO")).json()["quote"]
        assert (one["state"], one["reason"], one["price"]) == ("stale", "not_positive", 10.0)
        assert (
            one["confirmed"] < (await http.get("/api/v1/quotes/FINE")).json()["quote"]["confirmed"]
        )
        checks = (await http.get("/health/ready")).json()["checks"]
        assert checks["symbols"] == {"ok": True, "known": len(NAMES), "stale": len(expected)}
        api.tell([item(symbol, 11.0, 281_000 * (symbol == "AHEAD")) for symbol in NAMES])
        await me.wait_for(lambda: states.take() == {})
        assert (await http.get("/api/v1/quotes/ZERO")).json()["quote"]["state"] == "live"


@pytest.mark.proves("W23")
async def test_a_provider_clock_set_back_for_all_stops_no_prices_for_long(
    nursery: trio.Nursery,
) -> None:
    """Ten minutes back, as a correction of its clock does it: the prices go on at once."""
    api = PriceApi(nursery)
    api.tell([item("AAA", 94.0), item("BBB", 20.0)])
    await api.start()
    async with fed_by(api) as tree, connected(tree.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols="*")
        await me.wait_for(lambda: me.prices == {"AAA": 94.0, "BBB": 20.0})
        states = States(me)
        with trio.fail_after(LIMIT):
            price = 81.0
            while me.prices["AAA"] == 94.0:
                price += 0.01
                api.tell([item("AAA", price, -600_000), item("BBB", price, -600_000)])
                await api.fetches(1)
        assert states.take() == {}


async def test_a_delayed_price_that_moves_is_live_and_changed_just_now(
    nursery: trio.Nursery,
) -> None:
    """The input of H3: its time is a quarter of an hour old, and that is no age."""
    api = PriceApi(nursery)
    late = {"ahead": -900_000, "delayed": True, "delayed_seconds": 900, "session": "regular"}
    api.tell([item("DLYD", 10.0, **late)])
    await api.start()
    async with fed_by(api) as tree, connected(tree.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols=["DLYD"])
        await me.wait_for(lambda: me.prices == {"DLYD": 10.0})
        (told,) = [quote for message in me.messages for quote in message.get("quotes", [])]
        assert (told["delayed"], told["delayed_seconds"], told["session"]) == (True, 900, "regular")
        assert (told["state"], told["confirmed"]) == ("live", None)
        states = States(me)
        for price in range(11, 15):
            api.tell([item("DLYD", float(price), **late)])
            await me.wait_for(lambda price=price: me.prices["DLYD"] == price)
        head = next(m for m in reversed(me.messages) if m["type"] == "prices")
        assert head["steady"] - head["fetched"] < 1_000
        assert states.take() == {}
        seen = me.counts["snapshot"]
        await me.send(action="unsubscribe", symbols="*")
        await me.send(action="subscribe", symbols=["DLYD"])
        fresh = await me.message("snapshot", seen + 1)
        assert fresh["steady"] - fresh["quotes"][0]["changed"] < 1_000
