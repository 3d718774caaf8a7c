"""The helpers that calculate and that write numbers."""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, InvalidOperation
from typing import Final

from mockserver.templating.arguments import number_of, whole_of
from mockserver.templating.errors import TemplateError
from mockserver.templating.evaluation import Helper, HelperCall
from mockserver.templating.formats import NumberChanges, format_number
from mockserver.templating.values import Value, is_truthy, text_of

# Java's BigDecimal is exact; these are more digits than a double of either size has.
_EXACT: Final = Context(prec=1_200)
MAX_DIGITS: Final = 340


def _arithmetic(call: HelperCall) -> Value:
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


def _number_format(call: HelperCall) -> Value:
    """A number by a pattern or name (`integer`, `percent`) and an English locale.

    Options change what the pattern says of digits after the point, grouping and rounding.
    """
    subject = call.argument(0)
    if isinstance(subject, bool) or not isinstance(subject, (int, float)):
        subject = number_of(subject, "the value")
    count = len(call.arguments)
    pattern = text_of(call.arguments[1]) if count > 1 else "number"
    locale = text_of(call.arguments[2]) if count > 2 else "en_US"
    if not call.options:
        return format_number(subject, pattern, locale)
    options = call.options
    changes = NumberChanges(
        least=_digits(options.get("minimumFractionDigits")),
        most=_digits(options.get("maximumFractionDigits")),
        grouping=is_truthy(options["groupingUsed"]) if "groupingUsed" in options else None,
        rounding=text_of(options.get("roundingMode", "half_even")).lower(),
    )
    return format_number(subject, pattern, locale, changes)


def _digits(value: Value) -> int | None:
    return None if value is None else whole_of(value, "the number of digits", MAX_DIGITS)


NUMBERS: Final[Mapping[str, Helper]] = {
    "math": Helper(_arithmetic),
    "numberFormat": Helper(
        _number_format,
        frozenset({
            "minimumFractionDigits", "maximumFractionDigits", "groupingUsed", "roundingMode",
        }),
    ),
}  # fmt: skip
