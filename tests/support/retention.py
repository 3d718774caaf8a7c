"""The actor `retention` over a real database, in a tree of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.servers import Server
from stockstream.history.retention import Retention, RetentionSettings
from stockstream.times import now_ms
from stockstream.users.purging import PurgeSettings
from supervision import ChildSpec, supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.tables import Tables


def retaining_root(
    database_url: str,
    tables: Tables,
    purge: PurgeSettings = PurgeSettings(),  # noqa: B008 - a frozen value
    clock: Callable[[], int] = now_ms,
) -> ChildSpec:
    """The root of that tree: the gateway, and `retention` with the defaults of the history."""
    server = DatabaseSettings(Server("DATABASE_URL", database_url))
    gateway = ChildSpec("gateway", partial(Database, server, tables.database, AsyncioThread()))
    kept = partial(
        Retention, RetentionSettings(), purge.step, tables.upstream_clocks, tables.retention, clock
    )
    return supervisor(
        "root",
        [
            supervisor("database", [gateway]),
            supervisor("history", [ChildSpec("retention", kept)]),
        ],
    )
