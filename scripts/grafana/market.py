"""Prices in: feeds, circuit breakers, what providers tell and how."""

from __future__ import annotations

from scripts.grafana.expressions import PROVIDER, highest, numbered, of, quantile, rate, total
from scripts.grafana.model import GREEN, RED, YELLOW, Dashboard, Row, graph, query, states

FEED = (("down", RED), ("stale", YELLOW), ("live", GREEN))
CIRCUIT = (("closed", GREEN), ("half open", YELLOW), ("open", RED))
EACH = "{{upstream}} on {{instance}}"

DASHBOARD = Dashboard(
    name="market",
    title="Market",
    description="How prices come in: feeds, circuit breakers, what the providers tell.",
    of_providers=True,
    rows=(
        Row(
            "Feeds",
            (
                states(
                    "Feeds",
                    "How each feed does: the last fetches succeeded, the recent ones fail, or it "
                    "is gone.",
                    FEED,
                    query(
                        numbered(
                            "stockstream_feed_state",
                            ("down", "stale", "live"),
                            "instance",
                            "upstream",
                        ),
                        EACH,
                    ),
                    runbook="ProviderDown",
                ),
                states(
                    "Circuit breakers",
                    "What the breaker before each provider lets through.",
                    CIRCUIT,
                    query(
                        numbered(
                            "stockstream_circuit_state",
                            ("closed", "half_open", "open"),
                            "instance",
                            "upstream",
                        ),
                        EACH,
                    ),
                    runbook="CircuitOpen",
                ),
                graph(
                    "Age of the last good answer",
                    "Seconds since the last successful fetch ended, as each node knows it.",
                    "s",
                    query(
                        f"time() - {of('stockstream_feed_as_of_timestamp_seconds', PROVIDER)}", EACH
                    ),
                    runbook="FeedStale",
                ),
                graph(
                    "Interval",
                    "Time between fetches now: shorter while clients subscribe.",
                    "s",
                    query(of("stockstream_feed_interval_seconds", PROVIDER), EACH),
                ),
                graph(
                    "Fetches",
                    "Fetches in a second, and attempts to connect to a provider that pushes, by "
                    "how they ended.",
                    "cps",
                    query(
                        total(rate("stockstream_fetches_total", PROVIDER), "upstream", "outcome"),
                        "{{upstream}}: {{outcome}}",
                    ),
                    runbook="ProviderRefuses",
                ),
                graph(
                    "Time of a fetch",
                    "How long they took: half of them, and all but one of a hundred.",
                    "s",
                    query(
                        quantile(0.5, "stockstream_fetch_seconds", "upstream"), "{{upstream}} half"
                    ),
                    query(
                        quantile(0.99, "stockstream_fetch_seconds", "upstream"), "{{upstream}} 99 %"
                    ),
                ),
                graph(
                    "Age of new prices",
                    "How old a new price was by the provider's own time when it was accepted: "
                    "half of them, and all but one of a hundred. A clock that is wrong shows "
                    "here, too.",
                    "s",
                    query(
                        quantile(0.5, "stockstream_quote_age_seconds", "upstream"),
                        "{{upstream}} half",
                    ),
                    query(
                        quantile(0.99, "stockstream_quote_age_seconds", "upstream"),
                        "{{upstream}} 99 %",
                    ),
                ),
                graph(
                    "Streams",
                    "Connections to providers that push, by what they are doing.",
                    "none",
                    query(
                        total(of("stockstream_stream_connections", PROVIDER), "upstream", "phase"),
                        "{{upstream}}: {{phase}}",
                    ),
                    width=12,
                ),
                graph(
                    "Streams that ended",
                    "Connections to providers that push that ended or failed, in a second, by why.",
                    "cps",
                    query(
                        total(
                            rate("stockstream_stream_reconnects_total", PROVIDER),
                            "upstream",
                            "reason",
                        ),
                        "{{upstream}}: {{reason}}",
                    ),
                    width=12,
                    runbook="ReconnectLoop",
                ),
                graph(
                    "Troubles by kind",
                    "Failed fetches and bad items in a second, by what was wrong.",
                    "cps",
                    query(
                        total(
                            rate("stockstream_feed_troubles_total", PROVIDER), "upstream", "kind"
                        ),
                        "{{upstream}}: {{kind}}",
                    ),
                ),
            ),
        ),
        Row(
            "Circuit breakers",
            (
                graph(
                    "Calls by outcome",
                    "Calls of each provider in a second, by how they ended; those that the "
                    "breaker did not permit were not made.",
                    "cps",
                    query(
                        total(
                            rate("stockstream_circuit_calls_total", PROVIDER), "upstream", "outcome"
                        ),
                        "{{upstream}}: {{outcome}}",
                    ),
                ),
                graph(
                    "Share of failed calls",
                    "Failed calls in the breaker's window, of all in it. From "
                    "BREAKER_FAILURE_RATE on it opens.",
                    "percentunit",
                    query(of("stockstream_circuit_failure_ratio", PROVIDER), EACH),
                ),
                graph(
                    "Openings",
                    "How often each breaker has opened since its node started.",
                    "none",
                    query(of("stockstream_circuit_openings_total", PROVIDER), EACH),
                ),
            ),
        ),
        Row(
            "Prices",
            (
                graph(
                    "Symbols",
                    "Symbols with a price.",
                    "none",
                    query(of("stockstream_symbols")),
                ),
                graph(
                    "Symbols that are stale",
                    "Symbols that the provider has not told, acceptably, for three intervals, by "
                    "reason.",
                    "none",
                    query(
                        highest(of("stockstream_symbols_stale", PROVIDER), "upstream", "reason"),
                        "{{upstream}}: {{reason}}",
                    ),
                ),
                graph(
                    "Batches published",
                    "Batches of new prices in a second.",
                    "cps",
                    query(rate("stockstream_batches_published_total")),
                ),
                graph(
                    "Steps of providers' clocks",
                    "How often a provider's clock was found to have been set, since the node "
                    "started.",
                    "none",
                    query(of("stockstream_upstream_clock_steps_total", PROVIDER), EACH),
                ),
            ),
        ),
    ),
)
