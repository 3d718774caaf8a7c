"""What the market tells Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters, counters_by, gauge, state
from stockstream.statuses import CircuitState, FeedState
from stockstream.tables import CIRCUIT, FEED
from stockstream.times import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """The feed, its circuit breaker, and what they published."""
    yield from _feed(tables)
    yield gauge("stockstream_symbols", "Symbols with a price.", len(tables.quotes))
    yield counter(
        "stockstream_batches_published_total",
        "Batches of new prices.",
        tables.outbox.statistics().last_number,
    )
    yield from _circuit(tables)


def _feed(tables: Tables) -> Iterator[Family]:
    feed, figures = tables.feed.get(FEED), tables.feed_figures.get(FEED)
    upstream = tables.upstream_clock.get(FEED)
    yield state(
        "stockstream_feed_state",
        "How the feed does.",
        list(FeedState),
        FeedState.DOWN if feed is None else feed.state,
    )
    yield gauge(
        "stockstream_feed_as_of_timestamp_seconds",
        "When the last successful fetch ended.",
        None if feed is None or feed.as_of is None else tell(feed.as_of) / 1000,
    )
    yield gauge(
        "stockstream_feed_interval_seconds",
        "Time between fetches now.",
        None if feed is None else feed.interval,
    )
    yield counters_by(
        "kind",
        "stockstream_feed_troubles_total",
        "Troubles of the feed since the streamer started, by kind; each bad item counts.",
        {} if figures is None else figures.troubles,
    )
    yield gauge(
        "stockstream_symbols_unlisted",
        "Symbols with a price that the provider lists no more.",
        None if figures is None else figures.unlisted,
    )
    yield counter(
        "stockstream_upstream_clock_steps_total",
        "Times that the upstream's clock was found to have been set.",
        0 if upstream is None else upstream.steps,
    )


def _circuit(tables: Tables) -> Iterator[Family]:
    circuit, figures = tables.circuit.get(CIRCUIT), tables.circuit_figures.get(CIRCUIT)
    yield state(
        "stockstream_circuit_state",
        "What the circuit breaker lets through.",
        list(CircuitState),
        None if circuit is None else circuit.state,
    )
    if figures is None:
        return
    yield counter(
        "stockstream_circuit_openings_total",
        "Times that the circuit breaker opened.",
        figures.openings,
    )
    yield counters(
        "stockstream_circuit_calls_total",
        "Calls of the upstream, by how they ended.",
        [
            ({"outcome": "successful"}, figures.successful),
            ({"outcome": "failed"}, figures.failed),
            ({"outcome": "ignored"}, figures.ignored),
            ({"outcome": "cancelled"}, figures.cancelled),
            ({"outcome": "not_permitted"}, figures.not_permitted),
        ],
    )
    yield gauge(
        "stockstream_circuit_failure_ratio",
        "Failed calls in the window, of all in it.",
        None if figures.failure_rate is None else figures.failure_rate / 100,
    )
