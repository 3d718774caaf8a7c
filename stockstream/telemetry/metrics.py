"""The metrics of the actors and the process for Prometheus."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters, counters_by, gauge, gauges, histogram
from supervision import ROOT, mailbox_depths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stockstream.metrics import Family
    from stockstream.telemetry.tally import Tally
    from stockstream.telemetry.telemetry import Telemetry
    from supervision import MailboxDepth, System


def families(telemetry: Telemetry, system: System, node: str) -> Iterator[Family]:
    """The tree's restarts and losses, and the process of the node of that name."""
    depths = mailbox_depths(system)
    yield from _actors(telemetry.tally, system, list(depths))
    yield from _mailboxes(depths)
    yield from _process(telemetry, node)


def _actors(tally: Tally, system: System, places: list[str]) -> Iterator[Family]:
    # Each begins with 0: a counter that appears has not risen yet, as far as Prometheus can tell.
    none = dict.fromkeys(places, 0)
    above = {place.rpartition("/")[0] for place in places} - {""} | {ROOT}
    yield counters_by(
        "path",
        "stockstream_actor_restarts_total",
        "Starts of an actor after its first.",
        none | tally.restarts,
    )
    yield counters(
        "stockstream_actor_ends_total",
        "Ends that nobody asked for, by path and kind.",
        [({"path": path, "kind": kind}, n) for (path, kind), n in sorted(tally.ends.items())],
    )
    yield counters_by(
        "path",
        "stockstream_supervisor_gave_up_total",
        "Times that a supervisor gave up.",
        dict.fromkeys(above & none.keys(), 0) | tally.gave_up,
    )
    yield counters_by(
        "path",
        "stockstream_casts_dropped_total",
        "Messages that a full mailbox refused.",
        none | tally.dropped,
    )
    yield counter(
        "stockstream_casts_to_nobody_total",
        "Messages to a path that nobody had.",
        system.casts_to_nobody,
    )
    yield counter(
        "stockstream_subscriber_failures_total",
        "Errors of subscribers to the runtime's events.",
        system.subscriber_failures,
    )


def _mailboxes(depths: Mapping[str, MailboxDepth]) -> Iterator[Family]:
    yield gauges(
        "stockstream_mailbox_messages",
        "Messages that wait in a mailbox, of clients' sessions in the fullest.",
        [({"path": path}, depth.queued) for path, depth in depths.items()],
    )
    yield gauges(
        "stockstream_mailbox_messages_max",
        "The most that ever waited there since the actor started.",
        [({"path": path}, depth.most) for path, depth in depths.items()],
    )


def _process(telemetry: Telemetry, node: str) -> Iterator[Family]:
    process, build = telemetry.process, telemetry.build
    samples = process.samples()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield counter("process_cpu_seconds_total", "User and system time.", time.process_time())
    yield gauge("process_start_time_seconds", "When the process began.", process.started / 1000)
    yield gauge("process_max_fds", "How many files may be open.", soft)
    yield gauges("python_info", "The interpreter.", [({"version": build.python}, 1)])
    yield gauges("stockstream_build_info", "The program that runs.", [(build._asdict(), 1)])
    yield gauges("stockstream_info", "This node.", [({"node": node}, 1)])
    yield histogram(
        "stockstream_run_loop_wait_seconds",
        "Seconds that a task which was due had to wait, ten times a second.",
        process.waits,
    )
    if not samples:
        return
    sample = samples[-1]
    yield gauge("process_resident_memory_bytes", "Resident memory.", sample.memory)
    yield gauge("process_open_fds", "Open files.", sample.files)
    yield gauge("stockstream_threads", "Python's threads.", sample.threads)
    yield gauge("stockstream_tasks", "Tasks of the run loop.", sample.tasks)
    yield gauge(
        "stockstream_run_loop_lag_seconds",
        "The longest that a task which was due had to wait, in the last second.",
        sample.lag_ms / 1000,
    )
