"""Sends finished spans to the collector, in the library's thread, and tells of its troubles once.

The library writes a line for each batch that it cannot send, and a few for each attempt. Here it is
one when the collector fails, and one when it takes spans again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stockstream.masks import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from structlog.stdlib import BoundLogger

_LIBRARY = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.sdk._shared_internal",  # that its queue is full, for each span
)
_LONGEST_REASON = 300

_log: BoundLogger = structlog.get_logger("tracing")


class Exporting(SpanExporter):
    """See the module."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint` is what the setting names, for the log."""
        self._endpoint = without_secrets(endpoint)
        self._inner = OTLPSpanExporter()
        self._reason = ""
        self._failing = False
        self._lost = 0
        for name in _LIBRARY:
            logging.getLogger(name).addFilter(self._hear)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`; runs in the library's thread."""
        self._reason = ""
        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is: the spans are lost, no more
            self._reason, result = f"{type(error).__name__}: {error}", SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            if self._failing:
                _log.info("the collector takes traces again", lost=self._lost)
                self._failing, self._lost = False, 0
            return result
        self._lost += len(spans)
        if not self._failing:
            self._failing = True
            _log.warning(
                "the collector takes no traces",
                endpoint=self._endpoint,
                reason=without_secrets(self._reason or "it takes none")[:_LONGEST_REASON],
            )
        return result

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]
        for name in _LIBRARY:
            logging.getLogger(name).removeFilter(self._hear)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanExporter`."""
        return self._inner.force_flush(timeout_millis)

    def _hear(self, record: logging.LogRecord) -> bool:
        """Keep what the library would have said first of a batch, for our line: why, and not only
        that it has given up.
        """
        if record.name != _LIBRARY[-1] and not self._reason:
            self._reason = record.getMessage()
        return False
