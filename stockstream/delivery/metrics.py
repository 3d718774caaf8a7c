"""What the delivery tells Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream.delivery.lanes import lag
from stockstream.metrics import counter, counters, gauge, gauges, histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.delivery.lanes import Connections
    from stockstream.metrics import Family
    from stockstream.tables import Tables

LAGGING_SECONDS = (1, 10, 30)


def families(tables: Tables, connections: Connections) -> Iterator[Family]:
    """How prices reach the clients; inside a trio run only. Counts are of this process."""
    counts = connections.counts
    now = trio.current_time()
    lanes = connections.lanes()
    lags = [lag(lane, now) for lane in lanes]
    yield gauge("stockstream_clients", "WebSocket clients that prices may go to.", len(lanes))
    yield gauge(
        "stockstream_clients_subscribed", "Clients with a subscription.", len(tables.subscriptions)
    )
    yield gauges(
        "stockstream_clients_lagging",
        "Clients that have not received for over so many seconds what was sent to them.",
        [
            ({"over": str(seconds)}, sum(each > seconds for each in lags))
            for seconds in LAGGING_SECONDS
        ],
    )
    yield gauge(
        "stockstream_client_lag_seconds_max", "The longest lag of a client.", max(lags, default=0)
    )
    yield gauge(
        "stockstream_clients_slow", "Clients marked slow.", sum(lane.slow for lane in lanes)
    )
    yield gauge(
        "stockstream_flush_interval_seconds", "The setting FLUSH_INTERVAL.", counts.interval
    )
    yield gauge(
        "stockstream_client_sets", "Different sets of symbols at the last flush.", counts.groups
    )
    yield gauge("stockstream_last_batch_symbols", "Symbols in the last flush.", counts.last_batch)
    yield histogram("stockstream_batch_symbols", "Symbols that a flush changed.", counts.batches)
    yield histogram(
        "stockstream_flush_seconds",
        "Seconds from the begin of a flush until each client had it or was left behind.",
        counts.seconds,
    )
    yield counter("stockstream_flushes_total", "Flushes.", counts.flushes)
    yield counter(
        "stockstream_rounds_total",
        "Flushes, and rounds between them for the status and for clients that are behind.",
        counts.rounds,
    )
    yield counter("stockstream_frames_total", "Frames that sockets took.", counts.frames)
    yield counter("stockstream_updates_total", "Prices in these frames.", counts.updates)
    yield counter(
        "stockstream_frames_begun_total", "Frames that sockets took in part at first.", counts.begun
    )
    yield counter(
        "stockstream_frames_refused_total", "Times that a socket took nothing.", counts.refused
    )
    yield counter("stockstream_pings_total", "Pings to clients.", counts.pings)
    yield counters(
        "stockstream_clients_parted_with_total",
        "Clients that the broadcaster closed: gone without a word, or too slow.",
        [({"why": "gone"}, counts.gone), ({"why": "too_slow"}, counts.too_slow)],
    )
