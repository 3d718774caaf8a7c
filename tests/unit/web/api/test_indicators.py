"""The indicators' API without a database: its parameters, and how the live price joins."""

from __future__ import annotations

import pytest

from stockstream.history.candles import Candle
from stockstream.history.indicators import IndicatorKind, prices_until_settled, rsi, sma
from stockstream.quotes import Quote, Symbol, Version
from stockstream.statuses import QuoteRow
from web.api.indicators import (
    PARAMETERS,
    Close,
    IndicatorQuery,
    joined,
    read_indicator_query,
    values,
)
from web.api.ranges import AHEAD_MS
from web.parameters import InvalidParameterError, read_parameters

MINUTE = 60_000
NOW = 1_795_341_630_000  # 2026-11-22T10:00:30Z
THIS_MINUTE = NOW - NOW % MINUTE
AAPL = Symbol("AAPL")


def read(symbol, given, now):
    return read_indicator_query(read_parameters(PARAMETERS, {"symbol": symbol}, given), now, None)


def wanted(kind=IndicatorKind.SMA, period=2, start=0, end=NOW + AHEAD_MS, limit=300, interval="1m"):
    return IndicatorQuery(AAPL, kind, period, interval, start, end, limit)


def candle(start, close, last_at=None):
    return Candle("AAPL", start, 1.0, 9.0, 0.5, close, 3, start, last_at or start + 1000)


def row(price, at):
    quote = Quote(AAPL, price, at, None, None, False, Version(1, 1), NOW)
    return QuoteRow(quote, 1.0, None)


def test_usual_values_stand_in_for_what_is_not_given():
    """Only the indicator must be named."""
    asked = read("aapl", {"indicator": ["rsi"]}, NOW)
    assert asked == IndicatorQuery(AAPL, IndicatorKind.RSI, 14, "1m", 0, NOW + AHEAD_MS, 300)


def test_all_parameters_are_taken():
    """Times with their zone, as the history has them."""
    given = {
        "indicator": ["ema"],
        "period": ["9"],
        "interval": ["1h"],
        "from": ["2026-11-22T08:00:00+01:00"],
        "to": ["2026-11-22T09:00:00.500Z"],
        "limit": ["7"],
    }
    start, end = 1_795_330_800_000, 1_795_338_000_500
    assert read("MSFT", given, NOW) == IndicatorQuery(
        Symbol("MSFT"), IndicatorKind.EMA, 9, "1h", start, end, 7
    )


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("indicator", "macd", "indicator: one of sma, ema, rsi, volatility, not 'macd'"),
        ("period", "0", "period: a whole number from 2 to 200, not '0'"),
        ("period", "201", "period: a whole number from 2 to 200, not '201'"),
        ("period", "9" * 5000, f"period: a whole number from 2 to 200, not '{'9' * 32}'"),
        ("period", "0000000205", "period: a whole number from 2 to 200, not '0000000205'"),
        ("period", "1.5", "period: a whole number from 2 to 200, not '1.5'"),
        ("period", "\u0662\u0660", "period: a whole number from 2 to 200, not '\u0662\u0660'"),
        ("interval", "2m", "interval: one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w, not '2m'"),
        ("limit", "-1", "limit: a whole number from 1 to 2000, not '-1'"),
        ("from", "yesterday", "from: a time with its zone"),
        ("from", "2026-11-22T08:00:00", "from: a time with its zone"),
        ("from", "2027-01-01T00:00:00Z", "from: 2027-01-01T00:00:00.000Z is not before to"),
        ("to", "0001-01-01T00:00:00+05:00", "to: a time with its zone"),
        ("perod", "3", "perod: no such parameter"),
    ],
)
def test_a_bad_parameter_is_named_with_what_would_be_good(name, text, reason):
    """The reason says which, what it may be, and what it was."""
    with pytest.raises(InvalidParameterError) as caught:
        read("AAPL", {"indicator": ["rsi"], name: [text]}, NOW)
    assert str(caught.value.description).startswith(reason)
    assert caught.value.code == 422


def test_everything_wrong_is_told_at_once():
    """Nobody should have to try four times."""
    given = {"period": ["x"], "interval": ["y"], "from": ["z"], "limit": ["1", "2"]}
    with pytest.raises(InvalidParameterError) as caught:
        read("%%", given, NOW)
    assert list(caught.value.fields) == [
        "symbol",
        "indicator",
        "period",
        "interval",
        "from",
        "limit",
    ]


@pytest.mark.parametrize(
    ("stored", "live", "closes", "at"),
    [
        ([], None, [], None),
        ([(-1, 10.0)], None, [(-1, 10.0)], None),
        # The newest candle moves; the recorder is a moment behind.
        ([(-1, 10.0), (0, 11.0)], (0, 12.0), [(-1, 10.0), (0, 12.0)], 0),
        # It is not stored yet.
        ([(-1, 10.0)], (0, 12.0), [(-1, 10.0), (0, 12.0)], 0),
        ([], (0, 12.0), [(0, 12.0)], 0),
        # A market that closed minutes ago: its last price stands in its last candle already.
        ([(-9, 10.0), (-5, 12.0)], (-5, 12.0), [(-9, 10.0), (-5, 12.0)], -5),
        # A price of before the newest candle, told late, moves nothing.
        ([(-1, 10.0), (0, 11.0)], (-1, 99.0), [(-1, 10.0), (0, 11.0)], None),
    ],
)
def test_the_live_price_is_the_close_of_its_candle(stored, live, closes, at):
    """It takes the place of what is stored, or follows it, and stands there once."""
    candles = [candle(THIS_MINUTE + minute * MINUTE, close) for minute, close in stored]
    quote = None if live is None else row(live[1], THIS_MINUTE + live[0] * MINUTE + 20_000)
    found, moved = joined(candles, quote, wanted())
    assert [((c.start - THIS_MINUTE) // MINUTE, c.price) for c in found] == closes
    assert moved == (None if at is None else THIS_MINUTE + at * MINUTE)


def test_a_stored_price_that_is_newer_than_the_live_one_stays():
    """By the provider's time, as the recorder orders them."""
    stored = candle(THIS_MINUTE, 11.0, last_at=THIS_MINUTE + 25_000)
    closes, moved = joined([stored], row(99.0, THIS_MINUTE + 20_000), wanted())
    assert (closes, moved) == ([Close(THIS_MINUTE, 11.0)], None)


def test_a_live_price_after_the_asked_stretch_is_left_out():
    """A question about yesterday is not answered with today."""
    stored = [candle(THIS_MINUTE - 9 * MINUTE, 10.0)]
    late = wanted(end=THIS_MINUTE - 5 * MINUTE)
    assert joined(stored, row(12.0, NOW), late)[1] is None


@pytest.mark.parametrize("lead", [0, 40_000, 280_000, 2 * AHEAD_MS])
def test_a_live_price_of_a_clock_that_is_ahead_is_of_the_minute_of_its_receipt(lead):
    """As the recorder places it: no candle is in the future."""
    stored = [candle(THIS_MINUTE - 9 * MINUTE, 10.0)]
    closes, moved = joined(stored, row(12.0, NOW + lead), wanted())
    assert (closes[-1], moved) == (Close(THIS_MINUTE, 12.0), THIS_MINUTE)


def test_the_last_quarter_of_an_hour_begins_with_a_candle_and_ends_now():
    """As the history has it; with an end of its own it is refused."""
    asked = read("AAPL", {"indicator": ["sma"], "last": ["15m"]}, NOW)
    assert (asked.start, asked.end) == (THIS_MINUTE - 15 * MINUTE, NOW + 1)
    hours = read("AAPL", {"indicator": ["sma"], "last": ["1d"], "interval": ["1h"]}, NOW)
    assert (hours.start % (60 * MINUTE), NOW - hours.start) == (
        0,
        24 * 60 * MINUTE + NOW % (60 * MINUTE),
    )
    with pytest.raises(InvalidParameterError) as refused:
        read("AAPL", {"indicator": ["sma"], "last": ["15m"], "to": ["2026-11-22T09:00:00Z"]}, NOW)
    assert set(refused.value.fields) == {"last"}


def closes_of(prices):
    return [Close(THIS_MINUTE + number * MINUTE, price) for number, price in enumerate(prices)]


async def test_values_are_the_indicators_own_at_the_candles_that_have_one():
    """One point per candle, from the first defined on."""
    prices = [10.0, 11.0, 13.0, 12.0]
    points = await values(closes_of(prices), wanted(period=2), 0)
    assert [point.price for point in points] == sma(prices, 2)[1:]
    assert [point.start for point in points] == [c.start for c in closes_of(prices)[1:]]


async def test_only_asked_points_are_told_though_earlier_prices_count():
    """`from` and `limit` cut the answer, not what it is worked out from."""
    prices = [10.0, 11.0, 13.0, 12.0, 15.0]
    late = wanted(period=2, start=THIS_MINUTE + 2 * MINUTE)
    assert [p.price for p in await values(closes_of(prices), late, 0)] == [12.0, 12.5, 13.5]
    few = wanted(period=2, limit=2)
    assert [p.price for p in await values(closes_of(prices), few, 0)] == [12.5, 13.5]


async def test_values_that_show_where_the_answer_began_are_not_told():
    """A value is the same, to a millionth, whatever stretch it is asked with."""
    prices = [100 + (number * 7919 % 83) / 10 for number in range(600)]
    settling = prices_until_settled(IndicatorKind.RSI, 5)
    whole = rsi(prices, 5)
    asked = wanted(IndicatorKind.RSI, 5, limit=40)
    points = await values(closes_of(prices[-40 - settling :]), asked, settling)
    assert len(points) == 40
    assert [p.price for p in points] == pytest.approx(whole[-40:], rel=1e-4)
