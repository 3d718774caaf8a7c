"""Symbols, versions and times."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.quotes import (
    LATEST_TIMESTAMP,
    InvalidSymbol,
    Observation,
    Version,
    iso_utc,
    parse_symbol,
)
from stockstream.times import now_ms


@pytest.mark.proves("W4")
@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("AAPL", "AAPL"),
        ("  aapl\n", "AAPL"),
        ("nasdaq:aapl", "NASDAQ:AAPL"),
        ("BRK.B", "BRK.B"),
        ("^GSPC", "^GSPC"),
        ("EURUSD=X", "EURUSD=X"),
        ("BTC-USD", "BTC-USD"),
        ("A", "A"),
        ("btc/usd", "BTC-USD"),
        ("COINBASE:BTC-USD", "COINBASE:BTC-USD"),
        ("nse:m&m", "NSE:M&M"),
        ("eur_usd", "EUR_USD"),
        ("A" * 32, "A" * 32),
    ],
)
def test_a_symbol_is_trimmed_and_upper_cased(text, symbol):
    assert parse_symbol(text) == symbol


@pytest.mark.proves("W4")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        (" \t ", "it is empty"),
        ("A" * 33, "it has 33 characters, at most 32 are allowed"),
        ("!!", "only A-Z"),
        ("AA PL", "only A-Z"),
        ("AAPL\x00", "only A-Z"),
        ("<script>", "only A-Z"),
        ("\u017fPY", "only A-Z"),  # the long s, which upper-cases to an S
        ("STRA\u00dfE", "only A-Z"),
        ("\uff21\uff21\uff30\uff2c", "only A-Z"),
    ],
)
def test_a_bad_symbol_is_refused_with_code_and_reason(text, reason):
    with pytest.raises(InvalidSymbol) as refused:
        parse_symbol(text)
    assert refused.value.code == "invalid_symbol"
    assert refused.value.reason.startswith(reason)


def test_the_error_shows_no_more_than_the_beginning_of_a_long_text():
    with pytest.raises(InvalidSymbol) as refused:
        parse_symbol("x" * 100_000)
    assert len(str(refused.value)) < 150


@pytest.mark.proves("W4")
@given(st.text(max_size=40))
def test_whatever_is_accepted_is_a_symbol_already(text):
    try:
        symbol = parse_symbol(text)
    except InvalidSymbol:
        return
    assert parse_symbol(symbol) == symbol
    assert 1 <= len(symbol) <= 32
    assert set(symbol) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:^=_&")


@pytest.mark.proves("W1")
def test_versions_compare_as_a_pair_and_are_sent_as_one():
    assert Version(1, 9) < Version(1, 10) < Version(2, 1)
    assert msgspec.json.encode(Version(1795378525327, 42)) == b"[1795378525327,42]"


def test_a_time_is_written_to_the_millisecond_in_utc():
    assert iso_utc(1_795_341_600_123) == "2026-11-22T10:00:00.123Z"
    assert iso_utc(1_795_341_600_000) == "2026-11-22T10:00:00.000Z"


@given(st.integers(1, LATEST_TIMESTAMP))
def test_every_time_reads_back_as_itself(timestamp):
    moment = datetime.fromisoformat(iso_utc(timestamp))
    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == pytest.approx(
        timestamp / 1000, abs=1e-4
    )


def test_the_wall_clock_is_in_milliseconds():
    assert abs(now_ms() - datetime.now(UTC).timestamp() * 1000) < 5_000


def test_a_quote_is_its_observation_with_a_version():
    seen = Observation(parse_symbol("AAPL"), 150.25, 1_795_341_600_000, "NASDAQ", "USD", True)
    quote = seen.quoted(Version(7, 1), 1_795_341_600_500)
    assert quote.tells_the_same(seen)
    assert (quote.symbol, quote.version, quote.received) == ("AAPL", (7, 1), 1_795_341_600_500)
    for field, value in (
        ("price", 150.26),
        ("timestamp", 1_795_341_600_001),
        ("exchange", None),
        ("currency", "EUR"),
        ("delayed", False),
    ):
        assert not quote.tells_the_same(msgspec.structs.replace(seen, **{field: value}))


def test_quotes_cannot_be_changed():
    quote = Observation(parse_symbol("A"), 1.0, 1).quoted(Version(1, 1), 1)
    with pytest.raises(AttributeError):
        quote.price = 2.0
