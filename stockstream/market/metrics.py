"""What the market tells Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.market.fetches import Outcome
from stockstream.metrics import counter, counters, gauge, gauges, histograms_by, states
from stockstream.statuses import CircuitState, FeedState, PushPhase, StaleReason
from stockstream.symbol_states import stale_by_reason
from stockstream.times import Moment, tell
from stockstream.upstreams import current_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """The feeds and circuit breakers, by upstream, and what was published."""
    yield from _feeds(tables)
    yield from _fetches(tables)
    yield from _streams(tables)
    yield gauge("stockstream_symbols", "Symbols with a price.", len(tables.quotes))
    yield counter(
        "stockstream_batches_published_total",
        "Batches of new prices.",
        tables.outbox.statistics().last_number,
    )
    yield from _circuits(tables)
    received = tables.received.value
    if received is not None:
        yield counters(
            "stockstream_rows_received_total",
            "Prices that other nodes told, by whether they were news here.",
            [({"outcome": "taken"}, received.taken), ({"outcome": "refused"}, received.refused)],
        )


def _feeds(tables: Tables) -> Iterator[Family]:
    feeds, figures = sorted(tables.feeds.rows.items()), sorted(tables.feed_figures.rows.items())
    yield states(
        "stockstream_feed_state",
        "How the feed does.",
        FeedState,
        [({"upstream": name}, current_state(row)) for name, row in feeds],
    )
    yield gauges(
        "stockstream_feed_as_of_timestamp_seconds",
        "When the last successful fetch ended.",
        [
            ({"upstream": name}, None if row.as_of is None else tell(row.as_of) / 1000)
            for name, row in feeds
        ],
    )
    yield gauges(
        "stockstream_feed_interval_seconds",
        "Time between fetches now.",
        [({"upstream": name}, row.interval) for name, row in feeds],
    )
    yield counters(
        "stockstream_feed_troubles_total",
        "Troubles of the feed since it started, by kind; each bad item counts.",
        [
            ({"upstream": name, "kind": kind}, count)
            for name, row in figures
            for kind, count in sorted(row.troubles.items())
        ],
    )
    yield _stale(tables)
    yield counters(
        "stockstream_upstream_clock_steps_total",
        "Times that the upstream's clock was found to have been set.",
        [
            ({"upstream": name}, clock.steps)
            for name, clock in sorted(tables.upstream_clocks.rows.items())
        ],
    )


def _fetches(tables: Tables) -> Iterator[Family]:
    rows = sorted(tables.fetches.rows.items())
    yield counters(
        "stockstream_fetches_total",
        "Fetches, and attempts to connect to a provider that pushes, by how they ended.",
        [
            ({"upstream": name, "outcome": outcome}, row.outcomes.get(outcome, 0))
            for name, row in rows
            for outcome in Outcome
        ],
    )
    yield histograms_by(
        "upstream",
        "stockstream_fetch_seconds",
        "Seconds that they took.",
        {name: row.seconds for name, row in rows},
    )
    yield histograms_by(
        "upstream",
        "stockstream_quote_age_seconds",
        "How old a new price was by the provider's own time when it was accepted.",
        tables.quote_ages.rows,
    )


def _streams(tables: Tables) -> Iterator[Family]:
    """Of the upstreams that push."""
    rows = sorted(tables.pushes.rows.items())
    yield gauges(
        "stockstream_stream_connections",
        "Connections to a provider that pushes, by what they are doing.",
        [
            ({"upstream": name, "phase": phase}, sum(x.phase is phase for x in row.lines.values()))
            for name, row in rows
            for phase in PushPhase
        ],
    )
    yield counters(
        "stockstream_stream_reconnects_total",
        "Connections to a provider that pushes that ended or failed, by why; each is made again.",
        [
            ({"upstream": name, "reason": reason}, count)
            for name, row in rows
            for reason, count in sorted(row.ends.items())
        ],
    )


def _stale(tables: Tables) -> Family:
    rows = sorted(tables.confirmations.rows.items())
    now = Moment.now().milliseconds
    stale = {name: stale_by_reason(row, now) for name, row in rows}
    return gauges(
        "stockstream_symbols_stale",
        "Symbols that the provider has not told, acceptably, for three intervals.",
        [
            ({"upstream": name, "reason": reason}, len(stale[name].get(reason, ())))
            for name, _ in rows
            for reason in StaleReason
            if reason is not StaleReason.FEED_AWAY
        ],
    )


def _circuits(tables: Tables) -> Iterator[Family]:
    figures = sorted(tables.circuit_figures.rows.items())
    yield states(
        "stockstream_circuit_state",
        "What the circuit breaker lets through.",
        CircuitState,
        [({"upstream": name}, row.state) for name, row in sorted(tables.circuits.rows.items())],
    )
    yield counters(
        "stockstream_circuit_openings_total",
        "Times that the circuit breaker opened.",
        [({"upstream": name}, row.openings) for name, row in figures],
    )
    yield counters(
        "stockstream_circuit_calls_total",
        "Calls of the upstream, by how they ended.",
        [
            ({"upstream": name, "outcome": outcome}, count)
            for name, row in figures
            for outcome, count in (
                ("successful", row.successful),
                ("failed", row.failed),
                ("ignored", row.ignored),
                ("cancelled", row.cancelled),
                ("not_permitted", row.not_permitted),
            )
        ],
    )
    yield gauges(
        "stockstream_circuit_failure_ratio",
        "Failed calls in the window, of all in it.",
        [
            ({"upstream": name}, None if row.failure_rate is None else row.failure_rate / 100)
            for name, row in figures
        ],
    )
