"""`/metrics`: what an operator's Prometheus asks for. Reads memory only, so it answers always."""

from __future__ import annotations

import platform
import resource
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio
from quart import Blueprint, Response

from stockstream.delivery.lanes import lag
from stockstream.history.progress import progress
from stockstream.statuses import CircuitState, FeedState
from stockstream.tables import CIRCUIT, DATABASE, FEED, RECORDER, RETENTION
from stockstream.times import tell
from web.admin.gate import require_scraper
from web.watch.exposition import CONTENT_TYPE, Exposition

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.live.admission import AdmissionStatistics
    from web.parts import Parts
    from web.server import ServerStatistics

LAGGING_SECONDS = (1, 10, 30)


def metrics(
    parts: Parts,
    admission: Callable[[], AdmissionStatistics],
    server: Callable[[], ServerStatistics],
) -> Blueprint:
    """The route `/metrics`. Without a token only where nobody else can ask.

    In production never: a server that listens on this machine alone is there for a proxy.
    """
    blueprint = Blueprint("metrics", __name__)
    settings = parts.settings
    shared = not all(_is_loopback(sock.getsockname()[0]) for sock in settings.sockets)
    token_needed = settings.production or shared

    @blueprint.get("/metrics")
    async def scrape() -> Response:
        require_scraper(token_needed=token_needed)
        out = Exposition()
        _tell_delivery(out, parts)
        _tell_admission(out, admission(), server(), parts.settings.max_connections)
        _tell_market(out, parts)
        _tell_history(out, parts)
        _tell_actors(out, parts)
        _tell_process(out, parts)
        return Response(out.text(), content_type=CONTENT_TYPE)

    return blueprint


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def _tell_delivery(out: Exposition, parts: Parts) -> None:
    counts = parts.connections.counts
    now = trio.current_time()
    lanes = parts.connections.lanes()
    lags = [lag(lane, now) for lane in lanes]
    out.gauge("stockstream_clients", "WebSocket clients that prices may go to.", len(lanes))
    out.gauge(
        "stockstream_clients_subscribed",
        "Clients with a subscription.",
        len(parts.tables.subscriptions),
    )
    out.gauges(
        "stockstream_clients_lagging",
        "Clients to which what we sent has not arrived for over so many seconds.",
        [
            ({"over": str(seconds)}, sum(each > seconds for each in lags))
            for seconds in LAGGING_SECONDS
        ],
    )
    out.gauge(
        "stockstream_client_lag_seconds_max", "The longest lag of a client.", max(lags, default=0)
    )
    out.gauge(
        "stockstream_clients_slow",
        "Clients marked slow.",
        sum(lane.slow for lane in lanes),
    )
    out.gauge("stockstream_flush_interval_seconds", "The setting FLUSH_INTERVAL.", counts.interval)
    out.gauge(
        "stockstream_client_sets", "Different sets of symbols at the last flush.", counts.groups
    )
    out.gauge("stockstream_last_batch_symbols", "Symbols in the last flush.", counts.last_batch)
    out.histogram("stockstream_batch_symbols", "Symbols that a flush changed.", counts.batches)
    out.histogram(
        "stockstream_flush_seconds",
        "From the begin of a flush until each client had it or was left behind.",
        counts.seconds,
    )
    out.counter("stockstream_flushes_total", "Flushes.", counts.flushes)
    out.counter(
        "stockstream_rounds_total",
        "Flushes, and rounds between them for the status and for clients that are behind.",
        counts.rounds,
    )
    out.counter("stockstream_frames_total", "Frames that sockets took.", counts.frames)
    out.counter("stockstream_updates_total", "Prices in these frames.", counts.updates)
    out.counter(
        "stockstream_frames_begun_total", "Frames that sockets took in part at first.", counts.begun
    )
    out.counter(
        "stockstream_frames_refused_total", "Times that a socket took nothing.", counts.refused
    )
    out.counter("stockstream_pings_total", "Pings to clients.", counts.pings)
    out.counters(
        "stockstream_clients_parted_with_total",
        "Clients that the broadcaster parted with: gone without a word, or too slow.",
        [({"why": "gone"}, counts.gone), ({"why": "too_slow"}, counts.too_slow)],
    )


def _tell_admission(
    out: Exposition, admission: AdmissionStatistics, server: ServerStatistics, most: int
) -> None:
    out.gauge("stockstream_connections", "WebSocket connections.", admission.connections)
    out.gauge("stockstream_connections_limit", "How many there may be.", most)
    out.gauge(
        "stockstream_handshakes_waiting", "Handshakes that wait for their turn.", admission.waiting
    )
    out.gauge(
        "stockstream_client_addresses", "Addresses that have connections.", admission.addresses
    )
    out.counters(
        "stockstream_connections_refused_total",
        "Handshakes that were refused, in this life of the web server.",
        [({"code": code}, count) for code, count in sorted(admission.refused.items())],
    )
    out.gauge(
        "stockstream_turnstile_waiting",
        "Frames and requests of clients that wait for their turn.",
        server.waiting,
    )
    out.gauge("stockstream_sockets", "Open sockets of the web server.", server.open)
    out.counter(
        "stockstream_sockets_accepted_total", "Sockets accepted in this life.", server.accepted
    )
    out.counter(
        "stockstream_sockets_refused_total", "Sockets over a limit, in this life.", server.refused
    )
    out.counter(
        "stockstream_sockets_evicted_total",
        "Idle HTTP connections that were closed for others, in this life.",
        server.evicted,
    )
    out.counter(
        "stockstream_connections_crashed_total",
        "Connections ended by an error in the protocol code, in this life.",
        server.crashed,
    )
    out.counter(
        "stockstream_connections_timed_out_total",
        "Connections that took, or acknowledged, nothing for 30 s, in this life.",
        server.timed_out,
    )
    out.counter(
        "stockstream_handler_errors_total",
        "Requests that ended with an error, in this life.",
        server.handler_errors,
    )


def _tell_market(out: Exposition, parts: Parts) -> None:
    feed = parts.tables.feed.get(FEED)
    circuit = parts.tables.circuit.get(CIRCUIT)
    figures = parts.tables.circuit_figures.get(CIRCUIT)
    out.state(
        "stockstream_feed_state",
        "How the feed does.",
        list(FeedState),
        FeedState.DOWN if feed is None else feed.state,
    )
    out.gauge(
        "stockstream_feed_as_of_timestamp_seconds",
        "When the last successful fetch ended.",
        None if feed is None or feed.as_of is None else tell(feed.as_of) / 1000,
    )
    out.gauge(
        "stockstream_feed_interval_seconds",
        "Time between fetches now.",
        None if feed is None else feed.interval,
    )
    troubles = parts.tables.feed_figures.get(FEED)
    out.counters(
        "stockstream_feed_troubles_total",
        "What went wrong with the feed, in the streamer's life; bad items each.",
        [({"kind": k}, n) for k, n in (troubles.troubles if troubles else {}).items()],
    )
    out.gauge(
        "stockstream_symbols_unlisted",
        "Symbols with a price that the provider lists no more.",
        None if troubles is None else troubles.unlisted,
    )
    upstream = parts.tables.upstream_clock.get(FEED)
    out.counter(
        "stockstream_upstream_clock_steps_total",
        "Times that the upstream's clock was found to have been set.",
        0 if upstream is None else upstream.steps,
    )
    out.gauge("stockstream_symbols", "Symbols with a price.", len(parts.tables.quotes))
    out.counter(
        "stockstream_batches_published_total",
        "Batches of new prices.",
        parts.tables.outbox.statistics().last_number,
    )
    out.state(
        "stockstream_circuit_state",
        "What the circuit breaker lets through.",
        list(CircuitState),
        None if circuit is None else circuit.state,
    )
    if figures is None:
        return
    out.counter("stockstream_circuit_openings_total", "Times that it opened.", figures.openings)
    out.counters(
        "stockstream_circuit_calls_total",
        "Calls by how they ended.",
        [
            ({"outcome": "successful"}, figures.successful),
            ({"outcome": "failed"}, figures.failed),
            ({"outcome": "ignored"}, figures.ignored),
            ({"outcome": "cancelled"}, figures.cancelled),
            ({"outcome": "not_permitted"}, figures.not_permitted),
        ],
    )
    out.gauge(
        "stockstream_circuit_failure_ratio",
        "Failed calls of those in the window.",
        None if figures.failure_rate is None else figures.failure_rate / 100,
    )


def _tell_history(out: Exposition, parts: Parts) -> None:
    database = parts.tables.database.get(DATABASE)
    recorder = parts.tables.recorder.get(RECORDER)
    out.gauge(
        "stockstream_database_up",
        "Whether prices can be written to the database.",
        None if database is None else int(database.up),
    )
    now = parts.settings.wall_clock_ms()
    out.gauge(
        "stockstream_history_lag_seconds",
        "Age of the oldest price that is not in the database yet.",
        progress(parts.tables, now).lag_seconds,
    )
    replica = None if database is None else database.replica
    out.gauge(
        "stockstream_history_replica_lag_seconds",
        "How far the replica that history queries ask first is behind its primary, at most.",
        None if replica is None or replica.as_of is None else replica.as_of.age,
    )
    out.gauge(
        "stockstream_history_replica_asked",
        "Whether history queries ask the replica, and not the primary in its place.",
        None if replica is None else int(replica.connections > 0),
    )
    retention = parts.tables.retention.get(RETENTION)
    out.gauge(
        "stockstream_retention_waits",
        "Whether nothing old is dropped, since this machine's clock may be wrong.",
        None if retention is None else int(retention.waits is not None),
    )
    out.gauge(
        "stockstream_retention_in_trouble",
        "Whether rolling up, dropping or purging has failed for over a minute.",
        None if retention is None else int(retention.trouble is not None),
    )
    if recorder is None:
        return
    out.gauge("stockstream_spooled_batches", "Batches that wait on disk.", recorder.spooled)
    out.counter("stockstream_ticks_recorded_total", "Ticks recorded.", recorder.recorded_ticks)
    out.counters(
        "stockstream_ticks_lost_total",
        "Ticks that neither the database nor the place they waited in could take.",
        [({"from": "spool"}, recorder.lost), ({"from": "memory"}, recorder.dropped)],
    )
    out.counter(
        "stockstream_batches_unread_total",
        "Batches that were lost and could not be read: how many ticks they held is not known.",
        recorder.unread_batches,
    )
    out.counter(
        "stockstream_batches_rejected_total",
        "Batches that the database refused.",
        recorder.rejected,
    )


def _tell_actors(out: Exposition, parts: Parts) -> None:
    tally = parts.telemetry.tally
    out.counters(
        "stockstream_actor_restarts_total",
        "Starts after the first, by path.",
        [({"path": path}, count) for path, count in sorted(tally.restarts.items())],
    )
    out.counters(
        "stockstream_actor_ends_total",
        "Ends that nobody asked for, by path and kind.",
        [({"path": path, "kind": kind}, n) for (path, kind), n in sorted(tally.ends.items())],
    )
    out.counters(
        "stockstream_supervisor_gave_up_total",
        "Times that a supervisor gave up, by path.",
        [({"path": path}, count) for path, count in sorted(tally.gave_up.items())],
    )
    out.counters(
        "stockstream_casts_dropped_total",
        "Messages that a full mailbox refused, by path.",
        [({"path": path}, count) for path, count in sorted(tally.dropped.items())],
    )
    out.counter(
        "stockstream_casts_to_nobody_total",
        "Messages to a path that nobody had.",
        parts.system.casts_to_nobody,
    )


def _tell_process(out: Exposition, parts: Parts) -> None:
    process = parts.telemetry.process
    samples = process.samples()
    sample = samples[-1] if samples else None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    out.counter("process_cpu_seconds_total", "User and system time.", time.process_time())
    out.gauge("process_start_time_seconds", "When the process began.", process.started / 1000)
    out.gauge("process_max_fds", "How many files may be open.", soft)
    out.gauges("python_info", "The interpreter.", [({"version": platform.python_version()}, 1)])
    out.gauges("stockstream_info", "This node.", [({"node": parts.settings.node}, 1)])
    if sample is None:
        return
    out.gauge("process_resident_memory_bytes", "Resident memory.", sample.memory)
    out.gauge("process_open_fds", "Open files.", sample.files)
    out.gauge("stockstream_threads", "Python's threads.", sample.threads)
    out.gauge("stockstream_tasks", "Tasks of the run loop.", sample.tasks)
    out.gauge(
        "stockstream_run_loop_lag_seconds",
        "The longest that a task which was due had to wait, in the last second.",
        sample.lag_ms / 1000,
    )
