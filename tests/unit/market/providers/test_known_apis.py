"""What each API that is known by a scheme is asked, and what is read of its published shapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stockstream.market.body_items import Limits
from stockstream.market.providers import (
    HttpSettings,
    InvalidProviderUrl,
    ProviderError,
    ProviderRefused,
    ProviderStatus,
    SymbolsNotFound,
)
from stockstream.market.providers.chosen import poll_provider, push_provider
from stockstream.market.providers.json_api.api import JsonApi, json_api, open_file
from stockstream.market.providers.json_api.known_apis import KNOWN_APIS
from stockstream.market.providers.json_api.reading import read_answer
from stockstream.quotes import Observation, parse_symbol
from stockstream.upstreams import Upstream

if TYPE_CHECKING:
    from stockstream.market.parser import Parsed

WALL = 1_795_341_600_000
S = 1_795_341_590
each = pytest.mark.parametrize("scheme", KNOWN_APIS)

TIINGO = [
    {
        "ticker": "AAPL",
        "timestamp": "2026-11-22T05:00:00.500000001-05:00",
        "quoteTimestamp": "2026-11-22T05:00:00.5-05:00",
        "lastSaleTimestamp": "2026-11-22T04:59:50.000000001-05:00",
        "last": 172.87,
        "tngoLast": 172.9,
        "open": 170.0,
        "prevClose": 171.5,
        "volume": 1,
    },
    {
        "ticker": "SPY",
        "timestamp": "2026-11-22T05:00:00+00:00",
        "lastSaleTimestamp": None,
        "last": None,
        "tngoLast": 600.5,
        "prevClose": 599,
    },
]
FINNHUB = {"c": 261.74, "d": 1.2, "dp": 0.4, "h": 262, "l": 260, "o": 261.07, "pc": 259.45, "t": S}
ALPACA = {
    "trades": {
        "AAPL": {
            "t": "2026-11-22T09:59:50.000521539Z",
            "x": "D",
            "p": 161.2958,
            "s": 100,
            "c": ["@"],
            "i": 22730,
            "z": "C",
        }
    }
}
TWELVE = {
    "AAPL": {
        "symbol": "AAPL",
        "name": "Apple Inc",
        "exchange": "NASDAQ",
        "currency": "USD",
        "timestamp": S - 60,
        "last_quote_at": S,
        "open": "170.1",
        "close": "172.87",
        "previous_close": "171.5",
        "is_market_open": True,
    },
    "EUR/USD": {"symbol": "EUR/USD", "exchange": "Forex", "timestamp": S, "close": "1.0812"},
    "NOSUCH": {"code": 404, "message": "**symbol** not found", "status": "error"},
}
MASSIVE = {
    "status": "DELAYED",
    "count": 3,
    "tickers": [
        {
            "ticker": "AAPL",
            "day": {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0},
            "lastTrade": {"c": None, "p": 159.99, "s": 200, "t": S * 10**9 + 94_080_343, "x": 12},
            "prevDay": {"c": 158.5},
            "updated": S * 10**9,
        },
        {
            "ticker": "MSFT",
            "day": {"o": 511, "c": 512.5},
            "prevDay": {"c": 510},
            "updated": S * 10**9,
        },
        {"ticker": "TSLA", "day": {"c": 0}, "prevDay": {"c": 0}, "updated": S * 10**9},
    ],
}


def api_of(scheme: str, query: str = "") -> JsonApi:
    known = KNOWN_APIS[scheme]
    said = open_file(known.file)
    secret = "s-3" if "secret" in said.placeholders else None
    return json_api(known.name, said, query, Upstream("us", "", "k-2", secret), known)


def read(api: JsonApi, body: object, *symbols: str) -> Parsed:
    asked = {api.written(symbol) or "": symbol for symbol in map(parse_symbol, symbols)}
    return read_answer(api, json.dumps(body).encode(), None, asked, WALL, Limits())


def by_symbol(parsed: Parsed) -> dict[str, Observation]:
    return {seen.symbol: seen for seen in parsed.observations}


@pytest.mark.parametrize(
    ("scheme", "symbols", "url", "headers"),
    [
        (
            "tiingo",
            ["AAPL", "SPY"],
            "https://api.tiingo.com/iex/?tickers=AAPL,SPY",
            {"Authorization": "Token k-2"},
        ),
        (
            "finnhub+rest",
            ["OANDA:EUR_USD"],
            "https://finnhub.io/api/v1/quote?symbol=OANDA:EUR_USD",
            {"X-Finnhub-Token": "k-2"},
        ),
        (
            "alpaca+rest",
            ["AAPL", "BRK.B"],
            "https://data.alpaca.markets/v2/stocks/trades/latest?symbols=AAPL,BRK.B&feed=iex",
            {"APCA-API-KEY-ID": "k-2", "APCA-API-SECRET-KEY": "s-3"},
        ),
        (
            "twelvedata+rest",
            ["AAPL", "EUR-USD", "RY:TSX"],
            "https://api.twelvedata.com/quote?symbol=AAPL,EUR%2FUSD,RY:TSX",
            {"Authorization": "apikey k-2"},
        ),
        (
            "massive+rest",
            ["AAPL"],
            "https://api.massive.com/v2/snapshot/locale/us/markets/stocks/tickers?tickers=AAPL",
            {"Authorization": "Bearer k-2"},
        ),
    ],
)
def test_what_is_asked(scheme: str, symbols: list[str], url: str, headers: dict[str, str]) -> None:
    """With the key in a header, and so in no address."""
    api = api_of(scheme)
    names = [api.written(parse_symbol(symbol)) or "" for symbol in symbols]
    assert str(api.url_for(names)) == url
    assert api.headers() == headers
    assert "k-2" not in api.address


def test_tiingo() -> None:
    """Without a right to the last sale, Tiingo's own price counts, with its time."""
    seen = by_symbol(read(api_of("tiingo"), TIINGO, "AAPL", "SPY"))
    apple, spy = seen["AAPL"], seen["SPY"]
    assert (apple.price, apple.timestamp) == (172.87, S * 1000)
    assert (apple.open, apple.previous_close) == (170.0, 171.5)
    assert (apple.exchange, apple.currency) == ("IEX", "USD")
    assert (spy.price, spy.timestamp) == (600.5, (S + 10 - 5 * 3600) * 1000)


def test_finnhub() -> None:
    """What is told of a symbol's market is what the symbol says; zeros are no price."""
    api = api_of("finnhub+rest")
    (apple,) = read(api, FINNHUB, "AAPL").observations
    assert (apple.price, apple.timestamp) == (261.74, S * 1000)
    assert (apple.open, apple.previous_close) == (261.07, 259.45)
    assert (apple.exchange, apple.currency) == ("US", "USD")
    (euro,) = read(api, FINNHUB, "OANDA:EUR-GBP").observations
    assert (euro.exchange, euro.currency) == ("OANDA", "GBP")
    zeros = {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}
    with pytest.raises(SymbolsNotFound):
        read(api, zeros, "NOSUCH")


def test_alpaca() -> None:
    """A delayed feed looks delayed."""
    (apple,) = read(api_of("alpaca+rest"), ALPACA, "AAPL", "NOSUCH").observations
    assert (apple.price, apple.timestamp) == (161.2958, S * 1000 + 1)
    assert (apple.exchange, apple.currency, apple.delayed) == ("IEX", "USD", False)
    delayed = api_of("alpaca+rest", "feed=delayed_sip")
    assert "feed=delayed_sip" in str(delayed.url_for(["AAPL"]))
    (apple,) = read(delayed, ALPACA, "AAPL").observations
    assert (apple.exchange, apple.delayed, apple.delayed_seconds) == ("US", True, 900)
    with pytest.raises(SymbolsNotFound):
        read(delayed, {"trades": {}}, "NOSUCH")
    with pytest.raises(InvalidProviderUrl, match="Alpaca: feed=x is none of iex, sip, delayed_sip"):
        api_of("alpaca+rest", "feed=x")


def test_twelve_data() -> None:
    """Numbers are texts, one symbol comes alone, and errors have status 200."""
    api = api_of("twelvedata+rest")
    seen = by_symbol(read(api, TWELVE, "AAPL", "EUR-USD", "NOSUCH"))
    apple, euro = seen.pop("AAPL"), seen.pop("EUR-USD")
    assert not seen
    assert (apple.price, apple.timestamp, apple.name) == (172.87, S * 1000, "Apple Inc")
    assert (apple.exchange, apple.currency) == ("NASDAQ", "USD")
    assert (euro.price, euro.exchange, euro.currency) == (1.0812, "Forex", "USD")
    (apple,) = read(api, TWELVE["AAPL"], "AAPL").observations
    assert apple.price == 172.87
    with pytest.raises(SymbolsNotFound):
        read(api, TWELVE["NOSUCH"], "NOSUCH")
    with pytest.raises(ProviderRefused):
        read(api, {"code": 401, "message": "**apikey** is wrong", "status": "error"}, "AAPL")
    with pytest.raises(ProviderStatus) as limited:
        read(api, {"code": 429, "message": "out of credits", "status": "error"}, "AAPL")
    assert limited.value.kind == "status_429"


def test_massive() -> None:
    """Nanoseconds; of a plan without trades, the day so far; zeros are no price."""
    parsed = read(api_of("massive+rest"), MASSIVE, "AAPL", "MSFT", "TSLA")
    seen = by_symbol(parsed)
    assert (seen["AAPL"].price, seen["AAPL"].timestamp) == (159.99, S * 1000 + 94)
    assert (seen["AAPL"].open, seen["AAPL"].previous_close) == (None, 158.5)
    assert (seen["MSFT"].price, seen["MSFT"].timestamp) == (512.5, S * 1000)
    assert parsed.rejects.counts == {"not_positive": 1}
    with pytest.raises(SymbolsNotFound):
        read(api_of("massive+rest"), {"status": "OK", "tickers": []}, "AAPL")
    with pytest.raises(ProviderError):
        read(api_of("massive+rest"), {"status": "NOT_AUTHORIZED", "message": "no"}, "AAPL")
    delayed = read(api_of("massive+rest", "feed=delayed"), MASSIVE, "AAPL")
    assert all(one.delayed_seconds == 900 for one in delayed.observations)


@each
def test_each_has_its_limits_and_something_to_begin_with(scheme: str) -> None:
    """A plan with more is said in the address, 0 for no limit."""
    api = api_of(scheme)
    assert api.terms.limits
    assert api.terms.starters
    assert all(api.written(symbol) for symbol in api.terms.starters)
    more = api_of(scheme, "per_second=10&per_minute=0&per_hour=0&per_day=0&url=http://localhost:1")
    assert [(one.burst, one.rate) for one in more.terms.limits] == [(2, 8.0)]
    assert str(more.url_for(["AAPL"])).startswith("http://localhost:1/")


@each
def test_each_wants_its_key(scheme: str) -> None:
    """And is polled: nothing is pushed by these."""
    name = KNOWN_APIS[scheme].name
    upstream = Upstream("us", f"{scheme}://")
    assert push_provider(upstream) is None
    with pytest.raises(InvalidProviderUrl, match=rf"{name} wants a key: set US_API_KEY or"):
        poll_provider(upstream, HttpSettings())
    with pytest.raises(InvalidProviderUrl, match=rf"for another server than {name}'s"):
        poll_provider(Upstream("us", f"{scheme}://example.com"), HttpSettings())
    with pytest.raises(InvalidProviderUrl, match=rf"{name} has no option 'feeed'"):
        poll_provider(Upstream("us", f"{scheme}://?feeed=1", "k"), HttpSettings())
