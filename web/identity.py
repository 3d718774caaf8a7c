"""Learns from the database which StockStream this is, and keeps that on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from stockstream.database.instance import ClaimInstance
from stockstream.database.query import DatabaseError, ask
from stockstream.instance import keep_instance
from stockstream.pauses import Pauses
from supervision import Backoff

if TYPE_CHECKING:
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from supervision import ActorRef
    from web.cookies import Instance

RETRIES = Backoff(first=0.1, longest=5.0)

_log: BoundLogger = structlog.get_logger("web.identity")
_writer = trio.CapacityLimiter(1)
"""A thread of its own: a disk that hangs must not block the threads of others."""


async def learn_instance(instance: Instance, database: ActorRef, directory: Path) -> None:
    """Ask until the database tells; meanwhile the proposed id serves.

    No user can save anything before the database answers, so a user named by the proposed id loses
    nothing.
    """
    told = await _told(instance.id, database)
    if instance.become(told):
        _log.info("the database tells which instance this is", instance=told)
        await trio.to_thread.run_sync(keep_instance, directory, told, limiter=_writer)


async def _told(proposed: str, database: ActorRef) -> str:
    pauses = Pauses(RETRIES)
    while True:
        try:
            return await ask(database, ClaimInstance(proposed))
        except DatabaseError:
            await trio.sleep(pauses.take())
