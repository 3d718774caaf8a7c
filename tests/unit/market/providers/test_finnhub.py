"""Finnhub's codec on frames of the shapes that Finnhub publishes."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.market.providers.finnhub import FINNHUB
from stockstream.market.providers.push import (
    Access,
    Codec,
    Event,
    Prices,
    Ready,
    Refused,
    Subscribed,
    Trouble,
)
from stockstream.quotes import DayFigures, Observation, Symbol
from tests.unit.market.providers.contract import without_flows

WALL = 1_764_460_800_000
AAPL, BTC, EUR = Symbol("AAPL"), Symbol("BINANCE:BTCUSDT"), Symbol("OANDA:EUR_USD")
TRADES = """{"data":[{"c":["1","8"],"p":122.1,"s":"AAPL","t":1672348887195,"v":1},
{"c":null,"p":16500.5,"s":"BINANCE:BTCUSDT","t":1672348887190,"v":0.01},
{"p":1.0625,"s":"OANDA:EUR_USD","t":1672348887100,"v":0},
{"c":["1"],"p":122.05,"s":"AAPL","t":1672348887000,"v":3}],"type":"trade"}"""


def opened(*symbols: Symbol) -> Codec:
    codec = FINNHUB.codec(Access(key="our-key"))
    codec.want(frozenset(symbols), 0.0)
    assert codec.opened(0.0).events == (Ready(),)
    return codec


def test_each_symbol_is_asked_for_by_itself_and_trades_are_prices_in_their_order() -> None:
    """Several of several symbols in a frame, without an acknowledgement: the first frame is one."""
    codec = FINNHUB.codec(Access(key="our-key"))
    codec.want(frozenset({AAPL, BTC, EUR}), 0.0)
    asked = [json.loads(frame) for frame in codec.opened(0.0).frames]
    assert asked == [
        {"type": "subscribe", "symbol": name}
        for name in ("AAPL", "BINANCE:BTCUSDT", "OANDA:EUR_USD")
    ]
    at = 1_672_348_887_195
    told = (
        Observation(AAPL, 122.1, at, "US", "USD"),
        Observation(BTC, 16500.5, at - 5, "BINANCE", "USDT"),
        Observation(EUR, 1.0625, at - 95, "OANDA", "USD"),
        Observation(AAPL, 122.05, at - 195, "US", "USD"),
    )
    heard = Subscribed(frozenset({AAPL, BTC, EUR}))
    assert without_flows(codec.received(TRADES, 0.2, WALL).events) == (heard, Prices(told))
    assert codec.received('{"type":"ping"}', 0.3, WALL).events == ()


def test_a_second_without_a_complaint_counts_as_an_acknowledgement() -> None:
    """At night nothing comes but a ping a minute."""
    codec = opened(AAPL)
    assert codec.due(0.9).events == ()
    assert codec.due(1.0).events == (Subscribed(frozenset({AAPL})),)
    assert codec.due(100.0).events == ()


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("Invalid API key", ("auth_failed", True, None)),
        ("You have reached the limit of symbols", ("rate_limited", False, 60)),
    ],
)
def test_a_complaint_is_no_acknowledgement(
    words: str, event: tuple[str, bool, float | None]
) -> None:
    """A key that is refused is said to be one, and the attempt has failed."""
    codec = opened(AAPL)
    (trouble,) = codec.received(json.dumps({"type": "error", "msg": words}), 0.1, WALL).events
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.fatal, trouble.retry_after) == event


def test_a_complaint_about_a_symbol_costs_that_symbol() -> None:
    """The others count as heard."""
    codec = opened(AAPL, BTC)
    error = json.dumps({"type": "error", "msg": "Invalid symbol AAPL"})
    (refused,) = codec.received(error, 0.1, WALL).events
    assert refused == Refused(AAPL, "unknown_symbol", "Invalid symbol AAPL")
    assert codec.due(1.5).events == (Subscribed(frozenset({BTC})),)


@pytest.mark.parametrize(
    ("symbol", "exchange", "currency"),
    [
        ("AAPL", "US", "USD"),
        ("BRK.B", "US", "USD"),
        ("VOD.L", None, None),
        ("RY.TO", None, None),
        ("COINBASE:BTC-EUR", "COINBASE", "EUR"),
        ("BINANCE:BTCFDUSD", "BINANCE", "FDUSD"),
        ("BINANCE:BTCXYZ", "BINANCE", None),
    ],
)
def test_a_currency_is_told_where_the_symbol_has_it(
    symbol: str, exchange: str | None, currency: str | None
) -> None:
    """And none is guessed."""
    trade = {"type": "trade", "data": [{"p": 1.5, "s": symbol, "t": WALL, "v": 1}]}
    (_, prices) = without_flows(
        opened(Symbol(symbol)).received(json.dumps(trade), 0.1, WALL).events
    )
    assert prices == Prices((Observation(Symbol(symbol), 1.5, WALL, exchange, currency),))


def by_rest(status: int, document: object) -> tuple[Event, ...]:
    assert FINNHUB.latest is not None
    return FINNHUB.latest.read(frozenset({AAPL}), status, json.dumps(document).encode(), 1).events


def test_the_latest_price_is_asked_for_with_the_key_in_a_header() -> None:
    """Its time is in seconds; a price of 0 is no price but a symbol that is not there."""
    assert FINNHUB.latest is not None
    request = FINNHUB.latest.request(Access(key="our-key"), frozenset({EUR}))
    parts = urlsplit(request.url)
    assert (parts.netloc, parts.path) == ("finnhub.io", "/api/v1/quote")
    assert parse_qs(parts.query) == {"symbol": ["OANDA:EUR_USD"]}
    assert request.headers == (("X-Finnhub-Token", "our-key"),)
    quote = {"c": 261.74, "d": 1.2, "dp": 0.4, "h": 263, "l": 260, "o": 261, "t": 1_582_641_000}
    day = DayFigures(263.0, 260.0, 261.0)
    told = Observation(AAPL, 261.74, 1_582_641_000_000, "US", "USD", figures=day)
    assert by_rest(200, quote) == (Prices((told,)),)
    none = {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}
    assert by_rest(200, none) == (Refused(AAPL, "unknown_symbol", "Finnhub has no price of it"),)
    words = "You don't have access to this resource."
    assert by_rest(403, {"error": words}) == (Refused(AAPL, "not_in_plan", words),)
