"""A lane: a few connections to the database, each kept by a worker, and the queries that wait.

asyncpg is used here, in `connecting.py` and in `troubles.py` only. Workers run in the gateway's
tasks, inside its asyncio loop. A connection belongs to its worker, which terminates it,
synchronously, however the worker ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
import trio
import trio_asyncio

from stockstream.history.connecting import asked_through, connect
from stockstream.history.deadlines import within
from stockstream.history.query import DatabaseError, Exhausted, Rejected, Unavailable
from stockstream.history.troubles import why_not_answered, why_not_connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.history.query import Query
    from stockstream.history.servers import Server
    from supervision import Caller

COMMAND_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
FALLBACK_SECONDS = 15.0
"""How long a reader stays with the primary before it looks whether the replica is back."""

NOT_YET = "not connected yet"
"""The reason before the first attempt has ended."""

_log: BoundLogger = structlog.get_logger("database")


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """`size` connections; `waiting` queries beyond them; `seconds` for each."""

    size: int
    waiting: int
    seconds: float = COMMAND_SECONDS


@dataclass(frozen=True, slots=True)
class Job:
    """A query and who waits for its answer."""

    query: Query[Any]
    caller: Caller[Any]


@dataclass
class Lane:
    """See the module. `servers` are tried in order; `ready`, where set, must come first."""

    name: str
    servers: tuple[Server, ...]
    settings: LaneSettings
    changed: Callable[[], None]
    queries: int = 0
    failed: int = 0
    refused: int = 0
    reason: str = NOT_YET
    _open: set[asyncpg.Connection] = field(default_factory=set)
    _told: dict[str, str] = field(default_factory=dict)
    _wake: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Job](self.settings.waiting)

    @property
    def connected(self) -> int:
        """Connections whose sockets are open now: one may be lost, and its worker not know yet."""
        return sum(not connection.is_closed() for connection in self._open)

    def put(self, job: Job) -> None:
        """Have a worker run it, or answer at once why none can."""
        if self.connected == 0:
            job.caller.reply(Unavailable(self.reason))
            return
        try:
            self._send.send_nowait(job)
        except trio.WouldBlock:
            self.refused += 1
            job.caller.reply(Exhausted(f"{self.settings.waiting} queries wait already"))

    def cut(self) -> int:
        """Cut all connections, whatever runs on them; how many there were."""
        there = list(self._open)
        self._open.clear()
        for connection in there:
            connection.terminate()
        return len(there)

    def retry_now(self) -> None:
        """Try to connect again at once: there is reason to hope."""
        self._wake.set()
        self._wake = trio.Event()

    async def work(self) -> None:
        """One worker: keep a connection, and run queries on it. Runs inside the asyncio loop."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            connection, server = await self._reach()
            if connection is None:
                self._disconnected()
                with trio.move_on_after(pause):
                    await self._wake.wait()
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            self._open.add(connection)
            self.reason = ""
            self.changed()
            try:
                await self._serve(connection, self._patience(server))
            finally:
                self._open.discard(connection)
                connection.terminate()
            self._disconnected()

    async def _reach(self) -> tuple[asyncpg.Connection | None, Server]:
        for server in self.servers:
            connection = await self._connect(server)
            if connection is not None:
                return connection, server
        return None, self.servers[-1]

    def _patience(self, server: Server) -> float:
        return math.inf if server is self.servers[0] else FALLBACK_SECONDS

    def _disconnected(self) -> None:
        if self.connected == 0:
            while True:
                try:
                    job = self._receive.receive_nowait()
                except trio.WouldBlock:
                    break
                job.caller.reply(Unavailable(self.reason))
        self.changed()

    async def _connect(self, server: Server) -> asyncpg.Connection | None:
        url = ""
        try:
            url = server.address()
            return await trio_asyncio.aio_as_trio(connect)(
                url, f"stockstream {self.name}", self.settings.seconds
            )
        except DatabaseError as error:
            self.reason = str(error)
        # The driver raises what it likes for what a server may answer.
        except Exception as error:  # noqa: BLE001
            self.reason = why_not_connected(error, url, server.setting)
        return None

    async def _serve(self, connection: asyncpg.Connection, seconds: float) -> None:
        until = trio.current_time() + seconds
        while not connection.is_closed():
            job = await self._next(connection, until)
            if job is None:
                break
            await self._perform(job, connection)
        if connection.is_closed() and not self.reason:
            self.reason = "the connection was lost"

    async def _next(self, connection: asyncpg.Connection, until: float) -> Job | None:
        """The next job; None when the connection ends meanwhile, or at `until`."""
        with trio.CancelScope(deadline=until) as idle:

            def stop(_connection: object) -> None:
                idle.cancel()

            connection.add_termination_listener(stop)
            try:
                return await self._receive.receive()
            finally:
                connection.remove_termination_listener(stop)
        return None

    async def _perform(self, job: Job, connection: asyncpg.Connection) -> None:
        self.queries += 1
        try:
            # The driver's own timeouts ask the server to cancel, and wait for it: in vain when it
            # hangs. And it does not wake whoever waits to write to a connection that was lost.
            running = job.query.run(asked_through(connection))
            answer = await trio_asyncio.aio_as_trio(within)(
                self.settings.seconds, running, connection.terminate
            )
        except DatabaseError as error:
            answer = error
        # Whatever goes wrong in a query is the answer to who asked, not the lane's end.
        except Exception as error:  # noqa: BLE001
            closed = connection.is_closed()
            answer = why_not_answered(error, closed=closed)
            in_order = isinstance(error, asyncpg.PostgresError) or (
                isinstance(answer, Rejected) and not closed and not connection.is_in_transaction()
            )
            if not in_order:
                connection.terminate()  # what state it is in is not known
                self.reason = str(answer)
        self._note(type(job.query).__name__, answer)
        job.caller.reply(answer)

    def _note(self, query: str, answer: object) -> None:
        """Count a failure, and log each new one: a recorder tries again four times a second."""
        if not isinstance(answer, DatabaseError):
            self._told.pop(query, None)
            return
        self.failed += 1
        kind = type(answer).__name__
        if self._told.get(query) != kind:
            self._told[query] = kind
            _log.warning("query failed", query=query, reason=str(answer))
