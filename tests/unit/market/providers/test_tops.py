"""Bid and ask of each provider that tells them, in frames of the shapes that they publish."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stockstream.market.body_items import Limits
from stockstream.market.parser import parse
from stockstream.market.providers.alpaca import ALPACA
from stockstream.market.providers.binance import BINANCE
from stockstream.market.providers.coinbase import COINBASE
from stockstream.market.providers.json_api.api import json_api
from stockstream.market.providers.json_api.declaration import read_declaration
from stockstream.market.providers.json_api.reading import read_answer
from stockstream.market.providers.massive import MASSIVE
from stockstream.market.providers.push import Access, Prices, PushProvider, Unread
from stockstream.market.providers.simulated import SimulatedProvider
from stockstream.market.providers.twelvedata import TWELVE_DATA
from stockstream.quotes import Observation, Symbol, TopOfBook
from stockstream.upstreams import Upstream

if TYPE_CHECKING:
    from stockstream.market.providers.push import Codec, Event

WALL = 1_764_460_800_000
AAPL = Symbol("AAPL")
BINANCE_TICK = {
    "e": "24hrTicker", "E": 1672515782136, "s": "BNBBTC", "p": "0.0015", "P": "250.00",
    "w": "0.0018", "x": "0.0009", "c": "0.0025", "Q": "10", "b": "0.0024", "B": "10",
    "a": "0.0026", "A": "100", "o": "0.0010", "h": "0.0025", "l": "0.0010", "v": "10000",
    "q": "18", "O": 0, "C": 86400000, "F": 0, "L": 18150, "n": 18151,
}  # fmt: skip
COINBASE_TICK = {
    "type": "ticker", "sequence": 7388547310, "product_id": "BTC-USDT", "price": "22345.67",
    "open_24h": "22346", "volume_24h": "1.5", "low_24h": "22300", "high_24h": "22400",
    "best_bid": "22345.66", "best_bid_size": "0.1", "best_ask": "22345.67", "best_ask_size": "2",
    "side": "sell", "time": "2023-03-04T03:37:20.799258Z", "trade_id": 1, "last_size": "0.1",
}  # fmt: skip


def opened(provider: PushProvider, symbol: str) -> Codec:
    codec = provider.codec(Access(key="our-key"))
    codec.want(frozenset({Symbol(symbol)}), 0.0)
    codec.opened(0.0)
    return codec


def hear(codec: Codec, message: object) -> tuple[Event, ...]:
    return codec.received(json.dumps(message), 0.2, WALL).events


def seen(events: tuple[Event, ...]) -> Observation:
    (prices,) = (event for event in events if isinstance(event, Prices))
    (observation,) = prices.observations
    return observation


def test_binance_tells_them_each_second_and_the_time_is_that_of_the_trade() -> None:
    """So another bid beside the same trade makes no quote."""
    codec = opened(BINANCE, "BNB-BTC")
    first = seen(hear(codec, {"stream": "bnbbtc@ticker", "data": BINANCE_TICK}))
    assert (first.timestamp, first.top) == (1672515782136, TopOfBook(0.0024, 0.0026))
    quoted = {**BINANCE_TICK, "E": 1672515783136, "b": "0.00241"}
    again = seen(hear(codec, {"stream": "bnbbtc@ticker", "data": quoted}))
    assert (again.timestamp, again.top) == (1672515782136, TopOfBook(0.00241, 0.0026))
    traded = {**quoted, "E": 1672515784136, "L": 18151}
    assert seen(hear(codec, {"data": traded, "stream": "x"})).timestamp == 1672515784136


def test_coinbase_tells_them_with_each_trade() -> None:
    codec = opened(COINBASE, "BTC-USDT")
    assert seen(hear(codec, COINBASE_TICK)).top == TopOfBook(22345.66, 22345.67)
    crossed = {**COINBASE_TICK, "best_bid": "22345.68"}
    events = hear(codec, crossed)
    assert seen(events).top == TopOfBook()
    (unread,) = (event for event in events if isinstance(event, Unread))
    assert unread.kind == "optional_field"
    assert "bid of BTC-USDT, 22345.7, is above its ask" in unread.detail


def test_twelve_data_tells_them_of_pairs_of_currencies() -> None:
    codec = opened(TWELVE_DATA, "EUR-USD")
    told = {
        "event": "price", "symbol": "EUR/USD", "currency_base": "Euro", "currency_quote": "USD",
        "type": "Physical Currency", "timestamp": 1592249566, "price": 1.1321, "bid": 1.132,
        "ask": 1.1322,
    }  # fmt: skip
    assert seen(hear(codec, told)).top == TopOfBook(1.132, 1.1322)


TRADED = "2021-02-22T15:51:44.208Z"
TRADED_MS = 1_614_009_104_208


@pytest.mark.parametrize(
    ("quoted", "top"),
    [
        ("2021-02-22T15:51:44.208Z", TopOfBook(126.5, 126.6)),
        ("2021-02-22T15:51:45.208123456Z", TopOfBook(126.5, 126.6, TRADED_MS + 1_000)),
        # The trade may have taken it.
        ("2021-02-22T15:51:44.207Z", None),
        ("soon", None),
    ],
)
def test_alpaca_and_massive_tell_the_latest_by_rest_with_its_time(
    quoted: str, top: TopOfBook | None
) -> None:
    """What is from before the trade is not said beside it."""
    snapshot = {
        "latestTrade": {"t": TRADED, "x": "D", "p": 126.55, "s": 1, "c": ["@"], "i": 1, "z": "C"},
        "latestQuote": {"t": quoted, "ap": 126.6, "as": 1, "bp": 126.5, "bs": 2, "c": ["R"]},
    }
    assert ALPACA.latest is not None
    body = json.dumps({"AAPL": snapshot}).encode()
    events = ALPACA.latest.read(frozenset({AAPL}), 200, body, WALL).events
    assert seen(events).top == top
    assert [event.kind for event in events if isinstance(event, Unread)] == (
        ["optional_field"] * (quoted == "soon")
    )
    moments = {"2021-02-22T15:51:44.208Z": TRADED_MS, "2021-02-22T15:51:44.207Z": TRADED_MS - 1}
    at: object = moments.get(quoted, quoted if quoted == "soon" else TRADED_MS + 1_000)
    ticker = {
        "ticker": "AAPL",
        "day": {"o": 126, "h": 127, "l": 125, "c": 126, "v": 7},
        "lastTrade": {"c": None, "p": 126.55, "s": 1, "t": TRADED_MS * 1_000_000, "x": 12},
        "lastQuote": {
            "P": 126.6,
            "S": 1,
            "p": 126.5,
            "s": 2,
            "t": at if at == "soon" else at * 1_000_000,
        },  # type: ignore[operator]
        "updated": TRADED_MS * 1_000_000,
    }
    assert MASSIVE.latest is not None
    body = json.dumps({"status": "OK", "tickers": [ticker]}).encode()
    assert seen(MASSIVE.latest.read(frozenset({AAPL}), 200, body, WALL).events).top == top


def test_the_price_api_and_apis_by_a_file_tell_them() -> None:
    item = {"symbol": "AAPL", "price": 150, "timestamp": 1_795_341_590, "bid": "149.9", "ask": 150}
    (one,) = parse(json.dumps([item]).encode(), None).observations
    assert one.top == TopOfBook(149.9, 150.0)
    file = 'url = "https://a.example"\n[fields]\nsymbol = "s"\nprice = "p"\nbid = "b"\nask = "q.a"'
    api = json_api("a", read_declaration(file), "", Upstream("a", "json://a.toml"))
    body = json.dumps([{"s": "AAPL", "p": 150, "b": 149.5, "q": {"a": 150.5}}]).encode()
    (one,) = read_answer(api, body, None, None, WALL, Limits()).observations
    assert one.top == TopOfBook(149.5, 150.5)


async def test_the_simulated_market_has_a_spread_around_each_price() -> None:
    """Where it is asked for; the prices of a seed are the same with it and without."""
    bare = SimulatedProvider.from_url("sim://?symbols=50&seed=7")
    with_book = SimulatedProvider.from_url("sim://?symbols=50&seed=7&book=true")
    for _ in range(3):
        alone = (await bare.fetch(None)).observations
        told = (await with_book.fetch(None)).observations
        assert [one.price for one in alone] == [one.price for one in told]
        assert {one.top for one in alone} == {None}
        for one in told:
            assert one.top is not None
            assert one.top.bid is not None
            assert one.top.ask is not None
            assert one.top.bid <= one.price <= one.top.ask
            assert one.top.bid < one.top.ask < one.price * 1.01
