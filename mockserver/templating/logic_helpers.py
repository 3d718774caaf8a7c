"""The helpers that test and repeat: conditions, comparisons, `each` and `with`."""

from collections.abc import Callable, Mapping
from typing import Final

from mockserver.templating.arguments import number_of, regex_of
from mockserver.templating.evaluation import Helper, HelperCall, HelperFunction, Scope
from mockserver.templating.values import (
    Headers,
    Several,
    UrlPath,
    Value,
    is_truthy,
    items_of,
    json_of,
    text_of,
)

_YES_NO: Final = frozenset({"yes", "no"})
_NO_NAMES: Final[Mapping[str, Value]] = {}


def _if(call: HelperCall) -> Value:
    """The body if the argument is truthy, else the inverse."""
    return call.branch(is_truthy(call.argument(0)))


def _unless(call: HelperCall) -> Value:
    """The body if the argument is falsy, else the inverse."""
    return call.branch(not is_truthy(call.argument(0)))


def _with(call: HelperCall) -> Value:
    """The body with the argument as `this`."""
    subject = call.argument(0)
    if not is_truthy(subject):
        return call.inverse()
    return call.body(Scope(subject, block_names(call, [subject]), {}, call.scope))


def _each(call: HelperCall) -> Value:
    """The body for every item of a list, or entry of an object, with @index @first @last @key.

    `@odd` and `@even` go by the index, `@index_1` counts from 1.
    """
    subject = call.argument(0)
    if isinstance(subject, Headers):
        subject = subject.as_dict()
    entries: list[tuple[Value, Value]]
    if isinstance(subject, dict):
        entries = list(subject.items())
    elif subject is None or subject == "":
        entries = []
    else:
        entries = list(enumerate(items_of(subject)))
    if not entries:
        return call.inverse()
    last = len(entries) - 1
    parts: list[str] = []
    for index, (key, item) in enumerate(entries):
        data: dict[str, Value] = {
            "index": index,
            "key": key,
            "first": "" if index else "first",
            "last": "last" if index == last else "",
            "odd": "odd" if index % 2 else "",
            "even": "" if index % 2 else "even",
            "index_1": index + 1,
        }
        names = block_names(call, [item, key])
        parts.append(call.body(Scope(item, names, data, call.scope)))
    return "".join(parts)


def block_names(call: HelperCall, values: list[Value]) -> Mapping[str, Value]:
    """What the parameters of the block (`as |a b|`) stand for."""
    if call.block is None or not call.block.names:
        return _NO_NAMES
    return dict(zip(call.block.names, values, strict=False))


def _outcome(call: HelperCall, *, met: bool) -> Value:
    """A test's result: `yes` or `no`, the body or the inverse, or true or false."""
    if call.block is None and call.options:
        return call.options.get("yes" if met else "no")
    return call.branch(met)


def _test(check: Callable[[Value, Value], bool]) -> Helper:
    def helper(call: HelperCall) -> Value:
        return _outcome(call, met=check(call.argument(0), call.argument(1)))

    return Helper(helper, _YES_NO)


def same(left: Value, right: Value) -> bool:
    """Equal. The value of a parameter or header is compared as its text."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
        # As JSON, which is limited: a list may hold another one many times over.
        return json_of(left) == json_of(right)
    return _plain(left) == _plain(right)


def _plain(value: Value) -> Value:
    return text_of(value) if isinstance(value, (Several, UrlPath)) else value


def _order(check: Callable[[float], bool]) -> Helper:
    """Two texts by their letters, as in WireMock; anything else as numbers."""

    def compare(left: Value, right: Value) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return check((left > right) - (left < right))
        return check(number_of(left, "the first") - number_of(right, "the second"))

    return _test(compare)


def _contains(whole: Value, part: Value) -> bool:
    if whole is None or part is None:
        return False
    if isinstance(whole, (list, Several)):
        return any(same(item, part) for item in items_of(whole))
    return text_of(part) in text_of(whole)


def _matches(value: Value, pattern: Value) -> bool:
    return value is not None and regex_of(text_of(pattern)).matches(text_of(value))


def _combined(combine: Callable[[list[bool]], bool]) -> HelperFunction:
    return lambda call: _outcome(
        call, met=combine([is_truthy(argument) for argument in call.arguments])
    )


def _yes_no(call: HelperCall) -> Value:
    """`yes`, `no` or, for nothing, `maybe`: those words, or what the options say."""
    value = call.argument(0)
    word = "maybe" if value is None else ("yes" if is_truthy(value) else "no")
    return call.options.get(word, word)


LOGIC: Final[Mapping[str, Helper]] = {
    "if": Helper(_if),
    "unless": Helper(_unless),
    "with": Helper(_with),
    "each": Helper(_each),
    "eq": _test(same),
    "neq": _test(lambda left, right: not same(left, right)),
    "gt": _order(lambda difference: difference > 0),
    "gte": _order(lambda difference: difference >= 0),
    "lt": _order(lambda difference: difference < 0),
    "lte": _order(lambda difference: difference <= 0),
    "contains": _test(_contains),
    "matches": _test(_matches),
    "not": Helper(_combined(lambda met: not any(met)), _YES_NO),
    "and": Helper(_combined(all), _YES_NO),
    "or": Helper(_combined(any), _YES_NO),
    "yesno": Helper(_yes_no, frozenset({"yes", "no", "maybe"})),
}
