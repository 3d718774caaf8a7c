"""The helpers that read, change and write JSON."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from mockserver.json_types import Json, NotJson, read_json, write_json, write_pretty
from mockserver.jsonpath import JsonPath, JsonPathError, compile_path
from mockserver.templating.arguments import whole_of
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Helper, HelperCall
from mockserver.templating.text_helpers import keep
from mockserver.templating.values import Value, from_json, is_truthy, json_of, text_of


@lru_cache(maxsize=512)
def _path(text: str) -> JsonPath:
    try:
        return compile_path(text)
    except JsonPathError as error:
        raise TemplateError(str(error)) from error


def _parsed(text: str) -> Json:
    try:
        return read_json(text)
    except NotJson as error:
        raise TemplateError(f"the text is not JSON: {error.problem}") from error


def _json_path(call: HelperCall) -> Value:
    """What a JSONPath finds in a text or value; `default`, or "", if it finds nothing."""
    subject = call.argument(0)
    path = _path(text_of(call.argument(1)))
    nothing = call.options.get("default", "")
    if subject is None:
        return ""
    try:
        document = read_json(subject) if isinstance(subject, str) else json_of(subject)
    except NotJson:
        return nothing
    found = path.nodes(document)
    if not path.definite:
        return from_json(found)
    return from_json(found[0]) if found else nothing


def _parse_json(call: HelperCall) -> Value:
    """A JSON text as a value; kept under a name if one is given."""
    value = from_json(_parsed(text_of(call.subject())))
    return keep(call, call.argument(0 if call.block else 1), value)


def _to_json(call: HelperCall) -> Value:
    """A value as JSON text, printed for people."""
    value = call.argument(0)
    return "" if value is None else write_pretty(json_of(value))


def _format_json(call: HelperCall) -> Value:
    """JSON printed for people, or in one line with `format='compact'`."""
    document = _parsed(text_of(call.subject()))
    style = text_of(call.options.get("format", "pretty"))
    if style not in {"pretty", "compact"}:
        raise TemplateError(f"format {style!r} is neither pretty nor compact")
    return write_json(document) if style == "compact" else write_pretty(document)


def _merge_json(call: HelperCall) -> Value:
    """An object with the members of another over its own; `removeNulls` leaves out null ones."""
    base = _parsed(text_of(call.argument(0)))
    other = _parsed(call.body() if call.block else text_of(call.argument(1)))
    if not isinstance(base, dict) or not isinstance(other, dict):
        raise TemplateError("expected two JSON objects")
    return write_json(_merged(base, other, is_truthy(call.options.get("removeNulls"))))


def _merged(base: dict[str, Json], other: dict[str, Json], remove_nulls: bool) -> dict[str, Json]:
    result = dict(base)
    for name, value in other.items():
        mine = result.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            result[name] = _merged(mine, value, remove_nulls)
        elif value is None and remove_nulls:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def _add_to_json(call: HelperCall) -> Value:
    """A JSON list with one more item; with `jsonPath`, the list that it leads to.

    `flatten` adds the items of a list, `maxItems` drops the first ones beyond so many.
    """
    document = _parsed(text_of(call.argument(0)))
    item = _parsed(call.body() if call.block else text_of(call.argument(1)))
    path = _path(text_of(call.options.get("jsonPath", "$")))
    found = path.nodes(document)
    target = found[0] if path.definite and found else None
    if not isinstance(target, list):
        raise TemplateError("there is no list to add to")
    flatten = is_truthy(call.options.get("flatten"))
    target.extend(item if flatten and isinstance(item, list) else [item])
    if "maxItems" in call.options:
        highest = whole_of(call.options["maxItems"], "maxItems", 2**31)
        del target[: max(0, len(target) - highest)]
    return write_json(document)


JSON: Final[Mapping[str, Helper]] = {
    "jsonPath": Helper(_json_path, frozenset({"default"})),
    "parseJson": Helper(_parse_json),
    "toJson": Helper(_to_json),
    "formatJson": Helper(_format_json, frozenset({"format"})),
    "jsonMerge": Helper(_merge_json, frozenset({"removeNulls"})),
    "jsonArrayAdd": Helper(_add_to_json, frozenset({"jsonPath", "flatten", "maxItems"})),
}
