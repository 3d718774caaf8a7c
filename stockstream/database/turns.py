"""Turns of upkeep: of all nodes that come to a step, one does it.

A turn is an advisory lock of the transaction that does the step. So it needs nothing but the
database, passes a pooler, and ends with a node that is killed. Whoever does not get a turn leaves
the step out, and comes again in its next round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_TRY = "SELECT pg_try_advisory_xact_lock($1)"
_WAIT = "SELECT pg_advisory_xact_lock($1)"


async def take_turn(connection: Connection, lock: int, *, waits: bool = False) -> bool:
    """Whether the step is ours until the transaction ends; false when another node is at it.

    With `waits` it is ours once the others are done: commands of an operator wait. What the step
    depends on must be read after this, because another node may just have done it.
    """
    if waits:
        await connection.execute(_WAIT, lock)
        return True
    mine: bool = await connection.fetchval(_TRY, lock)
    return mine
