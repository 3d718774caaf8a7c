"""The helpers that make and take apart lists."""

from collections.abc import Mapping
from typing import Final

from mockserver.templating.arguments import number_of
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import MAX_OUTPUT_CHARACTERS, Helper, HelperCall, Scope
from mockserver.templating.logic_helpers import block_names
from mockserver.templating.values import (
    Headers,
    Several,
    UrlPath,
    Value,
    items_of,
    member,
    text_of,
)

MAX_ITEMS: Final = 100_000  # of one list; a stub that needs more is a mistake


def _array(call: HelperCall) -> Value:
    """The arguments as a list."""
    return list(call.arguments)


def _range(call: HelperCall) -> Value:
    """The whole numbers from the first argument to the second, both included."""
    start, end = (int(number_of(call.argument(index), "the bound")) for index in range(2))
    if abs(end - start) >= MAX_ITEMS:
        raise TemplateError(f"a range holds at most {MAX_ITEMS} numbers")
    step = 1 if end >= start else -1
    return list(range(start, end + step, step))


def _place(call: HelperCall, highest: int, default: int) -> int:
    """The index that the option `position` names: a number, start or end."""
    position = call.options.get("position", default)
    if position == "start":
        return 0
    if position == "end":
        return highest
    index = int(number_of(position, "position"))
    if not 0 <= index <= highest:
        raise TemplateError(f"position must be between 0 and {highest}")
    return index


def _added(call: HelperCall) -> Value:
    """The list with one more item, at `position` (the end)."""
    items = list(items_of(call.argument(0)))
    if len(call.arguments) < 2:
        raise TemplateError("expected a list and a value to add")
    if len(items) >= MAX_ITEMS:
        raise TemplateError(f"a list holds at most {MAX_ITEMS} values")
    items.insert(_place(call, len(items), len(items)), call.argument(1))
    return items


def _removed(call: HelperCall) -> Value:
    """The list without the item at `position` (the last)."""
    items = list(items_of(call.argument(0)))
    if not items:
        raise TemplateError("the list is empty")
    del items[_place(call, len(items) - 1, len(items) - 1)]
    return items


def _joined(call: HelperCall, items: list[str], separator: str) -> Value:
    length = sum(map(len, items)) + len(separator) * len(items)
    if length > MAX_OUTPUT_CHARACTERS:
        raise TemplateError(f"more than {MAX_OUTPUT_CHARACTERS} characters")
    joined = separator.join(items)
    if not call.options:
        return joined
    return f"{text_of(call.options.get('prefix'))}{joined}{text_of(call.options.get('suffix'))}"


def _join(call: HelperCall) -> Value:
    """The items (of a list, or all arguments but the last) with the last argument between them."""
    *items, separator = call.arguments or ("",)
    if len(items) == 1:
        items = items_of(items[0])
    return _joined(call, [text_of(item) for item in items], text_of(separator))


def _array_join(call: HelperCall) -> Value:
    """The items with the first argument between them; each through the block, if there is one."""
    items = items_of(call.argument(1))
    if call.block is None:
        texts = [text_of(item) for item in items]
    else:
        texts = [
            call.body(Scope(item, block_names(call, [item]), {}, call.scope)) for item in items
        ]
    return _joined(call, texts, text_of(call.argument(0)))


def _size(call: HelperCall) -> Value:
    """How many items, entries or characters."""
    subject = call.argument(0)
    if isinstance(subject, (list, dict, str, Headers)):
        return len(subject)
    return len(items_of(subject)) if isinstance(subject, (Several, UrlPath)) else 0


def _lookup(call: HelperCall) -> Value:
    """The member of the first argument that the second names; all of it if there is none."""
    subject = call.argument(0)
    found = member(subject, text_of(call.argument(1)))
    return subject if found is None else found


def _val(call: HelperCall) -> Value:
    """The argument, or `or` (or `default`) if there is none; kept under a name with `assign`."""
    value = call.argument(0)
    if value is None:
        value = call.options.get("or", call.options.get("default"))
    if "assign" not in call.options:
        return value
    call.rendering.variables[text_of(call.options["assign"])] = value
    return ""


def _assign(call: HelperCall) -> Value:
    """Keep the block's text, for this rendering, under a name."""
    call.rendering.variables[text_of(call.argument(0))] = call.body().strip()
    return ""


LISTS: Final[Mapping[str, Helper]] = {
    "array": Helper(_array),
    "range": Helper(_range),
    "arrayAdd": Helper(_added, frozenset({"position"})),
    "arrayRemove": Helper(_removed, frozenset({"position"})),
    "arrayJoin": Helper(_array_join, frozenset({"prefix", "suffix"})),
    "join": Helper(_join, frozenset({"prefix", "suffix"})),
    "size": Helper(_size),
    "lookup": Helper(_lookup),
    "val": Helper(_val, frozenset({"or", "default", "assign"})),
    "assign": Helper(_assign),
}
