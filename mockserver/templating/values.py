"""The values a template sees, how a name is looked up in one and how one is written.

Only these types are ever looked into, so a template cannot reach an object of the server.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeAlias, cast

from mockserver.json_types import Json, write_json
from mockserver.templating.errors import TemplateError

MAX_WRITTEN_VALUES: Final = 200_000
"""A list may hold another list many times over, so that writing it would never end."""


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
    "str | int | float | bool | datetime | Several | UrlPath | list[Value] | dict[str, Value] "
    "| Headers | LazyMembers | None"
)


class LazyMembers:
    """An object whose members are worked out when they are asked for."""

    def get(self, name: str) -> "Value":
        """The member `name`; None if there is none."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, "Value"]:
        """All of them."""
        raise NotImplementedError


class Headers:
    """Names without regard to case."""

    def __init__(self, values: Mapping[str, tuple[str, ...]]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str) -> Several | None:
        """The values of the header `name`."""
        found = self._values.get(name.lower())
        return None if found is None else Several(found)

    def as_dict(self) -> dict[str, "Value"]:
        """Every header, under its name as clients mostly write it, in the order of the names."""
        return {name.title(): Several(values) for name, values in sorted(self._values.items())}


def member(value: Value, name: str) -> Value:
    """What `name` means inside `value`; None when it means nothing."""
    if isinstance(value, dict):
        return value[name] if name in value else (len(value) if name == "size" else None)
    if isinstance(value, (Headers, LazyMembers)):
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
    """False for nothing, false, zero, empty text and empty lists, as Handlebars.java has it."""
    if isinstance(value, (Several, UrlPath, Headers, LazyMembers, dict)):
        return True
    return bool(value)


def items_of(value: Value) -> list[Value]:
    """What a list holds; anything else is one item, and nothing is none."""
    if isinstance(value, list):
        return value
    if isinstance(value, Several):
        return list(value.values)
    if isinstance(value, UrlPath):
        return list(value.segments)
    return [] if value is None else [value]


def text_of(value: Value) -> str:
    """How `value` is written: numbers as Java writes them, collections as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _java_double(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Several):
        return value.values[0] if value.values else ""
    if isinstance(value, UrlPath):
        return value.text
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return write_json(json_of(value))


def json_of(value: Value) -> Json:
    """`value` as JSON. Raises `TemplateError` if it is endless."""
    left = MAX_WRITTEN_VALUES

    def convert(one: Value) -> Json:
        nonlocal left
        left -= 1
        if left < 0:
            raise TemplateError(f"a value holds more than {MAX_WRITTEN_VALUES} others")
        if isinstance(one, (Headers, LazyMembers)):
            return convert(one.as_dict())
        if isinstance(one, dict):
            return {name: convert(inner) for name, inner in one.items()}
        if isinstance(one, list):
            return [convert(inner) for inner in one]
        if isinstance(one, Several):
            return one.values[0] if len(one.values) == 1 else list(one.values)
        if isinstance(one, UrlPath):
            return list(one.segments)
        return text_of(one) if isinstance(one, datetime) else one

    return convert(value)


def from_json(value: Json) -> Value:
    """JSON as a template sees it: the same, since no helper changes what it is given."""
    return cast("Value", value)


def _java_double(value: float) -> str:
    """As `Double.toString` writes it: plain from 0.001 to below 10^7, else with an exponent."""
    if not math.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    exact = Decimal(repr(value)).normalize()
    digits = "".join(map(str, exact.as_tuple().digits))
    return f"{'-' if exact < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exact.adjusted()}"
