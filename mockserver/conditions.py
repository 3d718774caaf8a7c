"""Conditions on one value of a request: equalTo, matches, contains, absent, equalToJson and more.

A condition is asked with the value as text, or None where the request has none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mockserver.json_types import Json, NotJson, read_json, write_json
from mockserver.jsonpath import JsonPath, JsonPathError, compile_path
from mockserver.problems import Reader

Check = Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a value; `operator` and `expected` say it in words for the near-miss report."""

    operator: str
    expected: str
    check: Check

    def __str__(self) -> str:
        return f"{self.operator} {self.expected}".rstrip()


def compile_regex(field: Reader, text: str) -> re.Pattern[str]:
    """A regular expression of a stub, which is in Java's dialect."""
    translated = re.sub(r"\(\?<([A-Za-z]\w*)>", r"(?P<\1>", text)
    try:
        return re.compile(translated)
    except re.error as error:
        raise field.fail(f"{text!r} is not a regular expression: {error}") from error


def read_condition(field: Reader) -> Condition:
    """The condition at `field`. Raises `FieldError`."""
    members = field.object()
    operator = next((name for name in members if name in _OPERATORS), None)
    if operator is None:
        if not members:
            raise field.fail(f"expected one of {', '.join(_OPERATORS)}")
        # A condition that cannot be tested is not met: a stub that answers what it should not
        # would be the worse surprise.
        names = ", ".join(members)
        field.notice(f"none of {names} is a supported condition, so this stub never matches")
        return Condition(names, "(not supported)", lambda _: False)
    read, modifiers = _OPERATORS[operator]
    for name, other in members.items():
        if name in _OPERATORS and name != operator:
            raise other.fail(f"a second condition beside {operator}; combine them with and, or")
        if name != operator and name not in modifiers:
            other.notice("this field is not supported and has no effect")
    return read(members[operator], members)


def _equal_to(field: Reader, members: dict[str, Reader]) -> Condition:
    expected = _scalar(field)
    if "caseInsensitive" in members and members["caseInsensitive"].flag():
        folded = expected.casefold()
        return Condition(
            "equalTo (any case)",
            expected,
            lambda value: value is not None and value.casefold() == folded,
        )
    return Condition("equalTo", expected, lambda value: value == expected)


def _scalar(field: Reader) -> str:
    """Text, or a number or boolean as its text: WireMock reads them alike."""
    value = field.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else field.text()


def _matches(field: Reader, _: dict[str, Reader]) -> Condition:
    regex = compile_regex(field, field.text())
    return Condition(
        "matches",
        field.text(),
        lambda value: value is not None and regex.fullmatch(value) is not None,
    )


def _contains(field: Reader, _: dict[str, Reader]) -> Condition:
    part = _scalar(field)
    return Condition("contains", part, lambda value: value is not None and part in value)


def _negated(operator: str, positive: Callable[[Reader, dict[str, Reader]], Condition]) -> "_Read":
    def read(field: Reader, members: dict[str, Reader]) -> Condition:
        inner = positive(field, members)
        return Condition(operator, inner.expected, lambda value: not inner.check(value))

    return read


def _absent(field: Reader, _: dict[str, Reader]) -> Condition:
    wanted = field.flag()
    return Condition("absent" if wanted else "present", "", lambda value: (value is None) is wanted)


def _equal_to_json(field: Reader, members: dict[str, Reader]) -> Condition:
    expected = field.value
    if isinstance(expected, str):
        try:
            expected = read_json(expected)
        except NotJson as error:
            raise field.fail(f"not valid JSON: {error.problem}") from error
    any_order, extras = (
        name in members and members[name].flag()
        for name in ("ignoreArrayOrder", "ignoreExtraElements")
    )

    def check(value: str | None) -> bool:
        if value is None:
            return False
        try:
            return same_json(expected, read_json(value), any_order=any_order, extras=extras)
        except NotJson:
            return False

    return Condition("equalToJson", write_json(expected), check)


def same_json(expected: Json, actual: Json, *, any_order: bool, extras: bool) -> bool:
    """Whether `actual` is `expected`; numbers by value, members in any order.

    `any_order` lets lists be in any order, `extras` lets `actual` hold more.
    """
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and (extras or len(actual) == len(expected))
            and all(
                name in actual
                and same_json(value, actual[name], any_order=any_order, extras=extras)
                for name, value in expected.items()
            )
        )
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) < len(expected):
            return False
        if len(actual) > len(expected) and not extras:
            return False
        if not any_order:
            return all(
                same_json(one, other, any_order=any_order, extras=extras)
                for one, other in zip(expected, actual, strict=False)
            )
        return _pairable(expected, actual, extras=extras)
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return expected == actual


def _pairable(expected: list[Json], actual: list[Json], *, extras: bool) -> bool:
    """Whether every expected item can have an actual item of its own.

    A bipartite matching by augmenting paths (Kuhn): taking the first that fits would give up on
    lists where an item fits two places.
    """
    owner: dict[int, int] = {}

    def place(index: int, tried: set[int]) -> bool:
        for candidate, value in enumerate(actual):
            if candidate in tried:
                continue
            if not same_json(expected[index], value, any_order=True, extras=extras):
                continue
            tried.add(candidate)
            if candidate not in owner or place(owner[candidate], tried):
                owner[candidate] = index
                return True
        return False

    return all(place(index, set()) for index in range(len(expected)))


def _matches_json_path(field: Reader, _: dict[str, Reader]) -> Condition:
    if isinstance(field.value, str):
        path = _path(field, field.value)
        return Condition("matchesJsonPath", path.expression, lambda value: _selects(path, value))
    members = field.object()
    if "expression" not in members:
        raise field.fail("expected a JSONPath, or an object with an expression and a condition")
    path = _path(members["expression"], members["expression"].text())
    rest = {name: value for name, value in field.object().items() if name != "expression"}
    inner = read_condition(
        Reader({name: one.value for name, one in rest.items()}, field.pointer, field.notices)
    )

    def check(value: str | None) -> bool:
        found = _found(path, value)
        if found is None:
            return False
        return _any_fits(inner, _texts(path, found, inner))

    return Condition("matchesJsonPath", f"{path.expression} {inner}", check)


def _any_fits(condition: Condition, texts: list[str]) -> bool:
    """Whether any of `texts` fits; with none, whether nothing does, as `absent` wants it."""
    return any(condition.check(text) for text in texts) if texts else condition.check(None)


def _path(field: Reader, text: str) -> JsonPath:
    try:
        return compile_path(text)
    except JsonPathError as error:
        raise field.fail(str(error)) from error


def _found(path: JsonPath, value: str | None) -> list[Json] | None:
    """What the path selects; None where the value is not JSON."""
    if value is None:
        return None
    try:
        return path.nodes(read_json(value))
    except NotJson:
        return None


def _selects(path: JsonPath, value: str | None) -> bool:
    found = _found(path, value)
    if not found:
        return False
    return not path.definite or found[0] not in (None, [], {})


def _texts(path: JsonPath, found: list[Json], inner: Condition) -> list[str]:
    """The texts to test: a selected list item by item, unless whole JSON is asked for."""
    whole = inner.operator == "equalToJson"
    if not path.definite:
        return [write_json(found)] if whole else [_plain(value) for value in found]
    if not found or found[0] is None:
        return []
    if isinstance(found[0], list) and not whole:
        return [_plain(value) for value in found[0]]
    return [write_json(found[0]) if whole else _plain(found[0])]


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else write_json(value)


def _combined(operator: str, combine: Callable[[list[bool]], bool]) -> "_Read":
    def read(field: Reader, _: dict[str, Reader]) -> Condition:
        parts = [read_condition(item) for item in field.items()]
        if len(parts) < 2:
            raise field.fail(f"{operator} takes at least two conditions")
        words = f" {operator} ".join(str(part) for part in parts)
        return Condition(
            operator, f"({words})", lambda value: combine([p.check(value) for p in parts])
        )

    return read


def _not(field: Reader, _: dict[str, Reader]) -> Condition:
    inner = read_condition(field)
    return Condition("not", str(inner), lambda value: not inner.check(value))


_Read = Callable[[Reader, dict[str, Reader]], Condition]
_OPERATORS: Final[dict[str, tuple[_Read, frozenset[str]]]] = {
    "equalTo": (_equal_to, frozenset({"caseInsensitive"})),
    "matches": (_matches, frozenset()),
    "doesNotMatch": (_negated("doesNotMatch", _matches), frozenset()),
    "contains": (_contains, frozenset()),
    "doesNotContain": (_negated("doesNotContain", _contains), frozenset()),
    "absent": (_absent, frozenset()),
    "equalToJson": (_equal_to_json, frozenset({"ignoreArrayOrder", "ignoreExtraElements"})),
    "matchesJsonPath": (_matches_json_path, frozenset()),
    "and": (_combined("and", all), frozenset()),
    "or": (_combined("or", any), frozenset()),
    "not": (_not, frozenset()),
}
