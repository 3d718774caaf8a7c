"""Purges rows that are not needed any more: seen alerts, deleted rows, old audit, ended sessions.
Queries only.

Some rows stay at any age: an alert that its user has not seen, or whose webhook waits. Rows are
deleted a few at a time, each kind in a transaction of its own; a row that is locked by another
transaction is left for the next step. Nodes take turns: a kind that another node is at is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stockstream.database.query import Purpose, Query
from stockstream.database.turns import take_turn
from stockstream.times import DAY_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from stockstream.database.query import Connection

LOCK = 0x5354_4F43_4B04
"""The turn of whoever purges."""
PURGED_AT_ONCE = 1_000
"""Rows of a kind deleted in one transaction, so that it takes milliseconds."""
UNSEEN_DAYS = 400.0
"""Browsers keep the cookie of a user for so long after the last page. So an older alert was shown
by a page, or its user is gone."""

ENDED_DAYS = 30.0
"""How long it can be seen that somebody had logged in, after the session has ended."""


class _Kind(NamedTuple):
    """Rows `o` of a table that go under the same condition; `$1` is the moment they may be from."""

    table: str
    key: str
    condition: str


_ALERTS = _Kind(
    "alerts",
    "id",
    """LEFT JOIN alert_readers r USING (owner)
    WHERE fired_at < $1 AND (fired_at <= r.read_until OR fired_at < $2)
    AND NOT EXISTS (
        SELECT FROM webhook_deliveries d WHERE d.alert_id = o.id AND d.state = 'pending')""",
)
_READERS = _Kind(
    "alert_readers",
    "owner",
    "WHERE read_until < $1 AND NOT EXISTS (SELECT FROM alerts a WHERE a.owner = o.owner)",
)
# Fired alerts refer to their rule, so the rule stays as long.
_RULES = _Kind(
    "alert_rules",
    "id",
    "WHERE deleted_at < $1 AND NOT EXISTS (SELECT FROM alerts a WHERE a.rule_id = o.id)",
)
_WATCHLISTS = _Kind("watchlists", "id", "WHERE deleted_at < $1")
_SHARES = _Kind("list_shares", "id", "WHERE coalesce(deleted_at, expires_at) < $1")
_LINES = _Kind("webhook_lines", "ctid", "WHERE rests_until < $1")
# Those of alerts go with them.
_QUESTIONS = _Kind("mail_deliveries", "id", "WHERE alert_id IS NULL AND created_at < $1")
_ADDRESSES = _Kind("mail_addresses", "id", "WHERE deleted_at < $1")
_AUDIT = _Kind("audit", "id", "WHERE at < $1")
_OPERATOR_AUDIT = _Kind("operator_audit", "id", "WHERE at < $1")
_SESSIONS = _Kind("user_sessions", "id", "WHERE coalesce(ended_at, expires_at) < $1")
_TOKENS = _Kind("user_tokens", "id", "WHERE coalesce(revoked_at, expires_at) < $1")
_TICKETS = _Kind("user_tickets", "digest", "WHERE expires_at < $1")


@dataclass(frozen=True, slots=True)
class Purged:
    """Rows that were deleted, by table; `more` tells that a further step would delete more."""

    rows: Mapping[str, int] = field(default_factory=dict)
    more: bool = False

    def plus(self, later: Purged) -> Purged:
        """Both steps as one."""
        names = {**self.rows, **later.rows}
        rows = {name: self.rows.get(name, 0) + later.rows.get(name, 0) for name in names}
        return Purged(rows, later.more)


@dataclass(frozen=True, slots=True)
class PurgeSettings:
    """Days that things are kept: fired alerts, deleted rows, the audit."""

    alerts: float = 90.0
    deleted: float = 30.0
    audit: float = 365.0

    def step(self, now: int, *, dry_run: bool = False, waits: bool = False) -> Purge:
        """A step at `now` (ms since 1970)."""
        return Purge(now, self.alerts, self.deleted, self.audit, dry_run, waits)


@dataclass(frozen=True, slots=True)
class Purge(Query[Purged]):
    """One step: delete some rows of each kind that are too old at `now` (ms since 1970).

    `alerts` and `audit` days after they were written, `deleted` ones after their deletion. A dry
    run deletes nothing, and counts what a real one would at once. `waits` as in `take_turn`.
    """

    now: int
    alerts: float
    deleted: float
    audit: float
    dry_run: bool = False
    waits: bool = False
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> Purged:
        """Do it, or tell what would be done."""
        work = _count if self.dry_run else partial(_delete, waits=self.waits)
        seen = self._before(self.alerts)
        unseen = self._before(max(self.alerts, UNSEEN_DAYS))
        deleted = self._before(self.deleted)
        steps: list[tuple[_Kind, tuple[datetime, ...]]] = [
            (_ALERTS, (seen, unseen)),
            (_READERS, (seen,)),
            (_RULES, (deleted,)),
            (_SHARES, (deleted,)),
            (_WATCHLISTS, (deleted,)),
            (_LINES, (deleted,)),
            (_QUESTIONS, (deleted,)),
            (_ADDRESSES, (deleted,)),
            (_AUDIT, (self._before(self.audit),)),
            (_SESSIONS, (self._before(ENDED_DAYS),)),
            (_TOKENS, (self._before(ENDED_DAYS),)),
            (_TICKETS, (self._before(0.0),)),
        ]
        # Where somebody took that right away, another one looks after the age of this audit.
        if await connection.fetchval("SELECT has_table_privilege('operator_audit', 'DELETE')"):
            steps.append((_OPERATOR_AUDIT, (self._before(self.audit),)))
        rows = {kind.table: await work(connection, kind, limits) for kind, limits in steps}
        more = not self.dry_run and max(rows.values()) >= PURGED_AT_ONCE
        return Purged({table: count for table, count in rows.items() if count}, more)

    def _before(self, days: float) -> datetime:
        return to_datetime(int(self.now - days * DAY_MS))


async def _count(connection: Connection, kind: _Kind, limits: tuple[datetime, ...]) -> int:
    sql = f"SELECT count(*) FROM {kind.table} o {kind.condition}"  # noqa: S608 - names of ours
    count: int = await connection.fetchval(sql, *limits)
    return count


async def _delete(
    connection: Connection, kind: _Kind, limits: tuple[datetime, ...], *, waits: bool
) -> int:
    # A lock takes the right to change rows, and nobody changes those of that audit.
    lock = "" if kind is _OPERATOR_AUDIT else "FOR UPDATE OF o SKIP LOCKED"
    async with connection.transaction():
        if not await take_turn(connection, LOCK, waits=waits):
            return 0
        rows = await connection.fetch(
            f"SELECT o.{kind.key} FROM {kind.table} o {kind.condition} "  # noqa: S608 - as above
            f"LIMIT {PURGED_AT_ONCE} {lock}",
            *limits,
        )
        keys = [row[0] for row in rows]
        if keys and kind is _ALERTS:
            await connection.execute(
                "DELETE FROM webhook_deliveries WHERE alert_id = ANY($1)", keys
            )
        if keys:
            await connection.execute(
                f"DELETE FROM {kind.table} WHERE {kind.key} = ANY($1)",  # noqa: S608 - as above
                keys,
            )
    return len(keys)
