"""Rules as rows: deleted softly, each change audited, read again by whoever judges them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.rules import Kind, Rule
from stockstream.history import audit
from stockstream.history.audit import Action
from stockstream.history.query import Lane, Query
from stockstream.history.times import to_datetime, to_ms
from stockstream.messages import Symbol

if TYPE_CHECKING:
    from stockstream.history.query import Connection, Row

MOST_RULES = 50
PAGE = 1_000
OVERLAP_MS = 60_000
"""A change is seen when it is committed and dated when it began: a query ends within seconds."""
STALE_MS = 43_200_000
"""Who has not read for so long reads all rules anew: deleted ones are purged after a day at the
earliest, and nothing tells of them then."""

_ALL = """
SELECT id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
FROM alert_rules WHERE owner = $1 AND deleted_at IS NULL ORDER BY symbol, id
"""
_ONE = """
SELECT id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
FROM alert_rules WHERE owner = $1 AND id = $2 AND deleted_at IS NULL
"""
_DELETED = """
SELECT id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
FROM alert_rules WHERE owner = $1 AND id = $2 AND deleted_at IS NOT NULL
FOR UPDATE
"""
_LIVE = """
SELECT id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
FROM alert_rules WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2
"""
_CHANGED = """
SELECT id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed,
    deleted_at IS NOT NULL AS deleted
FROM alert_rules WHERE changed_at >= $1 AND id > $2 ORDER BY id LIMIT $3
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('alert_rules:' || $1, 0))"
_COUNT = "SELECT count(*) FROM alert_rules WHERE owner = $1 AND deleted_at IS NULL"
_SAME = """
SELECT id FROM alert_rules WHERE owner = $1 AND symbol = $2 AND kind = $3 AND threshold = $4
AND "window" IS NOT DISTINCT FROM $5 AND deleted_at IS NULL AND id <> $6
"""
_CREATE = """
INSERT INTO alert_rules (owner, symbol, kind, threshold, "window", hysteresis, cooldown, webhook)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
"""
_CHANGE = """
UPDATE alert_rules SET symbol = $2, kind = $3, threshold = $4, "window" = $5, hysteresis = $6,
    cooldown = $7, webhook = $8, armed = NULL, revision = revision + 1, changed_at = now()
WHERE id = $1
RETURNING id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
"""
_DELETE = "UPDATE alert_rules SET deleted_at = now(), changed_at = now() WHERE id = $1"
_RESTORE = """
UPDATE alert_rules SET deleted_at = NULL, armed = NULL, revision = revision + 1,
    changed_at = now() WHERE id = $1
RETURNING id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown,
    webhook, armed
"""


class Wanted(msgspec.Struct, frozen=True):
    """What a user wants a rule to say; checked."""

    symbol: Symbol
    kind: Kind
    threshold: float
    window: int | None
    hysteresis: float
    cooldown: int
    webhook: str | None


class Conflict(StrEnum):
    """Why a change was not made, though its values are fine by themselves."""

    MISSING = "there is no such rule"
    SAME = "there is such a rule already"
    TOO_MANY = f"at most {MOST_RULES} rules"


class Changes(msgspec.Struct, frozen=True):
    """Rules that are new or changed, and numbers of deleted ones; `next_since` asks for more.

    With `complete` they are all that there are.
    """

    rules: list[Rule]
    deleted: list[int]
    next_since: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FetchChanges(Query[Changes]):
    """What has changed since a moment in ms; None, or one of long ago, for all rules there are."""

    since: int | None
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Changes:
        """Ask, in pages, so that nobody waits for many rules."""
        now = to_ms(await connection.fetchval("SELECT now()"))
        since = None if self.since is None or now - self.since > STALE_MS else self.since
        rules: list[Rule] = []
        deleted: list[int] = []
        last = 0
        while True:
            if since is None:
                rows = await connection.fetch(_LIVE, last, PAGE)
                rules += map(_rule, rows)
            else:
                rows = await connection.fetch(_CHANGED, to_datetime(since), last, PAGE)
                rules += [_rule(row) for row in rows if not row["deleted"]]
                deleted += [row["id"] for row in rows if row["deleted"]]
            if len(rows) < PAGE:
                return Changes(rules, deleted, now - OVERLAP_MS, since is None)
            last = rows[-1]["id"]


@dataclass(frozen=True, slots=True)
class FetchRules(Query[list[Rule]]):
    """All rules of a user, by symbol."""

    owner: str
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> list[Rule]:
        """Ask."""
        return [_rule(row) for row in await connection.fetch(_ALL, self.owner)]


@dataclass(frozen=True, slots=True)
class FetchRule(Query["Rule | Conflict"]):
    """One rule of a user."""

    owner: str
    id: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Rule | Conflict:
        """Ask."""
        return await _find(connection, _ONE, self.owner, self.id) or Conflict.MISSING


@dataclass(frozen=True, slots=True)
class CreateRule(Query["Rule | Conflict"]):
    """Make a rule."""

    owner: str
    wanted: Wanted
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Rule | Conflict:
        """Make it, with its audit."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            refused = await _refused(connection, self.owner, self.wanted)
            if refused is not None:
                return refused
            row = await connection.fetchrow(_CREATE, self.owner, *_values(self.wanted))
            return await _audited(connection, self.owner, Action.CREATE, None, row)


@dataclass(frozen=True, slots=True)
class ChangeRule(Query["Rule | Conflict"]):
    """Change what a rule says; it begins anew then, as a rule just made does."""

    owner: str
    id: int
    wanted: Wanted
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Rule | Conflict:
        """Change it, with its audit; nothing is written when nothing changes."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            before = await _find(connection, _ONE, self.owner, self.id)
            if before is None:
                return Conflict.MISSING
            if _values(self.wanted) == _values(before):
                return before
            wanted = self.wanted
            if await connection.fetchval(_SAME, self.owner, *_values(wanted)[:4], self.id):
                return Conflict.SAME
            row = await connection.fetchrow(_CHANGE, self.id, *_values(wanted))
            return await _audited(connection, self.owner, Action.CHANGE, before, row)


@dataclass(frozen=True, slots=True)
class DeleteRule(Query["Rule | Conflict"]):
    """Delete a rule, softly; the answer is what it was."""

    owner: str
    id: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Rule | Conflict:
        """Delete it, with its audit."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            before = await _find(connection, _ONE, self.owner, self.id)
            if before is None:
                return Conflict.MISSING
            await connection.execute(_DELETE, self.id)
            await audit.write(
                connection, self.owner, "alert_rules", self.id, Action.DELETE, before=before
            )
            return before


@dataclass(frozen=True, slots=True)
class RestoreRule(Query["Rule | Conflict"]):
    """Bring a deleted rule back, as if just made; one that is not deleted stays as it is."""

    owner: str
    id: int
    lane: ClassVar[Lane] = Lane.ROWS

    async def run(self, connection: Connection) -> Rule | Conflict:
        """Restore it, with its audit."""
        async with connection.transaction():
            await connection.execute(_LOCK, self.owner)
            there = await _find(connection, _ONE, self.owner, self.id)
            if there is not None:
                return there
            deleted = await _find(connection, _DELETED, self.owner, self.id)
            if deleted is None:
                return Conflict.MISSING
            refused = await _refused(connection, self.owner, deleted)
            if refused is not None:
                return refused
            row = await connection.fetchrow(_RESTORE, self.id)
            return await _audited(connection, self.owner, Action.RESTORE, None, row)


async def _refused(connection: Connection, owner: str, wanted: Wanted | Rule) -> Conflict | None:
    """Why a user may have no further rule that says this."""
    if await connection.fetchval(_SAME, owner, *_values(wanted)[:4], 0) is not None:
        return Conflict.SAME
    if await connection.fetchval(_COUNT, owner) >= MOST_RULES:
        return Conflict.TOO_MANY
    return None


async def _audited(
    connection: Connection, owner: str, action: Action, before: Rule | None, row: Row | None
) -> Rule:
    assert row is not None  # noqa: S101 - RETURNING answers the row that was written
    after = _rule(row)
    await audit.write(
        connection, owner, "alert_rules", after.id, action, before=before, after=after
    )
    return after


def _values(said: Wanted | Rule) -> tuple[object, ...]:
    """What a rule says, in the order of the columns."""
    return (
        said.symbol,
        said.kind.value,
        said.threshold,
        said.window,
        said.hysteresis,
        said.cooldown,
        said.webhook,
    )


async def _find(connection: Connection, sql: str, owner: str, number: int) -> Rule | None:
    row = await connection.fetchrow(sql, owner, number)
    return None if row is None else _rule(row)


def _rule(row: Row) -> Rule:
    number, owner, revision, symbol, kind, *rest = list(row.values())[:11]
    return Rule(number, owner, revision, symbol, Kind(kind), *rest)
