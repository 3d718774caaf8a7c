"""The metrics of all limits by user and by address, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counters_by, gauges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from web.throttles import Throttles


def families(throttles: Throttles) -> Iterator[Family]:
    """By the limit's name; no user and no address is told."""
    yield counters_by(
        "limit",
        "stockstream_limit_refused_total",
        "Requests, handshakes, changes, logins and tokens that were told to wait.",
        throttles.refused(),
    )
    yield gauges(
        "stockstream_limit_keys",
        "Users or addresses that are remembered.",
        [({"limit": name}, count) for name, count in sorted(throttles.keys().items())],
    )
