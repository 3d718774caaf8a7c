"""Rules as rows of their users, read again by whoever judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.rules import Kind, Rule
from stockstream.database.query import Purpose, Query
from stockstream.quotes import Symbol
from stockstream.times import to_datetime, to_ms
from stockstream.users.rows import OwnedTable, RowRefusal

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

MOST_RULES = 50
MOST_OF_SYMBOL = 20_000
"""Rules of all users on one symbol: a price that crosses all of them keeps a core for 0.2 s."""
MOST_OF_ALL = 100_000
"""Rules of all users: what a watcher that starts reads in a few seconds, and some 100 MB."""
PAGE = 1_000
OVERLAP_MS = 60_000
"""A change is seen when it is committed and dated when it began: a query ends within seconds."""
STALE_MS = 43_200_000
"""Who has not read for so long reads all rules anew: deleted ones are purged after a day at the
earliest, and nothing tells of them then."""

SAME = RowRefusal("threshold", "there is such a rule already")
CROWDED = RowRefusal("symbol", f"has {MOST_OF_SYMBOL:,} rules of all users: no more are taken")
FULL = RowRefusal("rules", f"there are {MOST_OF_ALL:,} rules of all users: no more are taken")

_COLUMNS = """
id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown, webhook, armed
"""
_LIVE = f"""
SELECT {_COLUMNS}
FROM alert_rules WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2
"""  # noqa: S608 - a constant of ours
_CHANGED = f"""
SELECT {_COLUMNS},
    deleted_at IS NOT NULL AS deleted
FROM alert_rules WHERE changed_at >= $1 AND id > $2 ORDER BY id LIMIT $3
"""  # noqa: S608 - as above
_SAME = """
SELECT id FROM alert_rules WHERE owner = $1 AND symbol = $2 AND kind = $3 AND threshold = $4
AND "window" IS NOT DISTINCT FROM $5 AND deleted_at IS NULL AND id <> $6
"""
# Counted up to the limit only. Two that are made in the same moment may both pass: the limits guard
# the node, and one more or less does it no harm.
_OF_SYMBOL = """
SELECT count(*) FROM (
    SELECT FROM alert_rules WHERE symbol = $1 AND deleted_at IS NULL AND id <> $2 LIMIT $3) AS found
"""
_OF_ALL = """
SELECT count(*) FROM (SELECT FROM alert_rules WHERE deleted_at IS NULL LIMIT $1) AS found
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
    """What has changed since a moment in ms; None, or one of long ago or to come, for all rules."""

    since: int | None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Changes:
        """Ask, in pages, so that nobody waits for many rules."""
        now = to_ms(await connection.fetchval("SELECT now()"))
        since = self.since
        # One that is still to come: the server's clock was set back, and dates changes before it.
        if since is not None and not 0 <= now - since <= STALE_MS:
            since = None
        rules: list[Rule] = []
        deleted: list[int] = []
        last = 0
        while True:
            if since is None:
                rows = await connection.fetch(_LIVE, last, PAGE)
                rules += map(RULES.read, rows)
            else:
                rows = await connection.fetch(_CHANGED, to_datetime(since), last, PAGE)
                rules += [RULES.read(row) for row in rows if not row["deleted"]]
                deleted += [row["id"] for row in rows if row["deleted"]]
            if len(rows) < PAGE:
                return Changes(rules, deleted, now - OVERLAP_MS, since is None)
            last = rows[-1]["id"]


class Rules(OwnedTable[Rule, Wanted]):
    """The rules of all users. One that is changed or brought back begins anew, as if just made."""

    name = "alert_rules"
    columns = _COLUMNS
    order = "symbol, id"
    most = MOST_RULES
    missing = RowRefusal(None, "there is no such rule")
    too_many = RowRefusal("rules", f"at most {MOST_RULES} rules")
    anew = "armed = NULL, revision = revision + 1"

    def read(self, row: Row) -> Rule:
        """A row as a rule; it may have more columns."""
        number, owner, revision, symbol, kind, *rest = list(row.values())[:11]
        return Rule(number, owner, revision, symbol, Kind(kind), *rest)

    def values(self, said: Rule | Wanted) -> dict[str, object]:
        """What a rule says."""
        return {
            "symbol": said.symbol,
            "kind": said.kind.value,
            "threshold": said.threshold,
            "window": said.window,
            "hysteresis": said.hysteresis,
            "cooldown": said.cooldown,
            "webhook": said.webhook,
        }

    async def clash(
        self, connection: Connection, owner: str, said: Rule | Wanted, but: int
    ) -> RowRefusal | None:
        """Another one fires at the same, or there are too many of all users."""
        condition = said.symbol, said.kind.value, said.threshold, said.window
        if await connection.fetchval(_SAME, owner, *condition, but) is not None:
            return SAME
        most = MOST_OF_SYMBOL
        if await connection.fetchval(_OF_SYMBOL, said.symbol, but, most) >= most:
            return CROWDED
        # One that is changed is there already.
        if but == 0 and await connection.fetchval(_OF_ALL, MOST_OF_ALL) >= MOST_OF_ALL:
            return FULL
        return None


RULES = Rules()
