"""What a browser's user made before logging in goes to the account: lists, rules, fired alerts.

It goes as it is: a rule keeps its standing, an alert its webhook. What the account has no room for
stays with the browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.alerts.rule_rows import MOST_RULES, RULES
from stockstream.database.query import Purpose, Query
from stockstream.users import operator_audit
from stockstream.users.accounts import owner_of
from stockstream.users.watchlists import LONGEST_NAME, MOST_LISTS, WATCHLISTS

if TYPE_CHECKING:
    from stockstream.database.query import Connection
    from stockstream.users.operator_audit import Author

_HAS_ANY = """
SELECT EXISTS (SELECT FROM watchlists WHERE owner = $1)
    OR EXISTS (SELECT FROM alert_rules WHERE owner = $1)
    OR EXISTS (SELECT FROM alerts WHERE owner = $1)
"""
_LISTS = """
SELECT id, name FROM watchlists WHERE owner = $1 AND deleted_at IS NULL ORDER BY lower(name), id
"""
_MOVE_LIST = "UPDATE watchlists SET owner = $1, name = $2, changed_at = now() WHERE id = $3"
# Of the lists that have moved, deleted ones as well.
_MOVE_SHARES = """
UPDATE list_shares s SET owner = $1 FROM watchlists w
WHERE w.id = s.watchlist_id AND w.owner = $1 AND s.owner = $2
"""
_RULES = "SELECT id FROM alert_rules WHERE owner = $1 AND deleted_at IS NULL ORDER BY id"
# One that the account has in the same words goes as a deleted one: what it fired refers to it.
_SAME = """
UPDATE alert_rules m SET owner = $1, changed_at = now(), deleted_at = now()
WHERE m.owner = $2 AND m.deleted_at IS NULL AND EXISTS (
    SELECT FROM alert_rules a WHERE a.owner = $1 AND a.deleted_at IS NULL
    AND a.symbol = m.symbol AND a.kind = m.kind AND a.threshold = m.threshold
    AND a."window" IS NOT DISTINCT FROM m."window")
"""
_MOVE_RULES = "UPDATE alert_rules SET owner = $1, changed_at = now() WHERE id = ANY($2)"
_MOVE_DELETED = """
UPDATE {table} SET owner = $1, changed_at = now() WHERE owner = $2 AND deleted_at IS NOT NULL
"""
# One that the account has as well is its own; what it has said there counts.
_MOVE_ADDRESSES = """
UPDATE mail_addresses m SET owner = $1 WHERE owner = $2
    AND NOT EXISTS (SELECT FROM mail_addresses a WHERE a.owner = $1 AND a.address = m.address)
"""
# Those of the rules that have gone, too.
_MOVE_ALERTS = """
WITH moved AS (
    UPDATE alerts SET owner = $1
    WHERE owner = $2 AND rule_id IN (SELECT id FROM alert_rules WHERE owner = $1) RETURNING 1)
SELECT count(*) FROM moved
"""
# What neither side has seen is told as unread; of what is newer than that, some is told again.
_READ = """
WITH known AS (
    SELECT coalesce(
        (SELECT min(fired_at) - interval '1 microsecond'
            FROM alerts a LEFT JOIN alert_readers r ON r.owner = a.owner
            WHERE a.owner IN ($1, $2) AND fired_at > coalesce(read_until, '-infinity')),
        (SELECT max(read_until) FROM alert_readers WHERE owner IN ($1, $2))) AS until)
INSERT INTO alert_readers (owner, read_until) SELECT $1, until FROM known WHERE until IS NOT NULL
ON CONFLICT (owner) DO UPDATE SET read_until = excluded.read_until
"""

_ALL_OF_I = {0x131: "i", 0x307: None}


class Moved(msgspec.Struct, frozen=True):
    """What went to the account: so many lists, rules, fired alerts. `renamed` are the lists whose
    names were taken there, as they are called now; those that there was no room for stay.
    """

    lists: int = 0
    rules: int = 0
    alerts: int = 0
    renamed: tuple[str, ...] = ()
    lists_left: tuple[str, ...] = ()
    rules_left: int = 0


@dataclass(frozen=True, slots=True)
class MoveOwner(Query[Moved]):
    """Give an account what a browser's user has. Asked again, it moves what came since.

    Afterwards the watcher is told by `RulesChanged`, where rules have moved.
    """

    author: Author
    browser: str
    account_id: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Moved:
        """Move it, all or nothing."""
        if not await connection.fetchval(_HAS_ANY, self.browser):
            return Moved()
        account = owner_of(self.account_id)
        async with connection.transaction():
            for table in (WATCHLISTS, RULES):
                for owner in sorted((account, self.browser)):  # as others who move lock them
                    await table.lock(connection, owner)
            await connection.execute(_READ, account, self.browser)
            lists, renamed, left = await self._move_lists(connection, account)
            await connection.execute(_MOVE_ADDRESSES, account, self.browser)
            rules, rules_left = await self._move_rules(connection, account)
            for table in (WATCHLISTS, RULES):
                await connection.execute(
                    _MOVE_DELETED.format(table=table.name), account, self.browser
                )
            await connection.execute(_MOVE_SHARES, account, self.browser)
            alerts: int = await connection.fetchval(_MOVE_ALERTS, account, self.browser)
            moved = Moved(lists, rules, alerts, renamed, left, rules_left)
            entry = self.author.entry("account.take", f"browser {self.browser}", after=moved)
            await operator_audit.write(connection, entry)
            return moved

    async def _move_lists(
        self, connection: Connection, account: str
    ) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
        there = await connection.fetch(_LISTS, account)
        taken = {folded(row["name"]) for row in there}
        room = max(0, MOST_LISTS - len(there))
        mine = await connection.fetch(_LISTS, self.browser)
        renamed = []
        for row in mine[:room]:
            name = free_name(row["name"], taken)
            taken.add(folded(name))
            if name != row["name"]:
                renamed.append(name)
            await connection.execute(_MOVE_LIST, account, name, row["id"])
        left = tuple(row["name"] for row in mine[room:])
        return len(mine) - len(left), tuple(renamed), left

    async def _move_rules(self, connection: Connection, account: str) -> tuple[int, int]:
        await connection.execute(_SAME, account, self.browser)
        room = max(0, MOST_RULES - len(await connection.fetch(_RULES, account)))
        mine = [row["id"] for row in await connection.fetch(_RULES, self.browser)]
        await connection.execute(_MOVE_RULES, account, mine[:room])
        return len(mine[:room]), len(mine[room:])


def free_name(name: str, taken: set[str]) -> str:
    """The name, or that with a number where it is taken, in any case; all `taken` are `folded`."""
    free, number = name, 1
    while folded(free) in taken:
        number += 1
        suffix = f" ({number})"
        free = name[: LONGEST_NAME - len(suffix)] + suffix
    return free


def folded(name: str) -> str:
    """The same for all names that any locale of the database may take for one: of the Greek sigmas,
    or the Turkish letters i. A list renamed for nothing harms less than a move that is refused.
    """
    return name.casefold().translate(_ALL_OF_I)
