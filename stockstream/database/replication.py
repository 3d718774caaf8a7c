"""How far a replica is behind its primary, by positions in the write-ahead log. Queries only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_POSITION = """
SELECT pg_is_in_recovery(), (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
    ELSE pg_current_wal_flush_lsn() END - '0/0')::bigint,
    date_part('epoch', clock_timestamp() - pg_last_xact_replay_timestamp())
"""


class WalPosition(NamedTuple):
    """What a replica has applied, or a primary has made durable, in bytes of the log, where known.

    A replica has all that was committed before a moment once it has come to the position that its
    primary had then. `commit_age`: how many seconds ago the last commit that a replica has applied
    was made, by its clock against its primary's.
    """

    is_replica: bool
    bytes: int | None
    commit_age: float | None = None


@dataclass(frozen=True, slots=True)
class FetchWalPosition(Query[WalPosition]):
    """Where a server is now."""

    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> WalPosition:
        """Ask."""
        (row,) = await connection.fetch(_POSITION)
        return WalPosition(*row.values())
