"""The status of recording: the row that the recorder writes, and that outlives it. Sync."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec
import structlog

from stockstream.history import progress
from stockstream.statuses import RecorderStatus
from stockstream.times import Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.history.segments import Lost
    from stockstream.history.spool import Spool
    from stockstream.tables import Outbox
    from supervision import Slot

_log: BoundLogger = structlog.get_logger("recorder")


class Standing:
    """Writes the row of the `recorder` table, and logs each new trouble and its end.

    A loss is an alert until nothing was lost for `calm_seconds`.
    """

    def __init__(
        self,
        statuses: Slot[RecorderStatus],
        calm_seconds: float,
        clock: Callable[[], Moment] = Moment.now,
    ) -> None:
        self._statuses = statuses
        self._calm_seconds = calm_seconds
        self._clock = clock
        self._status = statuses.value or RecorderStatus()
        self._told = deque([self._status.alert], maxlen=8)

    @property
    def alert(self) -> str | None:
        """What it says now."""
        return self._status.alert

    def count(self, **more: int) -> None:
        """Add to counts."""
        self._put(**{name: getattr(self._status, name) + count for name, count in more.items()})

    def recorded(self, batches: int, ticks: int) -> None:
        """Batches are in the database."""
        self.count(recorded_batches=batches, recorded_ticks=ticks)
        self._put(trouble=None)

    def failed(self, why: str) -> None:
        """An attempt to record failed."""
        self._put(trouble=why)

    def lose(self, lost: Lost) -> None:
        """Something is gone for good."""
        if lost:
            _log.error(
                "prices that waited on disk are lost",
                reason=lost.why,
                batches=lost.batches,
                ticks=lost.ticks,
                unread_batches=lost.unread,
                unread_bytes=lost.unread_bytes,
            )
            self._put(lost_at=self._clock())
            self.count(lost=lost.ticks, unread_batches=lost.unread, unread_bytes=lost.unread_bytes)

    def tell(
        self,
        outbox: Outbox,
        spool: Spool | None,
        *,
        spooled_since: int | None,
        alert: str | None,
        behind: bool,
    ) -> None:
        """Say how it is now: all is recorded, or it is `behind`. `alert` is of the disks."""
        last, now = self._status, self._clock()
        waiting = outbox.statistics()
        dropped = waiting.dropped
        lost_at = now if dropped > last.dropped else last.lost_at
        # An attempt that times out took some seconds: the backlog is older by these.
        began = now if waiting.since is None else now.after(-waiting.since.age)
        behind_since = (last.behind_since or began) if behind else None
        if alert is None and behind_since is not None and last.trouble is not None:
            alert = self._late(now - behind_since, last.trouble)
        if alert is None and lost_at is not None:
            alert = self._loss(last, dropped, now - lost_at)
        if alert is None and last.alert is not None:
            _log.info("recording is well again", lost=last.lost + dropped)
            self._told.clear()
        elif alert is not None and alert not in self._told:
            # Attempts may fail for two reasons in turn.
            _log.error("recording is in trouble", alert=alert)
            self._told.append(alert)
        self._put(
            spooled=0 if spool is None else spool.batches,
            spool_bytes=0 if spool is None else spool.size,
            spool_limit=0 if spool is None else spool.limit,
            spooled_since=spooled_since,
            dropped=dropped,
            lost_at=lost_at,
            behind_since=behind_since,
            trouble=last.trouble if behind else None,
            alert=alert,
        )

    def _put(self, **changes: object) -> None:
        self._status = msgspec.structs.replace(self._status, **changes)
        if self._status != self._statuses.value:
            self._statuses.put(self._status)

    def _late(self, seconds: float, why: str) -> str | None:
        if seconds <= progress.LATE_SECONDS:
            return None
        return f"prices are not recorded, they wait: {why}"

    def _loss(self, last: RecorderStatus, dropped: int, ago: float) -> str | None:
        """The alert about lost ticks, the last of them so long ago; None after a calm time."""
        if ago >= self._calm_seconds:
            return None
        parts = []
        if last.lost + dropped:
            parts.append(f"{last.lost + dropped} ticks were lost")
        if last.unread_batches:
            parts.append(
                f"{last.unread_batches} batches of {last.unread_bytes} bytes were lost that could "
                "not be read: how many ticks they held is not known"
            )
        return "; ".join(parts)
