"""Where in a JSON text something stands: the line of a value, and of a key that is there twice."""

import json
import re
from typing import Final

from mockserver.problems import Pointer

_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|[\[\]{}]|[^"\[\]{}]+')
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


def repeated_key(text: str) -> tuple[str, int] | None:
    """The first key that an object of valid JSON `text` has twice, and the line of the second."""
    around: list[set[str] | None] = []
    for found in _TOKEN.finditer(text):
        mark = found.group()
        if mark in {"{", "["}:
            around.append(set() if mark == "{" else None)
        elif mark in {"}", "]"}:
            around.pop()
        elif found.group(2) is not None and around and (keys := around[-1]) is not None:
            key: str = json.loads(found.group(1))
            if key in keys:
                return key, text.count("\n", 0, found.start()) + 1
            keys.add(key)
    return None
