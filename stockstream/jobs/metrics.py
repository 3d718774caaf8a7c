"""The metrics of jobs for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counters, gauges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """A sample for each job, by its name. The counts are the database's, of all nodes."""
    jobs = [({"name": name}, row) for name, row in sorted(tables.jobs.rows.items())]
    yield gauges(
        "stockstream_job_last_success_timestamp_seconds",
        "When a job that runs on a schedule last ended well, on any node.",
        [(by, None if row.succeeded is None else row.succeeded / 1000) for by, row in jobs],
    )
    yield gauges(
        "stockstream_job_duration_seconds",
        "How long its last run took.",
        [(by, row.seconds) for by, row in jobs],
    )
    yield counters("stockstream_job_runs_total", "Its runs.", [(by, row.runs) for by, row in jobs])
    yield counters(
        "stockstream_job_failures_total",
        "Its runs that failed.",
        [(by, row.failures) for by, row in jobs],
    )
    yield gauges(
        "stockstream_job_failing",
        "Whether it has failed for over a minute, or cannot be looked for in the database.",
        [(by, float(row.failing is not None)) for by, row in jobs],
    )
    yield gauges(
        "stockstream_job_overdue_seconds",
        "How late it is; 0 while it is in time, or runs.",
        [(by, row.overdue_seconds) for by, row in jobs],
    )
