"""What a database server is like that history is to be kept in, for `stockstream doctor`.

`inspect` runs under asyncio, on a connection of its own, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.database.connecting import asked_through, connect
from stockstream.database.deadlines import within
from stockstream.database.own_tables import OWN_TABLES
from stockstream.database.schema_version import SchemaVersion
from stockstream.history import partitions
from stockstream.times import now_ms, to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection

_SERVER = """
SELECT current_setting('server_version') AS version,
    pg_is_in_recovery() AS standby,
    current_setting('default_transaction_read_only')::bool AS read_only,
    coalesce(current_schema(), '') AS schema,
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0) AS most,
    (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_most,
    (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_most
"""
_USED = """
SELECT count(*) FILTER (WHERE application_name NOT LIKE '%stockstream%') AS others
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
_MAY_CREATE = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
_FOREIGN = """
SELECT relname FROM unnest($1::text[]) AS own (name)
JOIN pg_class c ON c.oid = to_regclass(own.name) WHERE NOT pg_has_role(relowner, 'USAGE')
ORDER BY 1
"""


class ServerFacts(msgspec.Struct, frozen=True):
    """A server, as its user sees it.

    `version` is the schema's, None where there is none. Of `most` connections `others` are used by
    other programs. `ahead` is by how many seconds its clock is ahead of ours. The user `may_create`
    tables, and does not own those in `foreign`. `oldest_day` is the day of the oldest partition of
    ticks, counted from 1970.
    """

    server: str
    standby: bool
    read_only: bool
    schema: str
    version: SchemaVersion
    most: int
    others: int
    ahead: float
    may_create: bool
    foreign: tuple[str, ...] = ()
    oldest_day: int | None = None


async def inspect(url: str, seconds: float) -> ServerFacts:
    """Look at the server at `url`.

    Raises:
        Exception: what `connect` and the driver raise.
    """
    connection = await connect(url, "stockstream doctor", seconds)
    try:
        return await within(seconds, _look(asked_through(connection)), connection.terminate)
    finally:
        connection.terminate()


async def _look(connection: Connection) -> ServerFacts:
    row = await connection.fetchrow(_SERVER)
    assert row is not None  # noqa: S101 - it has no condition
    limits = (row["most"], row["role_most"], row["database_most"])
    before = now_ms()
    told: int = to_ms(await connection.fetchval("SELECT clock_timestamp()"))
    ahead = (told - (before + now_ms()) / 2) / 1000
    days = None
    schema = await SchemaVersion.of(connection)
    if await connection.fetchval("SELECT to_regclass('ticks') IS NOT NULL"):
        names = await partitions.children(connection, "ticks")
        days = [day for name in names if (day := partitions.day_of(name)) is not None]
    return ServerFacts(
        server=row["version"],
        standby=row["standby"],
        read_only=row["read_only"],
        schema=row["schema"],
        version=schema,
        most=min(limit for limit in limits if limit is not None and limit >= 0),
        others=await connection.fetchval(_USED),
        ahead=ahead,
        may_create=await connection.fetchval(_MAY_CREATE),
        foreign=tuple(one[0] for one in await connection.fetch(_FOREIGN, list(OWN_TABLES))),
        oldest_day=min(days, default=None) if days is not None else None,
    )
