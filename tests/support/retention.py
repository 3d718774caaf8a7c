"""The jobs of upkeep over a real database, in a tree of their own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.servers import Server
from stockstream.history.retention import RetentionSettings, upkeep_jobs
from stockstream.jobs.job import Job, Runner
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
    """The root of that tree: the gateway, and the jobs with the defaults of the history."""
    server = DatabaseSettings(Server("DATABASE_URL", database_url))
    gateway = ChildSpec("gateway", partial(Database, server, tables.database, AsyncioThread()))
    jobs = upkeep_jobs(RetentionSettings(), purge.step, tables.upstream_clocks, clock)
    runner = Runner("a")
    children = [ChildSpec(job.name, partial(Job, job, runner, tables.jobs)) for job in jobs]
    return supervisor("root", [supervisor("database", [gateway]), supervisor("history", children)])
