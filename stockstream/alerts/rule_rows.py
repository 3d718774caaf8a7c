"""Rules as rows of their users, read again by the watchers."""

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
"""A change is dated when its transaction begins and seen when it commits, seconds later at most."""
STALE_MS = 43_200_000
"""A watcher that has not read for so long reads all rules again. Deleted rules are purged after a
day at the earliest, and nothing shows then that they were deleted."""

SAME = RowRefusal("threshold", "there is such a rule already")
NOT_YOURS = RowRefusal("mail", "is none of your addresses: have it asked first")
CROWDED = RowRefusal("symbol", f"has {MOST_OF_SYMBOL:,} rules of all users: no more are taken")
FULL = RowRefusal("rules", f"there are {MOST_OF_ALL:,} rules of all users: no more are taken")

_COLUMNS = """
id, owner, revision, symbol, kind, threshold, "window", hysteresis, cooldown, webhook, armed,
currency, mail
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
# Counted up to the limit only. Two rules made at the same moment may both pass. The limits protect
# the node, and one rule more does no harm.
_OF_SYMBOL = """
SELECT count(*) FROM (
    SELECT FROM alert_rules WHERE symbol = $1 AND deleted_at IS NULL AND id <> $2 LIMIT $3) AS found
"""
_OF_ALL = """
SELECT count(*) FROM (SELECT FROM alert_rules WHERE deleted_at IS NULL LIMIT $1) AS found
"""

_MAIL = """
SELECT EXISTS (
    SELECT FROM mail_addresses WHERE owner = $1 AND address = $2 AND deleted_at IS NULL)
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
    currency: str | None = None
    mail: str | None = None


class Changes(msgspec.Struct, frozen=True):
    """Rules that are new or changed, and numbers of deleted ones; `next_since` asks for more.

    With `complete` they are all rules.
    """

    rules: list[Rule]
    deleted: list[int]
    next_since: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FetchChanges(Query[Changes]):
    """Rules changed since a moment in ms; all rules for None, a long past or a future moment."""

    since: int | None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Changes:
        """Ask, in pages, so that others do not wait behind many rules."""
        now = to_ms(await connection.fetchval("SELECT now()"))
        since = self.since
        # A future moment: the server's clock was set back, and dates new changes before it.
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
    """The rules of all users. A changed or restored rule starts again like a new one."""

    name = "alert_rules"
    columns = _COLUMNS
    order = "symbol, id"
    most = MOST_RULES
    missing = RowRefusal(None, "there is no such rule")
    too_many = RowRefusal("rules", f"at most {MOST_RULES} rules")
    anew = "armed = NULL, revision = revision + 1"

    def read(self, row: Row) -> Rule:
        """A row as a rule."""
        number, owner, revision, symbol, kind, *rest = list(row.values())[:13]
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
            "currency": said.currency,
            "mail": said.mail,
        }

    async def clash(
        self, connection: Connection, owner: str, said: Rule | Wanted, but: int
    ) -> RowRefusal | None:
        """The user has an equal rule, or all users together have too many."""
        condition = said.symbol, said.kind.value, said.threshold, said.window
        if await connection.fetchval(_SAME, owner, *condition, but) is not None:
            return SAME
        most = MOST_OF_SYMBOL
        if await connection.fetchval(_OF_SYMBOL, said.symbol, but, most) >= most:
            return CROWDED
        if said.mail is not None and not await connection.fetchval(_MAIL, owner, said.mail):
            return NOT_YOURS
        # A rule that is changed is counted already.
        if but == 0 and await connection.fetchval(_OF_ALL, MOST_OF_ALL) >= MOST_OF_ALL:
            return FULL
        return None


RULES = Rules()
