"""What helpers make of their arguments."""

import re

from mockserver.templating.errors import TemplateError
from mockserver.templating.values import Several, Value, text_of


def number_of(value: Value, what: str) -> float | int:
    """`value` as a number, also out of text. Raises `TemplateError`, which names `what`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        text = text_of(value)
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        raise TemplateError(f"{what} is {text_of(value)!r}, which is not a number") from None


def items_of(value: Value) -> list[Value]:
    """What a list holds; anything else is one item, and nothing is none."""
    if isinstance(value, list):
        return value
    if isinstance(value, Several):
        return list(value.values)
    return [] if value is None else [value]
