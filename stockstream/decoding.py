"""Reading JSON that somebody else wrote: whatever the bytes are, it ends with one kind of error."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def from_json(body: bytes | str, kind: type[T]) -> T:
    """`body` as a `kind`.

    msgspec lets two errors of others through: bytes that are no UTF-8 within a text are a
    UnicodeDecodeError to it, and what is nested too deeply a RecursionError.

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
