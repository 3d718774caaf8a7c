"""The steps of a path: each turns one value into those it leads to. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mockserver.json_types import Json
from mockserver.limits import TooMuchWork

MAX_VISITED: Final = 500_000
"""Values that one reading may come by: a filter behind `..` looks at everything many times."""


@dataclass(slots=True)
class Document:
    """What a path is read from, and how many values have been come by."""

    root: Json
    visited: int = 0

    def visit(self, count: int) -> None:
        """Count values. Raises `TooMuchWork`."""
        self.visited += count
        if self.visited > MAX_VISITED:
            raise TooMuchWork(f"a JSONPath came by more than {MAX_VISITED} values")


Step = Callable[[Json, Document], Iterator[Json]]
"""From a value of a document to the values that the step leads to."""
Predicate = Callable[[Json, Document], bool]


@dataclass(frozen=True, slots=True)
class Path:
    """Steps one after the other. `definite`: it leads to one value at most."""

    definite: bool
    steps: tuple[Step, ...]

    def nodes(self, start: Json, document: Document) -> list[Json]:
        """Every value it leads to from `start`. Raises `TooMuchWork`."""
        selected = [start]
        for step in self.steps:
            found: list[Json] = []
            for node in selected:
                before = len(found)
                found.extend(step(node, document))
                document.visit(len(found) - before + 1)
            selected = found
        return selected


def member(name: str) -> Step:
    """The member `name` of an object."""

    def step(node: Json, _: Document) -> Iterator[Json]:
        if isinstance(node, dict) and name in node:
            yield node[name]

    return step


def members(names: list[str]) -> Step:
    """Those of the members that are there, as one object."""

    def step(node: Json, _: Document) -> Iterator[Json]:
        if isinstance(node, dict):
            yield {name: node[name] for name in names if name in node}

    return step


def index(position: int) -> Step:
    """The item at `position` of a list; negative counts from the end."""

    def step(node: Json, _: Document) -> Iterator[Json]:
        if isinstance(node, list) and -len(node) <= position < len(node):
            yield node[position]

    return step


def part(bounds: slice) -> Step:
    """The items of a list within `bounds`."""

    def step(node: Json, _: Document) -> Iterator[Json]:
        if isinstance(node, list):
            yield from node[bounds]

    return step


def union(steps: list[Step]) -> Step:
    """What each of `steps` leads to."""

    def step(node: Json, document: Document) -> Iterator[Json]:
        for one in steps:
            yield from one(node, document)

    return step


def every(node: Json, _: Document) -> Iterator[Json]:
    """Every member or item."""
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def descend(node: Json, document: Document) -> Iterator[Json]:
    """The value and everything below it."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(every(current, document))))


def chosen(predicate: Predicate) -> Step:
    """The items of a list, or the value itself, that `predicate` holds for."""

    def step(node: Json, document: Document) -> Iterator[Json]:
        candidates = node if isinstance(node, list) else [node]
        yield from (candidate for candidate in candidates if predicate(candidate, document))

    return step


def chosen_itself(predicate: Predicate) -> Step:
    """The value itself, if `predicate` holds for it: behind `..`, which brings every value."""

    def step(node: Json, document: Document) -> Iterator[Json]:
        if predicate(node, document):
            yield node

    return step
