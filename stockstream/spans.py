"""Spans: what is told of the way of a price to a collector that understands OpenTelemetry.

Nothing here imports OpenTelemetry; `stockstream/tracing/` does, where a collector is set. Work that
is traced has a `Traced` for its correlation id. So whatever carries that id brings the span along:
messages of actors, queries, log lines. Work that is not traced costs a look at the id's class.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

from supervision import correlation_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool

MOST_LINKS = 100
"""Batches that one span is linked to: a flush after a stall may have thousands."""
MOST_OF_STRANGERS = 20
"""Traces in a second that somebody whom we need not believe may have us record by asking."""

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-[ -~]*)?"
)
_SAMPLED = 1


class Traced(str):
    """The correlation id of work that is traced: what the log has, and the span that it is in."""

    __slots__ = ("span", "trace")

    trace: int
    span: int

    def __new__(cls, text: str, trace: int, span: int) -> Self:
        """`trace` has 128 bits, `span` 64; neither is 0."""
        made = super().__new__(cls, text)
        made.trace, made.span = trace, span
        return made

    @property
    def traceparent(self) -> str:
        """As another program is told of it (W3C Trace Context)."""
        return f"00-{self.trace:032x}-{self.span:016x}-01"


class Origin(NamedTuple):
    """A span of another program, which has had this one do something."""

    trace: int
    span: int
    sampled: bool


class Span:
    """A span that nobody records, and the base of those that somebody does.

    In a `with` it is that of the work inside: an exception is noted, and what is raised goes on.
    """

    __slots__ = ()

    def note(self, name: str, value: Value) -> None:
        """Say more of it."""

    def fail(self, kind: str) -> None:
        """It failed, by a short stable word for why."""

    def begin(self) -> None:
        """Be that of the running task from now on, until `end`."""

    def end(self, error: BaseException | None = None) -> None:
        """It is over, in a `with` by itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _class: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        return


NOT_TRACED = Span()


class Tracer(Protocol):
    """What records spans."""

    def start(
        self,
        name: str,
        kind: Kind,
        parent: Traced | Origin | None,
        links: Sequence[Traced],
        values: Mapping[str, Value] | None,
    ) -> Span:
        """A span that began now; `NOT_TRACED` where the sampler does not want it."""


class _InUse:
    """What there is in this process; like a log, it is one for all parts."""

    tracer: Tracer | None = None
    second = 0
    of_strangers = 0


def of_topic(operation: str, kind: str, topic: str = "stock:all") -> dict[str, Value]:
    """What a span says of a message between parts, by the conventions for messaging."""
    return {
        "messaging.system": "stockstream",
        "messaging.destination.name": topic,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
    }


def use(tracer: Tracer | None) -> None:
    """Have this one record from now on; None for no more."""
    _InUse.tracer = tracer


def tracing() -> bool:
    """Whether anything is recorded at all."""
    return _InUse.tracer is not None


def root(
    name: str,
    kind: Kind = "internal",
    values: Mapping[str, Value] | None = None,
    origin: Origin | None = None,
) -> Span:
    """The first span of ours for something: the sampler decides here whether it is traced.

    `origin` is who has had us do it, and has decided of that.
    """
    tracer = _InUse.tracer
    return NOT_TRACED if tracer is None else tracer.start(name, kind, origin, (), values)


def child(name: str, kind: Kind = "internal", values: Mapping[str, Value] | None = None) -> Span:
    """A part of what the running task works for."""
    parent, tracer = correlation_id.get(), _InUse.tracer
    if not isinstance(parent, Traced) or tracer is None:
        return NOT_TRACED
    return tracer.start(name, kind, parent, (), values)


def following(
    name: str,
    origins: Sequence[Traced],
    kind: Kind = "consumer",
    values: Mapping[str, Value] | None = None,
) -> Span:
    """What is done for all of `origins` at once: linked to each, and in the trace of the first."""
    tracer = _InUse.tracer
    if not origins or tracer is None:
        return NOT_TRACED
    return tracer.start(name, kind, origins[0], origins[:MOST_LINKS], values)


def current() -> Traced | None:
    """The id of the running task's work, if it is traced."""
    found = correlation_id.get()
    return found if isinstance(found, Traced) else None


def traceparent_headers() -> dict[str, str]:
    """What a request to another program carries."""
    traced = current()
    return {} if traced is None else {"traceparent": traced.traceparent}


def read_traceparent(text: str | None) -> Origin | None:
    """The span that a header or a field names; None for one that cannot be read."""
    found = _TRACEPARENT.fullmatch(text or "")
    if found is None or found["version"] == "ff":
        return None
    if found["more"] and found["version"] == "00":
        return None  # later versions may have more (W3C Trace Context, 3.2)
    trace, span, flags = (int(found[name], 16) for name in ("trace", "span", "flags"))
    return Origin(trace, span, bool(flags & _SAMPLED)) if trace and span else None


def origin_of(text: str | None, *, believed: bool) -> Origin | None:
    """Who has had us do something, by what came with it.

    Whoever is not `believed` could have us record all that it asks for: so only a few of them a
    second are heard, and the sampler decides of the rest.
    """
    if _InUse.tracer is None or not text:
        return None
    origin = read_traceparent(text)
    if origin is None or believed or not origin.sampled:
        return origin
    second = int(time.monotonic())
    if second != _InUse.second:
        _InUse.second, _InUse.of_strangers = second, 0
    _InUse.of_strangers += 1
    return origin if _InUse.of_strangers <= MOST_OF_STRANGERS else None


def taken_over(text: str, correlation: str) -> Traced | None:
    """The id of what another node has begun; None where it is not traced, or we do not trace."""
    origin = read_traceparent(text) if text and _InUse.tracer is not None else None
    return Traced(correlation, origin.trace, origin.span) if origin and origin.sampled else None


class Gathered:
    """Messages that are dealt with together, later: how many, and which of them are traced."""

    __slots__ = ("_count", "_origins")

    def __init__(self) -> None:
        self._count = 0
        self._origins: list[Traced] = []

    def add(self) -> None:
        """Count the message at hand."""
        self._count += 1
        found = correlation_id.get()
        if isinstance(found, Traced) and len(self._origins) < MOST_LINKS:
            self._origins.append(found)

    def forget(self) -> None:
        """Begin anew: those that were added are dealt with."""
        self._count = 0
        if self._origins:
            self._origins = []

    def span(self, name: str, values: Mapping[str, Value]) -> Span:
        """A span for all that were added since the last one."""
        span = following(name, self._origins, "consumer", values)
        span.note("messaging.batch.message_count", self._count)
        self.forget()
        return span
