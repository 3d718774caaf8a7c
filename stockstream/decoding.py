"""Reads JSON of others: any invalid bytes end in one kind of error."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def from_json(body: bytes | str, kind: type[T]) -> T:
    """`body` as a `kind`.

    msgspec lets two other errors through: a UnicodeDecodeError for invalid UTF-8 in a text, and a
    RecursionError for JSON that is nested too deeply.

    Raises:
        msgspec.ValidationError: it is JSON, and no `kind`; the error names the field.
        msgspec.DecodeError: it is no JSON.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is not UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error
