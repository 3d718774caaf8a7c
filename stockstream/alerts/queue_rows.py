"""The queue of webhooks as operators see it: what waits, what was given up, by receiver.

Everything is bounded: of a queue of millions the first thousands are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.alert_rows import END_REST, REPOST
from stockstream.alerts.shares import Line
from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms

if TYPE_CHECKING:
    from datetime import datetime

    from stockstream.database.query import Connection

MOST_COUNTED = 10_000
MOST_RECEIVERS = 50
MOST_DEAD = 50

_RECEIVERS = """
SELECT q.receiver, count(*) AS waiting, min(q.waiting_since) AS oldest, max(q.reason) AS reason,
    coalesce(max(l.failures), 0) AS failures, max(l.rests_until) AS rests_until
FROM (SELECT owner, receiver, waiting_since, reason FROM webhook_deliveries
      WHERE state = 'pending' LIMIT $1) q
LEFT JOIN webhook_lines l ON l.owner = q.owner AND l.receiver = q.receiver
GROUP BY q.receiver ORDER BY failures DESC, waiting DESC, q.receiver LIMIT $2
"""
_WAITING = """
SELECT count(*), min(waiting_since)
FROM (SELECT waiting_since FROM webhook_deliveries WHERE state = 'pending' LIMIT $1) q
"""
_DEAD = """
SELECT d.alert_id, d.receiver, d.attempts, d.last_status, d.reason, d.ended_at, a.symbol,
    concat_ws('-', a.rule_id, a.epoch, a.seq) AS correlation
FROM (SELECT * FROM webhook_deliveries ORDER BY alert_id DESC LIMIT $1) d
JOIN alerts a ON a.id = d.alert_id
WHERE d.state = 'dead' ORDER BY d.alert_id DESC LIMIT $2
"""
_LINE = "SELECT owner, receiver FROM webhook_deliveries WHERE alert_id = $1"


class Receiver(msgspec.Struct, frozen=True):
    """A receiver that calls wait for, the `oldest` since a time (ms since 1970); its last calls
    have failed so often in a row, the last of them for this `reason`.
    """

    receiver: str
    waiting: int
    oldest: int | None
    failures: int
    reason: str | None


class DeadCall(msgspec.Struct, frozen=True):
    """A call that was given up, and why. `correlation` is that of its lines in the log, which is
    the alert's public id.
    """

    alert: int
    receiver: str
    symbol: str
    attempts: int
    status: int | None
    reason: str | None
    ended_at: int | None
    correlation: str


class CallQueue(msgspec.Struct, frozen=True):
    """So many calls wait, `MOST_COUNTED` at most are counted; receivers in trouble come first."""

    waiting: int
    oldest: int | None
    receivers: list[Receiver]
    dead: list[DeadCall]


@dataclass(frozen=True, slots=True)
class FetchCallQueue(Query[CallQueue]):
    """The queue, as all nodes have it."""

    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> CallQueue:
        """Read it."""
        counted = await connection.fetchrow(_WAITING, MOST_COUNTED)
        assert counted is not None  # noqa: S101 - an aggregate has one row
        receivers = await connection.fetch(_RECEIVERS, MOST_COUNTED, MOST_RECEIVERS)
        dead = await connection.fetch(_DEAD, MOST_COUNTED, MOST_DEAD)
        return CallQueue(
            counted[0],
            _ms(counted[1]),
            [
                Receiver(
                    row["receiver"],
                    row["waiting"],
                    _ms(row["oldest"]),
                    row["failures"],
                    row["reason"],
                )
                for row in receivers
            ],
            [
                DeadCall(
                    row["alert_id"],
                    row["receiver"],
                    row["symbol"],
                    row["attempts"],
                    row["last_status"],
                    row["reason"],
                    _ms(row["ended_at"]),
                    row["correlation"],
                )
                for row in dead
            ],
        )


@dataclass(frozen=True, slots=True)
class PostAgain(Query[Line | None]):
    """Have an alert posted now, whoever's it is; the line that it goes by, None: there is none."""

    alert: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Line | None:
        """Do it."""
        await connection.execute(REPOST, self.alert)
        await connection.execute(END_REST, self.alert)
        row = await connection.fetchrow(_LINE, self.alert)
        return None if row is None else Line(row["owner"], row["receiver"])


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)
