"""Several nodes: who is there, who fetches, what goes over the bus."""

from __future__ import annotations

from scripts.grafana.expressions import of, quantile, rate, total
from scripts.grafana.model import GREEN, RED, YELLOW, Dashboard, Row, graph, query, states

DASHBOARD = Dashboard(
    name="cluster",
    title="Cluster",
    description="Several nodes: who is there, who fetches what, what goes over NATS. A single "
    "node tells none of these figures.",
    rows=(
        Row(
            "Members",
            (
                states(
                    "Connection to NATS",
                    "Whether each node has one. Without it a node goes on alone.",
                    (("away", RED), ("up", GREEN)),
                    query(of("stockstream_bus_up")),
                ),
                states(
                    "Alone",
                    "Whether a node hears no other one.",
                    (("with others", GREEN), ("alone", YELLOW)),
                    query(of("stockstream_cluster_alone")),
                    runbook="NodeAlone",
                ),
                states(
                    "Standing by",
                    "Whether a node must not fetch: its name is taken, its settings or its time "
                    "are others.",
                    (("takes part", GREEN), ("must not fetch", RED)),
                    query(of("stockstream_cluster_standing_by")),
                    runbook="NodeStandsBy",
                ),
                graph(
                    "Nodes",
                    "Nodes that each node knows, itself included, and those of them that may "
                    "fetch.",
                    "none",
                    query(of("stockstream_cluster_members")),
                    query(of("stockstream_cluster_ready"), "{{instance}} may fetch"),
                    width=12,
                ),
                graph(
                    "Nodes that came and went",
                    "Changes that each node has seen, since it started, and times that it was "
                    "alone.",
                    "none",
                    query(
                        of("stockstream_cluster_member_changes_total"), "{{instance}} {{change}}"
                    ),
                    query(of("stockstream_cluster_times_alone_total"), "{{instance}} alone"),
                ),
                graph(
                    "Differing settings",
                    "Settings of other nodes that are not as on this one.",
                    "none",
                    query(of("stockstream_cluster_differing_settings")),
                ),
                graph(
                    "Clocks",
                    "By how much each node's clock is ahead of another's.",
                    "s",
                    query(
                        of("stockstream_cluster_clock_ahead_seconds"),
                        "{{node}} seen from {{instance}}",
                    ),
                    from_zero=False,
                    runbook="ClockOff",
                ),
            ),
        ),
        Row(
            "Who fetches",
            (
                graph(
                    "Shards held",
                    "Shards that each node fetches. All together should be as many as are claimed.",
                    "none",
                    query(of("stockstream_shards_held")),
                    stacked=True,
                ),
                graph(
                    "Shards claimed",
                    "Shards that a node fetches, as each node knows it.",
                    "none",
                    query(of("stockstream_shards_claimed")),
                ),
                graph(
                    "Claims",
                    "Shards that each node has claimed since it started.",
                    "none",
                    query(of("stockstream_cluster_claims_total")),
                ),
                graph(
                    "Newest epoch",
                    "The highest epoch that each node knows; where they differ for long, nodes do "
                    "not hear each other.",
                    "dateTimeAsIso",
                    query(of("stockstream_cluster_epoch")),
                    from_zero=False,
                    width=12,
                ),
                graph(
                    "Prices of other nodes",
                    "Prices that other nodes told in a second, by whether they were news here.",
                    "cps",
                    query(
                        total(rate("stockstream_rows_received_total"), "instance", "outcome"),
                        "{{instance}} {{outcome}}",
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "The bus",
            (
                graph(
                    "Heartbeats' way back",
                    "Time until a heartbeat of a node came back to it: half of them, and all but "
                    "one of a hundred.",
                    "s",
                    query(
                        quantile(0.5, "stockstream_cluster_echo_seconds", "instance"),
                        "{{instance}} half",
                    ),
                    query(
                        quantile(0.99, "stockstream_cluster_echo_seconds", "instance"),
                        "{{instance}} 99 %",
                    ),
                ),
                graph(
                    "Age of the last echo",
                    "Seconds since a heartbeat of each node came back to it.",
                    "s",
                    query(of("stockstream_cluster_echo_age_seconds")),
                ),
                graph(
                    "Messages",
                    "Messages in a second, by direction and kind.",
                    "cps",
                    query(
                        total(rate("stockstream_bus_messages_total"), "direction", "kind"),
                        "{{direction}} {{kind}}",
                    ),
                ),
                graph(
                    "Bytes",
                    "Their bytes in a second.",
                    "Bps",
                    query(
                        total(rate("stockstream_bus_bytes_total"), "direction", "kind"),
                        "{{direction}} {{kind}}",
                    ),
                ),
                graph(
                    "Messages that were not taken",
                    "In a second: could not be sent or came in part, of another version, none of "
                    "ours.",
                    "cps",
                    query(total(rate("stockstream_bus_dropped_total")), "dropped"),
                    query(total(rate("stockstream_bus_refused_total")), "of another version"),
                    query(total(rate("stockstream_bus_unreadable_total")), "none of ours"),
                ),
                graph(
                    "Gaps",
                    "Messages of prices that were missed, and pages of prices that were taken in "
                    "their place, in a second.",
                    "cps",
                    query(total(rate("stockstream_bus_gaps_total")), "missed"),
                    query(total(rate("stockstream_bus_pages_total")), "pages"),
                ),
                graph(
                    "Connections to NATS",
                    "Connections that each node has made since it started.",
                    "none",
                    query(of("stockstream_bus_connections_total")),
                ),
            ),
        ),
    ),
)
