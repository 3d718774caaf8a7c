"""The helpers of WireMock's templates that stubs here may use, one small function each."""

import base64
import math
import re
import string
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, InvalidOperation
from typing import Final

from mockserver.json_types import NotJson, read_json, write_json
from mockserver.jsonpath import JsonPathError, compile_path
from mockserver.templating.arguments import items_of, number_of
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Helper, HelperCall, Scope
from mockserver.templating.formats import format_number
from mockserver.templating.random_helpers import (
    pick_random,
    random_decimal,
    random_int,
    random_value,
)
from mockserver.templating.times import now
from mockserver.templating.values import (
    Headers,
    Several,
    Value,
    from_json,
    is_truthy,
    json_of,
    member,
    text_of,
)

# Java's BigDecimal is exact; these are more digits than a double of either size has.
_EXACT: Final = Context(prec=1_200)
MAX_RANGE: Final = 100_000  # items; a stub that needs more is a mistake


def json_path(call: HelperCall) -> Value:
    """What a JSONPath finds in a text or value; `default`, or nothing, if it finds nothing."""
    subject = call.argument(0)
    try:
        path = compile_path(text_of(call.argument(1)))
        document = read_json(subject) if isinstance(subject, str) else json_of(subject)
    except JsonPathError as error:
        raise TemplateError(str(error)) from error
    except NotJson:
        return call.options.get("default")
    found = path.nodes(document)
    if not path.definite:
        return from_json(found)
    return from_json(found[0]) if found else call.options.get("default")


def arithmetic(call: HelperCall) -> Value:
    """`math 1 '+' 2`, with whole numbers staying whole, as in WireMock."""
    if len(call.arguments) != 3:
        raise TemplateError("math takes two operands with an operator between them")
    left, right = _decimal(call.argument(0)), _decimal(call.argument(2))
    operator = text_of(call.argument(1))
    try:
        if operator == "+":
            result = _EXACT.add(left, right)
        elif operator == "-":
            result = _EXACT.subtract(left, right)
        elif operator in {"*", "x"}:
            result = _EXACT.multiply(left, right)
        elif operator == "/":
            quotient = _EXACT.divide(left, right)
            result = quotient.quantize(_last_place(left), ROUND_HALF_UP, _EXACT)
        elif operator == "%":
            result = _EXACT.remainder(left, right)
        else:
            raise TemplateError(f"{operator} is not a valid mathematical operator")
    except DecimalException as error:
        raise TemplateError(f"{left} {operator} {right} has no result") from error
    if result.as_tuple().exponent == 0:
        return int(result)
    number = float(result)
    if math.isinf(number):
        raise TemplateError(f"{left} {operator} {right} is too large")
    return number


def _decimal(value: Value) -> Decimal:
    try:
        number = Decimal(text_of(value))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)


def _last_place(value: Decimal) -> Decimal:
    """One unit in the last place of `value`: Java divides to the scale of the dividend."""
    exponent = value.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)


def number_format(call: HelperCall) -> Value:
    """A number by a pattern or name (`integer`, `percent`) and an English locale."""
    subject = call.argument(0)
    if isinstance(subject, bool) or not isinstance(subject, (int, float)):
        subject = number_of(subject, "the value")
    pattern = text_of(call.argument(1)) if len(call.arguments) > 1 else "number"
    locale = text_of(call.argument(2)) if len(call.arguments) > 2 else "en_US"
    return format_number(subject, pattern, locale)


def if_(call: HelperCall) -> Value:
    """The body if the argument is truthy, else the inverse."""
    return call.branch(is_truthy(call.argument(0)))


def unless(call: HelperCall) -> Value:
    """The body if the argument is falsy, else the inverse."""
    return call.branch(not is_truthy(call.argument(0)))


def with_(call: HelperCall) -> Value:
    """The body with the argument as `this`."""
    subject = call.argument(0)
    if not is_truthy(subject):
        return call.inverse()
    return call.body(Scope(subject, _block_names(call, [subject]), {}, call.scope))


def each(call: HelperCall) -> Value:
    """The body for every item of a list, or entry of an object, with @index @first @last @key."""
    subject = call.argument(0)
    if isinstance(subject, Headers):
        subject = subject.as_dict()
    entries: list[tuple[Value, Value]]
    if isinstance(subject, dict):
        entries = list(subject.items())
    else:
        entries = list(enumerate(items_of(subject)))
    parts: list[str] = []
    for index, (key, item) in enumerate(entries):
        data: dict[str, Value] = {
            "index": index,
            "key": key,
            "first": "first" if index == 0 else "",
            "last": "last" if index == len(entries) - 1 else "",
        }
        names = _block_names(call, [item, key])
        parts.append(call.body(Scope(item, names, data, call.scope)))
    return "".join(parts) if entries else call.inverse()


def _block_names(call: HelperCall, values: list[Value]) -> Mapping[str, Value]:
    return dict(zip(call.block.names, values, strict=False)) if call.block else {}


def _test(check: Callable[[Value, Value], bool]) -> Helper:
    def helper(call: HelperCall) -> Value:
        """A test of two values: `yes` or `no`, the body or the inverse, or true or false."""
        met = check(call.argument(0), call.argument(1))
        if call.block is None and ("yes" in call.options or "no" in call.options):
            return call.options.get("yes" if met else "no")
        return call.branch(met)

    return helper


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return _plain(left) == _plain(right)


def _plain(value: Value) -> Value:
    return text_of(value) if isinstance(value, Several) else value


def _order(check: Callable[[float], bool]) -> Helper:
    return _test(
        lambda left, right: check(number_of(left, "the first") - number_of(right, "the second"))
    )


def _contains(whole: Value, part: Value) -> bool:
    if isinstance(whole, list):
        return any(_same(item, part) for item in whole)
    return whole is not None and text_of(part) in text_of(whole)


def _matches(value: Value, pattern: Value) -> bool:
    try:
        return value is not None and re.fullmatch(text_of(pattern), text_of(value)) is not None
    except re.error as error:
        raise TemplateError(f"bad regular expression {text_of(pattern)!r}: {error}") from error


def not_(call: HelperCall) -> Value:
    """True if the argument is falsy."""
    return call.branch(not is_truthy(call.argument(0)))


def and_(call: HelperCall) -> Value:
    """True if every argument is truthy."""
    return call.branch(all(is_truthy(argument) for argument in call.arguments))


def or_(call: HelperCall) -> Value:
    """True if any argument is truthy."""
    return call.branch(any(is_truthy(argument) for argument in call.arguments))


def assign(call: HelperCall) -> Value:
    """Keep the block's text, for this rendering, under a name."""
    call.rendering.variables[text_of(call.argument(0))] = call.body().strip()
    return ""


def val(call: HelperCall) -> Value:
    """The argument, or `or` if there is none; kept under a name instead with `assign`."""
    value = call.argument(0)
    if value is None:
        value = call.options.get("or")
    if "assign" not in call.options:
        return value
    call.rendering.variables[text_of(call.options["assign"])] = value
    return ""


def join(call: HelperCall) -> Value:
    """The items (of a list, or all arguments but the last) with the last argument between them."""
    *items, separator = call.arguments or ("",)
    if len(items) == 1:
        items = items_of(items[0])
    return text_of(separator).join(text_of(item) for item in items)


def replace(call: HelperCall) -> Value:
    """The text with every occurrence of one text replaced by another."""
    text, old, new = (text_of(call.argument(index)) for index in range(3))
    return text.replace(old, new)


def substring(call: HelperCall) -> Value:
    """The text from a start to before an end, both counted from 0."""
    text = text_of(call.argument(0))
    start = int(number_of(call.argument(1), "the start"))
    end = int(number_of(call.argument(2), "the end")) if len(call.arguments) > 2 else len(text)
    if not 0 <= start <= end <= len(text):
        raise TemplateError(f"{start} to {end} is outside a text of {len(text)} characters")
    return text[start:end]


def size(call: HelperCall) -> Value:
    """How many items, entries or characters."""
    subject = call.argument(0)
    if isinstance(subject, (list, dict, str)):
        return len(subject)
    return len(subject.values) if isinstance(subject, Several) else 0


def array(call: HelperCall) -> Value:
    """The arguments as a list."""
    return list(call.arguments)


def range_(call: HelperCall) -> Value:
    """The whole numbers from the first argument to the second, both included."""
    start, end = (int(number_of(call.argument(index), "the bound")) for index in range(2))
    if abs(end - start) >= MAX_RANGE:
        raise TemplateError(f"a range holds at most {MAX_RANGE} numbers")
    step = 1 if end >= start else -1
    return list(range(start, end + step, step))


def lookup(call: HelperCall) -> Value:
    """The member of the first argument that the second names."""
    return member(call.argument(0), text_of(call.argument(1)))


def base64_(call: HelperCall) -> Value:
    """The text in Base64, or out of it with `decode=true`."""
    text = call.body() if call.block else text_of(call.argument(0))
    if not is_truthy(call.options.get("decode")):
        return base64.b64encode(text.encode()).decode()
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError as error:
        raise TemplateError("the text is not Base64 of UTF-8") from error


def parse_json(call: HelperCall) -> Value:
    """A JSON text as a value; kept under a name if one is given."""
    text = call.body() if call.block else text_of(call.argument(0))
    try:
        value = from_json(read_json(text))
    except NotJson as error:
        raise TemplateError(f"the text is not JSON: {error.problem}") from error
    name = call.argument(0 if call.block else 1)
    if name is None:
        return value
    call.rendering.variables[text_of(name)] = value
    return ""


def to_json(call: HelperCall) -> Value:
    """A value as JSON text."""
    return write_json(json_of(call.argument(0)))


def _text(change: Callable[[str], str]) -> Helper:
    return lambda call: change(call.body() if call.block else text_of(call.argument(0)))


HELPERS: Final[Mapping[str, Helper]] = {
    "randomDecimal": random_decimal,
    "randomInt": random_int,
    "randomValue": random_value,
    "pickRandom": pick_random,
    "now": now,
    "jsonPath": json_path,
    "math": arithmetic,
    "numberFormat": number_format,
    "if": if_,
    "unless": unless,
    "with": with_,
    "each": each,
    "eq": _test(_same),
    "neq": _test(lambda left, right: not _same(left, right)),
    "gt": _order(lambda difference: difference > 0),
    "gte": _order(lambda difference: difference >= 0),
    "lt": _order(lambda difference: difference < 0),
    "lte": _order(lambda difference: difference <= 0),
    "contains": _test(_contains),
    "matches": _test(_matches),
    "not": not_,
    "and": and_,
    "or": or_,
    "assign": assign,
    "val": val,
    "join": join,
    "replace": replace,
    "substring": substring,
    "size": size,
    "array": array,
    "range": range_,
    "lookup": lookup,
    "base64": base64_,
    "parseJson": parse_json,
    "toJson": to_json,
    "upper": _text(str.upper),
    "lower": _text(str.lower),
    "trim": _text(str.strip),
    "capitalize": _text(lambda text: string.capwords(text, " ") if text else text),
}
