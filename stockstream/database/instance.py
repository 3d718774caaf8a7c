"""The id of this StockStream, in the one row of a table of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_FIND = "SELECT id FROM instance"
_PROPOSE = "INSERT INTO instance (id) VALUES ($1) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class ClaimInstance(Query[str]):
    """The id that the database has; it takes the `proposed` one when it has none yet.

    If several nodes propose at once, the first id is taken and all get the same answer.
    """

    proposed: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> str:
        """Ask, and propose where need be."""
        found: str | None = await connection.fetchval(_FIND)
        if found is None:
            await connection.execute(_PROPOSE, self.proposed)
            found = await connection.fetchval(_FIND)
        assert found is not None  # noqa: S101 - the proposal, or who was faster
        return found
