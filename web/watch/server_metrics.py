"""The metrics of the web server for Prometheus; `web.server` knows nothing of the product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from web.server import ServerStatistics


def families(server: ServerStatistics) -> Iterator[Family]:
    """Its sockets and requests; counts are of this life of `web`."""
    yield gauge(
        "stockstream_turnstile_waiting",
        "Frames and requests of clients that wait for their turn.",
        server.waiting,
    )
    yield gauge("stockstream_sockets", "Open sockets of the web server.", server.open)
    yield counter(
        "stockstream_sockets_accepted_total",
        "Sockets accepted, in this life of the web server.",
        server.accepted,
    )
    yield counter(
        "stockstream_sockets_refused_total",
        "Sockets over a limit, in this life of the web server.",
        server.refused,
    )
    yield counter(
        "stockstream_sockets_evicted_total",
        "Idle HTTP connections that were closed for others, in this life of the web server.",
        server.evicted,
    )
    yield counter(
        "stockstream_connections_crashed_total",
        "Connections ended by an error in the protocol code, in this life of the web server.",
        server.crashed,
    )
    yield counter(
        "stockstream_connections_timed_out_total",
        "Connections that took, or acknowledged, nothing for 30 s, in this life of the web server.",
        server.timed_out,
    )
    yield counter(
        "stockstream_handler_errors_total",
        "Requests that ended with an error, in this life of the web server.",
        server.handler_errors,
    )
