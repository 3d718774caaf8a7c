"""The span of the request at hand: from its headers to those of the answer."""

from __future__ import annotations

from quart import g, request

from stockstream import spans
from web.request_caller import HEALTH

_UNTOLD = (HEALTH, "/static/", "/metrics")
"""Asked for by machines every few seconds, or by each page a dozen times."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ERRORS = 500


def begin_span(*, believed: bool) -> None:
    """Trace the request if the sampler wants it, or its sender, who may be `believed`."""
    if not spans.tracing() or request.path.startswith(_UNTOLD):
        return
    origin = spans.origin_of(request.headers.get("traceparent"), believed=believed)
    method = request.method if request.method in _METHODS else "_OTHER"
    route = None if request.url_rule is None else request.url_rule.rule
    span = spans.root(f"{method} {route}" if route else method, "server", origin=origin)
    span.begin()
    span.note("http.request.method", method)
    span.note("url.scheme", request.scheme)
    if route:  # and not the path, which may name somebody's rows
        span.note("http.route", route)
    g.span = span


def note_status(status: int) -> None:
    """What it was answered with."""
    span: spans.Span = g.get("span", spans.NOT_TRACED)
    span.note("http.response.status_code", status)
    if status >= _ERRORS:
        span.fail(str(status))


async def end_span(error: BaseException | None = None) -> None:
    """It was answered, or its sender has gone."""
    span: spans.Span = g.get("span", spans.NOT_TRACED)
    span.end(error)
