"""What becomes of a provider's answer, good and bad."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.body_items import BodyFault, Limits, UnparseableBody
from stockstream.market.parser import RejectKind, parse
from stockstream.quotes import LATEST_TIMESTAMP, DayFigures

AT = 1_795_341_600_000
GOOD = {"symbol": "MSFT", "price": 312.5, "timestamp": "2026-11-22T10:00:00Z"}


def item(**fields):
    return {"symbol": "AAPL", "price": 150.25, "timestamp": "2026-11-22T10:00:00Z"} | fields


def read(body, content_type="application/json", limits=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return parse(body, content_type, limits)


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
        "2026-11-22t10:00:00z",
        "2026-11-22T09:59:60Z",
        "2026-11-22T04:59:60.5-05:00",
        "1795341600",
        "1795341600.0",
        "1795341600000",
    ],
)
def test_a_timestamp_is_iso_8601_or_a_number_since_1970(timestamp):
    """Also in lower case and with a leap second (RFC 3339), and as a number in a text."""
    assert read([item(timestamp=timestamp)]).observations[0].timestamp == AT


@pytest.mark.parametrize("time", ["24:00", "24:00:00", "24:00:00.000"])
def test_a_day_may_end_at_24_hours(time):
    [seen] = read([item(timestamp=f"2026-11-22T{time}+14:00")]).observations
    assert seen.timestamp == AT


@pytest.mark.parametrize(
    ("timestamp", "what"),
    [
        (AT * 1000, "which is in microseconds: seconds or milliseconds are read"),
        (AT * 1_000_000, "which is in nanoseconds: seconds or milliseconds are read"),
        (str(AT * 1000), "which is in microseconds"),
        (str(AT * 1_000_000), "which is in nanoseconds"),
        (0, "0, which is no time"),
        (-5, "-5, which is before 1970"),
        (10**30, "a number that no time can be"),
        ("2026-11-22T10:00:00", "'2026-11-22T10:00:00', ISO 8601 without the offset"),
        ("2026-11-22", "without the offset that it needs, as Z or +01:00"),
        ("20261122", "without the offset"),
        ("202611221000", "not ISO 8601"),
        ("20261122100000", "not ISO 8601"),
        ("2026-11-22T24:01Z", "not ISO 8601"),
        ("1969-12-31T00:00:00Z", "not between 1970 and the year 9999"),
        ("yesterday", "'yesterday', not ISO 8601 with an offset"),
    ],
)
def test_what_is_wrong_with_a_timestamp_is_said(timestamp, what):
    rejects = read([item(timestamp=timestamp)]).rejects
    assert rejects.counts == {RejectKind.INVALID_TIMESTAMP: 1}
    sample = rejects.samples[RejectKind.INVALID_TIMESTAMP]
    assert sample.startswith("item 0: timestamp of AAPL is ")
    assert what in sample


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"-Infinity", b"9" * 4000])
def test_no_number_of_a_timestamp_takes_more_than_its_own_item(number):
    """The second reading, which a bare NaN brings about, makes integers of any size."""
    bad = b'{"symbol":"AAPL","price":1,"change":NaN,"timestamp":%s}' % number
    parsed = read(b"[%s,%s]" % (bad, json.dumps(GOOD).encode()))
    assert [seen.symbol for seen in parsed.observations] == ["MSFT"]
    assert parsed.rejects.counts == {RejectKind.INVALID_TIMESTAMP: 1}


@pytest.mark.parametrize("field", ["exchange", "currency", "name"])
def test_blanks_are_no_part_of_a_label_and_nothing_else_is_none(field):
    """Many write an empty text where they know none. An exchange of that name has another day."""
    for blank in ("", "   "):
        parsed = read(json.dumps([item(**{field: blank})]).encode())
        assert [getattr(seen, field) for seen in parsed.observations] == [None]
        assert parsed.rejects.counts == {}
    [seen] = read(json.dumps([item(**{field: "  Xetra "})]).encode()).observations
    assert getattr(seen, field) == "Xetra"


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [
        ("exchange", 4, "4"),
        ("exchange", "x" * 33, None),
        ("exchange", 10**40, None),
        ("exchange", {"name": "NYSE"}, None),
        ("currency", "U\nSD", None),
        ("currency", True, None),
        ("delayed", "no", True),
        ("delayed", 15, True),
        ("delayed_seconds", "900", None),
        ("delayed_seconds", 12.5, None),
        ("delayed_seconds", -1, None),
        ("delayed_seconds", True, None),
        ("delayed_seconds", 900_000, None),
        ("open", 0, None),
        ("open", "n/a", None),
        ("previous_close", -3.5, None),
        ("previous_close", "1_000", None),
        ("previous_close", 10**400, None),
        ("previous_close", 5e-324, None),
        ("previous_close", 1e308, None),
        ("open", 0.001, None),
        ("high", -1, None),
        ("low", "n/a", None),
        ("volume", -1, None),
        ("volume", "NaN", None),
        ("session", "lunch", None),
        ("session", 1, None),
        ("name", "x" * 81, None),
        ("name", "Apple\u202e Inc.", None),
    ],
)
def test_a_bad_optional_field_costs_no_price(field, value, taken):
    """It is counted and left out; what cannot be read as "not delayed" is not shown as live."""
    parsed = read([item(**{field: value})])
    [seen] = parsed.observations
    assert (seen.price, getattr(seen, field, None)) == (150.25, taken)
    assert seen.figures is None
    assert parsed.rejects.total == 0
    if taken == "4":
        assert parsed.rejects.counts == {}
    else:
        assert parsed.rejects.counts == {RejectKind.OPTIONAL_FIELD: 1}
        assert f"item 0: {field} of AAPL is " in parsed.rejects.samples[RejectKind.OPTIONAL_FIELD]


def test_the_optional_fields_are_read():
    """A number may be a text, a session in letters of either case; what is missing is unknown."""
    told = item(
        name="Apple Inc.",
        open="148.5",
        previous_close=147,
        session="REGULAR",
        delayed_seconds=900.0,
        high="151.5",
        low=147,
        volume="27631112",
    )
    [seen] = read([told]).observations
    assert seen.figures == DayFigures(151.5, 147.0, 148.5, 27_631_112.0)
    [seen] = read([told | {"session": "always"}]).observations
    assert seen.figures == DayFigures(151.5, 147.0, 148.5, 27_631_112.0, rolling=True)
    [seen] = read([told]).observations
    assert (seen.name, seen.open, seen.previous_close) == ("Apple Inc.", 148.5, 147.0)
    assert (seen.session, seen.delayed, seen.delayed_seconds) == ("regular", True, 900)
    assert isinstance(seen.delayed_seconds, int)
    [bare] = read([item()]).observations
    assert (bare.name, bare.open, bare.previous_close, bare.session) == (None,) * 4


@pytest.mark.parametrize(
    ("flag", "seconds", "told"),
    [
        (None, None, (False, None)),
        (False, None, (False, None)),
        (True, None, (True, None)),
        (None, 0, (False, 0)),
        (False, 0, (False, 0)),
        (True, 0, (True, None)),
        (None, 900, (True, 900)),
        (False, 900, (True, 900)),
        (None, "soon", (True, None)),
        (False, "soon", (True, None)),
    ],
)
def test_a_price_that_may_be_delayed_is_never_shown_as_live(flag, seconds, told):
    """Whichever of the two fields says so; where they disagree, no number is told."""
    [seen] = read([item(delayed=flag, delayed_seconds=seconds)]).observations
    assert (seen.delayed, seen.delayed_seconds) == told


def test_the_fields_that_are_there_are_named_where_one_is_missing():
    """Of the first such item, the containers as such, and not more of them than can be read."""

    def missing(**fields):
        return read([fields]).rejects.samples[RejectKind.MISSING_FIELD]

    vendors = {"ticker": "A", "lastTrade": {"p": 1}, "updated": 5, "bids": [1]}
    assert missing(**vendors) == (
        "item 0: no symbol; its fields are ticker, lastTrade (an object), updated, bids (a list)"
    )
    assert missing(symbol="A", close=5) == "item 0: A has no price; its fields are symbol, close"
    assert missing() == "item 0: no symbol; it has no fields"
    many = missing(**{f"a rather long name of a field\n{n}": n for n in range(40)})
    assert many.endswith(" and 32 more")
    assert many.isprintable()
    assert len(many) < 300
    lenient = read(b'[{"ticker":"A","last":NaN}]').rejects.samples[RejectKind.MISSING_FIELD]
    assert lenient == "item 0: no symbol; its fields are ticker, last"


def test_symbols_of_bad_items_are_known_to_be_listed():
    bad = [item(symbol="A", price=0), item(symbol="B", timestamp="now"), item(symbol="!")]
    assert read([GOOD, *bad]).rejects.symbols.keys() == {"A", "B"}


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
        (item(timestamp=10**200), RejectKind.INVALID_TIMESTAMP),
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


def test_half_a_surrogate_pair_is_refused_since_it_could_not_be_sent_on():
    parsed = read(json.dumps([GOOD, item(symbol="\ud800")]).encode())
    assert [seen.symbol for seen in parsed.observations] == ["MSFT"]
    assert parsed.rejects.total == 1
    [seen] = read(json.dumps([item(exchange="\ud800")]).encode()).observations
    assert seen.exchange is None


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
        (b"<?xml version='1.0'?><quotes/>", "application/xml", BodyFault.XML),
        (b"<br />\n<b>Warning</b>: Undefined index [1,2]", "text/html", BodyFault.HTML),
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


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "text/plain", None])
def test_json_is_read_whatever_it_is_called(content_type):
    """PHP sends it as text/html unless it is told otherwise."""
    assert len(read([item()], content_type).observations) == 1


def test_what_a_body_is_instead_is_said():
    def said(body, content_type="application/json"):
        with pytest.raises(UnparseableBody) as refused:
            read(body, content_type)
        return str(refused.value)

    assert said(b"<html>") == "the body is an HTML page, not JSON"
    assert said(b"<quotes/>") == "the body is XML, not JSON"
    assert said(b"Symbol,Close\nA,1", "text/csv").endswith("(sent as text/csv)")
    assert said(b'"maintenance"') == "the body is a text, not a list of items"
    assert said(b"null") == "the body is null, not a list of items"
    assert said(b"12") == "the body is a number, not a list of items"
    assert said(b'{"quotes":{"quote":[]},"x":1}') == (
        '"quotes" is an object, not a list of items; its fields are quote (a list)'
    )


@pytest.mark.proves("C18")
@pytest.mark.parametrize("envelope", [b"%s", b'{"as_of":[1,2],"prices":%s,"more":{}}'])
def test_of_more_items_than_the_limit_those_that_fit_are_taken(envelope):
    items = [item(symbol=f"S{n}") for n in range(12)]
    parsed = read(envelope % json.dumps(items).encode(), limits=Limits(items=10))
    assert [seen.symbol for seen in parsed.observations] == [f"S{n}" for n in range(10)]
    assert parsed.rejects.counts == {RejectKind.BEYOND_LIMIT: 2}
    assert parsed.rejects.samples[RejectKind.BEYOND_LIMIT] == (
        "2 items more than the first 10; HTTP_MAX_ITEMS is 10"
    )


def test_a_whole_market_with_forty_fields_each_is_read():
    market = [item(symbol=f"S{n}") | {f"f{n}": n for n in range(37)} for n in range(20_001)]
    parsed = read(market)
    assert len(parsed.observations) == 20_000
    assert parsed.rejects.counts == {RejectKind.BEYOND_LIMIT: 1}


BOOK = [{"symbol": "X", "size": 1}, {"symbol": "Y", "size": 2}]


@pytest.mark.proves("C18")
@pytest.mark.parametrize("envelope", [b"%s", b'{"as_of":[1,2],"quotes":%s,"more":{}}'])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("extra", [{}, {"note": '},{"symbol": ['}, {"book": BOOK}, {"nan": 0}])
def test_of_more_fields_than_the_limit_the_items_that_fit_are_taken(envelope, indent, extra):
    """Whole items, also where others lie in them or a text looks like them; the rest is counted."""
    items = [item(symbol=f"S{n}") | extra for n in range(300)]
    text = json.dumps(items, indent=indent).replace('"nan": 0', '"nan": NaN').encode()
    parsed = read(envelope % text, limits=Limits(fields=500))
    taken = [seen.symbol for seen in parsed.observations]
    assert taken == [f"S{n}" for n in range(len(taken))]
    fields = text[: text.index(f'"S{len(taken)}"'.encode())].count(b",")
    assert 500 - 20 <= fields <= 500
    beyond = parsed.rejects.counts.pop(RejectKind.BEYOND_LIMIT)
    assert not parsed.rejects.counts
    assert len(taken) + beyond == 300 or "book" in extra or "note" in extra
    assert parsed.rejects.samples[RejectKind.BEYOND_LIMIT].endswith("HTTP_MAX_FIELDS is 500")


@pytest.mark.proves("C18")
@pytest.mark.parametrize("one", [b"5", b"[{}]", b'"},{"', b""])
def test_a_body_of_commas_that_is_no_list_of_objects_is_refused_whole(one):
    """Reading millions of tiny items would hold everybody else up for seconds."""
    assert fault(b"[" + b",".join([one] * 1_200_000) + b"]") is BodyFault.TOO_MANY_ITEMS


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
