"""Which requests fit a stub."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.conditions import read_condition
from mockserver.json_equality import JsonEquality
from mockserver.json_types import Json
from mockserver.problems import FieldError, Reader
from tests.unit.mockserver.support import request, stub


@pytest.mark.proves("M5")
@pytest.mark.parametrize(
    ("fields", "url", "fits"),
    [
        ({"url": "/a?x=1"}, "/a?x=1", True),
        ({"url": "/a?x=1"}, "/a?x=1&y=2", False),
        ({"url": "/a"}, "/a?x=1", False),
        ({"urlPattern": r"/a\?x=\d"}, "/a?x=1", True),
        ({"urlPattern": r"/a\?x=\d"}, "/a?x=12", False),
        ({"urlPattern": "/a"}, "/ab", False),
        ({"urlPath": "/a"}, "/a?x=1", True),
        ({"urlPath": "/a"}, "/a/", False),
        ({"urlPathPattern": "/v1/([A-Z.]+)"}, "/v1/BRK.B?x=1", True),
        ({"urlPathPattern": "/v1/([A-Z.]+)"}, "/v1/BRK.B/x", False),
        ({"urlPathPattern": "(?<v>/v1)/.*"}, "/v1/a", True),
        ({"urlPathTemplate": "/p/{symbol}/q"}, "/p/AAPL/q?x=1", True),
        ({"urlPathTemplate": "/p/{symbol}/q"}, "/p/A/B/q", False),
        ({"urlPathTemplate": "/p/{symbol}/q"}, "/p//q", False),
        ({}, "/anything?at=all", True),
    ],
)
def test_exactly_one_way_to_say_the_url(fields: dict[str, Json], url: str, fits: bool) -> None:
    """Equal or full-match regex, on path and query or on the path alone."""
    assert stub(**fields).request.matches(request(url)) is fits


@pytest.mark.proves("M5")
def test_methods_are_equal_or_any() -> None:
    """A stub without a method takes every one; GET_OR_HEAD is WireMock's word for two."""
    assert stub(method="POST").request.matches(request("/", "POST"))
    assert stub(method="GET_OR_HEAD").request.matches(request("/", "HEAD"))
    assert not stub(method="GET_OR_HEAD").request.matches(request("/", "POST"))
    assert not stub(method="POST").request.matches(request("/", "PUT"))
    assert stub(method="ANY").request.matches(request("/", "PROPFIND"))
    assert stub().request.matches(request("/", "DELETE"))


@pytest.mark.proves("M5")
@pytest.mark.parametrize(
    ("condition", "value", "met"),
    [
        ({"equalTo": "USD"}, "USD", True),
        ({"equalTo": "USD"}, "usd", False),
        ({"equalTo": "USD"}, None, False),
        ({"equalTo": "straße", "caseInsensitive": True}, "STRASSE", True),
        ({"equalTo": 5}, "5", True),
        ({"matches": "USD|EUR"}, "EUR", True),
        ({"matches": "USD|EUR"}, "EURO", False),
        ({"doesNotMatch": "A.*"}, "BA", True),
        ({"doesNotMatch": "A.*"}, "AB", False),
        ({"contains": "json"}, "application/json; q=1", True),
        ({"contains": "json"}, None, False),
        ({"doesNotContain": "x"}, "abc", True),
        ({"absent": True}, None, True),
        ({"absent": True}, "", False),
        ({"absent": False}, "x", False),
        ({"absent": "(absent)"}, None, True),
        ({"matches": '.*"a"\\s*:.*'}, '{\n "a": 1\n}', True),
        ({"matches": r"\d+"}, "١٢", False),
        ({"equalToJson": '{"a":"${json-unit.any-number}"}'}, '{"a":5}', True),
        ({"equalToJson": '{"a":"${json-unit.any-number}"}'}, '{"a":"5"}', False),
        ({"equalToJson": '{"a":"${json-unit.any-string}"}'}, '{"a":"x"}', True),
        ({"equalToJson": '{"a":"#{json-unit.any-boolean}"}'}, '{"a":true}', True),
        ({"equalToJson": '{"a":"${json-unit.ignore}"}'}, '{"a":[1]}', True),
        ({"equalToJson": '{"a":"${json-unit.ignore}"}'}, "{}", False),
        ({"equalToJson": '{"a":"${json-unit.ignore-element}"}'}, "{}", True),
        ({"equalToJson": '{"a":"${json-unit.regex}[A-Z]+"}'}, '{"a":"AB"}', True),
        ({"equalToJson": '{"a":"${json-unit.regex}[A-Z]+"}'}, '{"a":"ab"}', False),
        ({"matchesJsonPath": {"expression": "$.v", "doesNotMatch": "x"}}, "{}", False),
        ({"matchesJsonPath": {"expression": "$.v", "not": {"equalTo": "x"}}}, "{}", False),
        ({"matchesJsonPath": {"expression": "$.v", "not": {"equalTo": "x"}}}, '{"v":"y"}', True),
        ({"matchesJsonPath": {"expression": "$.v", "equalTo": '{"a":1}'}}, '{"v":{"a":1}}', False),
        ({"hasExactly": [{"equalTo": "a"}]}, "a", True),
        ({"includes": [{"equalTo": "a"}, {"equalTo": "b"}]}, "a", False),
        ({"equalToJson": '{"a":[1,2],"b":null}'}, '{"b":null, "a":[1.0,2]}', True),
        ({"equalToJson": {"a": [1, 2]}}, '{"a":[2,1]}', False),
        ({"equalToJson": {"a": [1, 2]}, "ignoreArrayOrder": True}, '{"a":[2,1]}', True),
        ({"equalToJson": {"a": 1}}, '{"a":1,"b":2}', False),
        ({"equalToJson": {"a": 1}, "ignoreExtraElements": True}, '{"a":1,"b":2}', True),
        ({"equalToJson": {"a": 1}}, '{"a":true}', False),
        ({"equalToJson": {"a": 1}}, "not json", False),
        ({"matchesJsonPath": "$.a[?(@.b > 1)]"}, '{"a":[{"b":2}]}', True),
        ({"matchesJsonPath": "$.a[?(@.b > 1)]"}, '{"a":[{"b":1}]}', False),
        ({"matchesJsonPath": "$.a"}, '{"a":null}', False),
        ({"matchesJsonPath": "$.a"}, "not json", False),
        ({"matchesJsonPath": {"expression": "$.a", "equalTo": "7"}}, '{"a":7}', True),
        ({"matchesJsonPath": {"expression": "$.a", "equalTo": "7"}}, '{"a":8}', False),
        ({"matchesJsonPath": {"expression": "$.a[*]", "matches": "x."}}, '{"a":["q","xy"]}', True),
        ({"matchesJsonPath": {"expression": "$.a", "absent": True}}, "{}", True),
        (
            {"matchesJsonPath": {"expression": "$.a", "equalToJson": {"b": 1}}},
            '{"a":{"b":1}}',
            True,
        ),
        ({"and": [{"contains": "a"}, {"contains": "b"}]}, "ab", True),
        ({"and": [{"contains": "a"}, {"contains": "b"}]}, "a", False),
        ({"or": [{"equalTo": "a"}, {"absent": True}]}, None, True),
        ({"or": [{"equalTo": "a"}, {"equalTo": "b"}]}, "c", False),
        ({"not": {"contains": "a"}}, "b", True),
    ],
)
def test_conditions(condition: Json, value: str | None, met: bool) -> None:
    """Every operator, on values that meet it and values that do not."""
    assert read_condition(Reader(condition, (), [])).check(value) is met


@pytest.mark.proves("M5")
def test_every_part_of_a_request_can_be_asked_for() -> None:
    """Query, headers, cookies, path variables and body, together."""
    pattern = stub(
        urlPathTemplate="/p/{symbol}",
        pathParameters={"symbol": {"matches": "[A-Z]+"}},
        queryParameters={"c": {"equalTo": "USD"}, "debug": {"absent": True}},
        headers={"Accept": {"contains": "json"}},
        cookies={"session": {"equalTo": "abc"}},
        bodyPatterns=[{"contains": "x"}, {"matchesJsonPath": "$.x"}],
    ).request
    good = {"Accept": "application/json", "Cookie": "session=abc"}
    assert pattern.matches(request("/p/AAPL?c=USD", body=b'{"x":1}', **good))
    assert not pattern.matches(request("/p/aapl?c=USD", body=b'{"x":1}', **good))
    assert not pattern.matches(request("/p/AAPL?c=EUR", body=b'{"x":1}', **good))
    assert not pattern.matches(request("/p/AAPL?c=USD&debug", body=b'{"x":1}', **good))
    assert not pattern.matches(request("/p/AAPL?c=USD", body=b'{"y":1}', **good))
    assert not pattern.matches(request("/p/AAPL?c=USD", body=b"", **good))
    assert not pattern.matches(request("/p/AAPL?c=USD", body=b'{"x":1}', Accept="text/plain"))


@pytest.mark.proves("M5")
def test_one_of_several_values_is_enough() -> None:
    """A repeated query parameter fits if any of its values does; names are decoded."""
    pattern = stub(urlPath="/", queryParameters={"a b": {"equalTo": "2+2"}}).request
    assert pattern.matches(request("/?a%20b=1&a+b=2%2B2"))
    assert not pattern.matches(request("/?a%20b=1&a%20b=3"))


@pytest.mark.proves("M5")
def test_more_than_one_url_field_is_refused() -> None:
    """The error names the second one."""
    with pytest.raises(FieldError) as caught:
        stub(url="/a", urlPath="/b")
    assert caught.value.pointer == ("request", "urlPath")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@pytest.mark.proves("M5")
@given(value=JSON, shuffle=st.randoms())
def test_json_equals_itself_in_any_order_of_its_lists(value: Json, shuffle) -> None:
    """With ignoreArrayOrder every permutation is equal, however items repeat."""

    def mixed(one: Json) -> Json:
        if isinstance(one, list):
            return shuffle.sample([mixed(item) for item in one], len(one))
        if isinstance(one, dict):
            return {name: mixed(item) for name, item in one.items()}
        return one

    assert JsonEquality(any_order=True, extras=False).same(value, mixed(value))


@pytest.mark.proves("M5")
@given(left=JSON, right=JSON)
def test_json_is_equal_only_to_equal_json(left: Json, right: Json) -> None:
    """Strict equality agrees with the canonical text."""
    same_text = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert JsonEquality(any_order=False, extras=False).same(left, right) is same_text


@pytest.mark.proves("M5")
def test_items_that_fit_two_places_find_a_place_each() -> None:
    """A greedy pairing would give {"a":1} the only place of {"a":1,"b":2}."""
    expected: Json = [{"a": 1}, {"a": 1, "b": 2}]
    actual: Json = [{"a": 1, "b": 2}, {"a": 1, "c": 3}]
    assert JsonEquality(any_order=True, extras=True).same(expected, actual)
    assert not JsonEquality(any_order=True, extras=True).same(expected, [{"a": 1}, {"a": 1}])
