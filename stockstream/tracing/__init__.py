"""Traces by OpenTelemetry: the one place that imports it, and only where a collector is set.

The rest of the product knows `stockstream/spans.py`. Settings are those of OpenTelemetry under
their own names: what `OTEL_EXPORTER_OTLP_ENDPOINT` names is told all that the sampler wants.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from stockstream import spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.tracing.recording import Recording as _Recording

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXTRA = "pip install 'stockstream[tracing]'"
WRITE = "write http://host:4318 or https://host"
_ADDRESS = re.compile(r"https?://[^/?#]", re.IGNORECASE)

_log: BoundLogger = structlog.get_logger("tracing")


def endpoint_setting(given: Mapping[str, str]) -> str | None:
    """The setting that names the collector, where traces are wanted."""
    off = (
        given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or given.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    )
    return None if off else next((name for name in ENDPOINTS if given.get(name)), None)


def is_address(collector: str) -> bool:
    """Whether spans can be sent there at all. A `host:port` alone is none: its login would not be
    known for one, and would be shown.
    """
    return _ADDRESS.match(collector.strip()) is not None


@contextmanager
def traced(given: Mapping[str, str], node: str) -> Iterator[None]:
    """Trace while inside, if a collector is set; `given` are OpenTelemetry's variables.

    Where that cannot be there are no traces, and a line that says why: prices do not wait for them.
    """
    setting = endpoint_setting(given)
    recording = None if setting is None else _recording(given, setting, node)
    if recording is None:
        yield
        return
    spans.use(recording)
    try:
        yield
    finally:
        spans.use(None)
        recording.stop()


def _recording(given: Mapping[str, str], setting: str, node: str) -> _Recording | None:
    if not is_address(given[setting]):
        _log.warning("no traces: the collector has no address", setting=setting, do=WRITE)
        return None
    try:
        from stockstream.tracing.recording import Recording  # noqa: PLC0415 - only where it is on
    except ImportError as error:
        _log.warning(
            "no traces: their packages are not installed",
            setting=setting,
            lacks=error.name,
            do=EXTRA,
        )
        return None
    # The library reads them there: it knows no .env, and takes an empty one for a value.
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ.update(given)
    try:
        return Recording(node)
    except ValueError as error:  # the library's word on its own variables
        _log.warning(
            "no traces: OpenTelemetry refuses a setting of its own",
            reason=str(error),
            do="correct the OTEL_ variable that it speaks of, or take it away",
        )
        return None
