"""How much history there is, for `stockstream db status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.history.query import Lane, Query
from stockstream.history.times import to_ms
from stockstream.messages import iso_utc

if TYPE_CHECKING:
    from stockstream.history.query import Connection

_SIZES = """
SELECT relname, greatest(reltuples, 0)::bigint, pg_total_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname = 'public' ORDER BY relname
"""


class TableSize(msgspec.Struct, frozen=True):
    """A table or partition; `rows` is the server's estimate."""

    name: str
    rows: int
    bytes: int


class Overview(msgspec.Struct, frozen=True):
    """What is there. `schema` is None for a database without one."""

    server: str
    schema: str | None
    bytes: int
    first_tick: str | None
    last_tick: str | None
    hours_to_roll_up: int
    tables: list[TableSize]


@dataclass(frozen=True, slots=True)
class Look(Query[Overview]):
    """Ask for all of it."""

    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> Overview:
        """Ask."""
        server = await connection.fetchval("SHOW server_version")
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        schema = first = last = None
        due = 0
        if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
            schema = await connection.fetchval("SELECT max(version_num) FROM alembic_version")
        if await connection.fetchval("SELECT to_regclass('ticks') IS NOT NULL"):
            row = await connection.fetchrow("SELECT min(received), max(received) FROM ticks")
            if row is not None and row[0] is not None:
                first, last = (iso_utc(to_ms(row[place])) for place in (0, 1))
            due = await connection.fetchval("SELECT count(DISTINCT hour) FROM rollups_due")
        tables = [TableSize(*row.values()) for row in await connection.fetch(_SIZES)]
        return Overview(server, schema, size, first, last, due, tables)
