"""What a cluster tells Prometheus. A single node has nothing to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters, gauge, gauges, histogram
from stockstream.statuses import NodeState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.statuses import BusStatus, MemberFigures, Members
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """The connection to NATS, the members, and what this node fetches."""
    if tables.bus.value is not None:
        yield from _bus(tables.bus.value)
    if tables.members.value is not None:
        yield from _members(tables.members.value)
    if tables.member_figures.value is not None:
        yield from _membership(tables.member_figures.value)
    holding = tables.holding.value
    if holding is not None:
        yield gauge("stockstream_cluster_alone", "Whether no other node is heard.", holding.alone)
        yield gauge("stockstream_shards_held", "Shards that it fetches.", len(holding.epochs))
        yield gauge(
            "stockstream_cluster_epoch",
            "The highest epoch that is known, in ms since 1970.",
            max(holding.highest.values(), default=0),
        )


def _bus(bus: BusStatus) -> Iterator[Family]:
    yield gauge("stockstream_bus_up", "Whether there is a connection to NATS.", bus.up)
    yield counter(
        "stockstream_bus_connections_total", "Connections to NATS that were made.", bus.connections
    )
    traffic = [
        ({"direction": direction, "kind": kind}, count)
        for direction, counts in (("sent", bus.sent), ("received", bus.received))
        for kind, count in sorted(counts.items())
    ]
    yield counters(
        "stockstream_bus_messages_total",
        "Messages to other nodes, and from them.",
        [(labels, count.messages) for labels, count in traffic],
    )
    yield counters(
        "stockstream_bus_bytes_total",
        "Their bytes.",
        [(labels, count.bytes) for labels, count in traffic],
    )
    for name, text, value in (
        (
            "dropped",
            "Messages that could not be sent, were too many, or came in part.",
            bus.dropped,
        ),
        ("refused", "Messages of another version, or of an epoch far ahead.", bus.refused),
        ("unreadable", "Messages that are none of ours.", bus.unreadable),
        ("gaps", "Messages of prices that were missed.", bus.gaps),
        ("pages", "Pages of prices taken from other nodes.", bus.pages),
    ):
        yield counter(f"stockstream_bus_{name}_total", text, value)


def _members(members: Members) -> Iterator[Family]:
    rows = members.members
    yield gauge("stockstream_cluster_members", "Nodes, this one included.", len(rows))
    yield gauge(
        "stockstream_cluster_ready", "Nodes that may fetch.", sum(row.ready for row in rows)
    )
    yield gauge("stockstream_shards_claimed", "Shards that a node fetches.", len(members.claims))
    yield gauge(
        "stockstream_cluster_differing_settings",
        "Settings of other nodes that are not as here.",
        sum(len(row.differing) for row in rows),
    )
    yield gauge(
        "stockstream_cluster_standing_by",
        "Whether this node must not fetch: its name is taken, its settings or its time others.",
        members.state is NodeState.STANDING_BY,
    )
    yield gauge(
        "stockstream_cluster_echo_age_seconds",
        "Seconds since a heartbeat of this node came back.",
        None if members.echoed is None else members.echoed.age,
    )
    yield gauges(
        "stockstream_cluster_clock_ahead_seconds",
        "By how much a node's clock is ahead of this one's.",
        [
            ({"node": row.node.name}, row.clock_ahead / 1000)
            for row in rows
            if row.clock_ahead is not None and row.node != members.me
        ],
    )


def _membership(figures: MemberFigures) -> Iterator[Family]:
    yield counter(
        "stockstream_cluster_claims_total", "Shards that this node claimed.", figures.claims
    )
    yield counters(
        "stockstream_cluster_member_changes_total",
        "Other nodes that came, or were gone.",
        [({"change": "came"}, figures.came), ({"change": "gone"}, figures.gone)],
    )
    yield counter(
        "stockstream_cluster_times_alone_total", "Times that this node was alone.", figures.alone
    )
    yield histogram(
        "stockstream_cluster_echo_seconds",
        "Seconds until a heartbeat of this node came back to it.",
        figures.echoes,
    )
