"""Parameters that are declared once: how they are read, and what the document says of them."""

from __future__ import annotations

import re

import pytest

from stockstream.quotes import Symbol
from web.parameters import (
    SYMBOL,
    InvalidParameterError,
    Parameter,
    choice,
    cursor,
    moment,
    once,
    read_parameters,
    read_whole,
    symbols,
    texts,
    whole,
)

LIMIT = whole("limit", "At most.", least=1, most=50, usual=9)
KIND = choice("kind", "Which.", ("a", "b"))
FORM = choice("form", "How.", ("short", "long"), "short")
AT = moment("at", "When.")
PLACE = cursor("cursor", "Where.", re.compile("[0-9]{1,3}"), lambda t: int(t) if t != "7" else None)
NAMED = symbols("symbols", "These.", most=2)
PATHS = texts("path", "Those.")
LEAST = Parameter(
    "least",
    "No more than `limit`.",
    {"type": "integer"},
    lambda given, asked: read_whole(once(given) or "1", 1, asked.get(LIMIT) or 50),
)
ALL = (SYMBOL, LIMIT, KIND, FORM, AT, PLACE, NAMED, PATHS, LEAST)


def read(**query: list[str]):
    return read_parameters(ALL, {"symbol": "aapl"}, query)


def wrong(*parameters, path=None, **query: list[str]) -> dict[str, str]:
    with pytest.raises(InvalidParameterError) as caught:
        read_parameters(parameters, path or {}, query)
    return caught.value.fields


def test_each_is_read_by_its_declaration_and_has_its_usual_value() -> None:
    """What is given is taken; what is not is as the document says."""
    asked = read(kind=["b"], cursor=["12"], symbols=["msft,aapl"], path=["x", "y"], least=["9"])
    assert (asked[SYMBOL], asked[LIMIT], asked[KIND], asked[FORM]) == ("AAPL", 9, "b", "short")
    assert (asked[AT], asked[PLACE]) == (None, 12)
    assert (asked[NAMED], asked[PATHS]) == ([Symbol("MSFT"), Symbol("AAPL")], ["x", "y"])
    assert (LIMIT.schema["default"], FORM.schema["default"]) == (9, "short")
    assert (KIND.required, FORM.required) == (True, False)
    given = read(kind=["a"], at=["1970-01-01T00:00:01Z"], form=["long"])
    assert (given[AT], given[FORM], given[NAMED]) == (1000, "long", None)


def test_everything_wrong_is_told_at_once_by_name() -> None:
    """Also what is unknown, missing or given twice, and a path."""
    query = {name: [""] for name in ("limit", "form", "at", "cursor", "symbols")}
    told = wrong(*ALL, path={"symbol": "$"}, **query, nonsense=["1"], least=["1", "2"])
    assert sorted(told) == sorted(
        ["symbol", "nonsense", "kind", "limit", "form", "at", "cursor", "symbols", "least"]
    )
    assert told["kind"] == "missing; one of a, b"
    assert told["least"] == "given 2 times"
    assert told["nonsense"].startswith("no such parameter; there are limit, kind")
    assert wrong(NAMED, symbols=["A,B,C"]) == {"symbols": "at most 2 symbols"}
    assert wrong(PLACE, cursor=["7"]) == {"cursor": "a cursor that an answer gave, not '7'"}


def test_one_may_depend_on_those_before_it() -> None:
    """Where that is wrong itself, it alone is named."""
    assert wrong(LIMIT, LEAST, limit=["3"], least=["4"]) == {
        "least": "a whole number from 1 to 3, not '4'"
    }
    assert list(wrong(LIMIT, LEAST, limit=["x"], least=["4"])) == ["limit"]


def test_what_a_route_does_not_declare_it_cannot_read() -> None:
    """Another parameter of the same name is another one."""
    asked = read_parameters((LIMIT,), {}, {})
    with pytest.raises(KeyError):
        asked[KIND]
    with pytest.raises(KeyError):
        asked[whole("limit", "At most.", least=1, most=50, usual=9)]


def test_a_route_without_any_takes_what_it_does_not_read() -> None:
    """A number that keeps caches away, say."""
    read_parameters((), {}, {"_": ["1"]})
    read_parameters((SYMBOL,), {"symbol": "A"}, {"_": ["1"]})


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "51", "0", "9" * 5000, "٣", " 1", "1_0"])
def test_a_whole_number_is_of_ascii_digits_and_in_its_range(text: str) -> None:
    """Nothing else that Python reads as one, and never a number of thousands of digits."""
    assert list(wrong(LIMIT, limit=[text])) == ["limit"]
