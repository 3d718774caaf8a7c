"""The metrics of WebSocket handshakes for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counters_by, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from web.live.admission import AdmissionStatistics


def families(admission: AdmissionStatistics, limit: int) -> Iterator[Family]:
    """Connections, at most `limit`; counts are of this life of `web`."""
    yield gauge("stockstream_connections", "WebSocket connections.", admission.connections)
    yield gauge("stockstream_connections_limit", "How many there may be.", limit)
    yield gauge(
        "stockstream_handshakes_waiting", "Handshakes that wait for their turn.", admission.waiting
    )
    yield gauge(
        "stockstream_client_addresses", "Addresses that have connections.", admission.addresses
    )
    yield counters_by(
        "code",
        "stockstream_connections_refused_total",
        "Handshakes that were refused, in this life of the web server.",
        admission.refused,
    )
