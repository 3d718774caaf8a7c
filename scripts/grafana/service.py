"""The first dashboard to look at: does it serve, is it fresh, does it lose anything?"""

from __future__ import annotations

from scripts.grafana.expressions import highest, increase, numbered, of, rate, total
from scripts.grafana.market import CIRCUIT, FEED
from scripts.grafana.model import Dashboard, Row, graph, number, query, states, table

DASHBOARD = Dashboard(
    name="service",
    title="Service",
    description="Whether StockStream serves, whether its prices are fresh, whether anything is "
    "lost.",
    of_providers=True,
    rows=(
        Row(
            "Now",
            (
                number(
                    "Nodes",
                    "Nodes that Prometheus reaches.",
                    "none",
                    total(of("up") + " * on (instance) " + of("stockstream_info")),
                    good_from=1,
                    runbook="StockStreamDown",
                ),
                number(
                    "Clients",
                    "WebSocket clients that prices may go to, of all nodes.",
                    "none",
                    total(of("stockstream_clients")),
                ),
                number(
                    "Feeds that are down",
                    "Feeds from which no price has come for over 30 s, counted on each node.",
                    "none",
                    total(of("stockstream_feed_state", 'state="down"', 'upstream=~"$provider"')),
                    bad_from=1,
                    runbook="ProviderDown",
                ),
                number(
                    "Breakers that are open",
                    "Circuit breakers that let no call through, counted on each node.",
                    "none",
                    total(of("stockstream_circuit_state", 'state="open"', 'upstream=~"$provider"')),
                    bad_from=1,
                    runbook="CircuitOpen",
                ),
                number(
                    "Databases away",
                    "Nodes whose prices cannot be written to the database now; they wait on disk.",
                    "none",
                    f"sum(1 - {of('stockstream_database_up')})",
                    bad_from=1,
                    runbook="DatabaseDown",
                ),
                number(
                    "Ticks lost",
                    "Ticks that neither the database nor the place they waited in could take, in "
                    "the time shown.",
                    "none",
                    total(increase("stockstream_ticks_lost_total")),
                    bad_from=1,
                    runbook="TicksLost",
                ),
            ),
        ),
        Row(
            "Freshness",
            (
                states(
                    "Feeds",
                    "How each feed does, as each node sees it.",
                    FEED,
                    query(
                        numbered(
                            "stockstream_feed_state",
                            ("down", "stale", "live"),
                            "instance",
                            "upstream",
                        ),
                        "{{upstream}} on {{instance}}",
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
                        "{{upstream}} on {{instance}}",
                    ),
                    runbook="CircuitOpen",
                ),
                graph(
                    "Age of the last good answer",
                    "Seconds since the last successful fetch of each provider ended.",
                    "s",
                    query(
                        "time() - "
                        + highest(
                            of("stockstream_feed_as_of_timestamp_seconds", 'upstream=~"$provider"'),
                            "upstream",
                        ),
                        "{{upstream}}",
                    ),
                    runbook="FeedStale",
                ),
                graph(
                    "Symbols that are stale",
                    "Symbols that the provider has not told, acceptably, for three intervals.",
                    "none",
                    query(
                        highest(
                            of("stockstream_symbols_stale", 'upstream=~"$provider"'),
                            "upstream",
                            "reason",
                        ),
                        "{{upstream}}: {{reason}}",
                    ),
                ),
                graph(
                    "Longest lag of a client",
                    "How long the slowest client has not received what was sent to it.",
                    "s",
                    query(of("stockstream_client_lag_seconds_max")),
                    runbook="SlowClients",
                ),
            ),
        ),
        Row(
            "Load",
            (
                graph(
                    "Clients",
                    "WebSocket clients on each node.",
                    "none",
                    query(of("stockstream_clients")),
                    stacked=True,
                ),
                graph(
                    "Prices to clients",
                    "Prices in the frames that sockets took, in a second.",
                    "cps",
                    query(rate("stockstream_updates_total")),
                    stacked=True,
                ),
                graph(
                    "Processor",
                    "Cores that each node uses. A node is one process and uses one core at most.",
                    "percentunit",
                    query(rate("process_cpu_seconds_total")),
                ),
                graph(
                    "Memory",
                    "Resident memory of each node.",
                    "bytes",
                    query(of("process_resident_memory_bytes")),
                ),
                graph(
                    "Run loop lag",
                    "The longest that a task which was due had to wait in the last second. Over "
                    "0.25 s the node has too much to do, or something blocks it.",
                    "s",
                    query(of("stockstream_run_loop_lag_seconds")),
                    runbook="RunLoopLag",
                ),
                graph(
                    "Errors",
                    "Requests that ended with an error, connections that an error ended, and "
                    "handshakes that were refused, in a second.",
                    "cps",
                    query(total(rate("stockstream_handler_errors_total")), "requests"),
                    query(total(rate("stockstream_connections_crashed_total")), "connections"),
                    query(
                        total(rate("stockstream_connections_refused_total")), "handshakes refused"
                    ),
                    runbook="RequestsFail",
                ),
            ),
        ),
        Row(
            "Alerts",
            (
                table(
                    "Alerts that fire",
                    "Of the rules in deploy/prometheus. Empty is well.",
                    "none",
                    'count by (alertname, severity, instance) (ALERTS{alertstate="firing"})',
                    width=24,
                ),
            ),
        ),
    ),
)
