"""Letters as rows: pending, delivered, or dead. Several nodes take them from this table.

All go to one server, ours, so there are no lines here, as webhooks have them: nobody else's server
can hold a slot. A claim sets the time of the next try to the end of the lease, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.alert_rows import StoredAlert, stored_alert
from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.database.query import Connection, Row

_CLAIM = """
WITH claimed AS (
    UPDATE mail_deliveries SET claimed_by = $1, next_attempt_at = now() + $2
    WHERE id IN (
        SELECT id FROM mail_deliveries WHERE state = 'pending' AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING id, address_id, alert_id, attempts
)
SELECT a.id AS alert_row, rule_id, a.owner, symbol, kind, threshold, "window", price, reference,
    quoted_at, epoch, seq, fired_at, crossings, exchange, currency, source, false AS read,
    c.id, c.address_id, c.attempts, m.address
FROM claimed c JOIN mail_addresses m ON m.id = c.address_id LEFT JOIN alerts a ON a.id = c.alert_id
ORDER BY c.id
"""
_TAKEN = """
UPDATE mail_deliveries SET state = 'delivered', attempts = attempts + 1, last_status = $2,
    reason = NULL, claimed_by = NULL, ended_at = now()
WHERE id = $1 AND state = 'pending'
"""
_FAILED = """
UPDATE mail_deliveries SET attempts = attempts + 1, last_status = $3, reason = $4,
    claimed_by = NULL, next_attempt_at = now() + $5,
    state = CASE WHEN dead THEN 'dead' ELSE 'pending' END,
    ended_at = CASE WHEN dead THEN now() END
FROM (SELECT id AS number, $6 OR created_at + $7 < now() + $5 AS dead
      FROM mail_deliveries WHERE id = $1) old
WHERE id = number AND state = 'pending' AND claimed_by = $2
RETURNING state
"""
_RELEASE = """
UPDATE mail_deliveries SET claimed_by = NULL, next_attempt_at = now()
WHERE state = 'pending' AND claimed_by = $1
"""


class Letter(msgspec.Struct, frozen=True):
    """A letter that is due; without an alert it asks whether others may come."""

    row: int
    stored: StoredAlert | None
    address: str
    address_id: int
    attempts: int


class LetterTaken(msgspec.Struct, frozen=True):
    """The server took a letter."""

    row: int
    code: int | None


class LetterFailed(msgspec.Struct, frozen=True):
    """It did not. It is due again in `pause` seconds, unless that is too late, or `final`."""

    row: int
    code: int | None
    reason: str
    pause: float
    final: bool


@dataclass(frozen=True, slots=True)
class ClaimLetters(Query[list[Letter]]):
    """Claim due letters for `lease` seconds, the oldest first."""

    claimant: str
    lease: float
    most: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[Letter]:
        """Claim them."""
        lease = timedelta(seconds=self.lease)
        rows = await connection.fetch(_CLAIM, self.claimant, lease, self.most)
        return [_read(row) for row in rows]


@dataclass(frozen=True, slots=True)
class EndLetters(Query[int]):
    """Store outcomes, all or nothing; returns how many letters are given up now. May run twice."""

    claimant: str
    retry_for: float
    taken: Sequence[LetterTaken]
    failed: Sequence[LetterFailed]
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> int:
        """Write them down."""
        dead = 0
        async with connection.transaction():
            for taken in self.taken:
                await connection.execute(_TAKEN, taken.row, taken.code)
            for failed in self.failed:
                state = await connection.fetchval(
                    _FAILED,
                    failed.row,
                    self.claimant,
                    failed.code,
                    failed.reason,
                    timedelta(seconds=failed.pause),
                    failed.final,
                    timedelta(seconds=self.retry_for),
                )
                dead += state == "dead"
        return dead


@dataclass(frozen=True, slots=True)
class ReleaseLetters(Query[None]):
    """Release the claims of a claimant that has ended."""

    claimant: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Release them."""
        await connection.execute(_RELEASE, self.claimant)


def _read(row: Row) -> Letter:
    stored = None if row["alert_row"] is None else stored_alert(row)
    return Letter(row["id"], stored, row["address"], row["address_id"], row["attempts"])
