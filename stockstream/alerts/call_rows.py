"""Calls of webhooks as rows: pending, delivered, or dead.

Several nodes take calls from this table. A claim sets the time of the call's next try to the end of
the lease, so no other node takes it before that. A node that dies with a claim costs only that
time. The database's clock alone decides which calls are due.

A line whose last call failed has a row, too: all nodes leave it at rest until a time, and then one
of them tries one call. So a receiver in trouble meets as many calls as from a single node.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.alert_rows import StoredAlert, stored_alert
from stockstream.alerts.shares import DueLine, Line, LineRecord
from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.database.query import Connection

DEAD_AT_ONCE = 10_000
"""Calls of a line that are given up together with a failed one."""

# The index leads from one line to the next, so a line with a million calls costs as much as a line
# with one.
_DUE = """
WITH RECURSIVE walk AS (
    (SELECT owner, receiver FROM webhook_deliveries
     WHERE state = 'pending' AND (owner, receiver) > ($1, $2)
     ORDER BY owner, receiver LIMIT 1)
    UNION ALL
    SELECT following.owner, following.receiver FROM walk CROSS JOIN LATERAL (
        SELECT owner, receiver FROM webhook_deliveries d
        WHERE state = 'pending' AND (d.owner, d.receiver) > (walk.owner, walk.receiver)
        ORDER BY owner, receiver LIMIT 1) following
)
SELECT walk.owner, walk.receiver,
    CASE WHEN greatest(l.rests_until, l.tried_until) > now() THEN 0 ELSE heads.calls END,
    extract(epoch FROM now() - greatest(heads.oldest, l.rests_until, l.tried_until))::float8,
    coalesce(l.failures, 0)
FROM (SELECT * FROM walk LIMIT $3) walk
LEFT JOIN webhook_lines l ON l.owner = walk.owner AND l.receiver = walk.receiver
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE next_attempt_at <= now()) AS calls, min(next_attempt_at) AS oldest
    FROM (
        SELECT next_attempt_at FROM webhook_deliveries d
        WHERE state = 'pending' AND d.owner = walk.owner AND d.receiver = walk.receiver
        ORDER BY next_attempt_at LIMIT $4) head
) heads WHERE heads.calls IS NOT NULL ORDER BY 1, 2
"""
_CLAIM = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($3::text[], $4::text[], $5::int[]) AS line (owner, receiver, most)
), tries AS (
    UPDATE webhook_lines SET tried_by = $1, tried_until = now() + $2
    WHERE (owner, receiver) IN (
        SELECT l.owner, l.receiver FROM webhook_lines l JOIN wanted USING (owner, receiver)
        WHERE l.rests_until <= now() AND l.tried_until <= now() FOR UPDATE OF l SKIP LOCKED)
    RETURNING owner, receiver
), free AS (
    SELECT w.owner, w.receiver, CASE WHEN l.owner IS NULL THEN w.most ELSE 1 END AS most
    FROM wanted w LEFT JOIN webhook_lines l USING (owner, receiver)
    LEFT JOIN tries t USING (owner, receiver) WHERE l.owner IS NULL OR t.owner IS NOT NULL
), chosen AS MATERIALIZED (
    SELECT call.alert_id
    FROM free line CROSS JOIN LATERAL (
        SELECT alert_id FROM webhook_deliveries d
        WHERE state = 'pending' AND d.owner = line.owner AND d.receiver = line.receiver
            AND next_attempt_at <= now() AND NOT alert_id = ANY($6)
        ORDER BY next_attempt_at LIMIT line.most FOR UPDATE SKIP LOCKED) call
), claimed AS (
    UPDATE webhook_deliveries d SET claimed_by = $1, next_attempt_at = now() + $2
    FROM chosen WHERE d.alert_id = chosen.alert_id
    RETURNING d.alert_id, d.owner AS line_owner, d.receiver, d.url, d.attempts, d.traceparent
)
SELECT a.id, rule_id, a.owner, symbol, kind, threshold, "window", price, reference, quoted_at,
    epoch, seq, fired_at, crossings, exchange, currency, source,
    false AS read, receiver, url, attempts, traceparent
FROM claimed JOIN alerts a ON a.id = alert_id ORDER BY a.id
"""
# The receiver took it, so it is delivered even if another node has claimed it meanwhile.
_DELIVERED = """
UPDATE webhook_deliveries SET state = 'delivered', attempts = attempts + 1, last_status = $2,
    reason = NULL, claimed_by = NULL, ended_at = now()
WHERE alert_id = $1 AND state = 'pending'
"""
_FAILED = """
UPDATE webhook_deliveries SET attempts = attempts + 1, last_status = $3, reason = $4,
    claimed_by = NULL, next_attempt_at = now() + $5,
    state = CASE WHEN dead THEN 'dead' ELSE 'pending' END,
    ended_at = CASE WHEN dead THEN now() END
FROM (SELECT alert_id AS number, $6 OR waiting_since + $7 < now() + $5 AS dead
      FROM webhook_deliveries WHERE alert_id = $1) old
WHERE alert_id = number AND state = 'pending' AND claimed_by = $2
RETURNING state
"""
# Their receiver has just failed again, and these calls have waited for the longest time allowed.
_GIVE_UP = """
UPDATE webhook_deliveries SET state = 'dead', reason = coalesce(reason, $4), ended_at = now()
WHERE alert_id IN (
    SELECT alert_id FROM webhook_deliveries
    WHERE state = 'pending' AND owner = $1 AND receiver = $2 AND claimed_by IS NULL
        AND waiting_since + $3 < now()
    LIMIT $5 FOR UPDATE SKIP LOCKED)
"""
_GONE = """
UPDATE webhook_deliveries SET state = 'dead', last_status = $4, reason = $5, ended_at = now()
WHERE alert_id IN (
    SELECT alert_id FROM webhook_deliveries
    WHERE state = 'pending' AND owner = $1 AND receiver = $2 AND url = $3 AND claimed_by IS NULL
    LIMIT $6 FOR UPDATE SKIP LOCKED)
"""
_REST = """
INSERT INTO webhook_lines AS l (owner, receiver, failures, rests_until)
VALUES ($1, $2, $3, now() + $4)
ON CONFLICT (owner, receiver) DO UPDATE SET
    failures = greatest(l.failures, excluded.failures),
    rests_until = greatest(l.rests_until, excluded.rests_until),
    tried_by = NULL, tried_until = '-infinity'
"""
_WELL = "DELETE FROM webhook_lines WHERE owner = $1 AND receiver = $2"
_RELEASE = """
WITH lines AS (
    UPDATE webhook_lines SET tried_by = NULL, tried_until = '-infinity' WHERE tried_by = $1)
UPDATE webhook_deliveries SET claimed_by = NULL, next_attempt_at = now()
WHERE state = 'pending' AND claimed_by = $1
"""


class Call(msgspec.Struct, frozen=True):
    """An alert to be posted to an address; so many attempts of it have failed. `traceparent` is
    of what fired it, where that is traced.
    """

    stored: StoredAlert
    line: Line
    url: str
    attempts: int
    traceparent: str | None = None


class Tried(msgspec.Struct, frozen=True):
    """A call was tried; with the status of the answer, None without one."""

    call: Call
    status: int | None


class Taken(Tried, frozen=True):
    """A call was delivered."""


class Failed(Tried, frozen=True):
    """A call was not delivered. It is due again in `pause` seconds, unless that is too late.

    `final` ends it at once; `gone` ends all that wait for the same address.
    """

    reason: str
    pause: float
    final: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class FetchDue(Query[list[DueLine]]):
    """Lines with calls that wait, in their order, beginning after `after`; `limit` at most.

    At most `each` calls of a line are counted. A line where nothing is due yet, or that rests, has
    0 calls, and the time until then as negative seconds.
    """

    after: Line
    limit: int
    each: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[DueLine]:
        """Ask."""
        rows = await connection.fetch(_DUE, *self.after, self.limit, self.each)
        return [DueLine(Line(row[0], row[1]), row[2], row[3], row[4]) for row in rows]


@dataclass(frozen=True, slots=True)
class ClaimCalls(Query[list[Call]]):
    """Claim due calls for `lease` seconds, so many of each line, but no call `under_way` here.

    Calls that another node claims at the same moment are skipped. Of a line that fails one call is
    claimed, by one node, when the line has rested.
    """

    claimant: str
    lease: float
    lines: Mapping[Line, int]
    under_way: Sequence[int]
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[Call]:
        """Claim them."""
        rows = await connection.fetch(
            _CLAIM,
            self.claimant,
            timedelta(seconds=self.lease),
            [line.owner for line in self.lines],
            [line.receiver for line in self.lines],
            list(self.lines.values()),
            list(self.under_way),
        )
        calls = []
        for row in rows:
            stored = stored_alert(row)
            line = Line(stored.alert.owner, row["receiver"])
            calls.append(Call(stored, line, row["url"], row["attempts"], row["traceparent"]))
        return calls


@dataclass(frozen=True, slots=True)
class EndCalls(Query[int]):
    """Store the outcomes of calls and how their lines stand, all or nothing; returns how many calls
    are dead now.

    A call that waits for longer than `retry_for` seconds is dead once its line has failed again.
    May run twice: the claims end with the first time.
    """

    claimant: str
    retry_for: float
    taken: Sequence[Taken]
    failed: Sequence[Failed]
    lines: Sequence[LineRecord] = ()
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> int:
        """Write it down."""
        dead = 0
        async with connection.transaction():
            for taken in self.taken:
                await connection.execute(_DELIVERED, taken.call.stored.row, taken.status)
            for failed in self.failed:
                dead += await self._fail(connection, failed)
            for record in sorted(self.lines):  # in one order on all nodes, against deadlocks
                await self._note(connection, record)
        return dead

    async def _note(self, connection: Connection, record: LineRecord) -> None:
        if record.failures == 0:
            await connection.execute(_WELL, *record.line)
        else:
            rest = timedelta(seconds=record.rest)
            await connection.execute(_REST, *record.line, record.failures, rest)

    async def _fail(self, connection: Connection, failed: Failed) -> int:
        call, retry_for = failed.call, timedelta(seconds=self.retry_for)
        state = await connection.fetchval(
            _FAILED,
            call.stored.row,
            self.claimant,
            failed.status,
            failed.reason,
            timedelta(seconds=failed.pause),
            failed.final,
            retry_for,
        )
        if state is None:  # written down already, or the lease has ended and another node has it
            return 0
        if failed.gone:
            more = await connection.execute(
                _GONE, *call.line, call.url, failed.status, failed.reason, DEAD_AT_ONCE
            )
        elif failed.final:
            more = "UPDATE 0"  # says nothing of other calls
        else:
            why = f"its turn never came, the receiver failed: {failed.reason}"
            more = await connection.execute(_GIVE_UP, *call.line, retry_for, why, DEAD_AT_ONCE)
        return int(state == "dead") + int(more.rpartition(" ")[2])


@dataclass(frozen=True, slots=True)
class ReleaseCalls(Query[None]):
    """Release the claims of a claimant that has ended: its unfinished calls are due now."""

    claimant: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Release them."""
        await connection.execute(_RELEASE, self.claimant)
