"""Whether a pooler lends the server's connections for a transaction only. Queries only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stockstream.database.query import Connection

LOOKS = 5


@dataclass(frozen=True, slots=True)
class _Backend(Query[int]):
    async def run(self, connection: Connection) -> int:
        """The server's process that answers."""
        process: int = await connection.fetchval("SELECT pg_backend_pid()")
        return process


class _OfUpkeep(_Backend):
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE


class _OfWriting(_Backend):
    purpose: ClassVar[Purpose] = Purpose.WRITE


async def lends_by_transaction(ask: Callable[[Query[int]], Awaitable[int]]) -> bool:
    """Ask on two connections in turn, each the only one of its pool.

    A connection that is ours stays with its own server process. A pooler that lends connections for
    a transaction gives us the one that was returned last, or another one each time.
    """
    upkeep, writing = set[int](), set[int]()
    for _ in range(LOOKS):
        upkeep.add(await ask(_OfUpkeep()))
        writing.add(await ask(_OfWriting()))
    return len(upkeep) > 1 or len(writing) > 1 or upkeep == writing
