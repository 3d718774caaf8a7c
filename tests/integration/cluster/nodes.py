"""A node's bus with all that it talks to, on a real NATS server. What it tells is written down."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.cluster.bus import Bus, BusSettings
from stockstream.cluster.messages import BusUp, Heard, Say
from stockstream.cluster.nats_access import NatsAccess, read_servers
from stockstream.cluster.wire import Heartbeat
from stockstream.messages import BatchReceived, QuotesPublished
from stockstream.quotes import Quote, Symbol, Version
from stockstream.shards import NodeId
from stockstream.statuses import BusStatus, Member, Members, NodeState, QuoteRow
from stockstream.tables import Tables
from stockstream.times import Moment, now_ms
from supervision import Actor, ChildSpec, System, correlation_id, handles, supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

WAIT_SECONDS = 20.0
EPOCH = now_ms()

T = TypeVar("T")


def a_row(symbol: str, price: float, seq: int = 1) -> QuoteRow:
    """A row as a streamer makes it, now."""
    now = Moment.now().milliseconds
    quote = Quote(Symbol(symbol), price, EPOCH, "XNAS", "USD", False, Version(EPOCH, seq), now_ms())
    return QuoteRow(quote, price, None, steady=now, source="api", changed=now)


class Log:
    """All that the bus told anybody, in order."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self.ids: list[str | None] = []
        """Of each of them, the correlation id that it came with."""
        self._more = trio.Event()

    def add(self, message: object) -> None:
        self.all.append(message)
        self.ids.append(correlation_id.get())
        self._more.set()

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.all if isinstance(message, kind)]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds, looked at after each message."""
        with trio.fail_after(WAIT_SECONDS):
            while not holds():
                self._more = trio.Event()
                await self._more.wait()


class _Listener(Actor):
    def __init__(self, log: Log, tables: Tables | None = None) -> None:
        self._log = log
        self._tables = tables

    @handles(object)
    def _on(self, message: object) -> None:
        if isinstance(message, BatchReceived) and self._tables is not None:
            self._tables.quotes.put_all({row.quote.symbol: row for row in message.rows})
        elif isinstance(message, QuotesPublished) and self._tables is not None:
            self._tables.quotes.put_all({row.quote.symbol: row for row in message.rows})
            self.system.ref(paths.BUS).cast(message)
        elif isinstance(message, Members) and self._tables is not None:
            self._tables.members.put(message)
            return
        self._log.add(message)


class Node:
    """A node; `log` is what its bus told."""

    def __init__(self, name: str, system: System, tables: Tables, log: Log) -> None:
        self.id = NodeId(name, 1)
        self.system = system
        self.tables = tables
        self.log = log
        self._beats = 0

    @property
    def status(self) -> BusStatus:
        """The bus' row."""
        status = self.tables.bus.value
        assert status is not None
        return status

    def cast(self, message: object) -> None:
        """To the bus."""
        self.system.ref(paths.BUS).cast(message)

    def publish(self, *rows: QuoteRow) -> None:
        """As the streamer does: into the table, and to the bus."""
        self.system.ref(paths.STREAMER).cast(QuotesPublished(1, rows))

    def sees(self, *others: Node) -> None:
        """Those are ready members."""
        members = [
            Member(node.id, True, frozenset(), Moment.now(), "", None, None, 0.0, 0)
            for node in (self, *others)
        ]
        row = Members(self.id, NodeState.READY, tuple(members), {}, None, None)
        self.system.ref(paths.MEMBERSHIP).cast(row)

    def beat(self) -> None:
        """A heartbeat."""
        self._beats += 1
        self.cast(Say(Heartbeat(name=self.id.name, boot=self.id.boot, number=self._beats)))

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds of a table: those tell nobody."""
        with trio.fail_after(WAIT_SECONDS):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.02)

    async def up(self, times: int = 1) -> None:
        """Wait until it has been connected so often."""
        await self.log.until(lambda: len(self.log.of(BusUp)) >= times)

    async def begin(self) -> None:
        """Let it be up, and know that it is."""
        await self.up()
        for number in (1, 2):
            self.beat()
            await self.log.until(lambda n=number: self.own_echoes >= n)

    @property
    def own_echoes(self) -> int:
        """How many own heartbeats came back."""
        return sum(heard.message.sender == self.id for heard in self.log.of(Heard))

    def has_heard(self, other: NodeId) -> bool:
        """Whether a heartbeat of that one has come."""
        return any(heard.message.sender == other for heard in self.log.of(Heard))

    def received(self) -> dict[str, float]:
        """Prices that came, by symbol, the last ones."""
        return {
            row.quote.symbol: row.quote.price
            for batch in self.log.of(BatchReceived)
            for row in batch.rows
        }


async def meet(*nodes: Node) -> None:
    """Let them be up and have heard of each other: each listens to the prices of the others."""
    for node in nodes:
        await node.up()
    for node in nodes:
        node.beat()
    for node in nodes:
        await node.log.until(lambda n=node: all(n.has_heard(other.id) for other in nodes))
    for node in nodes:
        # What it asked the server for is there when what it said after that comes back.
        echoes = node.own_echoes
        node.beat()
        await node.log.until(lambda n=node, e=echoes: n.own_echoes > e)


@asynccontextmanager
async def a_node(
    name: str,
    urls: str | Sequence[str],
    *,
    thread: AsyncioThread | None = None,
    ca: Path | None = None,
    cluster: str = "test",
) -> AsyncIterator[Node]:
    """A node for the time of a `with`."""
    tables, log, system = Tables(), Log(), System()
    servers = read_servers(urls if isinstance(urls, str) else ",".join(urls))
    settings = BusSettings(NodeId(name, 1), cluster, NatsAccess(servers, ca=ca))
    bus = partial(Bus, settings, tables, thread or AsyncioThread(), ["api"])
    root = supervisor(
        "root",
        [
            supervisor(
                "market",
                [
                    ChildSpec("streamer", partial(_Listener, log, tables)),
                    supervisor(
                        "feeds",
                        [supervisor("api", [ChildSpec("feed", partial(_Listener, log))])],
                    ),
                ],
            ),
            supervisor(
                "cluster",
                [
                    ChildSpec("membership", partial(_Listener, log, tables)),
                    ChildSpec("bus", bus),
                ],
            ),
        ],
    )
    started = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await system.run(root, on_start=lambda _: started.set())
            started.set()

        nursery.start_soon(run)
        await started.wait()
        yield Node(name, system, tables, log)
        system.stop()
