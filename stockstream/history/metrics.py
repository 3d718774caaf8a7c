"""The metrics of recording and retention for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.history.progress import progress
from stockstream.history.standing_of_upkeep import trouble_of_upkeep
from stockstream.metrics import counter, counters, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables


def families(tables: Tables, now_ms: int) -> Iterator[Family]:
    """Recording and retention; inside a trio run only. Counts are of this process."""
    recorder, retention = tables.recorder.value, tables.jobs.get("retention")
    backed_up = last_backup(tables)
    yield gauge(
        "stockstream_history_lag_seconds",
        "Age of the oldest price that is not in the database yet.",
        progress(tables, now_ms).lag_seconds,
    )
    yield gauge(
        "stockstream_retention_waits",
        "Whether nothing old is dropped, since this machine's clock may be wrong.",
        None if retention is None else int(retention.outcome == "waits"),
    )
    yield gauge(
        "stockstream_retention_in_trouble",
        "Whether rolling up, dropping or purging has failed for over a minute.",
        None if retention is None else int(trouble_of_upkeep(tables) is not None),
    )
    yield gauge(
        "stockstream_backup_last_success_timestamp_seconds",
        "When the last backup ended that the data directory or the database knows of.",
        None if backed_up is None else backed_up / 1000,
    )
    archive = tables.log_archive.value
    yield gauge(
        "stockstream_log_archive_up",
        "Whether the database's log is kept beside the backups, where it is to be.",
        None if archive is None else int(archive.reason is None),
    )
    if recorder is None:
        return
    yield gauge("stockstream_spooled_batches", "Batches that wait on disk.", recorder.spooled)
    yield gauge("stockstream_spool_bytes", "What they take on disk.", recorder.spool_bytes)
    yield gauge(
        "stockstream_spool_limit_bytes",
        "What they may take: the setting SPOOL_SIZE.",
        recorder.spool_limit or None,
    )
    since = recorder.spooled_since
    yield gauge(
        "stockstream_spool_age_seconds",
        "Age of the oldest price that waits on disk; 0 while none does.",
        max(0, now_ms - since) / 1000 if since is not None else None if recorder.spooled else 0,
    )
    yield counter("stockstream_ticks_recorded_total", "Ticks recorded.", recorder.recorded_ticks)
    yield counters(
        "stockstream_ticks_lost_total",
        "Ticks that neither the database nor the place they waited in could take.",
        [({"from": "spool"}, recorder.lost), ({"from": "memory"}, recorder.dropped)],
    )
    yield counter(
        "stockstream_batches_unread_total",
        "Batches that were lost and could not be read: how many ticks they held is not known.",
        recorder.unread_batches,
    )
    yield counter(
        "stockstream_batches_rejected_total",
        "Batches that the database refused.",
        recorder.rejected,
    )


def last_backup(tables: Tables) -> int | None:
    """When the last one was made that is known: noted here, or made as a job by any node."""
    job = tables.jobs.get("backups")
    known = [tables.backed_up.value, None if job is None else job.succeeded]
    return max((moment for moment in known if moment is not None), default=None)
