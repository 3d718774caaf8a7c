"""Kraken's codec on frames of the shapes that Kraken publishes."""

import json

from stockstream.market.providers.kraken import KRAKEN
from stockstream.market.providers.push import (
    Access,
    Prices,
    Ready,
    Refused,
    Subscribed,
    Trouble,
    Unread,
)
from stockstream.quotes import DayFigures, Observation, Symbol, TopOfBook

WALL = 1_764_460_800_000
BTC, ETH = Symbol("BTC-USD"), Symbol("ETH-USD")
UP = '{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2"}]}'
TICK = """{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":105944.2,
"ask":105944.3,"last":105899.4,"volume":163.28908096,"vwap":105904.39279,"low":104711.0,
"high":106613.1,"change":250.0,"change_pct":0.24,"timestamp":"2026-11-29T23:59:59.123456Z"}]}"""


def answer(symbol: str, error: str | None = None) -> str:
    known = {"result": {"channel": "ticker", "symbol": symbol, "snapshot": True}, "success": True}
    refused = {"error": error, "success": False, "symbol": symbol}
    return json.dumps({"method": "subscribe", "req_id": 1, **(known if error is None else refused)})


def test_symbols_are_asked_for_as_pairs_and_answered_one_by_one() -> None:
    """Each answer is for one symbol; what Kraken has not is refused, and the other goes on."""
    codec = KRAKEN.codec(Access())
    assert codec.want(frozenset({BTC, ETH}), 0.0).frames == ()
    opened = codec.opened(0.0)
    (asked,) = (json.loads(frame) for frame in opened.frames)
    assert asked["params"]["symbol"] == ["BTC/USD", "ETH/USD"]
    assert opened.events == (Ready(),)
    assert codec.received(UP, 0.1, WALL).events == ()
    assert codec.received(answer("BTC/USD"), 0.2, WALL).events == (Subscribed(frozenset({BTC})),)
    why = "Currency pair not supported ETH/USD"
    refused = codec.received(answer("ETH/USD", why), 0.2, WALL).events
    assert refused == (Refused(ETH, "unknown_symbol", why),)
    assert codec.due(60.0).events == ()


def test_a_ticker_is_a_price_in_the_quote_currency() -> None:
    """The time is Kraken's where it tells one, else when it came. Its range and volume are of the
    last 24 hours, and so is the change, which tells the price of 24 hours ago.
    """
    codec = KRAKEN.codec(Access())
    codec.want(frozenset({BTC}), 0.0)
    codec.opened(0.0)
    codec.received(answer("BTC/USD"), 0.2, WALL)
    at = 1_795_996_799_123
    top = TopOfBook(105944.2, 105944.3)
    day = DayFigures(106613.1, 104711.0, 105649.4, 163.28908096, rolling=True)
    told = (Observation(BTC, 105899.4, at, "KRAKEN", "USD", figures=day, top=top),)
    assert codec.received(TICK, 1.0, WALL).events == (Prices(told),)
    without = TICK.replace(',"timestamp":"2026-11-29T23:59:59.123456Z"', "")
    assert without != TICK
    told = (Observation(BTC, 105899.4, WALL, "KRAKEN", "USD", figures=day, top=top),)
    assert codec.received(without, 1.0, WALL).events == (Prices(told),)


def test_a_bad_figure_of_the_day_costs_itself_only() -> None:
    """The price is taken, and so are the figures beside it."""
    codec = KRAKEN.codec(Access())
    codec.want(frozenset({BTC}), 0.0)
    codec.opened(0.0)
    codec.received(answer("BTC/USD"), 0.2, WALL)
    bad = TICK.replace('"volume":163.28908096', '"volume":-1')
    bad = bad.replace('"low":104711.0', '"low":"low"').replace('"change":250.0', '"change":true')
    prices, unread = codec.received(bad, 1.0, WALL).events
    assert isinstance(prices, Prices)
    assert prices.observations[0].figures == DayFigures(106613.1, rolling=True)
    assert isinstance(unread, Unread)
    assert (unread.kind, unread.count) == ("optional_field", 3)
    assert "low of BTC-USD is 'low'" in unread.detail


def test_a_bad_item_costs_itself_only() -> None:
    """Three of four items are of no use; each kind is told once, with how many there were."""
    codec = KRAKEN.codec(Access())
    codec.want(frozenset({BTC}), 0.0)
    codec.opened(0.0)
    items = [
        {"symbol": "BTC/USD", "last": 0},
        {"symbol": "BTC/USD", "last": -1.5},
        {"symbol": "BTC/USD"},
        {"symbol": "BTC/USD", "last": "105.5", "new": {"field": None}},
    ]
    turn = codec.received(json.dumps({"channel": "ticker", "data": items}), 1.0, WALL)
    assert turn.events == (
        Prices((Observation(BTC, 105.5, WALL, "KRAKEN", "USD"),)),
        Unread("not_positive", "the price of BTC/USD is 0", 2),
        Unread("missing_field", "the price of BTC/USD is missing"),
    )


def test_quiet_is_answered_with_a_ping_and_silence_to_a_question_ends_it() -> None:
    """Kraken sends heartbeats only to who has subscribed to something."""
    codec = KRAKEN.codec(Access())
    codec.opened(0.0)
    assert codec.due(4.9).frames == ()
    (ping,) = codec.due(5.0).frames
    assert json.loads(ping)["method"] == "ping"
    assert codec.due(6.0).frames == ()
    codec.want(frozenset({BTC}), 7.0)
    (trouble,) = codec.due(17.0).events
    assert isinstance(trouble, Trouble)
    assert trouble.kind == "unanswered"


def test_maintenance_and_too_many_questions_end_the_connection_for_a_while() -> None:
    """Neither is a wrong key, so both are tried again."""
    codec = KRAKEN.codec(Access())
    codec.opened(0.0)
    down = codec.received(UP.replace("online", "maintenance"), 0.1, WALL).events
    fast = codec.received('{"error":"Exceeded msg rate","success":false}', 0.1, WALL).events
    assert [(t.kind, t.fatal, t.retry_after) for t in (*down, *fast) if isinstance(t, Trouble)] == [
        ("maintenance", False, 30),
        ("rate_limited", False, 30),
    ]
    (trouble,) = down
    assert isinstance(trouble, Trouble)
    assert "maintenance" not in trouble.detail, "which is told to everybody, in our words"
    assert trouble.said == "maintenance"
