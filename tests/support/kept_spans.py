"""A tracer that keeps what it is told, in place of a collector."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stockstream import spans
from stockstream.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stockstream.spans import Origin, Traced


class Kept(Span):
    """A span that is kept."""

    def __init__(self, name: str, parent: object, links: Sequence[Traced]) -> None:
        self.name, self.parent, self.links = name, parent, tuple(links)
        self.values: dict[str, object] = {}

    def note(self, name: str, value: object) -> None:
        self.values[name] = value


class Keeping:
    """Records all; who works in its spans has no id by them."""

    def __init__(self) -> None:
        self.spans: list[Kept] = []

    def start(
        self,
        name: str,
        _kind: object,
        parent: Traced | Origin | None,
        links: Sequence[Traced],
        _values: Mapping[str, Any] | None,
    ) -> Span:
        self.spans.append(Kept(name, parent, links))
        return self.spans[-1]


@contextmanager
def keeping() -> Iterator[Keeping]:
    """Trace so while inside."""
    tracer = Keeping()
    spans.use(tracer)
    try:
        yield tracer
    finally:
        spans.use(None)
