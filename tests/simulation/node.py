"""A node: the product's own tree, without what needs a network, a disk or a database.

The tree is put together by the functions of `stockstream.application`. In place of the web server
stands an actor that has the product's own code for clients serve sockets in memory.
"""

from __future__ import annotations

import contextvars
import dataclasses
import itertools
import os
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, cast
from unittest.mock import patch

import trio

from stockstream import application, part_settings, paths
from stockstream.changing_secrets import Current
from stockstream.config import Settings
from stockstream.delivery.lanes import Connections
from stockstream.delivery.messages import Farewell
from stockstream.pubsub import PubSub
from stockstream.tables import Tables
from stockstream.upstreams import Upstream
from supervision import Actor, CallError, ChildSpec, Down, System, handles
from tests.simulation.nats import MemoryLink, NoThread
from tests.simulation.randomness import node_number, wall_clock
from tests.simulation.upstream import MemoryProvider
from web.audited import Audit
from web.live.clients import Clients
from web.parts import Parts
from web.server import Disconnected
from web.users.principal import Principals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stockstream.application import Addresses
    from stockstream.asyncio_thread import AsyncioThread
    from stockstream.chaos.records import ChaosRecords
    from stockstream.telemetry.telemetry import Telemetry
    from supervision import Event, ExitReason
    from tests.simulation.nats import MemoryNats
    from tests.simulation.sockets import MemorySocket
    from tests.simulation.upstream import Exchange
    from web.parts import WebSettings

UPSTREAM = "api"
UPSTREAMS = (Upstream(UPSTREAM, "http://upstream.invalid"),)
NATS_URL = "nats://memory:4222"
DRAIN_SECONDS = 2.0
RECORD_SECONDS = 1.0
_link_of: ContextVar[Callable[[Sequence[str]], MemoryLink]] = ContextVar("link_of")
WALL_CLOCK_START_NS = 1_800_000_000 * 10**9


@cache
def settings_of(number: int, shards: int | None) -> Settings:
    """The defaults, whatever the environment says; in a cluster where there are `shards`."""
    clustered = {} if shards is None else {"cluster_nats_url": NATS_URL, "fetch_shards": shards}
    with patch.dict(os.environ, {}, clear=True):
        return Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_directory=Path("/nonexistent"),
            node_name=f"n{number}",
            stock_api_url="http://upstream.invalid",
            secret_key_base="0" * 32,  # type: ignore[arg-type]
            admin_token="0" * 32,  # type: ignore[arg-type]
            **clustered,  # type: ignore[arg-type]
        )


def link(
    _access: object, _name: object, _inbox: object, subjects: Sequence[str], _dropped: object
) -> MemoryLink:
    """Stands for the class `Link` in the bus: the link of the node whose code runs."""
    return _link_of.get()(subjects)


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
            settings=node.web_settings,
            tables=node.tables,
            connections=node.connections,
            chaos=cast("ChaosRecords", None),
            telemetry=cast("Telemetry", None),
            system=system,
            principals=Principals(node.web_settings, node.tables, system),
            audit=Audit(node.tables.audit_inbox, system.ref(paths.AUDIT), node.web_settings.node),
            broadcaster=system.ref(paths.BROADCASTER),
            manager=system.ref(paths.SUBSCRIPTION_MANAGER),
            sessions=system.ref(paths.SESSIONS),
            database=system.ref(paths.DATABASE),
            alerts=system.ref(paths.ALERTS),
            webhooks=system.ref(paths.WEBHOOKS),
        )
        self.clients = Clients(self, parts)
        self.context = contextvars.copy_context()  # its handlers write its tables
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
        nats: MemoryNats,
        shards: int | None,
        true_ns: Callable[[], int],
        told: Callable[[int, Event], None],
        recorded: Callable[[int, int, int, str], None],
    ) -> None:
        """One of a cluster, where there are `shards`."""
        self.number = number
        self.name = f"n{number}"
        self.skew = 0.0
        self.settings = settings_of(number, shards)
        self.clustered = shards is not None
        self.shards = shards or 1
        self._nats = nats
        self._exchange = exchange
        self._true_ns = true_ns
        self._told = told
        self._recorded = recorded
        self._epoch = 0
        self._numbers = itertools.count(1)
        self._context = contextvars.copy_context()
        self._context.run(wall_clock.set, self.wall_ns)
        self._context.run(node_number.set, number)
        self._context.run(_link_of.set, partial(MemoryLink, nats, number))
        self._scope = trio.CancelScope()
        self.lives = 0
        self.system: System | None = None
        self.web: MemoryWeb | None = None
        self.web_settings: WebSettings
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
            settings = part_settings.web(self.settings, (), UPSTREAMS)
            self.web_settings = dataclasses.replace(settings, numbers=self._numbers)
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
        self.web.context.run(self.web.tasks.start_soon, self.web.serve, socket)
        return True

    # How it is made

    def _tree(self) -> ChildSpec:
        settings, tables = self.settings, self.tables
        feeds = [paths.feed(UPSTREAM)]
        recorder = partial(MemoryRecorder, tables, partial(self._recorded, self.number))
        children = [
            ChildSpec("pubsub", partial(PubSub, [paths.BROADCASTER, *self._more_subscribers])),
            application._one_for_one("history", [ChildSpec("recorder", recorder)]),
            application._market(Current(settings), tables, UPSTREAMS),
            application._delivery(settings, tables, self.connections, feeds),
            ChildSpec("web", partial(MemoryWeb, self), shutdown=9.0),
        ]
        if self.clustered:
            addresses = cast("Addresses", SimpleNamespace(own_url=f"http://{self.name}"))
            thread = cast("AsyncioThread", NoThread())
            cluster = application._cluster(Current(settings), addresses, tables, UPSTREAMS, thread)
            children.insert(2, cluster)
        return application._one_for_one("root", children)

    @property
    def _more_subscribers(self) -> list[str]:
        return [paths.BUS] if self.clustered else []

    @contextmanager
    def _stubs(self) -> Iterator[None]:
        """While the tree is put together: the upstream and the disk are the world's."""
        provider = partial(MemoryProvider, self._exchange, self.number)
        with ExitStack() as stack:
            for module, name, stub in (
                (application, "poll_provider", lambda *_args: provider),
                (application, "claim_epoch", self._claim_epoch),
                (part_settings, "claim_epoch", self._claim_epoch),
                (part_settings, "kept_instance", lambda _directory: "simulated"),
                (part_settings, "front_end", lambda: None),
                (part_settings, "keep_epoch", self._keep_epoch),
            ):
                stack.enter_context(patch.object(module, name, stub))
            yield

    def _keep_epoch(self, _directory: Path, epoch: int) -> None:
        self._epoch = max(self._epoch, epoch)

    def _claim_epoch(self, _directory: Path) -> int:
        self._epoch = max(self._epoch + 1, self.wall_ns() // 1_000_000)
        return self._epoch
