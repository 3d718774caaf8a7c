"""Records spans by OpenTelemetry's library."""

from __future__ import annotations

import os
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from stockstream.spans import NOT_TRACED, Origin, Span, Traced
from stockstream.tracing import ENDPOINTS
from stockstream.tracing.exporting import Exporting
from supervision import correlation_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.trace import Span as RecordedSpan

    from stockstream.spans import Kind, Value

STOP_SECONDS = 2.0
"""For the last spans at a stop, whether there is a collector or not."""

_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_ROOT = Context()
"""Not that of the running task: who begins a trace says of what it is a part."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Recording:
    """Implements `spans.Tracer`; what is finished goes to the collector in a thread of its own."""

    def __init__(self, node: str) -> None:
        given = OTELResourceDetector().detect().attributes
        ours = {
            "service.name": "stockstream",
            "service.version": version("stockstream"),
            "service.instance.id": node,
        }
        resource = Resource.create({name: ours[name] for name in ours.keys() - given.keys()})
        # By a process that ends in its own time, not by the interpreter's exit, which would wait.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        endpoint = next(filter(None, map(os.environ.get, ENDPOINTS)), "")
        self._provider.add_span_processor(BatchSpanProcessor(Exporting(endpoint)))
        self._tracer = self._provider.get_tracer("stockstream")

    def start(
        self,
        name: str,
        kind: Kind,
        parent: Traced | Origin | None,
        links: Sequence[Traced],
        values: Mapping[str, Value] | None,
    ) -> Span:
        """See `spans.Tracer`."""
        span = self._tracer.start_span(
            name,
            context=_ROOT if parent is None else _inside(parent),
            kind=_KINDS[kind],
            attributes=values,
            links=[Link(_context(one)) for one in links],
        )
        if not span.is_recording():
            return NOT_TRACED
        text = parent if isinstance(parent, Traced) else correlation_id.get()
        return _Recorded(span, "" if text is None else str(text))

    def stop(self) -> None:
        """Send what is left, for two seconds at most."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True, name="last traces")
        last.start()
        last.join(STOP_SECONDS)


class _Recorded(Span):
    """A span that is recorded."""

    __slots__ = ("_before", "_id", "_span")

    def __init__(self, span: RecordedSpan, correlation: str) -> None:
        self._span = span
        made = span.get_span_context()
        self._id = Traced(correlation, made.trace_id, made.span_id)
        self._before: Token[str | None] | None = None

    def note(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def begin(self) -> None:
        correlation_id.set(self._id)

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            # By its kind alone: its words may hold what is nobody's business.
            kind = getattr(error, "kind", None)
            self.fail(kind if isinstance(kind, str) else type(error).__qualname__)
        self._span.end()

    def __enter__(self) -> Self:
        self._before = correlation_id.set(self._id)
        return self

    def __exit__(
        self,
        _class: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            correlation_id.reset(self._before)
        self.end(error)


def _context(span: Traced | Origin) -> SpanContext:
    sampled = isinstance(span, Traced) or span.sampled
    flags = _SAMPLED if sampled else TraceFlags(TraceFlags.DEFAULT)
    return SpanContext(span.trace, span.span, isinstance(span, Origin), flags)


def _inside(parent: Traced | Origin) -> Context:
    return set_span_in_context(NonRecordingSpan(_context(parent)), _ROOT)
