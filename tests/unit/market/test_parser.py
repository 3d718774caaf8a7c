"""What becomes of a provider's answer, good and bad."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.parser import (
    MOST_ITEMS,
    BodyFault,
    RejectKind,
    UnparseableBody,
    parse,
)
from stockstream.quotes import LATEST_TIMESTAMP

AT = 1_795_341_600_000
GOOD = {"symbol": "MSFT", "price": 312.5, "timestamp": "2026-11-22T10:00:00Z"}


def item(**fields):
    return {"symbol": "AAPL", "price": 150.25, "timestamp": "2026-11-22T10:00:00Z"} | fields


def read(body, content_type="application/json"):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return parse(body, content_type)


def fault(body, content_type="application/json"):
    with pytest.raises(UnparseableBody) as refused:
        read(body, content_type)
    return refused.value.fault


@pytest.mark.parametrize(
    "body",
    [
        [item()],
        item(),
        {"prices": [item()]},
        {"quotes": [item()], "as_of": "now"},
        json.dumps([item()]).encode("utf-8-sig"),
    ],
    ids=["list", "one item", "prices", "quotes", "byte order mark"],
)
def test_the_accepted_shapes(body):
    parsed = read(body)
    [seen] = parsed.observations
    assert (seen.symbol, seen.price, seen.timestamp) == ("AAPL", 150.25, AT)
    assert (seen.exchange, seen.currency, seen.delayed) == (None, None, False)
    assert parsed.rejects.total == 0


def test_optional_fields_are_kept_and_unknown_ones_ignored():
    [seen] = read(
        [item(exchange="NASDAQ", currency="USD", delayed=True, volume={"day": [1, 2]}, note=None)]
    ).observations
    assert (seen.exchange, seen.currency, seen.delayed) == ("NASDAQ", "USD", True)


@pytest.mark.parametrize("price", [150.25, "150.25", " 150.25 ", "1.5025e2"])
def test_a_price_is_a_number_or_a_numeric_string(price):
    assert read([item(price=price)]).observations[0].price == 150.25


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.000+00:00",
        "2026-11-22T11:00:00+01:00",
        1_795_341_600,
        1_795_341_600.0,
        1_795_341_600_000,
    ],
)
def test_a_timestamp_is_iso_8601_or_a_number_since_1970(timestamp):
    assert read([item(timestamp=timestamp)]).observations[0].timestamp == AT


def test_milliseconds_are_kept():
    assert read([item(timestamp="2026-11-22T10:00:00.123Z")]).observations[0].timestamp == AT + 123


@pytest.mark.proves("C18")
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (5, RejectKind.WRONG_TYPE),
        (None, RejectKind.WRONG_TYPE),
        ("AAPL", RejectKind.WRONG_TYPE),
        ([item()], RejectKind.WRONG_TYPE),
        (item(symbol=5), RejectKind.WRONG_TYPE),
        (item(price=True), RejectKind.WRONG_TYPE),
        (item(price=[150.25]), RejectKind.WRONG_TYPE),
        (item(price="a lot"), RejectKind.WRONG_TYPE),
        (item(price="1_000"), RejectKind.WRONG_TYPE),
        (item(price=""), RejectKind.WRONG_TYPE),
        (item(timestamp=True), RejectKind.WRONG_TYPE),
        (item(timestamp={}), RejectKind.WRONG_TYPE),
        (item(exchange=5), RejectKind.WRONG_TYPE),
        (item(exchange="x" * 33), RejectKind.WRONG_TYPE),
        (item(currency="U\nSD"), RejectKind.WRONG_TYPE),
        (item(delayed="no"), RejectKind.WRONG_TYPE),
        ({}, RejectKind.MISSING_FIELD),
        (item(symbol=None), RejectKind.MISSING_FIELD),
        (item(price=None), RejectKind.MISSING_FIELD),
        (item(timestamp=None), RejectKind.MISSING_FIELD),
        (item(price="NaN"), RejectKind.NOT_FINITE),
        (item(price="-Infinity"), RejectKind.NOT_FINITE),
        (item(price=10**400), RejectKind.NOT_FINITE),
        (item(price=10**200), None),
        (item(price=0), RejectKind.NOT_POSITIVE),
        (item(price="0.0"), RejectKind.NOT_POSITIVE),
        (item(price=-0.0), RejectKind.NOT_POSITIVE),
        (item(price=-150.25), RejectKind.NOT_POSITIVE),
        (item(symbol="!!"), RejectKind.INVALID_SYMBOL),
        (item(symbol=""), RejectKind.INVALID_SYMBOL),
        (item(timestamp="yesterday"), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp=""), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp="2026-11-22T10:00:00"), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp="2026-11-22"), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp=0), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp=-1), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp=1e300), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp="0001-01-01T00:00:00Z"), RejectKind.INVALID_TIMESTAMP),
        (item(timestamp="9999-12-31T23:59:59-14:00"), RejectKind.INVALID_TIMESTAMP),
    ],
)
def test_a_bad_item_is_counted_by_kind_and_takes_no_good_one_with_it(bad, kind):
    """`kind` None marks the good neighbours of a bad value, at the edge of what is allowed."""
    parsed = read([GOOD, bad, item(symbol="TSLA")])
    symbols = [seen.symbol for seen in parsed.observations]
    if kind is None:
        assert symbols == ["MSFT", "AAPL", "TSLA"]
        return
    assert symbols == ["MSFT", "TSLA"]
    assert parsed.rejects.counts == {kind: 1}
    assert parsed.rejects.samples[kind].startswith("item 1: ")


@pytest.mark.proves("C18")
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000])
def test_a_number_that_is_none_takes_only_its_own_item_with_it(token):
    """A bare NaN makes the whole body no JSON, and many servers write it all the same."""
    body = f'[{json.dumps(GOOD)}, {{"symbol":"AAPL","price":{token},"timestamp":1}}]'.encode()
    parsed = read(body)
    assert [seen.symbol for seen in parsed.observations] == ["MSFT"]
    assert parsed.rejects.counts == {RejectKind.NOT_FINITE: 1}


@pytest.mark.parametrize("envelope", [b"%s", b"[%s]", b'{"prices":[%s]}', b'{"quotes":[%s]}'])
def test_a_bare_nan_in_an_ignored_field_does_no_harm_in_any_shape(envelope):
    one = json.dumps(item(change=float("nan"))).encode()
    assert [seen.symbol for seen in read(envelope % one).observations] == ["AAPL"]


@pytest.mark.parametrize("field", ["symbol", "exchange"])
def test_half_a_surrogate_pair_is_refused_since_it_could_not_be_sent_on(field):
    body = json.dumps([GOOD, item(**{field: "\ud800"})]).encode()
    parsed = read(body)
    assert [seen.symbol for seen in parsed.observations] == ["MSFT"]
    assert parsed.rejects.total == 1


def test_text_that_is_not_utf_8_is_refused_with_its_item():
    body = b'[%s, {"symbol":"\xff","price":1,"timestamp":1}]' % json.dumps(GOOD).encode()
    parsed = read(body)
    assert [seen.symbol for seen in parsed.observations] == ["MSFT"]
    assert parsed.rejects.counts == {RejectKind.WRONG_TYPE: 1}


@pytest.mark.proves("C18")
def test_of_two_items_for_a_symbol_the_newer_counts():
    """Whatever their order; of two with the same time the later in the body."""
    old, new = "2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z"
    for body in (
        [item(price=1, timestamp=old), item(price=2, timestamp=new)],
        [item(price=2, timestamp=new), item(price=1, timestamp=old)],
        [item(price=1, timestamp=new), item(price=2, timestamp=new, symbol="aapl")],
    ):
        parsed = read(body)
        assert [seen.price for seen in parsed.observations] == [2]
        assert parsed.rejects.counts == {RejectKind.DUPLICATE_SYMBOL: 1}


def test_a_bad_item_does_not_displace_a_good_one_of_its_symbol():
    parsed = read([item(), item(price=-1)])
    assert [seen.price for seen in parsed.observations] == [150.25]


def test_the_sample_of_rejects_stays_small_however_many_there_are():
    body = [item(price=-n) for n in range(2000)] + [item(symbol="x" * 100_000)]
    parsed = read(body)
    assert parsed.rejects.counts == {RejectKind.NOT_POSITIVE: 2000, RejectKind.INVALID_SYMBOL: 1}
    assert parsed.rejects.samples[RejectKind.NOT_POSITIVE] == "item 0: price of AAPL is 0"
    assert sum(map(len, parsed.rejects.samples.values())) < 300


@pytest.mark.proves("C18")
@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "application/json", BodyFault.EMPTY),
        (b" \r\n", None, BodyFault.EMPTY),
        (b"<!DOCTYPE html><p>Sign in", "application/json", BodyFault.HTML),
        (b"<html>", None, BodyFault.HTML),
        (b"[]", "text/html; charset=utf-8", BodyFault.HTML),
        (json.dumps([GOOD, GOOD]).encode()[:-20], "application/json", BodyFault.NOT_JSON),
        (b'[{"symbol":"A","price":NaN', "application/json", BodyFault.NOT_JSON),
        (b"[1] [2]", "application/json", BodyFault.NOT_JSON),
        (b"\x00\xff\xfe", "application/octet-stream", BodyFault.NOT_JSON),
        (b"[" * 100_000, "application/json", BodyFault.NOT_JSON),
        (b"[NaN" + b",[" * 100_000, "application/json", BodyFault.NOT_JSON),
        (b"NaN", "application/json", BodyFault.WRONG_SHAPE),
        (b'"prices"', "application/json", BodyFault.WRONG_SHAPE),
        (b"12", "application/json", BodyFault.WRONG_SHAPE),
        (b"null", "application/json", BodyFault.WRONG_SHAPE),
        (b'{"prices":{"AAPL":1}}', "application/json", BodyFault.WRONG_SHAPE),
    ],
)
def test_a_body_of_no_use_is_refused_whole(body, content_type, expected):
    assert fault(body, content_type) is expected


@pytest.mark.proves("C18")
@pytest.mark.parametrize("one", [b"5", b"{}", b'{"symbol":"A"}', b'{"price":NaN}'])
def test_a_body_of_more_items_than_a_market_has_is_refused_whole(one):
    """Reading millions of tiny items would hold everybody else up for seconds."""
    assert fault(b"[" + b",".join([one] * (MOST_ITEMS + 1)) + b"]") is BodyFault.TOO_MANY_ITEMS
    assert read(b"[" + b",".join([one] * MOST_ITEMS) + b"]").rejects.total == MOST_ITEMS
    assert fault(b"[" + b"5," * 2_400_000 + b"5]") is BodyFault.TOO_MANY_ITEMS


def test_an_error_with_status_200_parses_to_nothing():
    parsed = read({"error": "rate limited"})
    assert parsed.observations == ()
    assert parsed.rejects.counts == {RejectKind.MISSING_FIELD: 1}


def test_an_empty_list_parses_to_nothing():
    assert read([]).observations == ()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(body):
    with contextlib.suppress(UnparseableBody):
        parse(body, None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
fields = st.sampled_from(["symbol", "price", "timestamp", "exchange", "currency", "delayed"])


@pytest.mark.proves("C18")
@given(st.lists(st.tuples(fields, json_values), max_size=8))
def test_whatever_an_item_holds_the_one_beside_it_goes_on(changes):
    """And every item is accounted for: an observation or a reject."""
    bad = [item(symbol=f"B{n}") | {field: value} for n, (field, value) in enumerate(changes)]
    parsed = read([*bad, GOOD])
    assert "MSFT" in [seen.symbol for seen in parsed.observations]
    assert len(parsed.observations) + parsed.rejects.total == len(bad) + 1
    for seen in parsed.observations:
        assert 0 < seen.price < float("inf")
        assert 0 < seen.timestamp <= LATEST_TIMESTAMP
