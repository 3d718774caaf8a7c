"""On which line of a JSON text a value stands. Used only once something is wrong with it."""

import json
import re
from typing import Final

from mockserver.problems import Pointer

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


def line_of(text: str, pointer: Pointer) -> int:
    """The line, from 1, of the value at `pointer` of valid JSON `text`.

    Where the pointer leads to nothing, the line of the innermost value around it.
    """
    at = _skip(text, 0)
    line_at = at
    for step in pointer:
        found = _find(text, at, step)
        if found is None:
            break
        line_at, at = found
    return text.count("\n", 0, line_at) + 1


def _find(text: str, at: int, step: str | int) -> tuple[int, int] | None:
    """Where the member or item `step` of the collection at `at` begins: its key, its value."""
    closing = {"{": "}", "[": "]"}.get(text[at : at + 1])
    if closing is None:
        return None
    at = _skip(text, at + 1)
    index = 0
    found = None
    while text[at] != closing:
        key: str | int = index
        key_at = at
        if closing == "}":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if key == step:
            found = key_at, at  # the last of several, which is the one that counts
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        index += 1
    return found


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
