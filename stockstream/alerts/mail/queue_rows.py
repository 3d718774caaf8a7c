"""The queue of letters as operators see it: what waits, what was given up, and one sent again.

Everything is bounded, as in the queue of webhooks. Operators see addresses masked: they look after
the mail, and need not know who reads it. What a server said of an address is masked, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.mail.addresses import masked, unnamed
from stockstream.alerts.queue_rows import MOST_COUNTED, MOST_DEAD, MOST_RECEIVERS
from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms
from stockstream.users.rows import RowRefusal

if TYPE_CHECKING:
    from datetime import datetime

    from stockstream.database.query import Connection, Row

_WAITING = """
SELECT count(*), min(created_at)
FROM (SELECT created_at FROM mail_deliveries WHERE state = 'pending' LIMIT $1) q
"""
_DOMAINS = """
SELECT split_part(m.address, '@', 2) AS domain, count(*) AS waiting, min(q.created_at) AS oldest,
    max(q.attempts) AS attempts,
    (array_agg(ARRAY[q.reason, m.address] ORDER BY q.attempts DESC)
        FILTER (WHERE q.reason IS NOT NULL))[1:1] AS last
FROM (SELECT address_id, created_at, attempts, reason FROM mail_deliveries
      WHERE state = 'pending' LIMIT $1) q
JOIN mail_addresses m ON m.id = q.address_id
GROUP BY 1 ORDER BY attempts DESC, waiting DESC, domain LIMIT $2
"""
# Why a letter must not be sent again, whoever asks for it.
_BARRED = """
CASE WHEN m.deleted_at IS NOT NULL THEN 'the address was removed'
    WHEN m.stopped_at IS NOT NULL OR EXISTS (
        SELECT FROM mail_refusals r WHERE r.address = lower(m.address))
        THEN 'who reads it wants no more'
    WHEN d.alert_id IS NOT NULL AND m.confirmed_at IS NULL THEN 'the address has not confirmed'
    WHEN d.alert_id IS NULL AND m.confirmed_at IS NOT NULL THEN 'the address has confirmed'
END
"""
_DEAD = f"""
SELECT d.id, m.address, a.symbol, d.attempts, d.last_status, d.reason, d.ended_at,
    CASE WHEN a.id IS NULL THEN 'letter-' || d.id
        ELSE concat_ws('-', a.rule_id, a.epoch, a.seq) END AS correlation,
    {_BARRED} AS barred
FROM (SELECT * FROM mail_deliveries ORDER BY id DESC LIMIT $1) d
JOIN mail_addresses m ON m.id = d.address_id LEFT JOIN alerts a ON a.id = d.alert_id
WHERE d.state = 'dead' ORDER BY d.id DESC LIMIT $2
"""  # noqa: S608 - constants of ours
# Of its address first, as who stops all mail does: then nothing that was stopped is sent.
_LOCK = """
SELECT FROM mail_addresses WHERE id = (SELECT address_id FROM mail_deliveries WHERE id = $1)
FOR SHARE
"""
_ONE = f"""
SELECT d.state, m.address, {_BARRED} AS barred,
    d.claimed_by IS NOT NULL AND d.next_attempt_at > now() AS under_way
FROM mail_deliveries d JOIN mail_addresses m ON m.id = d.address_id
WHERE d.id = $1 FOR UPDATE OF d
"""  # noqa: S608 - constants of ours
_AGAIN = """
UPDATE mail_deliveries SET state = 'pending', attempts = 0, reason = NULL, last_status = NULL,
    ended_at = NULL, claimed_by = NULL, created_at = now(), next_attempt_at = now()
WHERE id = $1
"""

UNDER_WAY = RowRefusal("letter", "it is handed in just now")
TAKEN = RowRefusal("letter", "the server has taken it already")


class WaitingDomain(msgspec.Struct, frozen=True):
    """Letters that wait for addresses of a domain, the `oldest` since a time (ms since 1970). One
    was tried so many times, and then failed for this `reason`.
    """

    domain: str
    waiting: int
    oldest: int
    attempts: int
    reason: str | None


class DeadLetter(msgspec.Struct, frozen=True):
    """A letter that was given up, and why; without a symbol it asked whether alerts may come.
    `barred` says why it cannot be sent again, None: it can. `correlation` is that of its lines in
    the log.
    """

    letter: int
    receiver: str
    symbol: str | None
    attempts: int
    status: int | None
    reason: str | None
    ended_at: int | None
    barred: str | None
    correlation: str


class LetterQueue(msgspec.Struct, frozen=True):
    """So many letters wait, of which a bounded number are counted; the worst domains first."""

    waiting: int
    oldest: int | None
    domains: list[WaitingDomain]
    dead: list[DeadLetter]


class QueuedAgain(msgspec.Struct, frozen=True):
    """It waits again, and is due now. `receiver` is masked."""

    letter: int
    receiver: str


@dataclass(frozen=True, slots=True)
class FetchLetterQueue(Query[LetterQueue]):
    """The queue, as all nodes have it."""

    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> LetterQueue:
        """Read it."""
        counted = await connection.fetchrow(_WAITING, MOST_COUNTED)
        assert counted is not None  # noqa: S101 - an aggregate has one row
        domains = await connection.fetch(_DOMAINS, MOST_COUNTED, MOST_RECEIVERS)
        dead = await connection.fetch(_DEAD, MOST_COUNTED, MOST_DEAD)
        return LetterQueue(
            counted[0], _ms(counted[1]), [_domain(row) for row in domains], [_dead(r) for r in dead]
        )


@dataclass(frozen=True, slots=True)
class SendAgain(Query[QueuedAgain | RowRefusal | None]):
    """Have a letter that was given up, or rests, sent now; None: there is none of that number.

    Never to an address that has not agreed to it, or does not any more.
    """

    letter: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> QueuedAgain | RowRefusal | None:
        """Do it. A second time it waits already, and is due all the same."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.letter)
            row = await connection.fetchrow(_ONE, self.letter)
            if row is None:
                return None
            if row["state"] == "delivered":
                return TAKEN
            if row["barred"] is not None:
                return RowRefusal("letter", row["barred"])
            if row["under_way"]:
                return UNDER_WAY
            await connection.execute(_AGAIN, self.letter)
            return QueuedAgain(self.letter, masked(row["address"]))


def _domain(row: Row) -> WaitingDomain:
    reason = None
    if row["last"]:
        said, address = row["last"][0]
        reason = unnamed(said, address)
    return WaitingDomain(
        row["domain"], row["waiting"], to_ms(row["oldest"]), row["attempts"], reason
    )


def _dead(row: Row) -> DeadLetter:
    return DeadLetter(
        row["id"],
        masked(row["address"]),
        row["symbol"],
        row["attempts"],
        row["last_status"],
        None if row["reason"] is None else unnamed(row["reason"], row["address"]),
        _ms(row["ended_at"]),
        row["barred"],
        row["correlation"],
    )


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)
