"""Alpaca's codec on frames of the shapes that Alpaca publishes."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.market.providers.alpaca import ALPACA, AlpacaCodec
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
from stockstream.quotes import DayFigures, Observation, Symbol, TradingSession
from tests.unit.market.providers.contract import without_flows

WALL = 1_764_460_800_000
AT = 1_614_009_104_208
AAPL, MSFT, BRK = Symbol("AAPL"), Symbol("MSFT"), Symbol("BRK.B")
TRADE = {
    "T": "t",
    "i": 96921,
    "S": "AAPL",
    "x": "D",
    "p": 126.55,
    "s": 1,
    "t": "2021-02-22T15:51:44.208312345Z",
    "c": ["@", "I"],
    "z": "C",
}


class Talk:
    """A conversation up to the login."""

    def __init__(self, *symbols: Symbol, **options: str) -> None:
        self.access = Access(key="our-key", secret="our-secret", options=options)
        self.codec = AlpacaCodec(self.access)
        self.codec.want(frozenset(symbols), 0.0)
        assert self.codec.opened(0.0).frames == ()
        (self.login,) = self.codec.received('[{"T":"success","msg":"connected"}]', 0, WALL).frames
        self.turn = self.codec.received('[{"T":"success","msg":"authenticated"}]', 0.1, WALL)

    def hear(self, *messages: object) -> tuple[Event, ...]:
        return without_flows(self.codec.received(json.dumps(messages), 0.2, WALL).events)

    def state(self, *trades: str) -> tuple[Event, ...]:
        """The answer to a question: all that is subscribed to."""
        return self.hear({"T": "subscription", "trades": list(trades), "statuses": []})

    def refuse(self, code: int) -> tuple[Event, ...]:
        return self.hear({"T": "error", "code": code, "msg": "their words"})


def test_one_logs_in_before_anything_is_asked_for() -> None:
    """With key and secret in a message; then trades, and the halts of all symbols."""
    talk = Talk(AAPL, BRK)
    assert json.loads(talk.login) == {"action": "auth", "key": "our-key", "secret": "our-secret"}
    assert talk.turn.events == (Ready(),)
    assert [json.loads(frame) for frame in talk.turn.frames] == [
        {"action": "subscribe", "trades": ["AAPL", "BRK.B"]},
        {"action": "subscribe", "statuses": ["*"]},
    ]
    assert talk.state("AAPL", "BRK.B") == (Subscribed(frozenset({AAPL, BRK})),)
    assert talk.state("AAPL", "BRK.B") == ()
    told = Observation(AAPL, 126.55, AT, "IEX", "USD")
    assert talk.hear(TRADE, TRADE) == (Prices((told, told)),)


def test_the_whole_state_is_compared_with_what_was_asked_for() -> None:
    """Answers come in the order of the questions: what a later one asks for is not refused by the
    answer to an earlier one.
    """
    talk = Talk(AAPL)
    talk.codec.want(frozenset({AAPL, MSFT}), 0.15)
    assert talk.state("AAPL") == (Subscribed(frozenset({AAPL})),)  # to the first question
    assert talk.state("AAPL") == ()  # about the halts
    (refused,) = talk.state("AAPL")
    assert isinstance(refused, Refused)
    assert (refused.symbol, refused.code) == (MSFT, "unknown_symbol")


def test_too_many_symbols_are_refused_and_the_state_is_what_it_was() -> None:
    """Halts that this feed has not are no trouble."""
    talk = Talk(AAPL, MSFT)
    assert {(one.symbol, one.code) for one in talk.refuse(405) if isinstance(one, Refused)} == {
        (AAPL, "over_limit"),
        (MSFT, "over_limit"),
    }
    (unread,) = talk.refuse(410)
    assert isinstance(unread, Unread)
    assert unread.kind == "halts_refused"


@pytest.mark.parametrize(
    ("code", "kind", "fatal", "lingers"),
    [
        (401, "not_let_in", False, False),
        (402, "auth_failed", True, False),
        (404, "not_let_in", False, False),
        (406, "connection_limit", False, True),
        (407, "slow_client", False, False),
        (408, "auth_failed", True, False),
        (409, "auth_failed", True, False),
        (410, "wrong_feed", True, False),
        (411, "auth_failed", True, False),
        (500, "internal_error", False, False),
    ],
)
def test_errors_end_the_connection_by_what_they_mean(
    code: int, kind: str, fatal: bool, lingers: bool
) -> None:
    """A wrong key or plan is fatal; a connection that is still held is soon tried again."""
    (trouble,) = Talk(AAPL).refuse(code)
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.fatal, trouble.lingers) == (kind, fatal, lingers)
    assert trouble.said == "their words"


@pytest.mark.parametrize(
    ("more", "moves"),
    [
        ({}, True),
        ({"c": None}, True),
        ({"c": []}, True),
        ({"c": ["@", "F", "T"]}, True),
        ({"c": ["@", "W"]}, False),
        ({"c": ["@", "4", "I"]}, False),
        ({"c": ["Z"]}, False),
        ({"c": ["B"], "z": "A"}, False),
        ({"c": ["B"], "z": "C"}, True),
    ],
)
def test_a_trade_that_is_no_last_price_moves_none(more: dict[str, object], moves: bool) -> None:
    """Average prices, late reports, prices of another time."""
    talk = Talk(AAPL)
    talk.state("AAPL")
    assert bool(talk.hear({**TRADE, **more})) is moves


def test_a_halt_is_told_with_the_last_price_and_ends_with_trading() -> None:
    """By the resumption or by the next trade; those of others are no news."""
    talk = Talk(AAPL)
    talk.state("AAPL")
    halt = {"T": "s", "S": "AAPL", "sc": "H", "rc": "T12", "t": "2021-02-22T15:52:00Z", "z": "C"}
    assert talk.hear(halt) == ()  # there is no price yet
    talk.hear(TRADE)
    later = 1_614_009_120_000
    halted = Observation(AAPL, 126.55, later, "IEX", "USD", session=TradingSession.HALTED)
    assert talk.hear(halt) == (Prices((halted,)),)
    resumed = {**halt, "sc": "T", "t": "2021-02-22T15:53:00Z"}
    told = Observation(AAPL, 126.55, later + 60_000, "IEX", "USD")
    assert talk.hear(resumed) == (Prices((told,)),)
    assert talk.hear({**halt, "S": "TSLA"}, {**halt, "sc": "Q"}) == ()


def test_a_delayed_feed_says_so() -> None:
    """Each price has how late it is."""
    talk = Talk(AAPL, feed="delayed_sip")
    talk.state("AAPL")
    told = Observation(AAPL, 126.55, AT, "US", "USD", delayed=True, delayed_seconds=900)
    assert talk.hear(TRADE) == (Prices((told,)),)


def test_limits_and_addresses_are_those_of_the_feed() -> None:
    """The test feed has one symbol, day and night."""
    free, paid, test = (
        (ALPACA.adapted(ALPACA, access), access)
        for access in (Access(options={"feed": feed}) for feed in ("iex", "sip", "test"))
    )
    assert free[0].limits.symbols == 30
    assert paid[0].limits.symbols is None
    assert test[0].starters == ("FAKEPACA",)
    assert test[0].latest is None
    assert paid[0].endpoint(paid[1]).url == "wss://stream.data.alpaca.markets/v2/sip"
    assert ALPACA.endpoint(Access()).url == "wss://stream.data.alpaca.markets/v2/iex"
    assert ALPACA.check(Access(options={"feed": "all"})) == (
        "feed=all is none of iex, sip, delayed_sip, test"
    )


@pytest.mark.parametrize(
    ("day", "close", "figures"),
    [
        ("2021-02-22T05:00:00Z", 129.87, DayFigures(129.7, 125.6, 128.0, 103_916_419.0)),
        # Before the first trade in the hours the bar is that of the day before.
        ("2021-02-19T05:00:00Z", 126.0, None),
        ("yesterday", None, None),
    ],
)
def test_the_day_comes_with_the_latest_price(
    day: str, close: float | None, figures: DayFigures | None
) -> None:
    """What cannot be read of it costs no price."""
    assert ALPACA.latest is not None
    bar = {"t": day, "o": 128, "h": 129.7, "l": 125.6, "c": 126, "v": 103_916_419}
    told = {"latestTrade": TRADE, "dailyBar": bar, "prevDailyBar": {**bar, "c": 129.87}}
    body = json.dumps({"AAPL": told}).encode()
    prices, *unread = ALPACA.latest.read(frozenset({AAPL}), 200, body, 1).events
    seen = Observation(AAPL, 126.55, AT, "IEX", "USD", previous_close=close, figures=figures)
    assert prices == Prices((seen,))
    assert [event.kind for event in unread] == ["optional_field"] * (day == "yesterday")


def test_the_latest_prices_are_asked_for_at_once() -> None:
    """What is absent of the answer is unknown; a symbol that is none costs itself only."""
    assert ALPACA.latest is not None
    both = frozenset({AAPL, MSFT})
    request = ALPACA.latest.request(Access(key="our-key", secret="our-secret"), both)
    assert parse_qs(urlsplit(request.url).query) == {"symbols": ["AAPL,MSFT"], "feed": ["iex"]}
    assert dict(request.headers) == {
        "APCA-API-KEY-ID": "our-key",
        "APCA-API-SECRET-KEY": "our-secret",
    }
    body = json.dumps({"AAPL": {"latestTrade": TRADE}, "MSFT": {"latestTrade": None}}).encode()
    refused, prices = ALPACA.latest.read(both, 200, body, 1).events
    assert refused == Refused(MSFT, "unknown_symbol", "Alpaca has no trade of it")
    assert prices == Prices((Observation(AAPL, 126.55, AT, "IEX", "USD"),))
    body = b'{"message":"invalid symbol: MSFT"}'
    refused, trouble = ALPACA.latest.read(both, 400, body, 1).events
    assert refused == Refused(MSFT, "invalid_symbol", "invalid symbol: MSFT")
    assert isinstance(trouble, Trouble)
