"""Parameters in the addresses of the admin API, checked."""

from __future__ import annotations

from typing import ClassVar

from werkzeug.exceptions import UnprocessableEntity


class BadParameterError(UnprocessableEntity):
    """A parameter of the address is none."""

    word: ClassVar[str] = "bad_parameter"


def whole_number(name: str, text: str) -> int:
    """Read a number of 0 or more.

    Raises:
        BadParameterError: it is none; the text names the parameter.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise BadParameterError(f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)
