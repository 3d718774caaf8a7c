"""How a filter compares: equality with coercion of numbers and text, order, membership, regexes.

The rules are those of Jayway's `ValueNodes`. MISSING is what a path yields that finds nothing.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from mockserver.json_types import Json, write_json
from mockserver.regexes import Regex


class Missing:
    """What an operand yields where the document has nothing."""


MISSING: Final = Missing()
Operand: TypeAlias = "Json | Missing | Regex"
Comparison: TypeAlias = "Callable[[Operand, Operand], bool]"


def _is_number(value: Operand) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(left: Operand, right: Operand) -> bool:
    """Equal; text is compared with a number as what stands on the left is.

    What is missing equals nothing, not even what is missing, too.
    """
    if isinstance(left, Missing) or isinstance(right, Missing):
        return False
    if _is_number(left) and isinstance(right, str):
        try:
            return left == (int(right) if right.lstrip("+-").isdecimal() else float(right))
        except ValueError:
            return False
    if isinstance(left, str) and _is_number(right):
        return left == write_json(_json(right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def _json(value: Operand) -> Json:
    return None if isinstance(value, (Missing, Regex)) else value


def _ordered(test: Callable[[float], bool]) -> Comparison:
    """Numbers with numbers and text with text; anything else is not in order."""

    def compare(left: Operand, right: Operand) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return test((left > right) - (left < right))
        if isinstance(left, bool) or isinstance(right, bool):
            return False
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return test((left > right) - (left < right))
        return False

    return compare


def _fits(left: Operand, right: Operand) -> bool:
    """`=~`, the expression on either side: all of a text fits; of a list, any plain item."""
    if isinstance(left, Regex):
        return not isinstance(right, Regex) and _fits(right, left)
    if not isinstance(right, Regex):
        return False
    if isinstance(left, list):
        plain = (item for item in left if not isinstance(item, (list, dict)))
        return any(right.matches(_subject(item)) for item in plain)
    return right.matches(_subject(left))


def _subject(value: Operand) -> str:
    """What an expression is compared with; of what is no text, number or boolean, nothing."""
    if isinstance(value, str):
        return value
    return write_json(value) if isinstance(value, (int, float)) else ""


def _holds(items: Operand, value: Operand) -> bool:
    return isinstance(items, list) and any(same(item, value) for item in items)


def _contains(left: Operand, right: Operand) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return _holds(left, right)


def _all_in(left: Operand, right: Operand) -> bool:
    return isinstance(left, list) and all(_holds(right, item) for item in left)


def _any_in(left: Operand, right: Operand) -> bool:
    return isinstance(left, list) and any(_holds(right, item) for item in left)


def _has_size(left: Operand, right: Operand) -> bool:
    return isinstance(left, (list, str)) and len(left) == right


def _is_empty(left: Operand, right: Operand) -> bool:
    return isinstance(left, (list, str, dict)) and (len(left) == 0) is right


COMPARISONS: Final[dict[str, Comparison]] = {
    "==": same,
    "!=": lambda left, right: not same(left, right),
    "<": _ordered(lambda difference: difference < 0),
    "<=": _ordered(lambda difference: difference <= 0),
    ">": _ordered(lambda difference: difference > 0),
    ">=": _ordered(lambda difference: difference >= 0),
    "=~": _fits,
    "in": lambda left, right: _holds(right, left),
    "nin": lambda left, right: not _holds(right, left),
    "contains": _contains,
    "subsetof": _all_in,
    "anyof": _any_in,
    "noneof": lambda left, right: isinstance(left, list) and not _any_in(left, right),
    "size": _has_size,
    "empty": _is_empty,
}
