"""A node: the product's own tree, without what needs a network, a disk or a database.

The tree is put together by the functions of `stockstream.application`. In place of the web server
stands an actor that has the product's own code for clients serve sockets in memory.
"""

from __future__ import annotations

import contextvars
import itertools
import os
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, cast
from unittest.mock import patch

import trio

from stockstream import application, paths
from stockstream.config import Settings
from stockstream.delivery.lanes import Connections
from stockstream.delivery.limits import ClientLimits
from stockstream.delivery.messages import Farewell
from stockstream.pubsub import PubSub
from stockstream.tables import Tables
from stockstream.times import now_ms
from stockstream.upstreams import Upstream
from supervision import Actor, CallError, ChildSpec, Down, System, handles
from tests.simulation.randomness import wall_clock
from tests.simulation.upstream import MemoryProvider
from web.live.clients import Clients
from web.parts import Parts, WebSettings
from web.server import Disconnected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stockstream.chaos.records import ChaosRecords
    from stockstream.telemetry.telemetry import Telemetry
    from supervision import Event, ExitReason
    from tests.simulation.sockets import MemorySocket
    from tests.simulation.upstream import Exchange

UPSTREAM = "api"
DRAIN_SECONDS = 2.0
RECORD_SECONDS = 1.0
WALL_CLOCK_START_NS = 1_800_000_000 * 10**9


@cache
def settings_of(number: int) -> Settings:
    """The defaults, whatever the environment says."""
    with patch.dict(os.environ, {}, clear=True):
        return Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_directory=Path("/nonexistent"),
            node_name=f"n{number}",
            stock_api_url="http://upstream.invalid",
            secret_key_base="0" * 32,  # type: ignore[arg-type]
            admin_token="0" * 32,  # type: ignore[arg-type]
        )


class _Record:
    """Time to record."""


class MemoryRecorder(Actor):
    """Takes what was published out of the outbox, in place of the database."""

    def __init__(self, tables: Tables, record: Callable[[int, int, str], None]) -> None:
        self._outbox = tables.outbox
        self._record = record

    async def init(self) -> None:
        """Begin."""
        self.send_every(RECORD_SECONDS, _Record())

    @handles(_Record)
    def _on_record(self, _message: _Record) -> None:
        while batches := self._outbox.waiting(100):
            for batch in batches:
                for row in batch.rows:
                    version = row.quote.version
                    self._record(version.epoch, version.seq, row.quote.symbol)
            self._outbox.acknowledge(batches[-1].number)


class MemoryWeb(Actor):
    """Serves sockets in memory; its drain is that of `web.actor.Web`."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(self, node: Node) -> None:
        self._node = node
        self._left = trio.Event()

    async def init(self) -> None:
        """Accept connections."""
        node, system = self._node, self.system
        parts = Parts(
            settings=cast("WebSettings", node.web_settings),
            tables=node.tables,
            connections=node.connections,
            chaos=cast("ChaosRecords", None),
            telemetry=cast("Telemetry", None),
            system=system,
            broadcaster=system.ref(paths.BROADCASTER),
            manager=system.ref(paths.SUBSCRIPTION_MANAGER),
            sessions=system.ref(paths.SESSIONS),
            database=system.ref(paths.DATABASE),
            alerts=system.ref(paths.ALERTS),
            webhooks=system.ref(paths.WEBHOOKS),
        )
        self.clients = Clients(self, parts)
        node.web = self
        node.started.set()

    async def terminate(self, reason: ExitReason) -> None:
        """Say farewell and close with 1012."""
        self._node.web = None
        with suppress(CallError):
            await self.system.ref(paths.BROADCASTER).call(Farewell(0.5, 5.0), timeout=1.0)
        self.clients.close_all()
        with trio.move_on_after(DRAIN_SECONDS):
            while len(self.clients):
                self._left = trio.Event()
                await self._left.wait()

    @handles(Down)
    def _on_session_down(self, message: Down) -> None:
        self.clients.session_down(message)

    async def serve(self, socket: MemorySocket) -> None:
        """Serve one socket to its end."""
        try:
            await self.clients.handle(socket)  # type: ignore[arg-type]
        except Disconnected:
            pass
        finally:
            socket.hang_up()
            self._left.set()


class Node:
    """A node over all its lives. What it keeps between two is its disk and its wall clock."""

    def __init__(
        self,
        number: int,
        exchange: Exchange,
        true_ns: Callable[[], int],
        told: Callable[[int, Event], None],
        recorded: Callable[[int, int, int, str], None],
    ) -> None:
        self.number = number
        self.name = f"n{number}"
        self.skew = 0.0
        self.settings = settings_of(number)
        self._exchange = exchange
        self._true_ns = true_ns
        self._told = told
        self._recorded = recorded
        self._epoch = 0
        self._numbers = itertools.count(1)
        self._context = contextvars.copy_context()
        self._context.run(wall_clock.set, self.wall_ns)
        self._scope = trio.CancelScope()
        self.lives = 0
        self.system: System | None = None
        self.web: MemoryWeb | None = None
        self.ended: ExitReason | None = None
        self.tables = Tables()
        self.connections = Connections()
        self.started, self.stopped = trio.Event(), trio.Event()

    def wall_ns(self) -> int:
        """Its wall clock."""
        return self._true_ns() + round(self.skew * 1e9)

    @property
    def up(self) -> bool:
        """Whether clients can connect."""
        return self.web is not None

    # Its life

    def start(self, nursery: trio.Nursery) -> None:
        """Begin a life; a no-op while there is one."""
        if self.system is None:
            self._context.run(nursery.start_soon, self._live)

    async def _live(self) -> None:
        self.lives += 1
        self.stopped = trio.Event()
        self.tables, self.connections = Tables(), Connections()
        self.system = System()
        self.ended = None
        self.system.subscribe(partial(self._told, self.number))
        with self._stubs():
            root = self._tree()
        with trio.CancelScope() as self._scope:
            self.ended = await self.system.run(root)
        self.system = self.web = None
        self.stopped.set()

    def kill(self) -> None:
        """End it at once, as SIGKILL does."""
        self.web = None
        self._scope.cancel()

    def leave(self) -> None:
        """Have it stop in order, as SIGTERM does."""
        if self.system is not None:
            self.system.stop()

    def connect(self, socket: MemorySocket) -> bool:
        """Take a connection; False when nobody listens."""
        if self.web is None:
            return False
        self._context.run(self.web.tasks.start_soon, self.web.serve, socket)
        return True

    # How it is made

    @property
    def web_settings(self) -> SimpleNamespace:
        """What of `WebSettings` the code for clients reads."""
        settings = self.settings
        return SimpleNamespace(
            numbers=self._numbers,
            node=self.name,
            limits=ClientLimits(
                settings.max_message_size,
                settings.message_rate,
                settings.message_burst,
                settings.max_symbols_per_connection,
            ),
            heartbeat=settings.heartbeat,
            max_connections=settings.max_connections,
            max_connections_per_address=settings.max_connections_per_address,
            hosts=SimpleNamespace(allow=lambda host: True),
            users=SimpleNamespace(user_of=lambda cookies: None),
            allowed_origins=(),
            trusted_proxies=(),
            wall_clock_ms=now_ms,
        )

    def _tree(self) -> ChildSpec:
        settings, tables = self.settings, self.tables
        upstreams = [Upstream(UPSTREAM, "http://upstream.invalid")]
        feeds = [paths.feed(UPSTREAM)]
        recorder = partial(MemoryRecorder, tables, partial(self._recorded, self.number))
        return application._one_for_one(
            "root",
            [
                ChildSpec("pubsub", partial(PubSub, (paths.BROADCASTER,))),
                application._one_for_one("history", [ChildSpec("recorder", recorder)]),
                application._market(settings, tables, upstreams),
                application._delivery(settings, tables, self.connections, feeds),
                ChildSpec("web", partial(MemoryWeb, self), shutdown=9.0),
            ],
        )

    @contextmanager
    def _stubs(self) -> Iterator[None]:
        """While the tree is put together: the upstream and the disk are the world's."""
        provider = partial(MemoryProvider, self._exchange, self.number)
        with ExitStack() as stack:
            stack.enter_context(patch.object(application, "from_url", lambda *_args: provider()))
            stack.enter_context(patch.object(application, "claim_epoch", self._claim_epoch))
            yield

    def _claim_epoch(self, _directory: Path) -> int:
        self._epoch = max(self._epoch + 1, self.wall_ns() // 1_000_000)
        return self._epoch
