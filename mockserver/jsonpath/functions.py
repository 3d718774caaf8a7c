"""Functions at the end of a path: `$.items.length()`."""

from collections.abc import Callable, Iterator
from typing import Final

from mockserver.json_types import Json
from mockserver.jsonpath.steps import Document, Step


def _length(value: Json) -> Json:
    return len(value) if isinstance(value, (list, dict)) else None


def _keys(value: Json) -> Json:
    return list(value) if isinstance(value, dict) else None


def _numbers(value: Json) -> list[float]:
    items = value if isinstance(value, list) else []
    return [
        float(item)
        for item in items
        if isinstance(item, (int, float)) and not isinstance(item, bool)
    ]


def _of_numbers(work_out: Callable[[list[float]], float]) -> Callable[[Json], Json]:
    def function(value: Json) -> Json:
        numbers = _numbers(value)
        return work_out(numbers) if numbers else None

    return function


def _end(position: int) -> Callable[[Json], Json]:
    return lambda value: value[position] if isinstance(value, list) and value else None


FUNCTIONS: Final[dict[str, Callable[[Json], Json]]] = {
    "length": _length,
    "size": _length,
    "keys": _keys,
    "first": _end(0),
    "last": _end(-1),
    "min": _of_numbers(min),
    "max": _of_numbers(max),
    "sum": _of_numbers(sum),
    "avg": _of_numbers(lambda numbers: sum(numbers) / len(numbers)),
}


def applied(name: str) -> Step:
    """The function `name` as the last step of a path."""
    function = FUNCTIONS[name]

    def step(node: Json, _: Document) -> Iterator[Json]:
        result = function(node)
        if result is not None:
            yield result

    return step
