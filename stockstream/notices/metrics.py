"""The metrics of the notices for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.metrics import counter, counters, counters_by, gauge
from stockstream.notices.notice import NoticeKind
from stockstream.statuses import NoticeFigures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.metrics import Family
    from stockstream.tables import Tables


def families(tables: Tables) -> Iterator[Family]:
    """What was told to operators, and how it was posted. Counts are of this process."""
    row = tables.notices.value or NoticeFigures()
    yield counters_by(
        "kind",
        "stockstream_notices_total",
        "Notices for operators, by what they are about.",
        {kind.value: row.said.get(kind, 0) for kind in NoticeKind if kind is not NoticeKind.TRIAL},
    )
    yield counter(
        "stockstream_notices_held_total",
        "Of these, those within a minute after the same one; they are told together.",
        row.held,
    )
    yield counters(
        "stockstream_notice_posts_total",
        "Attempts to post a notice, by how they ended.",
        [({"outcome": "delivered"}, row.delivered), ({"outcome": "failed"}, row.failed)],
    )
    yield counters(
        "stockstream_notices_not_posted_total",
        "Notices that are not posted any more, by why.",
        [({"reason": "given_up"}, row.given_up), ({"reason": "too_many"}, row.dropped)],
    )
    yield gauge("stockstream_notices_waiting", "Notices that wait to be posted.", row.waiting)
