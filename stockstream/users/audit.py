"""The audit: who changed which row, when, and what it was before and after.

An entry is written in the transaction of its change, so neither exists without the other. Rows are
deleted softly (`deleted_at`), so the row of an entry can be read until it is purged.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_WRITE = """
INSERT INTO audit (who, what, row_id, action, before, after) VALUES ($1, $2, $3, $4, $5, $6)
"""


class Action(StrEnum):
    """The kind of change of a row."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    RESTORE = "restore"


async def write(
    connection: Connection,
    who: str,
    what: str,
    row_id: int,
    action: Action,
    *,
    before: msgspec.Struct | None = None,
    after: msgspec.Struct | None = None,
) -> None:
    """Write an entry; the caller's transaction is open. `what` is the row's table."""
    await connection.execute(
        _WRITE, who, what, row_id, action.value, _as_json(before), _as_json(after)
    )


def _as_json(row: msgspec.Struct | None) -> str | None:
    return None if row is None else msgspec.json.encode(row).decode()
