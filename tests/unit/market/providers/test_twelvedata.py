"""Twelve Data's codec on frames of the shapes that Twelve Data publishes."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.market.providers.push import (
    Access,
    Codec,
    Event,
    Prices,
    Refused,
    Subscribed,
    Trouble,
    Turn,
)
from stockstream.market.providers.twelvedata import TWELVE_DATA
from stockstream.quotes import DayFigures, Observation, Symbol

WALL = 1_764_460_800_000
AAPL, RY, RY_TSX, EUR = Symbol("AAPL"), Symbol("RY"), Symbol("RY:TSX"), Symbol("EUR-USD")
HK = Symbol("1211")
PRICE = {
    "event": "price",
    "symbol": "AAPL",
    "currency": "USD",
    "exchange": "NASDAQ",
    "type": "Common Stock",
    "timestamp": 1_592_249_566,
    "price": 342.0157,
    "day_volume": 27_631_112,
}
AT = 1_592_249_566_000

VOLUME = DayFigures(volume=27_631_112.0)


def opened(*symbols: Symbol) -> tuple[Codec, Turn]:
    codec = TWELVE_DATA.codec(Access(key="our-key"))
    codec.want(frozenset(symbols), 0.0)
    return codec, codec.opened(0.0)


def hear(codec: Codec, message: object) -> tuple[Event, ...]:
    return codec.received(json.dumps(message), 0.2, WALL).events


def status(codec: Codec, **members: object) -> tuple[Event, ...]:
    return hear(codec, {"event": "subscribe-status", "status": "ok", "fails": None, **members})


def test_a_part_that_is_refused_costs_no_other() -> None:
    """It is a warning, and its `fails` may be null; a pair is written with a `/`."""
    codec, turn = opened(AAPL, EUR, HK)
    (asked,) = map(json.loads, turn.frames)
    assert asked == {"action": "subscribe", "params": {"symbols": "1211,AAPL,EUR/USD"}}
    words = "You are not authorized to access XHKG data."
    events = status(
        codec,
        status="warning",
        success=[{"symbol": "AAPL", "exchange": "NASDAQ"}, {"symbol": "EUR/USD", "exchange": ""}],
        fails=[{"symbol": "1211", "message": words}],
    )
    assert events == (
        Subscribed(frozenset({AAPL})),
        Subscribed(frozenset({EUR})),
        Refused(HK, "not_in_plan", words),
    )
    told = Observation(AAPL, 342.0157, AT, "NASDAQ", "USD", figures=VOLUME)
    assert hear(codec, PRICE) == (Prices((told,)),)
    pair = {**PRICE, "symbol": "EUR/USD", "exchange": "PHYSICAL", "price": "1.0625"}
    told = Observation(EUR, 1.0625, AT, "PHYSICAL", "USD", figures=VOLUME)
    assert hear(codec, {**pair, "currency_quote": "US Dollar"}) == (Prices((told,)),)


def test_what_is_in_neither_list_is_refused() -> None:
    """A question that is never answered would end the connection, again and again."""
    codec, _ = opened(AAPL, RY)
    events = status(codec, success=[{"symbol": "AAPL"}])
    assert events[0] == Subscribed(frozenset({AAPL}))
    assert isinstance(events[1], Refused)
    assert events[1].symbol == RY
    assert codec.due(60.0).events == ()


def test_a_symbol_is_told_with_its_exchange_beside() -> None:
    """What was asked for as `RY:TSX` is another price than `RY`."""
    codec, _ = opened(RY, RY_TSX)
    success = [{"symbol": "RY", "exchange": "NYSE"}, {"symbol": "RY", "exchange": "TSX"}]
    assert status(codec, success=success) == (
        Subscribed(frozenset({RY})),
        Subscribed(frozenset({RY_TSX})),
    )
    toronto = {**PRICE, "symbol": "RY", "exchange": "TSX", "currency": "CAD", "price": 205.4}
    told = Observation(RY_TSX, 205.4, AT, "TSX", "CAD", figures=VOLUME)
    assert hear(codec, toronto) == (Prices((told,)),)
    york = {**toronto, "exchange": "NYSE", "currency": "USD"}
    told = Observation(RY, 205.4, AT, "NYSE", "USD", figures=VOLUME)
    assert hear(codec, york) == (Prices((told,)),)


def test_it_hears_a_heartbeat_each_ten_seconds() -> None:
    """Its answer is no news."""
    codec, _ = opened(AAPL)
    status(codec, success=[{"symbol": "AAPL"}])
    beats = [now for now in range(1, 35) if codec.due(float(now)).frames]
    assert beats == [10, 20, 30]
    assert hear(codec, {"event": "heartbeat", "status": "ok"}) == ()


@pytest.mark.parametrize(
    ("words", "kind", "fatal"),
    [
        ("**apikey** parameter is incorrect", "auth_failed", True),
        ("You have run out of API credits", "rate_limited", False),
    ],
)
def test_an_error_ends_the_connection_by_what_it_means(words: str, kind: str, fatal: bool) -> None:
    """In the `messages` of a status without symbols."""
    codec, _ = opened(AAPL)
    (trouble,) = status(codec, status="error", messages=[words])
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.fatal, trouble.said) == (kind, fatal, words)


QUOTE = {
    "symbol": "AAPL",
    "exchange": "NASDAQ",
    "currency": "USD",
    "timestamp": 1_592_200_000,
    "last_quote_at": 1_592_249_566,
    "close": "342.0157",
}


def by_rest(document: object, *symbols: Symbol, http: int = 200) -> tuple[Event, ...]:
    assert TWELVE_DATA.latest is not None
    body = json.dumps(document).encode()
    return TWELVE_DATA.latest.read(frozenset(symbols), http, body, 1).events


def test_the_latest_prices_come_alone_or_by_symbol() -> None:
    """An error is in the place of a price, with status 200 or its own."""
    assert TWELVE_DATA.latest is not None
    request = TWELVE_DATA.latest.request(Access(key="our-key"), frozenset({AAPL, EUR}))
    assert parse_qs(urlsplit(request.url).query) == {"symbol": ["AAPL,EUR/USD"]}
    assert request.headers == (("Authorization", "apikey our-key"),)
    told = Prices((Observation(AAPL, 342.0157, AT, "NASDAQ", "USD"),))
    assert by_rest(QUOTE, AAPL) == (told,)
    unknown = {"code": 404, "message": "symbol not found", "status": "error"}
    refused = Refused(RY, "unknown_symbol", "symbol not found")
    assert by_rest({"AAPL": QUOTE, "RY": unknown}, AAPL, RY) == (refused, told)
    assert by_rest(unknown, RY, http=404) == (refused,)
    assert by_rest(unknown, AAPL, RY) == (
        Refused(AAPL, "unknown_symbol", "symbol not found"),
        refused,
    )


@pytest.mark.parametrize(
    ("code", "kind", "wait"), [(401, "auth_failed", 300), (429, "rate_limited", 60)]
)
def test_a_wrong_key_and_a_limit_come_with_status_200(code: int, kind: str, wait: float) -> None:
    """For one symbol or several."""
    error = {"code": code, "message": "their words", "status": "error"}
    for symbols in ((AAPL,), (AAPL, RY)):
        (trouble,) = by_rest(error, *symbols)
        assert isinstance(trouble, Trouble)
        assert (trouble.kind, trouble.retry_after, trouble.said) == (kind, wait, "their words")


def test_credits_are_the_plans() -> None:
    """8 a minute without one; a question has as many symbols as there are credits, 100 at most."""
    for credits_, symbols, rate in (("8", 8, 1 / 60), ("610", 100, 6.1 / 60)):
        access = Access(options={"credits": credits_})
        latest = TWELVE_DATA.adapted(TWELVE_DATA, access).latest
        assert latest is not None
        assert (latest.symbols, latest.calls.rate) == (symbols, pytest.approx(rate))
    for wrong in ("0", "many", "", "-1"):
        assert TWELVE_DATA.check(Access(options={"credits": wrong})) is not None
