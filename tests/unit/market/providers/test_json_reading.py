"""The answers of JSON APIs: what is read, what is left out, and what is no answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.body_items import Limits
from stockstream.market.providers import (
    ProviderBody,
    ProviderError,
    ProviderRefused,
    ProviderStatus,
    SymbolsNotFound,
)
from stockstream.market.providers.json_api.api import json_api
from stockstream.market.providers.json_api.declaration import read_declaration
from stockstream.market.providers.json_api.reading import read_answer
from stockstream.market.timestamps import BadTimestamp, TimeUnit, in_unit
from stockstream.quotes import Symbol, parse_symbol
from stockstream.upstreams import Upstream

if TYPE_CHECKING:
    from stockstream.market.parser import Parsed

AT = 1_795_341_600_123
LIST = """
url = "https://x/?s={symbols}"
items = "data"
[fields]
symbol = "s"
price = ["p", "q"]
time = "t"
open = "o"
[error]
at = "status"
values = ["error"]
code = "code"
"""
LIST_NS = 'time_unit = "ns"\n' + LIST
OBJECT = 'url = "https://x/?s={symbols}"\n[fields]\nsymbol = "@key"\nprice = "c"\n'
SINGLE = 'url = "https://x/?s={symbol}"\n[fields]\nprice = "c"\n'


def read(text: str, body: object, *asked: str, limits: Limits | None = None) -> Parsed:
    api = json_api("x.toml", read_declaration(text), "", Upstream("x", "json://"))
    names = {api.written(symbol): symbol for symbol in map(parse_symbol, asked)}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(api, raw, "application/json", names, AT, limits or Limits())


def prices(parsed: Parsed) -> dict[str, float]:
    return {seen.symbol: seen.price for seen in parsed.observations}


def test_items_in_a_list() -> None:
    """A text is a number, the second place counts where the first has nothing, and a bad item
    costs itself only.
    """
    items = [
        {"s": "aapl", "p": "172.87", "t": AT, "o": 0},
        {"s": "MSFT", "p": None, "q": 512, "t": AT // 1000, "o": 500},
        {"s": "TSLA", "p": 0, "t": AT},
        {"s": "NFLX", "p": 5, "t": None},
        {"s": "AMZN", "t": AT, "more": 1},
        {"s": "GOOGL", "p": "x", "t": AT},
        {"s": "META", "p": 5, "t": AT * 1_000_000},
        "nothing",
        {"status": "error", "code": 404, "s": "X"},
    ]
    parsed = read(LIST, {"data": items}, "AAPL", "MSFT")
    assert prices(parsed) == {"AAPL": 172.87, "MSFT": 512}
    assert [seen.open for seen in parsed.observations] == [None, 500], "0 is none"
    assert parsed.rejects.counts == {
        "not_positive": 1,
        "missing_field": 2,
        "wrong_type": 2,
        "invalid_timestamp": 1,
    }
    assert {"TSLA", "NFLX", "AMZN", "GOOGL", "META"} == parsed.rejects.symbols.keys()


def test_nanoseconds_are_read_where_they_are_said() -> None:
    item = {"s": "AAPL", "p": 1, "t": AT * 1_000_000 + 456_789}
    (seen,) = read(LIST_NS, {"data": [item]}, "AAPL").observations
    assert seen.timestamp == AT


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (AT / 1000, TimeUnit.SECONDS),
        (AT, TimeUnit.MILLISECONDS),
        (str(AT), TimeUnit.MILLISECONDS),
        (AT * 1000 + 999, TimeUnit.MICROSECONDS),
        (float(AT) * 1e6, TimeUnit.NANOSECONDS),
        ("2026-11-22T10:00:00.123Z", TimeUnit.ISO),
    ],
)
def test_units_of_time(value: object, unit: TimeUnit) -> None:
    assert in_unit(value, unit) == AT


@pytest.mark.parametrize("unit", TimeUnit)
@pytest.mark.parametrize("value", [0, -1, "", "x", float("nan"), float("inf"), 10**30, True, []])
def test_what_is_no_time_in_a_unit(value: object, unit: TimeUnit) -> None:
    with pytest.raises((ValueError, TypeError)):
        in_unit(value, unit)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (AT // 1000, TimeUnit.MILLISECONDS),
        (AT, TimeUnit.MICROSECONDS),
        (AT * 1000, TimeUnit.NANOSECONDS),
        (AT / 1000, TimeUnit.MILLISECONDS),
    ],
)
def test_a_time_of_another_unit_is_no_time_in_1970(value: float, unit: TimeUnit) -> None:
    with pytest.raises(BadTimestamp, match=f", of {unit} long ago: it is in a larger unit"):
        in_unit(value, unit)


def test_an_object_has_an_item_under_each_symbol() -> None:
    """Told as it was asked for. What is not there is not told; where one was asked for it may
    come alone.
    """
    text = OBJECT + '[symbols]\ndash = "/"\n[symbols.names]\nBRK-B = "BRK.B"'
    body = {"BTC/USD": {"c": 97000.5}, "BRK.B": {"c": "480.25"}, "X": None}
    parsed = read(text, body, "BTC-USD", "BRK-B", "ETH-USD")
    assert prices(parsed) == {"BTC-USD": 97000.5, "BRK-B": 480.25}
    assert [seen.timestamp for seen in parsed.observations] == [AT, AT], "of when it was asked"
    assert parsed.rejects.counts == {"wrong_type": 1}
    assert prices(read(text, {"c": 97000.5}, "BTC-USD")) == {"BTC-USD": 97000.5}


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (SINGLE, {"c": 0, "d": None, "t": 0}),
        (OBJECT, {}),
        (SINGLE, {}),
        (LIST, {"data": []}),
        (LIST, {"data": {}}),
        (LIST, {"data": None}),
        (LIST, {"status": "error", "code": 404}),
        (LIST, {"data": [{"status": "error", "code": 404}]}),
    ],
)
def test_an_unknown_symbol_is_no_trouble_upstream(text: str, body: object) -> None:
    with pytest.raises(SymbolsNotFound):
        read(text, body, "NOSUCH")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"message": "no"}, "body_wrong_shape"),
        ({"data": "no"}, "body_wrong_shape"),
        ({"status": "error"}, "body_error"),
        (b"", "body_empty"),
        (b"<html>", "body_html"),
        (b"{", "body_not_json"),
        (b"[" * 100_000, "body_not_json"),
        (b"\xff\xfe", "body_not_json"),
        ({"data": [0] * 100}, "body_too_many_items"),
    ],
)
def test_what_is_no_answer_has_a_kind(body: object, kind: str) -> None:
    with pytest.raises(ProviderBody) as error:
        read(LIST, body, "AAPL", limits=Limits(fields=50))
    assert error.value.kind == kind


def test_an_error_in_a_body_counts_as_its_code() -> None:
    """A wrong key is one that no other attempt would mend."""
    with pytest.raises(ProviderRefused) as refused:
        read(LIST, {"status": "error", "code": "401"}, "AAPL")
    assert refused.value.kind == "status_401"
    with pytest.raises(ProviderStatus) as limited:
        read(LIST, {"status": "error", "code": 429}, "AAPL")
    assert limited.value.kind == "status_429"


def test_a_list_is_cut_at_its_limit() -> None:
    items = [{"s": f"S{number}", "p": 1, "t": AT} for number in range(9)]
    parsed = read(LIST, {"data": items}, "S1", limits=Limits(items=5))
    assert len(parsed.observations) == 5
    assert parsed.rejects.counts == {"beyond_limit": 4}


def test_numbers_that_are_none_are_left_out() -> None:
    """Some servers write NaN, which is no JSON."""
    body = b'{"data": [{"s": "A", "p": NaN, "t": 1795341600}, {"s": "B", "p": 1, "t": 1795341600}]}'
    parsed = read(LIST, body, "A", "B")
    assert prices(parsed) == {"B": 1}
    assert parsed.rejects.counts == {"not_finite": 1}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "s", "p", "q", "t", "c", "status"]), inner)
    ),
    max_leaves=12,
)


@given(body=_JSON, text=st.sampled_from([LIST, LIST_NS, OBJECT, SINGLE]))
def test_whatever_comes_is_read_or_refused(body: object, text: str) -> None:
    """And nothing that is no price is told."""
    try:
        parsed = read(text, body, "AAPL")
    except ProviderError:
        return
    for seen in parsed.observations:
        assert seen.price > 0
        assert seen.timestamp > 0
        assert parse_symbol(seen.symbol) == seen.symbol == Symbol(seen.symbol)


VALUED = OBJECT.replace('"c"', '"@value"')


def test_items_that_are_bare_numbers() -> None:
    """Under their symbols; a text with a number in it too. What is none costs itself alone."""
    body = {"AAPL": 0.91, "MSFT": "3.5", "TSLA": None, "IBM": True, "NFLX": {"c": 1}, "GE": "no"}
    parsed = read(VALUED, body, *body)
    assert prices(parsed) == {"AAPL": 0.91, "MSFT": 3.5}
    assert parsed.rejects.total == 4
    at = next(seen.timestamp for seen in parsed.observations)
    assert at == AT
    nested = 'items = "rates"\n' + VALUED
    assert prices(read(nested, {"rates": {"AAPL": 0.91}}, "AAPL")) == {"AAPL": 0.91}


def test_a_bare_number_for_the_one_symbol_that_was_asked_for() -> None:
    """Alone, or in an object; 0 says that the symbol is not there."""
    text = 'items = "rate"\n' + SINGLE.replace('"c"', '"@value"')
    assert prices(read(text, {"rate": 2.5}, "AAPL")) == {"AAPL": 2.5}
    with pytest.raises(SymbolsNotFound):
        read(text, {"rate": 0}, "AAPL")


def test_bare_numbers_beside_objects() -> None:
    """Where both may come, each is read as it is."""
    text = OBJECT.replace('"c"', '["c", "@value"]')
    assert prices(read(text, {"AAPL": 1.5, "MSFT": {"c": 2.5}}, "AAPL", "MSFT")) == {
        "AAPL": 1.5,
        "MSFT": 2.5,
    }


def test_a_number_where_none_was_said_to_be_is_no_item() -> None:
    parsed = read(OBJECT, {"AAPL": 1.5}, "AAPL")
    assert not parsed.observations
    assert parsed.rejects.total == 1
