"""Massive's codec on frames of the shapes that Massive publishes."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.market.providers.massive import MASSIVE, MassiveCodec
from stockstream.market.providers.push import (
    Access,
    Event,
    Prices,
    Ready,
    Refused,
    Subscribed,
    Trouble,
    Unread,
)
from stockstream.quotes import Observation, Symbol
from tests.unit.market.providers.contract import without_flows

WALL = 1_764_460_800_000
AT = 1_651_684_192_462
AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")
TRADE = {
    "ev": "T",
    "sym": "AAPL",
    "i": "5096",
    "x": 10,
    "p": 161.87,
    "s": 300,
    "c": [14, 41],
    "t": AT,
    "q": 4009402,
    "z": 3,
}


class Talk:
    """A conversation up to the login."""

    def __init__(self, *symbols: Symbol, **options: str) -> None:
        self.codec = MassiveCodec(Access(key="our-key", options=options))
        self.codec.want(frozenset(symbols), 0.0)
        assert self.codec.opened(0.0).frames == ()
        self.login = self.status("connected", "Connected Successfully")
        self.turn = self.codec.received(
            '[{"ev":"status","status":"auth_success","message":"authenticated"}]', 0.1, WALL
        )

    def status(self, status: str, message: str) -> tuple[str, ...]:
        words = [{"ev": "status", "status": status, "message": message}]
        return self.codec.received(json.dumps(words), 0.1, WALL).frames

    def hear(self, *messages: object) -> tuple[Event, ...]:
        return without_flows(self.codec.received(json.dumps(messages), 0.2, WALL).events)

    def acknowledge(self, name: str) -> tuple[Event, ...]:
        return self.hear(
            {"ev": "status", "status": "success", "message": f"subscribed to: T.{name}"}
        )


def test_each_symbol_is_acknowledged_by_itself() -> None:
    """After the login by a message; trades are prices."""
    talk = Talk(AAPL, MSFT)
    assert [json.loads(one) for one in talk.login] == [{"action": "auth", "params": "our-key"}]
    assert talk.turn.events == (Ready(),)
    assert [json.loads(one) for one in talk.turn.frames] == [
        {"action": "subscribe", "params": "T.AAPL,T.MSFT"}
    ]
    assert talk.acknowledge("AAPL") == (Subscribed(frozenset({AAPL})),)
    told = Observation(AAPL, 161.87, AT, "US", "USD")
    assert talk.hear(TRADE) == (Prices((told,)),)


def test_a_trade_acknowledges_what_is_held_already() -> None:
    """A name that the provider still holds is not answered."""
    told = Observation(AAPL, 161.87, AT, "US", "USD")
    assert Talk(AAPL).hear(TRADE) == (Subscribed(frozenset({AAPL})), Prices((told,)))


@pytest.mark.parametrize(
    ("status", "words", "kind", "fatal"),
    [
        ("auth_failed", "authentication failed", "auth_failed", True),
        ("auth_timeout", "authentication timed out", "auth_timeout", False),
        ("error", "Your plan doesn't include websocket access.", "auth_failed", True),
        ("max_connections", "Maximum number of connections exceeded.", "connection_limit", False),
    ],
)
def test_what_ends_the_connection_is_told_by_its_status(
    status: str, words: str, kind: str, fatal: bool
) -> None:
    """Who was cut off by another connection of the key waits as after a failure: that one is there
    to stay.
    """
    (trouble,) = Talk(AAPL).hear({"ev": "status", "status": status, "message": words})
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.fatal, trouble.said) == (kind, fatal, words)
    assert not trouble.lingers


@pytest.mark.parametrize(
    ("conditions", "moves"),
    [(None, True), ([], True), ([12, 37], True), ([2], False), ([14, 52], False), ("x", True)],
)
def test_a_trade_that_is_no_last_price_moves_none(conditions: object, moves: bool) -> None:
    """Average prices, contingent trades; those without conditions are as any."""
    talk = Talk(AAPL)
    talk.acknowledge("AAPL")
    assert bool(talk.hear({**TRADE, "c": conditions})) is moves


def test_a_late_report_is_of_the_time_of_its_report() -> None:
    """So it does not take the place of a price that was traded after it."""
    talk = Talk(AAPL)
    talk.acknowledge("AAPL")
    (prices,) = talk.hear({**TRADE, "trfi": 201, "trft": AT - 600_000})
    assert prices == Prices((Observation(AAPL, 161.87, AT - 600_000, "US", "USD"),))


def test_a_delayed_feed_says_so() -> None:
    """Its address is another one, and each price has how late it is, by REST too."""
    talk = Talk(AAPL, feed="delayed")
    talk.acknowledge("AAPL")
    told = Observation(AAPL, 161.87, AT, "US", "USD", delayed=True, delayed_seconds=900)
    assert talk.hear(TRADE) == (Prices((told,)),)
    access = Access(options={"feed": "delayed"})
    assert MASSIVE.endpoint(access).url == "wss://delayed.massive.com/stocks"
    latest = MASSIVE.adapted(MASSIVE, access).latest
    assert latest is not None
    (prices,) = latest.read(frozenset({AAPL}), 200, snapshot(AAPL), 1).events
    assert isinstance(prices, Prices)
    assert prices.observations[0].delayed
    assert MASSIVE.check(Access(options={"feed": "x"})) == "feed=x is none of realtime, delayed"


def snapshot(*symbols: Symbol, **more: object) -> bytes:
    ticker = {
        "day": {"c": 160.01},
        "lastTrade": {"c": None, "p": 159.99, "t": 1_651_251_948_294_080_343},
        "updated": 1_651_251_950_000_000_001,
        **more,
    }
    tickers = [{"ticker": symbol, **ticker} for symbol in symbols]
    return json.dumps({"status": "OK", "tickers": tickers}).encode()


def by_rest(body: bytes, wall: int = 1) -> tuple[Event, ...]:
    assert MASSIVE.latest is not None
    return MASSIVE.latest.read(frozenset({AAPL}), 200, body, wall).events


def test_the_latest_prices_have_times_in_nanoseconds() -> None:
    """To the last digit; of a plan without trades the day's price counts, and a zero is none."""
    assert MASSIVE.latest is not None
    request = MASSIVE.latest.request(Access(key="our-key"), frozenset({AAPL, MSFT}))
    assert parse_qs(urlsplit(request.url).query) == {"tickers": ["AAPL,MSFT"]}
    assert request.headers == (("Authorization", "Bearer our-key"),)
    told = Observation(AAPL, 159.99, 1_651_251_948_294, "US", "USD")
    assert by_rest(snapshot(AAPL)) == (Prices((told,)),)
    told = Observation(AAPL, 160.01, 1_651_251_950_000, "US", "USD")
    assert by_rest(snapshot(AAPL, lastTrade=None)) == (Prices((told,)),)
    assert by_rest(snapshot(AAPL, lastTrade=None, day={"c": 0})) == ()


def test_a_time_below_a_millisecond_is_none() -> None:
    """It would be rounded to 0."""
    (unread,) = by_rest(snapshot(AAPL, lastTrade=None, updated=499_999))
    assert isinstance(unread, Unread)
    assert unread.kind == "invalid_timestamp"


def test_a_symbol_is_not_refused_while_the_snapshot_is_cleared() -> None:
    """From 3:30 to 4:00 in New York nothing is there; it is asked for again."""
    (refused,) = by_rest(snapshot())
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_symbol"
    summer = 1_783_409_400_000  # 7:30 UTC on 2026-07-07
    (trouble,) = by_rest(snapshot(), summer)
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.retry_after) == ("cleared", 300)
    assert isinstance(by_rest(snapshot(), summer + 30 * 60_000)[0], Refused)
