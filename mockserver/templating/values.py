"""The values a template sees, how a name is looked up in one and how one is written.

Only these types are ever looked into, so a template cannot reach an object of the server.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from mockserver.json_types import Json, write_json


@dataclass(frozen=True, slots=True)
class Several:
    """The values of a query parameter, header or cookie: written as the first, indexable."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UrlPath:
    """A URL path: written whole, indexable by segment, and by the names of a path template."""

    text: str
    segments: tuple[str, ...]
    variables: Mapping[str, str]


Value: TypeAlias = (
    "str | int | float | bool | Several | UrlPath | list[Value] | dict[str, Value] | Headers | None"
)


class Headers:
    """Names without regard to case."""

    def __init__(self, values: Mapping[str, Several]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def get(self, name: str) -> Several | None:
        """The values of the header `name`."""
        return self._values.get(name.lower())

    def as_dict(self) -> dict[str, "Value"]:
        """Every header under its name in lower case."""
        return dict(self._values)


def member(value: Value, name: str) -> Value:
    """What `name` means inside `value`; None when it means nothing."""
    if isinstance(value, dict):
        return value[name] if name in value else (len(value) if name == "size" else None)
    if isinstance(value, Headers):
        return value.get(name)
    if isinstance(value, UrlPath):
        return value.variables[name] if name in value.variables else item(value.segments, name)
    if isinstance(value, Several):
        if name in {"first", "last"}:
            return value.values[0 if name == "first" else -1] if value.values else None
        # WireMock counts back from the last: [-1] is the one before it.
        before_last = re.fullmatch(r"-\d+", name)
        return item(value.values, str(int(name) - 1) if before_last else name)
    if isinstance(value, list):
        return item(tuple(value), name)
    return None


def item(values: tuple[Value, ...], name: str) -> Value:
    """`values` at the index written in `name` (negative counts from the end), or its size."""
    if name in {"size", "length"}:
        return len(values)
    try:
        index = int(name)
    except ValueError:
        return None
    return values[index] if -len(values) <= index < len(values) else None


def is_truthy(value: Value) -> bool:
    """False for nothing, false, zero, empty text and empty collections, as Handlebars has it."""
    if isinstance(value, (Several, UrlPath, Headers)):
        return True
    return bool(value)


def text_of(value: Value) -> str:
    """How `value` is written: numbers as Java writes them, collections as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _java_double(value)
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, Several):
        return value.values[0] if value.values else ""
    if isinstance(value, UrlPath):
        return value.text
    return write_json(json_of(value))


def json_of(value: Value) -> Json:
    """`value` as JSON."""
    if isinstance(value, Headers):
        return json_of(value.as_dict())
    if isinstance(value, dict):
        return {name: json_of(one) for name, one in value.items()}
    if isinstance(value, list):
        return [json_of(one) for one in value]
    if isinstance(value, (Several, UrlPath)):
        return text_of(value)
    return value


def from_json(value: Json) -> Value:
    """JSON as a template sees it."""
    if isinstance(value, dict):
        return {name: from_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [from_json(one) for one in value]
    return value


def _java_double(value: float) -> str:
    """As `Double.toString` writes it: plain from 0.001 to below 10^7, else with an exponent."""
    if not math.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    exact = Decimal(repr(value)).normalize()
    digits = "".join(map(str, exact.as_tuple().digits))
    return f"{'-' if exact < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exact.adjusted()}"
