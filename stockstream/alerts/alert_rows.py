"""What rules fired, as rows: stored once, read in pages by the user it was meant for.

An alert that is posted to an address has the state of its delivery in the same row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.messages import Alert
from stockstream.quotes import Version
from stockstream.times import to_datetime, to_ms
from stockstream.users.rows import RowRefusal

if TYPE_CHECKING:
    from datetime import datetime

    from stockstream.alerts.book import Unstored
    from stockstream.database.query import Connection, Row

_STORE = """
INSERT INTO alerts (rule_id, owner, symbol, kind, threshold, "window", price, reference,
    quoted_at, epoch, seq, fired_at, crossings, exchange, currency, source)
SELECT f.rule_id, coalesce(r.owner, f.owner), f.symbol, f.kind, f.threshold, f."window", f.price,
    f.reference, f.quoted_at, f.epoch, f.seq, f.fired_at, f.crossings, f.exchange, f.currency,
    f.source
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::int[],
    $7::float8[], $8::float8[], $9::timestamptz[], $10::bigint[], $11::bigint[],
    $12::timestamptz[], $13::int[], $14::text[], $15::text[], $16::text[])
    AS f (rule_id, owner, symbol, kind, threshold, "window", price, reference, quoted_at, epoch,
    seq, fired_at, crossings, exchange, currency, source)
LEFT JOIN alert_rules r ON r.id = f.rule_id -- it may have gone to an account meanwhile
ON CONFLICT (rule_id, epoch, seq) DO NOTHING
RETURNING id, rule_id, epoch, seq, owner
"""
_CALL = """
INSERT INTO webhook_deliveries (alert_id, owner, url, traceparent)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
"""
# Only to who has confirmed, and only so many to one in an hour, whoever's rules fire.
_MAIL = """
INSERT INTO mail_deliveries (address_id, alert_id, state, reason, ended_at)
SELECT m.id, a.id, CASE WHEN full_ THEN 'dead' ELSE 'pending' END,
    CASE WHEN full_ THEN $3 END, CASE WHEN full_ THEN now() END
FROM alerts a JOIN alert_rules r ON r.id = a.rule_id
    JOIN mail_addresses m ON m.owner = r.owner AND m.address = r.mail
        AND m.confirmed_at IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT count(*) >= $2 AS full_ FROM (
            SELECT FROM mail_deliveries d WHERE d.address_id = m.id
                AND d.created_at > now() - interval '1 hour' LIMIT $2) sent) hour
WHERE a.id = ANY($1)
ON CONFLICT (alert_id) DO NOTHING
"""
_STAND = """
UPDATE alert_rules r SET armed = s.armed, currency = coalesce(r.currency, s.currency)
FROM unnest($1::bigint[], $2::int[], $3::boolean[], $4::text[])
    AS s (id, revision, armed, currency)
WHERE r.id = s.id AND r.revision = s.revision
"""
_SELECT = """
SELECT a.id, rule_id, a.owner, symbol, kind, threshold, "window", price, reference, quoted_at,
    epoch, seq, fired_at, crossings, exchange, currency, source,
    fired_at <= coalesce(read_until, '-infinity') AS read,
    d.receiver, d.state, d.attempts, d.last_status, d.reason, d.ended_at,
    CASE WHEN d.state = 'pending' AND d.claimed_by IS NULL THEN d.next_attempt_at END AS next_at,
    w.address AS mail_receiver, m.state AS mail_state, m.attempts AS mail_attempts,
    m.last_status AS mail_status, m.reason AS mail_reason, m.ended_at AS mail_ended_at,
    CASE WHEN m.state = 'pending' AND m.claimed_by IS NULL THEN m.next_attempt_at END AS mail_next
FROM alerts a LEFT JOIN alert_readers r ON r.owner = a.owner
    LEFT JOIN webhook_deliveries d ON d.alert_id = a.id
    LEFT JOIN mail_deliveries m ON m.alert_id = a.id LEFT JOIN mail_addresses w ON w.id = address_id
"""
# In one statement: an alert that is stored between two would be counted, and not be among the rows.
_FIRED = f"""
SELECT found.*, unread FROM (
    SELECT count(*) AS unread FROM (
        SELECT FROM alerts LEFT JOIN alert_readers USING (owner)
        WHERE owner = $1 AND fired_at > coalesce(read_until, '-infinity') LIMIT $5) AS counted)
    AS sum
LEFT JOIN ({_SELECT}
    WHERE a.owner = $1 AND a.id < $2 AND (NOT $3 OR fired_at > coalesce(read_until, '-infinity'))
    ORDER BY a.id DESC LIMIT $4) AS found ON true
ORDER BY found.id DESC
"""  # noqa: S608 - constants of ours
_ONE = f"""{_SELECT}
WHERE a.owner = $1 AND rule_id = $2 AND epoch = $3 AND seq = $4
"""
# An alert that is being posted now stays as it is: its outcome is known in seconds.
REPOST = """
UPDATE webhook_deliveries SET state = 'pending', url = coalesce(r.webhook, url), attempts = 0,
    reason = NULL, last_status = NULL, ended_at = NULL, claimed_by = NULL,
    waiting_since = now(), next_attempt_at = now()
FROM alerts a JOIN alert_rules r ON r.id = a.rule_id
WHERE alert_id = $1 AND a.id = $1 AND (claimed_by IS NULL OR next_attempt_at <= now())
"""
END_REST = """
UPDATE webhook_lines l SET rests_until = now() FROM webhook_deliveries d
WHERE d.alert_id = $1 AND l.owner = d.owner AND l.receiver = d.receiver
"""
_READ = """
INSERT INTO alert_readers AS r (owner, read_until) VALUES ($1, $2)
ON CONFLICT (owner) DO UPDATE SET read_until = greatest(r.read_until, excluded.read_until)
"""
MOST_COUNTED = 100
MOST_MAILS = 60
"""To an address in an hour, of one user's rules."""
TOO_MANY_MAILS = f"more than {MOST_MAILS} mails to it within an hour"
NEWEST = 2**63 - 1


class CallState(StrEnum):
    """Whether an alert was posted: not yet, taken by the receiver, or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(msgspec.Struct, frozen=True):
    """The state of an alert's delivery to a receiver, and the outcome of the last attempt.

    Times in ms. `next_at` is when the next attempt is due; None once it has ended, and while one is
    under way.
    """

    receiver: str
    state: CallState
    attempts: int
    status: int | None
    reason: str | None
    next_at: int | None
    ended_at: int | None


class StoredAlert(msgspec.Struct, frozen=True):
    """An alert as it was stored; `row` orders them, `read` whether its user has seen it.

    `delivery` is None for an alert without a webhook, or where the query did not ask for it, and so
    is `mail` for one that is mailed to nobody.
    """

    row: int
    alert: Alert
    read: bool
    delivery: Delivery | None = None
    mail: Delivery | None = None


class FiredAlerts(msgspec.Struct, frozen=True):
    """The newest first; `unread` counts up to `MOST_COUNTED`."""

    alerts: list[StoredAlert]
    unread: int


@dataclass(frozen=True, slots=True)
class StoreAlerts(Query[bool]):
    """Store alerts, the calls of webhooks that they cause, and standings: all or nothing.

    Rows that are stored already are left as they are. Returns whether webhooks are to be called.
    """

    unstored: Unstored
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> bool:
        """Store them."""
        async with connection.transaction():
            calls = await self._store(connection) if self.unstored.alerts else []
            if calls:
                await connection.execute(_CALL, *map(list, zip(*calls, strict=True)))
            if self.unstored.standings:
                rows = sorted(self.unstored.standings.items())
                await connection.execute(
                    _STAND,
                    [number for number, _ in rows],
                    [standing.revision for _, standing in rows],
                    [standing.armed for _, standing in rows],
                    [standing.currency for _, standing in rows],
                )
        return bool(calls)

    async def _store(self, connection: Connection) -> list[tuple[int, str, str, str | None]]:
        """Store the alerts; the webhooks of those that are new: alert, owner, address, trace."""
        alerts = self.unstored.alerts
        stored = await connection.fetch(
            _STORE,
            [alert.rule for alert in alerts],
            [alert.owner for alert in alerts],
            [alert.symbol for alert in alerts],
            [alert.kind for alert in alerts],
            [alert.threshold for alert in alerts],
            [alert.window for alert in alerts],
            [alert.price for alert in alerts],
            [alert.reference for alert in alerts],
            [to_datetime(alert.timestamp) for alert in alerts],
            [alert.version.epoch for alert in alerts],
            [alert.version.seq for alert in alerts],
            [to_datetime(alert.fired_at) for alert in alerts],
            [alert.crossings for alert in alerts],
            [alert.exchange for alert in alerts],
            [alert.currency for alert in alerts],
            [alert.source for alert in alerts],
        )
        if stored:
            rows = [row["id"] for row in stored]
            await connection.execute(_MAIL, rows, MOST_MAILS, TOO_MANY_MAILS)
        traces = self.unstored.traceparents
        asked = {
            (alert.rule, *alert.version): (url, traces.get(alert.id))
            for alert, url in zip(alerts, self.unstored.webhooks, strict=True)
        }
        calls = []
        for row_id, rule, epoch, seq, owner in (row.values() for row in stored):
            url, traceparent = asked[rule, epoch, seq]
            if url is not None:
                calls.append((row_id, owner, url, traceparent))
        return calls


@dataclass(frozen=True, slots=True)
class FetchFired(Query[FiredAlerts]):
    """A user's alerts before the row `before`, the newest first."""

    owner: str
    limit: int
    before: int = NEWEST
    unread_only: bool = False
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> FiredAlerts:
        """Ask."""
        given = self.owner, self.before, self.unread_only, self.limit, MOST_COUNTED
        rows = await connection.fetch(_FIRED, *given)
        found = [_with_delivery(row) for row in rows if row["id"] is not None]
        return FiredAlerts(found, rows[0]["unread"])


@dataclass(frozen=True, slots=True)
class Repost(Query[StoredAlert | RowRefusal]):
    """Have an alert posted now, whatever its earlier outcome; returns the alert after that.

    It goes to the address that its rule has now; the receiver gets it under the same id.
    """

    owner: str
    rule: int
    version: Version
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> StoredAlert | RowRefusal:
        """Do it."""
        key = self.owner, self.rule, *self.version
        row = await connection.fetchrow(_ONE, *key)
        if row is None:
            return RowRefusal(None, "there is no such alert")
        if row["state"] is None:
            return RowRefusal("webhook", "this alert is posted nowhere")
        await connection.execute(REPOST, row["id"])
        await connection.execute(END_REST, row["id"])
        row = await connection.fetchrow(_ONE, *key)
        # It may have been purged between the two.
        return RowRefusal(None, "there is no such alert") if row is None else _with_delivery(row)


@dataclass(frozen=True, slots=True)
class MarkRead(Query[None]):
    """A user has seen all alerts fired up to a moment, in ms; also those stored later."""

    owner: str
    until: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Mark."""
        await connection.execute(_READ, self.owner, to_datetime(self.until))


def stored_alert(row: Row) -> StoredAlert:
    """A row whose first columns are those of `FetchFired`."""
    row_id, rule, owner, symbol, kind, threshold, window, price, reference, *rest = row.values()
    quoted_at, epoch, seq, fired_at, crossings, exchange, currency, source, read = rest[:9]
    alert = Alert(
        number=0,
        owner=owner,
        rule=rule,
        symbol=symbol,
        kind=kind,
        threshold=threshold,
        window=window,
        price=price,
        reference=reference,
        timestamp=to_ms(quoted_at),
        version=Version(epoch, seq),
        fired_at=to_ms(fired_at),
        crossings=crossings,
        exchange=exchange,
        currency=currency,
        source=source,
    )
    return StoredAlert(row_id, alert, read)


def _with_delivery(row: Row) -> StoredAlert:
    delivery = mail = None
    if row["state"] is not None:
        delivery = Delivery(
            row["receiver"],
            CallState(row["state"]),
            row["attempts"],
            row["last_status"],
            row["reason"],
            _to_ms(row["next_at"]),
            _to_ms(row["ended_at"]),
        )
    if row["mail_state"] is not None:
        mail = Delivery(
            row["mail_receiver"],
            CallState(row["mail_state"]),
            row["mail_attempts"],
            row["mail_status"],
            row["mail_reason"],
            _to_ms(row["mail_next"]),
            _to_ms(row["mail_ended_at"]),
        )
    return msgspec.structs.replace(stored_alert(row), delivery=delivery, mail=mail)


def _to_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)
