"""A pool: a few connections to the database, each kept by a worker, and the queries that wait.

Where a replica is asked first, each connection asks its server for its position in the log. The
pool leaves a replica that is too far behind for the primary, and checks it again later, like one
that is away.

asyncpg is used here, in `connecting.py`, `troubles.py` and the migrations. Workers are tasks of the
gateway's; their calls of the driver run in the asyncio thread. A connection belongs to its worker,
which cuts it synchronously when the worker ends, by an error or a cancellation, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog
import trio

from stockstream import spans
from stockstream.database import freshness
from stockstream.database.connecting import asked_through, connect, hang_up
from stockstream.database.deadlines import within
from stockstream.database.query import Answered, DatabaseError, Exhausted, Rejected, Unavailable
from stockstream.database.replication import FetchWalPosition
from stockstream.database.troubles import why_not_answered, why_not_connected
from stockstream.histogram import Histogram
from stockstream.pauses import Pauses
from stockstream.statuses import ReplicaStatus
from stockstream.times import Moment
from supervision import Backoff, correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.asyncio_thread import AsyncioLoop
    from stockstream.database.freshness import Freshness
    from stockstream.database.query import Query
    from stockstream.database.servers import Server
    from supervision import Caller

R = TypeVar("R")

COMMAND_SECONDS = 5.0
RETRIES = Backoff(first=0.1, longest=5.0)
"""The retry of a worker that finds no server. With jitter: all workers of all nodes lose it at
once."""
FALLBACK_SECONDS = 15.0
"""How long a reader stays with a server that is not its first choice before it checks again."""
TURN_SECONDS = 0.5
"""How long it waits while another worker checks: one at a time, so that the others answer."""

WAIT_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
"""The buckets of the time that queries wait for a connection."""

UNTOLD = "the server does not say how far it is behind the primary"
_OF_POSTGRES = {"db.system.name": "postgresql"}
NOT_YET = "not connected yet"
"""The reason before the first attempt has ended."""

_log: BoundLogger = structlog.get_logger("database")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """`size` connections; `waiting` queries beyond them; `seconds` for each."""

    size: int
    waiting: int
    seconds: float = COMMAND_SECONDS


@dataclass(frozen=True, slots=True)
class Job:
    """A query, the caller that waits for its answer, and the context for its log lines. It waits
    `since` then, on trio's clock.
    """

    query: Query[Any]
    caller: Caller[Any]
    correlation: str | None = field(default_factory=correlation_id.get)
    since: float = field(default_factory=trio.current_time)


class _End:
    """The end of a connection, as the driver reports it. It cancels `idle`."""

    __slots__ = ("has_come", "idle")

    def __init__(self) -> None:
        self.has_come = False
        self.idle = trio.CancelScope()

    def come(self) -> None:
        """It is there."""
        self.has_come = True
        self.idle.cancel()


@dataclass(eq=False, slots=True)
class Link:
    """A worker's connection. A replica has, at least, what was committed before `as_of`.

    At `leave_at` (trio's clock) its worker looks for a better server. At `look_at` it asks its own
    server for its position.
    """

    loop: AsyncioLoop
    connection: asyncpg.Connection
    end: _End
    server: Server
    leave_at: float
    look_at: float
    as_of: Moment | None = None
    serves: bool = False
    """Only after its server was checked, and found no worse than the others."""

    @property
    def closed(self) -> bool:
        """Whether it has ended, as far as is known by now."""
        return self.end.has_come or self.connection.is_closed()

    def cut(self) -> None:
        """End it, with any query on it; never waits, even if the asyncio loop hangs."""
        self.end.come()
        hang_up(self.connection)
        self.loop.post(self.connection.terminate)


@dataclass
class Pool:
    """See the module. `servers` are tried in order: a replica where there is one, the primary.

    With `positions` the servers are checked; `replica_trouble` says why a replica is not asked.
    `waits` is the live histogram of how long queries waited, in seconds.
    """

    name: str
    servers: tuple[Server, ...]
    settings: PoolSettings
    changed: Callable[[], None]
    positions: Freshness | None = None
    waits: Histogram = field(default_factory=lambda: Histogram(WAIT_SECONDS))
    queries: int = 0
    failed: int = 0
    refused: int = 0
    reason: str = NOT_YET
    replica_trouble: str = NOT_YET
    _open: set[Link] = field(default_factory=set)
    _last_as_of: Moment | None = None
    _turn_is_taken: bool = False
    _told: dict[str, str] = field(default_factory=dict)
    _wake: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Job](self.settings.waiting)

    @property
    def connected(self) -> int:
        """Connections with an open socket; one may be lost without its worker knowing it yet."""
        return len(self._serving)

    @property
    def waiting(self) -> int:
        """Queries that wait for a connection."""
        return self._receive.statistics().current_buffer_used

    @property
    def _serving(self) -> list[Link]:
        return [x for x in self._open if x.serves and not x.closed]

    def replica(self) -> ReplicaStatus:
        """The state of the replica by its connections now, or by the last ones if there are none.

        A connection that is only being checked does not count: no query goes there.
        """
        links = [link for link in self._serving if self._is_replica(link.server)]
        known = [link.as_of for link in links if link.as_of is not None]
        as_of = min(known, default=self._last_as_of)
        trouble = self.replica_trouble
        if not trouble and as_of is None:
            known_primary = self.positions is not None and self.positions.has_primary
            trouble = f"{self.servers[0].setting}: {UNTOLD}" if known_primary else NOT_YET
        return ReplicaStatus(len(links), as_of, trouble)

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
        """Cut all connections, with all queries on them; returns their number."""
        there = list(self._open)
        self._open.clear()
        for link in there:
            link.cut()
        return len(there)

    def retry_now(self) -> None:
        """Try to connect again at once: the server may be back."""
        self._wake.set()
        self._wake = trio.Event()

    async def work(self, loop: AsyncioLoop) -> None:
        """One worker: keep a connection, and run queries on it."""
        pauses = Pauses(RETRIES)
        while True:
            link = await self._reach(loop, self.servers)
            if link is None:
                self._disconnected()
                with trio.move_on_after(pauses.take()):
                    await self._wake.wait()
                continue
            pauses.reset()
            try:
                while not link.closed:
                    await self._serve(link)
                    link = await self._better(link)
            finally:
                self._drop(link)
            self._disconnected()

    async def _reach(self, loop: AsyncioLoop, servers: tuple[Server, ...]) -> Link | None:
        for server in servers:
            end = _End()
            connection = await self._connect(loop, server, end)
            if connection is not None:
                now = trio.current_time()
                leave_at = math.inf if server is self.servers[0] else now + FALLBACK_SECONDS
                look_at = math.inf if self.positions is None else now
                link = Link(loop, connection, end, server, leave_at, look_at)
                self._open.add(link)
                return link
            if self._is_replica(server):
                self.replica_trouble = self.reason
        return None

    async def _better(self, link: Link) -> Link:
        """A better connection than `link`, whose time is over; else `link`, for a while longer."""
        if link.closed:
            return link
        if self._turn_is_taken:
            link.leave_at = trio.current_time() + TURN_SECONDS
            return link
        self._turn_is_taken = True
        other, better = None, False
        try:
            rest = tuple(server for server in self.servers if server is not link.server)
            other = await self._reach(link.loop, rest)
            if other is not None:
                await self._look(other)
                better = not other.closed and other.leave_at > trio.current_time()
        finally:
            self._turn_is_taken = False
            if other is not None and not better:
                self._drop(other)
        self.reason = ""
        if other is None or not better:
            link.leave_at = trio.current_time() + FALLBACK_SECONDS
            return link
        self._drop(link)
        return other

    def _drop(self, link: Link) -> None:
        self._open.discard(link)
        link.cut()

    def _is_replica(self, server: Server) -> bool:
        return len(self.servers) > 1 and server is self.servers[0]

    def _disconnected(self) -> None:
        if self.connected == 0:
            while True:
                try:
                    job = self._receive.receive_nowait()
                except trio.WouldBlock:
                    break
                job.caller.reply(Unavailable(self.reason))
        self.changed()

    async def _connect(
        self, loop: AsyncioLoop, server: Server, end: _End
    ) -> asyncpg.Connection | None:
        def ended(_connection: object) -> None:
            loop.tell(end.come)

        url = ""
        try:
            url = server.address()
            return await loop.run(
                _open,
                url,
                f"stockstream {self.name}",
                self.settings.seconds,
                ended,
                discard=asyncpg.Connection.terminate,
            )
        except DatabaseError as error:
            self.reason = str(error)
        # The driver may raise any exception for a strange answer of a server.
        except Exception as error:  # noqa: BLE001
            self.reason = why_not_connected(error, url, server.setting)
        return None

    async def _serve(self, link: Link) -> None:
        """Run queries until the connection ends, or until it is to be left."""
        while not link.closed and trio.current_time() < link.leave_at:
            if trio.current_time() >= link.look_at:
                await self._look(link)
                continue
            if not link.serves:
                link.serves = True
                self.reason = ""
                self.changed()
            job = await self._next(link)
            if job is not None:
                await self._perform(job, link)
        if link.closed and not self.reason:
            self.reason = "the connection was lost"

    async def _look(self, link: Link) -> None:
        """Ask its server for its position, and decide whether to stay with it."""
        if self.positions is None:
            return
        asked = Moment.now()
        found = await self._ask(FetchWalPosition(), link)
        position = None if isinstance(found, DatabaseError) else found
        link.look_at = trio.current_time() + freshness.LOOK_SECONDS
        if not self._is_replica(link.server):
            self.positions.note(position, asked)
            return
        # It keeps the data it had, even if it does not tell its position now.
        link.as_of = self._last_as_of = self.positions.as_of(position) or link.as_of
        if not self.positions.is_late(link.as_of):
            self.replica_trouble, link.leave_at = "", math.inf
        elif link.leave_at == math.inf:
            setting, seconds = link.server.setting, freshness.LATE_SECONDS
            self.replica_trouble = f"{setting}: the replica is over {seconds:g} s behind"
            link.leave_at = trio.current_time()
        self.changed()

    async def _next(self, link: Link) -> Job | None:
        """The next job; None when the connection ends meanwhile, or a check is due."""
        with trio.CancelScope(deadline=min(link.leave_at, link.look_at)) as link.end.idle:
            return await self._receive.receive()
        return None

    async def _perform(self, job: Job, link: Link) -> None:
        self.queries += 1
        self.waits.add(trio.current_time() - job.since)
        as_of = link.as_of  # before the query: a later value may claim more than the query sees
        before = correlation_id.set(job.correlation)
        name = type(job.query).__name__
        try:
            with spans.child(name, "client", _OF_POSTGRES) as span:
                answer = await self._ask(job.query, link)
                if isinstance(answer, DatabaseError):
                    span.fail(type(answer).__name__)
            self._note(name, answer)
        finally:
            correlation_id.reset(before)
        job.caller.reply(answer if isinstance(answer, DatabaseError) else Answered(answer, as_of))

    async def _ask(self, query: Query[R], link: Link) -> R | DatabaseError:
        connection = link.connection
        try:
            # The driver's own timeouts ask the server to cancel and wait for it, for ever if it
            # hangs. And the driver does not wake a writer whose connection was lost.
            return await link.loop.run(_run, query, connection, self.settings.seconds)
        except DatabaseError as error:
            return error
        # An error of a query goes to its caller; it must not end the pool.
        except Exception as error:  # noqa: BLE001
            closed = link.closed
            trouble = why_not_answered(error, closed=closed)
            in_order = isinstance(error, asyncpg.PostgresError) or (
                isinstance(trouble, Rejected) and not closed and not connection.is_in_transaction()
            )
            if not in_order:
                link.cut()  # its state is not known
                self.reason = str(trouble)
            return trouble

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


async def _open(
    url: str, name: str, seconds: float, ended: Callable[[object], None]
) -> asyncpg.Connection:
    """Connect; `ended` is called in the loop when the connection has ended."""
    connection = await connect(url, name, seconds)
    connection.add_termination_listener(ended)
    return connection


async def _run(query: Query[R], connection: asyncpg.Connection, seconds: float) -> R:
    """Have a query answer within its limit. Runs under asyncio."""
    return await within(seconds, query.run(asked_through(connection)), connection.terminate)
