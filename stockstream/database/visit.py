"""The database for a command: a tree of the gateway alone, with the embedded server if need be."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.connecting import attempt_seconds
from stockstream.database.embedded.postgres import Postgres
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.pool import NOT_YET
from stockstream.database.query import Unavailable
from stockstream.database.servers import Server, embedded_server
from stockstream.database.troubles import STARTING
from supervision import ChildSpec, Slot, System, supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stockstream.database.query import Query
    from stockstream.statuses import DatabaseStatus
    from supervision import ActorRef

R = TypeVar("R")


class Asking(Protocol):
    """Asks the database, with the patience of somebody who watches."""

    async def __call__(self, query: Query[R], /) -> R:
        """Ask.

        Raises:
            DatabaseError: there is no answer.
        """


EMBEDDED_SECONDS = 30.0
FURTHER_SECONDS = 1.0
"""Longer than an attempt to connect may take, so that its reason is reported."""
POLL_SECONDS = 0.05


@asynccontextmanager
async def visiting(
    url: str | None, directory: Path, *, migrate: bool = True, setting: str = "DATABASE_URL"
) -> AsyncIterator[tuple[ActorRef, Server]]:
    """The gateway, connected, for the time of a `with`.

    The server is the one at `url`, which `setting` names, or the embedded one. An embedded server
    that runs already is used; otherwise it is started, and stopped again.

    Raises:
        Unavailable: it cannot be connected to; the text names the setting.
        KeyboardInterrupt: SIGINT or SIGTERM came; the `with` was cancelled.
    """
    server = embedded_server(directory) if url is None else Server(setting, url)
    statuses: Slot[DatabaseStatus] = Slot("database", writer=paths.DATABASE)
    settings = DatabaseSettings(server, readers=1, migrate=migrate)
    children = [ChildSpec("gateway", partial(Database, settings, statuses, AsyncioThread()))]
    if url is None:
        children.insert(0, ChildSpec("postgres", partial(Postgres, directory, (paths.DATABASE,))))
    root = supervisor("root", [supervisor("database", children)])
    system = System()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            async with trio.open_nursery() as watch:
                watch.start_soon(_interrupt, signals, watch.cancel_scope)
                async with trio.open_nursery() as nursery:
                    up = trio.Event()
                    nursery.start_soon(partial(system.run, root, on_start=lambda _system: up.set()))
                    try:
                        await up.wait()
                        await _connected(statuses, url)
                        yield system.ref(paths.DATABASE), server
                    finally:
                        system.stop()
                watch.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # The caller gets the exception of its `with`, not the nursery's group around it.
            only: BaseException = group
            while isinstance(only, BaseExceptionGroup) and len(only.exceptions) == 1:
                only = only.exceptions[0]
            raise only from None


async def _interrupt(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    """Turn a signal into `KeyboardInterrupt`, once everything else was cancelled.

    Python would raise it in the code that runs now. That may be the driver, whose compiled part
    then reads the wrong memory.
    """
    async for _ in signals:
        scope.cancel()
        raise KeyboardInterrupt


async def _connected(statuses: Slot[DatabaseStatus], url: str | None) -> None:
    """Wait for the connection; the embedded server may have to be made first."""
    embedded = url is None
    seconds = EMBEDDED_SECONDS if url is None else attempt_seconds(url) + FURTHER_SECONDS
    give_up = trio.current_time() + seconds
    while True:
        status = statuses.value
        reason = NOT_YET if status is None else status.reason
        # Each pool connects by itself.
        if status is not None and status.up and all(status.connections.values()):
            return
        if _is_final(reason, embedded=embedded) or trio.current_time() > give_up:
            raise Unavailable(reason)
        await trio.sleep(POLL_SECONDS)


def _is_final(reason: str, *, embedded: bool) -> bool:
    """Whether waiting is useless: a server that is named is expected to answer."""
    if embedded:
        return reason.startswith("DATA_DIRECTORY:") or "embedded PostgreSQL does not" in reason
    return reason not in {"", NOT_YET} and STARTING not in reason
