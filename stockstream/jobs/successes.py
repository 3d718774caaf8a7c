"""When something last went well, whoever did it: a row beside those of the jobs. Queries only.

A backup made by a command counts as one of the job does, and what was restored has a row of its
own, so any node can tell of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection

BACKUPS, RESTORES = "backups", "restores"

_NOTE = """
INSERT INTO jobs (name, succeeded) VALUES ($1, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET succeeded = excluded.succeeded
"""
_KNOWN = "SELECT to_regclass('jobs') IS NOT NULL"
_FETCH = "SELECT name, succeeded FROM jobs WHERE name = ANY($1) AND succeeded IS NOT NULL"


@dataclass(frozen=True, slots=True)
class NoteSuccess(Query[None]):
    """It went well, now. A schema without jobs keeps nothing."""

    name: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Ask."""
        if await connection.fetchval(_KNOWN):
            await connection.execute(_NOTE, self.name)


@dataclass(frozen=True, slots=True)
class FetchSuccesses(Query[dict[str, int]]):
    """When each of these last went well, in ms since 1970; those that ever did."""

    names: tuple[str, ...]
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> dict[str, int]:
        """Ask. A schema that has no jobs yet knows of none."""
        if not await connection.fetchval(_KNOWN):
            return {}
        rows = await connection.fetch(_FETCH, list(self.names))
        return {row["name"]: to_ms(row["succeeded"]) for row in rows}
