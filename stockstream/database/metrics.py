"""The metrics of the database connections for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters_by, gauge, gauges, gauges_by, histograms_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.statuses import PoolFigures
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """The database and its replica."""
    database = tables.database.value
    replica = None if database is None else database.replica
    yield gauge(
        "stockstream_database_up",
        "Whether prices can be written to the database.",
        None if database is None else int(database.up),
    )
    yield gauges(
        "stockstream_database_connections",
        "Open connections, by what they are for.",
        []
        if database is None
        else [({"for": purpose}, n) for purpose, n in sorted(database.connections.items())],
    )
    yield counter(
        "stockstream_database_queries_total",
        "Queries, of this process.",
        None if database is None else database.queries,
    )
    yield counter(
        "stockstream_database_queries_failed_total",
        "Queries that failed, of this process.",
        None if database is None else database.failed,
    )
    if tables.pools.value is not None:
        yield from _waits(tables.pools.value)
    yield gauge(
        "stockstream_history_replica_lag_seconds",
        "How far the replica that history queries ask first is behind its primary, at most.",
        None if replica is None or replica.as_of is None else replica.as_of.age,
    )
    yield gauge(
        "stockstream_history_replica_asked",
        "Whether history queries ask the replica, and not the primary in its place.",
        None if replica is None else int(replica.connections > 0),
    )


def _waits(pools: PoolFigures) -> Iterator[Family]:
    yield gauges_by(
        "for",
        "stockstream_database_queries_waiting",
        "Queries that wait for a connection, by what they are for.",
        pools.waiting,
    )
    yield counters_by(
        "for",
        "stockstream_database_queries_refused_total",
        "Queries for which there was no room to wait, by what they are for.",
        pools.refused,
    )
    yield histograms_by(
        "for",
        "stockstream_database_wait_seconds",
        "Seconds that a query waited for a connection, by what it is for.",
        pools.waits,
    )
