"""How much history there is, for `stockstream db status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.history import partitions
from stockstream.quotes import iso_utc
from stockstream.times import to_ms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from stockstream.database.query import Connection

_SIZES = """
SELECT relname, coalesce(pg_partition_root(c.oid)::regclass::text, relname),
    greatest(reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0), pg_total_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname = current_schema() ORDER BY relname
"""


class TableSize(msgspec.Struct, frozen=True):
    """A table, or a partition of `table`; `rows` is the server's estimate."""

    name: str
    table: str
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

    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> Overview:
        """Ask."""
        server = await connection.fetchval("SHOW server_version")
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        schema = first = last = None
        due = 0
        if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
            schema = await connection.fetchval("SELECT max(version_num) FROM alembic_version")
        if await connection.fetchval("SELECT to_regclass('ticks') IS NOT NULL"):
            names = await partitions.children(connection, "ticks")
            days = [name for name in names if partitions.day_of(name) is not None]
            rest = [name for name in names if name not in days]
            firsts = await _end(connection, days, "min"), await _end(connection, rest, "min")
            lasts = await _end(connection, days[::-1], "max"), await _end(connection, rest, "max")
            first = min((iso_utc(to_ms(moment)) for moment in firsts if moment), default=None)
            last = max((iso_utc(to_ms(moment)) for moment in lasts if moment), default=None)
            due = await connection.fetchval("SELECT count(DISTINCT hour) FROM rollups_due")
        tables = [TableSize(*row.values()) for row in await connection.fetch(_SIZES)]
        return Overview(server, schema, size, first, last, due, tables)


async def _end(connection: Connection, days: Iterable[str], function: str) -> datetime | None:
    """When the first or last tick was received: a day's partition is read, not all of them."""
    for partition in days:
        moment: datetime | None = await connection.fetchval(
            f"SELECT {function}(received) FROM {partition}"  # noqa: S608 - names of ours
        )
        if moment is not None:
            return moment
    return None
