"""The gateway to the database: all actors ask it by message; an outage never crashes it.

It starts disconnected and connects in the background, with back-off; meanwhile it answers
`Unavailable`. Before the first query to the primary it brings the schema up to date. A gateway
that is killed terminates its connections synchronously, and the server rolls back what was open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
import trio

from stockstream.database import migrations
from stockstream.database.connecting import asked_through, connect
from stockstream.database.deadlines import within
from stockstream.database.freshness import Freshness
from stockstream.database.migrations import MigrationFailed
from stockstream.database.pool import (
    COMMAND_SECONDS,
    NOT_YET,
    RETRIES,
    WAIT_SECONDS,
    Job,
    Pool,
    PoolSettings,
)
from stockstream.database.query import Ask, DatabaseError, NotYet, Purpose
from stockstream.database.schema_version import SchemaVersion
from stockstream.database.troubles import why_not_connected
from stockstream.histogram import Histogram
from stockstream.messages import CutConnections, Reconnect, ServerFailed, ServerReady
from stockstream.pauses import Pauses
from stockstream.statuses import DatabaseStatus, PoolFigures
from stockstream.times import Moment
from supervision import Actor, Caller, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.asyncio_thread import AsyncioLoop, AsyncioThread
    from stockstream.database.servers import Server
    from supervision import ExitReason, Slot

MAINTENANCE_SECONDS = 120.0
ROWS_CONNECTIONS = 2
COUNT_SECONDS = 1.0
"""How often the row is written for the sake of its counts alone."""

_log: BoundLogger = structlog.get_logger("database")


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the database is, and how much of it is used.

    `read`, where set, is asked first by history queries. `migrate` is off for the commands
    that look at the schema itself.
    """

    primary: Server
    read: Server | None = None
    readers: int = 4
    waiting: int = 32
    migrate: bool = True
    pools: Mapping[Purpose, PoolSettings] = field(default_factory=dict)

    def of_pool(self, name: Purpose) -> PoolSettings:
        """The pool's settings, with the defaults of its kind."""
        defaults = {
            Purpose.WRITE: PoolSettings(1, 4),
            Purpose.READ: PoolSettings(self.readers, self.waiting),
            Purpose.MAINTENANCE: PoolSettings(1, 8, MAINTENANCE_SECONDS),
            Purpose.ROWS: PoolSettings(ROWS_CONNECTIONS, self.waiting),
        }
        return self.pools.get(name, defaults[name])

    @property
    def connections(self) -> int:
        """How many a node may have to the primary; without a replica, history asks that too."""
        return sum(self.of_pool(name).size for name in Purpose)


class _Count:
    """Time to write down how many queries there were."""


class Database(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(
        self,
        settings: DatabaseSettings,
        statuses: Slot[DatabaseStatus],
        asyncio_thread: AsyncioThread,
        figures: Slot[PoolFigures] | None = None,
    ) -> None:
        """`figures` is where it says what waits, where anybody wants to know."""
        self._settings = settings
        self._asyncio_thread = asyncio_thread
        self._statuses = statuses
        last = statuses.value
        self._counted_before = (0, 0) if last is None else (last.queries, last.failed)
        self._figures = figures
        row = None if figures is None else figures.value
        waits = {} if row is None else row.waits
        self._refused_before = {} if row is None else row.refused
        self._wake = trio.Event()
        self._server_trouble = ""
        self._ending = False
        self._replica_told = ""
        servers = (settings.primary,)
        readers = servers if settings.read is None else (settings.read, *servers)
        positions = None if settings.read is None else Freshness()
        looked_at = {Purpose.READ, Purpose.ROWS}  # pools without long queries
        self._pools = {
            name: Pool(
                name.value,
                readers if name is Purpose.READ else servers,
                settings.of_pool(name),
                self._tell,
                positions if name in looked_at else None,
                waits.get(name.value) or Histogram(WAIT_SECONDS),
            )
            for name in Purpose
        }

    async def init(self) -> None:
        """Begin to connect."""
        self._tell()
        self.send_every(COUNT_SECONDS, _Count())
        self.tasks.start_soon(self._run)

    async def terminate(self, _reason: ExitReason) -> None:
        """Report no more changes: the connections end because the gateway was stopped."""
        self._ending = True

    @replies_later(Ask)
    def _on_ask(self, request: Ask[Any], caller: Caller[Any]) -> None:
        self._pools[request.query.purpose].put(Job(request.query, caller))

    @handles(_Count)
    def _on_count(self, _message: _Count) -> None:
        self._tell()

    @handles(CutConnections)
    def _on_cut(self, _request: CutConnections) -> int:
        return self._cut()

    @handles(Reconnect)
    def _on_reconnect(self, _request: Reconnect) -> int:
        cut = self._cut()
        self._try_now()
        return cut

    @handles(ServerFailed)
    def _on_server_failed(self, message: ServerFailed) -> None:
        self._server_trouble = message.reason
        self._tell()

    @handles(ServerReady)
    def _on_server_ready(self, _message: ServerReady) -> None:
        self._server_trouble = ""
        self._try_now()

    def _try_now(self) -> None:
        self._wake.set()
        self._wake = trio.Event()
        for pool in self._pools.values():
            pool.retry_now()

    async def _run(self) -> None:
        with self._asyncio_thread.use() as loop:
            await self._work(loop)

    async def _work(self, loop: AsyncioLoop) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.watch)
            nursery.start_soon(self._end_with_us)
            early = self._settings.read is not None  # a replica has the schema of its primary
            if early:
                self._start(nursery, loop, self._pools[Purpose.READ])
            await self._prepare(loop)
            for name, pool in self._pools.items():
                if not (early and name is Purpose.READ):
                    self._start(nursery, loop, pool)
            await trio.sleep_forever()

    async def _end_with_us(self) -> None:
        # A worker whose query is cancelled waits for the driver, and the driver waits for a server
        # that may hang. After the cut neither has to wait.
        try:
            await trio.sleep_forever()
        finally:
            self._cut()
            for pool in self._pools.values():
                pool.changed = _nothing  # breaks the cycle between the pools and the gateway

    def _cut(self) -> int:
        connections = sum(pool.cut() for pool in self._pools.values())
        for pool in self._pools.values():
            pool.reason = "the connection was cut"
        self._tell()
        return connections

    def _start(self, nursery: trio.Nursery, loop: AsyncioLoop, pool: Pool) -> None:
        for _ in range(pool.settings.size):
            nursery.start_soon(pool.work, loop)

    async def _prepare(self, loop: AsyncioLoop) -> None:
        """Bring the schema up to date; retries for as long as the primary is away."""
        pauses, told = Pauses(RETRIES), ""
        while True:
            try:
                await self._bring_up_to_date(loop)
            except (DatabaseError, MigrationFailed) as error:
                reason, calm = str(error), isinstance(error, NotYet)
            else:
                return
            if reason != told:
                told = reason
                if calm:
                    _log.info("prices are spooled until the database has started")
                else:
                    _log.warning(
                        "no database; prices are spooled until there is one", reason=reason
                    )
            for pool in self._pools.values():
                if pool.connected == 0:
                    pool.reason = reason
            self._tell()
            with trio.move_on_after(pauses.take()):
                await self._wake.wait()

    async def _bring_up_to_date(self, loop: AsyncioLoop) -> None:
        url = self._settings.primary.address()
        known = migrations.versions()
        try:
            there = await loop.run(schema_version, url)
        # The driver may raise any exception for a strange answer of a server.
        except Exception as error:
            setting = self._settings.primary.setting
            raise MigrationFailed(why_not_connected(error, url, setting)) from error
        if not self._settings.migrate:
            return
        if there.version == known[-1]:
            if there.is_for_fewer_than(migrations.usable_from(known[-1])):
                await self._say_who_may_use_it(url)
            return
        if there.is_newer(known):
            if not there.is_usable(known):
                raise MigrationFailed(there.why_not(known))
            _log.warning(
                "the schema is of a newer program, and is used as it is",
                schema=there.version,
                known=known[-1],
            )
            return
        try:
            done = await migrations.migrate(url)
        except MigrationFailed as error:
            setting = self._settings.primary.setting
            raise MigrationFailed(f"{setting}: the schema cannot be made: {error}") from error
        for line in done:
            _log.info("schema migrated", done=line)

    async def _say_who_may_use_it(self, url: str) -> None:
        """Of more programs than was said when it was migrated. Without it this one goes on."""
        try:
            await migrations.migrate(url)
        except MigrationFailed as error:
            _log.warning(
                "older programs are not told that they may use the schema", reason=str(error)
            )

    def _tell(self) -> None:
        """Store the status in its table, and log each change of it."""
        pools = self._pools
        up = pools[Purpose.WRITE].connected > 0
        last = self._statuses.value
        turned = last is None or last.up != up
        # The actor that runs the server knows more than a pool that cannot reach it.
        reason = "" if up else self._server_trouble or pools[Purpose.WRITE].reason
        if turned and last is not None and not self._ending:
            if up:
                _log.info("the database is there")
            else:
                _log.warning("the database is away", reason=reason)
        queries, failed = self._counted_before
        row = DatabaseStatus(
            up=up,
            reason=reason,
            since=Moment.now() if last is None or turned else last.since,
            connections={name.value: pool.connected for name, pool in pools.items()},
            queries=queries + sum(pool.queries for pool in pools.values()),
            failed=failed + sum(pool.failed for pool in pools.values()),
            replica=None if self._settings.read is None else pools[Purpose.READ].replica(),
        )
        if row.replica is not None and not self._ending:
            self._log_replica(row.replica.reason)
        self._statuses.put(row)
        self._count_waits()

    def _count_waits(self) -> None:
        if self._figures is not None:
            pools = {name.value: pool for name, pool in self._pools.items()}
            before = self._refused_before
            refused = {name: before.get(name, 0) + pool.refused for name, pool in pools.items()}
            waiting = {name: pool.waiting for name, pool in pools.items()}
            waits = {name: pool.waits for name, pool in pools.items()}
            self._figures.put(PoolFigures(waiting, refused, waits))

    def _log_replica(self, trouble: str) -> None:
        if trouble in {self._replica_told, NOT_YET}:
            return
        if trouble:
            _log.warning("the replica is in trouble", reason=trouble)
        elif self._replica_told:
            _log.info("the replica is well again")
        self._replica_told = trouble


def _nothing() -> None:
    pass


async def schema_version(url: str) -> SchemaVersion:
    """The schema's version at `url`, None where there is none yet. Runs under asyncio."""
    connection = await connect(url, "stockstream start", COMMAND_SECONDS)
    try:
        return await within(
            COMMAND_SECONDS, SchemaVersion.of(asked_through(connection)), connection.terminate
        )
    finally:
        connection.terminate()
