"""How many calls and letters wait, are due, are dead. Queries only.

All is bounded: `MOST_COUNTED` that wait are counted at most, and the dead among so many of the
newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.alerts.queue_rows import MOST_COUNTED
from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_CALLS = """
SELECT count(*), count(*) FILTER (WHERE due AND NOT rests), count(*) FILTER (WHERE due AND rests)
FROM (
    SELECT d.next_attempt_at <= now() AS due,
        coalesce(greatest(l.rests_until, l.tried_until) > now(), false) AS rests
    FROM (SELECT owner, receiver, next_attempt_at FROM webhook_deliveries
          WHERE state = 'pending' LIMIT $1) d
    LEFT JOIN webhook_lines l ON l.owner = d.owner AND l.receiver = d.receiver
) q
"""
_DEAD_CALLS = """
SELECT count(*) FROM (SELECT state FROM webhook_deliveries ORDER BY alert_id DESC LIMIT $1) q
WHERE state = 'dead'
"""
_LETTERS = """
SELECT count(*), count(*) FILTER (WHERE next_attempt_at <= now()), 0
FROM (SELECT next_attempt_at FROM mail_deliveries WHERE state = 'pending' LIMIT $1) q
"""
_DEAD_LETTERS = """
SELECT count(*) FROM (SELECT state FROM mail_deliveries ORDER BY id DESC LIMIT $1) q
WHERE state = 'dead'
"""


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """So many wait. Of them some are due, and some would be if their receiver did not rest; the
    others are tried now, or later.
    """

    waiting: int
    due: int
    resting: int
    dead: int

    def __str__(self) -> str:
        at_least = "at least " if self.waiting >= MOST_COUNTED else ""
        resting = f", {self.resting:,} for receivers that rest" if self.resting else ""
        return f"{at_least}{self.waiting:,} wait, {self.due:,} due{resting}, {self.dead:,} dead"


@dataclass(frozen=True, slots=True)
class CountCalls(Query[QueueCounts]):
    """The queue of webhooks, as all nodes have it."""

    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> QueueCounts:
        """Count."""
        return await _count(connection, _CALLS, _DEAD_CALLS)


@dataclass(frozen=True, slots=True)
class CountLetters(Query[QueueCounts]):
    """The queue of mail, as all nodes have it."""

    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> QueueCounts:
        """Count."""
        return await _count(connection, _LETTERS, _DEAD_LETTERS)


async def _count(connection: Connection, waiting: str, dead: str) -> QueueCounts:
    row = await connection.fetchrow(waiting, MOST_COUNTED)
    assert row is not None  # noqa: S101 - an aggregate has one row
    return QueueCounts(row[0], row[1], row[2], await connection.fetchval(dead, MOST_COUNTED))
