"""Traces by OpenTelemetry: the one place that imports it, and only where a collector is set.

The rest of the product knows `stockstream/spans.py`. Settings are those of OpenTelemetry under
their own names: what `OTEL_EXPORTER_OTLP_ENDPOINT` names is told all that the sampler wants.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from stockstream import spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from structlog.stdlib import BoundLogger

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXTRA = "pip install 'stockstream[tracing]'"

_log: BoundLogger = structlog.get_logger("tracing")


def endpoint_setting(given: Mapping[str, str]) -> str | None:
    """The setting that names the collector, where traces are wanted."""
    off = (
        given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or given.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    )
    return None if off else next((name for name in ENDPOINTS if given.get(name)), None)


@contextmanager
def traced(given: Mapping[str, str], node: str) -> Iterator[None]:
    """Trace while inside, if a collector is set; `given` are OpenTelemetry's variables.

    Without its packages there are no traces, and a line that says so: prices do not wait for them.
    """
    setting = endpoint_setting(given)
    if setting is None:
        yield
        return
    try:
        from stockstream.tracing.recording import Recording  # noqa: PLC0415 - only where it is on
    except ImportError as error:
        _log.warning(
            "no traces: their packages are not installed",
            setting=setting,
            lacks=error.name,
            do=EXTRA,
        )
        yield
        return
    # The library reads them there: it knows no .env, and takes an empty one for a value.
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ.update(given)
    recording = Recording(node)
    spans.use(recording)
    try:
        yield
    finally:
        spans.use(None)
        recording.stop()
