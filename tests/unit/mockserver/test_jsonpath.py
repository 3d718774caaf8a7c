"""JSONPath: what is selected, and which expressions are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.json_types import Json
from mockserver.jsonpath import JsonPathError, compile_path

DOCUMENT: Json = {
    "quotes": [
        {"symbol": "AAPL", "price": 150.5, "tags": ["us", "tech"]},
        {"symbol": "MSFT", "price": 310},
        {"symbol": "NFLX", "price": None},
    ],
    "odd key": {"x": 1},
    "deep": {"x": {"x": 2}},
}


@pytest.mark.proves("M5", "M12")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.quotes[0].symbol", ["AAPL"]),
        ("$['odd key']['x']", [1]),
        ("$.quotes[-1].symbol", ["NFLX"]),
        ("$.quotes[0:2].symbol", ["AAPL", "MSFT"]),
        ("$.quotes[:2].symbol", ["AAPL", "MSFT"]),
        ("$.quotes[0,2].symbol", ["AAPL", "NFLX"]),
        ("$.quotes[*].price", [150.5, 310, None]),
        ("$..x", [1, {"x": 2}, 2]),
        ("$.quotes[?(@.price > 200)].symbol", ["MSFT"]),
        ("$.quotes[?(@.price >= 150.5 && @.price != 310)].symbol", ["AAPL"]),
        ("$.quotes[?(@.symbol == 'AAPL' || @.symbol == \"NFLX\")].symbol", ["AAPL", "NFLX"]),
        ("$.quotes[?(@.tags)].symbol", ["AAPL"]),
        ("$.quotes[?(!@.tags)].symbol", ["MSFT", "NFLX"]),
        ("$.quotes[?(@.symbol =~ /m.*/i)].symbol", ["MSFT"]),
        ("$.quotes[?((@.price == null) || @.tags[0] == 'us')].symbol", ["AAPL", "NFLX"]),
        ("$.none.at.all", []),
        ("$.quotes[9]", []),
        ("$", [DOCUMENT]),
    ],
)
def test_paths_select_values_in_document_order(path: str, found: list[Json]) -> None:
    """Names, indexes, slices, unions, wildcards, descent and filters."""
    assert compile_path(path).nodes(DOCUMENT) == found


def test_a_path_that_can_select_one_value_only_is_definite() -> None:
    """That decides whether it reads a value or a list."""
    assert compile_path("$.a['b'][0]").definite
    for many in ("$.a[*]", "$..a", "$.a[0:1]", "$.a[?(@.b)]", "$.a[0,1]", "$.*"):
        assert not compile_path(many).definite


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a b",
        "$.",
        "$..[",
        "$[",
        "$['a",
        "$[?(@.a ==)]",
        "$[?(@.a =~ /(/)]",
        "$[1:2:0]",
        "$.a b",
    ],
)
def test_what_is_no_path_is_refused_by_name(path: str) -> None:
    """The error names the expression."""
    with pytest.raises(JsonPathError) as caught:
        compile_path(path)
    assert repr(path) in str(caught.value) or "regular expression" in str(caught.value)


@given(st.text(alphabet="$.[]()'@?*:,&|!=<>~/ab01 ", max_size=30))
def test_any_text_is_compiled_or_refused(path: str) -> None:
    """No input fails in another way, when compiled or when read."""
    try:
        compile_path("$" + path).nodes(DOCUMENT)
    except JsonPathError:
        return
