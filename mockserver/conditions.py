"""Conditions on one value of a request: equalTo, matches, contains, absent, equalToJson and more.

A condition is asked with the value as text, or None where the request has none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mockserver.problems import Reader
from mockserver.regexes import Regex, RegexError, UnsupportedRegexError, compile_regex

Check = Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a value; `operator` and `expected` say it in words for the near-miss report.

    `check_all`, where there is one, looks at all values of a name; else any of them may fit.
    """

    operator: str
    expected: str
    check: Check
    check_all: Callable[[tuple[str, ...]], bool] | None = None

    def __str__(self) -> str:
        return f"{self.operator} {self.expected}".rstrip()

    def met(self, values: tuple[str, ...]) -> bool:
        """Whether the values that a request has under a name fit; there may be none."""
        if self.check_all is not None:
            return self.check_all(values)
        return any(map(self.check, values)) if values else self.check(None)


ReadCondition = Callable[[Reader, dict[str, Reader]], Condition]
_UNSUPPORTED: Final = frozenset({
    "equalToXml", "matchesXPath", "matchesJsonSchema", "before", "after", "equalToDateTime",
    "binaryEqualTo", "anything",
})  # fmt: skip


def never(operator: str) -> Condition:
    """In place of a condition that cannot be tested; its stub is disabled."""
    return Condition(operator, "(not supported)", lambda _: False)


def read_regex(field: Reader, text: str) -> Regex | None:
    """The expression `text`; None, and the stub never matches, if only Java can run it.

    Raises `FieldError` for what is wrong in Java too.
    """
    try:
        return compile_regex(text, dotall=True)
    except RegexError as error:
        raise field.fail(str(error)) from error
    except UnsupportedRegexError as error:
        field.disable(str(error))
        return None


def read_condition(field: Reader) -> Condition:
    """The condition at `field`. Raises `FieldError`."""
    members = field.object()
    operators = {**_OPERATORS, **_structured()}
    operator = next((name for name in operators if name in members), None)
    if operator is None:
        if not members:
            raise field.fail(f"expected one of {', '.join(operators)}")
        return _unknown(field, members)
    read, modifiers = operators[operator]
    for name, other in members.items():
        if name == operator or (name in modifiers):
            continue
        if name in operators or name in _UNSUPPORTED:
            other.disable(f"this is a second condition beside {operator} (combine them with `and`)")
        else:
            other.disable(f"{operator} has no such option here")
    return read(members[operator], members)


def _unknown(field: Reader, members: dict[str, Reader]) -> Condition:
    names = ", ".join(members)
    known = next((name for name in members if name in _UNSUPPORTED), None)
    if known is not None:
        field.disable(f"the condition {known} of WireMock is not supported")
    else:
        field.disable(f"there is no condition {names}")
    return never(names)


def _equal_to(field: Reader, members: dict[str, Reader]) -> Condition:
    expected = field.scalar()
    if "caseInsensitive" in members and members["caseInsensitive"].flag():
        folded = expected.casefold()
        return Condition(
            "equalTo (any case)",
            expected,
            lambda value: value is not None and value.casefold() == folded,
        )
    return Condition("equalTo", expected, lambda value: value == expected)


def _matches(field: Reader, _: dict[str, Reader]) -> Condition:
    text = field.scalar()
    regex = read_regex(field, text)
    if regex is None:
        return never("matches")
    return Condition("matches", text, lambda value: value is not None and regex.matches(value))


def _contains(field: Reader, _: dict[str, Reader]) -> Condition:
    part = field.scalar()
    return Condition("contains", part, lambda value: value is not None and part in value)


def _negated(operator: str, positive: ReadCondition) -> ReadCondition:
    def read(field: Reader, members: dict[str, Reader]) -> Condition:
        inner = positive(field, members)
        return Condition(operator, inner.expected, lambda value: not inner.check(value))

    return read


def _absent(_: Reader, __: dict[str, Reader]) -> Condition:
    """Whatever its value: WireMock writes `"(absent)"`, and takes false for absent too."""
    return Condition("absent", "", lambda value: value is None)


def _combined(operator: str, combine: Callable[[list[bool]], bool]) -> ReadCondition:
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


def _every_value(operator: str, *, no_more: bool) -> ReadCondition:
    """`includes` wants a value of its own for each condition; `hasExactly` no further values."""

    def read(field: Reader, _: dict[str, Reader]) -> Condition:
        parts = [read_condition(item) for item in field.items()]

        def check_all(values: tuple[str, ...]) -> bool:
            if no_more and len(values) != len(parts):
                return False
            return all(any(map(part.check, values)) for part in parts)

        words = ", ".join(str(part) for part in parts)
        return Condition(
            operator,
            f"({words})",
            lambda value: check_all(() if value is None else (value,)),
            check_all,
        )

    return read


def _structured() -> dict[str, tuple[ReadCondition, frozenset[str]]]:
    """The conditions on JSON, which need this module for those inside them."""
    from mockserver.json_conditions import equal_to_json, matches_json_path  # noqa: PLC0415

    return {
        "equalToJson": (equal_to_json, frozenset({"ignoreArrayOrder", "ignoreExtraElements"})),
        "matchesJsonPath": (matches_json_path, frozenset()),
    }


_OPERATORS: Final[dict[str, tuple[ReadCondition, frozenset[str]]]] = {
    "equalTo": (_equal_to, frozenset({"caseInsensitive"})),
    "matches": (_matches, frozenset()),
    "doesNotMatch": (_negated("doesNotMatch", _matches), frozenset()),
    "contains": (_contains, frozenset()),
    "doesNotContain": (_negated("doesNotContain", _contains), frozenset()),
    "absent": (_absent, frozenset()),
    "and": (_combined("and", all), frozenset()),
    "or": (_combined("or", any), frozenset()),
    "not": (_not, frozenset()),
    "hasExactly": (_every_value("hasExactly", no_more=True), frozenset()),
    "includes": (_every_value("includes", no_more=False), frozenset()),
}
