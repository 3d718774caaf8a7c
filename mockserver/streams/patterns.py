"""What a client's frame must look like, and what is taken out of it. Pure.

A pattern is JSON. An object fits one that has its members and maybe more; a list of one pattern
fits a list whose every item does. ``$name`` fits any value and keeps it under that name. A text
with ``$symbols`` in it, as ``T.$symbols``, fits a text or several with commas between, and keeps
what stands there as names of symbols. Anything else fits its equal.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from mockserver.json_types import Json

SYMBOLS: Final = "symbols"
NAME: Final = re.compile(r"\$([a-zA-Z_]+)")


@dataclass(slots=True)
class Captured:
    """What a pattern took out of a frame."""

    values: dict[str, Json] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)


def matched(pattern: Json, value: Json) -> Captured | None:
    """What `pattern` takes out of `value`; None if that does not fit."""
    captured = Captured()
    return captured if _fits(pattern, value, captured) else None


def captures(pattern: Json) -> frozenset[str]:
    """The names under which `pattern` keeps something."""
    if isinstance(pattern, dict):
        return frozenset().union(*map(captures, pattern.values()))
    if isinstance(pattern, list):
        return frozenset().union(*map(captures, pattern))
    return frozenset(NAME.findall(pattern)) if isinstance(pattern, str) else frozenset()


def _fits(pattern: Json, value: Json, captured: Captured) -> bool:
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and _fits(part, value[name], captured) for name, part in pattern.items()
        )
    if isinstance(pattern, list):
        if not isinstance(value, list) or not pattern:
            return pattern == value
        return bool(value) and all(_fits(pattern[0], item, captured) for item in value)
    if not isinstance(pattern, str) or "$" not in pattern:
        return type(pattern) is type(value) and pattern == value
    if f"${SYMBOLS}" in pattern:
        return isinstance(value, str) and _names(pattern, value, captured)
    captured.values[pattern.removeprefix("$")] = value
    return True


def _names(pattern: str, value: str, captured: Captured) -> bool:
    before, _, after = pattern.partition(f"${SYMBOLS}")
    shape = re.compile(f"{re.escape(before)}([^,]+){re.escape(after)}")
    for piece in value.split(","):
        found = shape.fullmatch(piece.strip())
        if found is None:
            return False
        captured.symbols.append(found[1])
    return True
