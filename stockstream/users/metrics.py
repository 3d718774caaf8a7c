"""The metrics of what operators do for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counters, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """The audit. Counts are of this process."""
    audit = tables.audit_inbox.statistics()
    yield counters(
        "stockstream_audit_entries_total",
        "Entries of the audit of operators, by what became of them.",
        [({"outcome": "stored"}, audit.stored), ({"outcome": "lost"}, audit.lost)],
    )
    yield gauge(
        "stockstream_audit_entries_waiting",
        "Entries of that audit that the database has not taken yet.",
        audit.waiting,
    )
