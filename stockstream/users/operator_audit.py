"""The audit of operators: who did what to accounts or to the server, from where, how it ended.

Entries are only ever added. One that belongs to a change of rows is written in its transaction, so
neither exists without the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from supervision import correlation_id

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_WRITE = """
INSERT INTO operator_audit
    (who, account_id, credential, address, node, action, target, before, after, outcome,
    correlation_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry; `before` and `after` as JSON."""

    who: str
    account_id: int | None
    credential: str
    address: str
    node: str
    action: str
    target: str | None
    before: str | None
    after: str | None
    outcome: str
    correlation_id: str | None


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
        """An entry. An action's name begins with what it is about, as in `account.create`."""
        return AuditEntry(
            who=self.who,
            account_id=self.account_id,
            credential=self.credential,
            address=self.address,
            node=self.node,
            action=action,
            target=target,
            before=_json(before),
            after=_json(after),
            outcome=outcome,
            correlation_id=correlation_id.get(),
        )


async def write(connection: Connection, *entries: AuditEntry) -> None:
    """Write entries; the caller's transaction is open."""
    for entry in entries:
        await connection.execute(
            _WRITE,
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


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
