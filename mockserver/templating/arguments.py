"""What helpers make of their arguments."""

import re
from functools import lru_cache

from mockserver.regexes import Regex, RegexError, UnsupportedRegexError, compile_regex
from mockserver.templating.errors import TemplateError
from mockserver.templating.values import Value, text_of


def number_of(value: Value, what: str) -> float | int:
    """`value` as a number, also out of text. Raises `TemplateError`, which names `what`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        text = text_of(value)
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        raise TemplateError(f"{what} is {text_of(value)!r}, which is not a number") from None


@lru_cache(maxsize=512)
def regex_of(text: str) -> Regex:
    """The expression `text`. Raises `TemplateError`."""
    try:
        return compile_regex(text)
    except (RegexError, UnsupportedRegexError) as error:
        raise TemplateError(str(error)) from error


def whole_of(value: Value, what: str, highest: int) -> int:
    """`value` as a whole number from 0 to `highest`. Raises `TemplateError`."""
    number = int(number_of(value, what))
    if not 0 <= number <= highest:
        raise TemplateError(f"{what} must be between 0 and {highest}")
    return number
