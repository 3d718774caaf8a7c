"""The conditions on JSON: `equalToJson` and `matchesJsonPath`."""

from mockserver.conditions import Condition, never, read_condition
from mockserver.json_equality import JsonEquality, unsupported_placeholder
from mockserver.json_types import Json, NotJson, read_json, write_json, write_pretty
from mockserver.jsonpath import JsonPath, JsonPathError, compile_path
from mockserver.problems import Reader


def equal_to_json(field: Reader, members: dict[str, Reader]) -> Condition:
    """The whole value as JSON, with json-unit's placeholders in what is expected."""
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
    problem = unsupported_placeholder(expected)
    if problem is not None:
        field.disable(problem)
        return never("equalToJson")
    equality = JsonEquality(any_order=any_order, extras=extras)

    def check(value: str | None) -> bool:
        if value is None:
            return False
        try:
            return equality.same(expected, read_json(value))
        except NotJson:
            return False

    return Condition("equalToJson", write_json(expected), check)


def matches_json_path(field: Reader, _: dict[str, Reader]) -> Condition:
    """A path that finds something; or what it finds, tested by another condition."""
    if not isinstance(field.value, dict):
        return _finds(_path(field, field.text()))
    members = field.object()
    if "expression" not in members:
        raise field.fail("expected a JSONPath, or an object with an expression and a condition")
    path = _path(members["expression"], members["expression"].text())
    rest = {name: one.value for name, one in members.items() if name != "expression"}
    inner = read_condition(Reader(rest, field.pointer, field.notices))
    if path is None:
        return never("matchesJsonPath")

    def check(value: str | None) -> bool:
        texts = _texts(path, _found(path, value), inner)
        # What is not there is absent, and nothing else: WireMock asks no other condition of it.
        return any(map(inner.check, texts)) if texts else inner.operator == "absent"

    return Condition("matchesJsonPath", f"{path.expression} {inner}", check)


def _finds(path: JsonPath | None) -> Condition:
    if path is None:
        return never("matchesJsonPath")
    return Condition("matchesJsonPath", path.expression, lambda value: _selects(path, value))


def _path(field: Reader, text: str) -> JsonPath | None:
    try:
        return compile_path(text)
    except JsonPathError as error:
        field.disable(str(error))
        return None


def _found(path: JsonPath, value: str | None) -> list[Json]:
    """What the path selects; nothing where the value is not JSON."""
    if value is None:
        return []
    try:
        return path.nodes(read_json(value))
    except NotJson:
        return []


def _selects(path: JsonPath, value: str | None) -> bool:
    found = _found(path, value)
    if not found:
        return False
    return not path.definite or found[0] not in (None, [], {})


def _texts(path: JsonPath, found: list[Json], inner: Condition) -> list[str]:
    """The texts to test: a selected list item by item, unless JSON is asked for."""
    structured = inner.operator in {"equalToJson", "matchesJsonPath"}
    if not path.definite:
        return [write_json(found)] if structured and found else [_plain(one) for one in found]
    if not found or found[0] is None:
        return []
    if structured:
        return [write_json(found[0])]
    if isinstance(found[0], list):
        return [_plain(one) for one in found[0]]
    return [_plain(found[0])]


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else write_pretty(value)
