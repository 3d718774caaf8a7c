"""Calls of webhooks as rows: waiting, delivered, or dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.alert_rows import StoredAlert, stored_alert
from stockstream.history.query import Lane, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.history.query import Connection

# So many of each owner: one whose receiver is slow does not stand in the way of others.
_DUE = """
SELECT a.id, rule_id, a.owner, symbol, kind, threshold, "window", price, reference, quoted_at,
    epoch, seq, fired_at, crossings, false AS read, d.url
FROM (
    SELECT alert_id, url, row_number() OVER (PARTITION BY owner ORDER BY alert_id) AS place
    FROM webhook_deliveries WHERE state = 'pending'
) d JOIN alerts a ON a.id = d.alert_id
WHERE place <= $2 AND NOT a.id = ANY($1) ORDER BY d.alert_id LIMIT $3
"""
_END = """
UPDATE webhook_deliveries SET state = $2, attempts = attempts + $3, reason = $4, ended_at = now()
WHERE alert_id = $1 AND state = 'pending'
"""


class Call(msgspec.Struct, frozen=True):
    """An alert to be posted to an address."""

    stored: StoredAlert
    url: str


@dataclass(frozen=True, slots=True)
class FetchCalls(Query[list[Call]]):
    """The oldest calls that wait, `each` of one owner at most, and of these all not `under_way`."""

    under_way: Sequence[int]
    each: int
    limit: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> list[Call]:
        """Ask."""
        rows = await connection.fetch(_DUE, list(self.under_way), self.each, self.limit)
        return [Call(stored_alert(row), row["url"]) for row in rows]


@dataclass(frozen=True, slots=True)
class EndCall(Query[None]):
    """A call was delivered, or given up after so many attempts; `reason` says why."""

    alert: int
    delivered: bool
    attempts: int
    reason: str | None
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> None:
        """Write it down; a call that has ended stays as it ended."""
        state = "delivered" if self.delivered else "dead"
        await connection.execute(_END, self.alert, state, self.attempts, self.reason)
