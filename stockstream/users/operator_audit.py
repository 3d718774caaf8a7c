"""The audit of operators: who did what to the server or to accounts, from where, and how it ended.

Entries are only ever added; a purge deletes them by their age alone. One that belongs to a change
of rows is written in its transaction. One of an action that touches no row waits in the
`AuditInbox`, and is stored by `audit_keeper.py`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.audit_inbox import AuditEntry
from stockstream.database.query import Purpose, Query
from stockstream.times import now_ms, to_datetime, to_ms
from supervision import correlation_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.database.query import Connection, Row

LONGEST_TEXT = 500
LONGEST_VALUE = 16_000
"""Of JSON; a longer value is replaced by its beginning, as a text."""

_COLUMNS = (
    "key, at, who, account_id, credential, address, node, action, target, before, after, outcome, "
    "correlation_id"
)
# An entry that is stored already: its writer did not get the answer, and comes again.
_WRITE = f"""
INSERT INTO operator_audit ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING
"""  # noqa: S608 - columns of ours
_FETCH = """
SELECT id, {columns} FROM operator_audit
WHERE ($1::text IS NULL OR who = $1)
AND ($2::text IS NULL OR action = $2 OR starts_with(action, $2 || '.'))
AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
AND ($5::timestamptz IS NULL OR (at, id) {beyond} ($5, $6))
ORDER BY at {order}, id {order} LIMIT $7
"""
_WRITTEN = f"SELECT id, {_COLUMNS} FROM operator_audit WHERE id > $1 ORDER BY id LIMIT $2"  # noqa: S608 - columns of ours


class Author(msgspec.Struct, frozen=True):
    """Who acts, by what credential, from which address, at which node."""

    who: str
    account_id: int | None
    credential: str
    address: str
    node: str

    def entry(
        self,
        action: str,
        target: str | None = None,
        *,
        before: object = None,
        after: object = None,
        outcome: str = "done",
    ) -> AuditEntry:
        """An entry of now. An action's name begins with what it is about, as in `chaos.inject`."""
        current = correlation_id.get()  # traced, it is of a class that says more
        return AuditEntry(
            key=secrets.token_hex(8),
            at=now_ms(),
            who=_text(self.who),
            account_id=self.account_id,
            credential=_text(self.credential),
            address=_text(self.address),
            node=_text(self.node),
            action=_text(action),
            target=None if target is None else _text(target),
            before=_json(before),
            after=_json(after),
            outcome=_text(outcome),
            correlation_id=None if current is None else str(current),
        )


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry with the number that it was given when it was stored."""

    id: int
    entry: AuditEntry


class Place(msgspec.Struct, frozen=True):
    """A place in the audit, which is in the order of time."""

    at: int
    id: int


@dataclass(frozen=True, slots=True)
class WriteEntries(Query[None]):
    """Store entries; one that is stored already stays as it is."""

    entries: tuple[AuditEntry, ...]
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Write them, all or none."""
        async with connection.transaction():
            await write(connection, *self.entries)


@dataclass(frozen=True, slots=True)
class FetchEntries(Query[list[StoredEntry]]):
    """Entries beyond a place, the newest first unless `oldest_first`.

    `action` is a whole name, or the beginning of one up to a point. From `start` until before
    `end`, in ms since 1970. None is everything.
    """

    most: int
    who: str | None = None
    action: str | None = None
    start: int | None = None
    end: int | None = None
    beyond: Place | None = None
    oldest_first: bool = False
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[StoredEntry]:
        """Ask."""
        beyond, order = (">", "ASC") if self.oldest_first else ("<", "DESC")
        start, end = (None if at is None else to_datetime(at) for at in (self.start, self.end))
        place = self.beyond
        rows = await connection.fetch(
            _FETCH.format(columns=_COLUMNS, beyond=beyond, order=order),
            self.who,
            self.action,
            start,
            end,
            None if place is None else to_datetime(place.at),
            None if place is None else place.id,
            self.most,
        )
        return [_read(row) for row in rows]


@dataclass(frozen=True, slots=True)
class FetchWritten(Query[list[StoredEntry]]):
    """Entries in the order in which they were stored, after number `after`."""

    after: int
    most: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[StoredEntry]:
        """Ask."""
        return [_read(row) for row in await connection.fetch(_WRITTEN, self.after, self.most)]


async def write(connection: Connection, *entries: AuditEntry) -> None:
    """Write entries; the caller's transaction is open."""
    for entry in entries:
        await connection.execute(
            _WRITE,
            entry.key,
            to_datetime(entry.at),
            entry.who,
            entry.account_id,
            entry.credential,
            entry.address,
            entry.node,
            entry.action,
            entry.target,
            entry.before,
            entry.after,
            entry.outcome,
            entry.correlation_id,
        )


def _read(row: Row) -> StoredEntry:
    number, key, at, who, account, credential, address, node, action, *rest = row.values()
    target, before, after, outcome, correlation = rest
    entry = AuditEntry(
        key=key,
        at=to_ms(at),
        who=who,
        account_id=account,
        credential=credential,
        address=address,
        node=node,
        action=action,
        target=target,
        before=before,
        after=after,
        outcome=outcome,
        correlation_id=correlation,
    )
    return StoredEntry(number, entry)


def _text(text: str) -> str:
    """What the database takes of a text that somebody sent."""
    kept = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return kept if len(kept) <= LONGEST_TEXT else f"{kept[:LONGEST_TEXT]}…"


def _json(value: object) -> str | None:
    """A value as JSON that the database takes; not too long."""
    if value is None:
        return None
    text = msgspec.json.encode(_cleaned(msgspec.to_builtins(value))).decode()
    if len(text) > LONGEST_VALUE:
        return msgspec.json.encode(f"{text[:LONGEST_TEXT]}…").decode()
    return text


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        # PostgreSQL stores neither.
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(one) for one in value]
    return value


def entries_lost(count: int, node: str) -> AuditEntry:
    """The entry that stands for those that there was no room for."""
    author = Author("stockstream", None, "node", "", node)
    return author.entry("audit.lost", after={"entries": count}, outcome="lost")


def last_place(entries: Sequence[StoredEntry]) -> Place | None:
    """The place of the last of a page; None of an empty one."""
    return Place(entries[-1].entry.at, entries[-1].id) if entries else None
