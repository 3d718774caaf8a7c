"""The history as it is shipped, in one process, fed as fast as it takes; and what that costs."""

from __future__ import annotations

import os
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import trio
from fanout_measures import waited

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.embedded.files import Layout, family, postmaster
from stockstream.database.embedded.postgres import Postgres
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.query import ask
from stockstream.database.servers import embedded_server
from stockstream.history.recorder import Recorder, RecorderSettings
from stockstream.messages import DatabaseFault, DisturbDatabase
from stockstream.quotes import Quote, Symbol, Version
from stockstream.statuses import DatabaseStatus, QuoteRow, RecorderStatus, Traded
from stockstream.tables import Outbox
from supervision import Actor, Caller, ChildSpec, Request, Slot, System, replies_later, supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from stockstream.database.query import Query

R = TypeVar("R")

AHEAD = 20
"""Batches that wait for the recorder, so that it always has some."""
POLL_SECONDS = 0.002
START_SECONDS = 60.0
TICKS_PER_SECOND = 100
"""Of the kernel's CPU times in /proc."""


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something that stands in a table is so."""
    while not holds():  # noqa: ASYNC110 - a table tells nobody
        await trio.sleep(POLL_SECONDS)


class Feed(Request[int]):
    """Publish batches, `AHEAD` of the recorder and no further; the answer is how many rows.

    `interval` is the least time between two, in seconds.
    """

    def __init__(self, batches: Iterable[list[QuoteRow]], interval: float) -> None:
        self.batches = batches
        self.interval = interval


class Publisher(Actor):
    """Stands where the streamer stands: the only one who may append to the outbox."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    @replies_later(Feed)
    def _on_feed(self, request: Feed, caller: Caller[int]) -> None:
        self.tasks.start_soon(self._feed, request, caller)

    async def _feed(self, request: Feed, caller: Caller[int]) -> None:
        rows, due = 0, trio.current_time()
        for batch in request.batches:
            await until(lambda: self._outbox.statistics().waiting < AHEAD)
            self._outbox.append(batch)
            rows += len(batch)
            due = max(due + request.interval, trio.current_time())
            await trio.sleep_until(due)
        caller.reply(rows)


@dataclass(frozen=True, slots=True)
class Used:
    """Sums since the start: ticks recorded, and seconds of CPU here and in PostgreSQL.

    `waited` is how long our main thread was runnable and others ran.
    """

    at: float
    ticks: int
    ours: float
    postgres: float
    waited: float


@dataclass
class Rig:
    """A running history."""

    system: System
    layout: Layout
    outbox: Outbox
    statuses: Slot[DatabaseStatus]
    recorders: Slot[RecorderStatus]

    @property
    def recorder(self) -> RecorderStatus:
        """How the recording goes."""
        return self.recorders.value or RecorderStatus()

    @property
    def up(self) -> bool:
        """Whether the database is there, for every kind of query."""
        return bool(self.connections) and all(self.connections.values())

    @property
    def connections(self) -> Mapping[str, int]:
        """How many there are, by purpose."""
        status = self.statuses.value
        return {} if status is None else status.connections

    def used(self) -> Used:
        """The sums as of now."""
        server = postmaster(self.layout)
        postgres = 0.0 if server is None else _family_cpu(server)
        now, ours = time.perf_counter(), time.process_time()
        return Used(now, self.recorder.recorded_ticks, ours, postgres, waited(os.getpid()))

    async def ask(self, query: Query[R]) -> R:
        """Ask the gateway, as everybody does."""
        return await ask(self.system.ref(paths.DATABASE), query, timeout=150)

    async def feed(self, batches: Iterable[list[QuoteRow]], interval: float = 0.0) -> int:
        """Publish all of them; returns when the last few still wait for the recorder."""
        return await self.system.ref(paths.STREAMER).call(Feed(batches, interval), timeout=3600)

    async def until_up(self) -> None:
        """Wait for the database."""
        with trio.fail_after(START_SECONDS):
            await until(lambda: self.up)

    async def until_recorded(self) -> None:
        """Wait until nothing waits, in memory or on disk."""
        await until(lambda: not (self.outbox.statistics().waiting or self.recorder.spooled))

    async def until_spooled(self) -> None:
        """Wait until nothing waits in memory."""
        await until(lambda: not self.outbox.statistics().waiting)

    async def stop_database(self) -> None:
        """Stop the server, and keep it stopped until `start_database`."""
        fault = DisturbDatabase(DatabaseFault.STOP, 3600.0)
        assert await self.system.ref(paths.POSTGRES).call(fault, timeout=30)
        await until(lambda: not any(self.connections.values()))

    async def start_database(self) -> None:
        """End the fault, and wait for the server."""
        await self.system.ref(paths.POSTGRES).call(DisturbDatabase(None), timeout=30)
        await self.until_up()


@asynccontextmanager
async def running_rig(folder: Path) -> AsyncIterator[Rig]:
    """The embedded server, gateway and recorder under `folder`, wired as `application.py` does."""
    system = System()
    statuses: Slot[DatabaseStatus] = Slot("database", writer=paths.DATABASE)
    recorders: Slot[RecorderStatus] = Slot("recorder", writer=paths.RECORDER)
    outbox = Outbox(writer=paths.STREAMER, reader=paths.RECORDER)
    database = DatabaseSettings(embedded_server(folder))
    recorder = RecorderSettings("bench", time.time_ns() // 1000, folder / "spool", 1_000_000_000)
    servers = [
        ChildSpec("postgres", partial(Postgres, folder, (paths.DATABASE,))),
        ChildSpec("gateway", partial(Database, database, statuses, AsyncioThread())),
    ]
    history = [ChildSpec("recorder", partial(Recorder, recorder, outbox, recorders))]
    market = [ChildSpec("streamer", partial(Publisher, outbox))]
    parts = {"database": servers, "history": history, "market": market}
    root = supervisor("root", [supervisor(name, children) for name, children in parts.items()])
    async with trio.open_nursery() as nursery:
        up = trio.Event()
        nursery.start_soon(partial(system.run, root, on_start=lambda _system: up.set()))
        await up.wait()
        rig = Rig(system, Layout(folder), outbox, statuses, recorders)
        try:
            await rig.until_up()
            yield rig
        finally:
            system.stop()


class Market:
    """Prices of some symbols; a batch is a fetch of all of them, at one moment."""

    def __init__(self, symbols: int, seed: int = 5) -> None:
        self.symbols = [Symbol(f"SIM{number:04}") for number in range(symbols)]
        self._chance = random.Random(seed)
        self._prices = [100.0] * symbols
        self._seq = 0

    def batches(self, moments: Iterable[int]) -> Iterator[list[QuoteRow]]:
        """One per moment, in ms since 1970."""
        for at in moments:
            self._seq += 1
            version = Version(1, self._seq)
            # A tenth of the prices moves each time, the others are told again.
            for number in self._chance.sample(range(len(self.symbols)), len(self.symbols) // 10):
                moved = self._prices[number] * self._chance.gauss(1, 0.001)
                self._prices[number] = round(moved, 2)
            traded = Traded(100.0, 100.0 * self._seq)
            yield [
                QuoteRow(
                    Quote(symbol, price, at, "SIM", "USD", False, version, at),
                    100.0,
                    None,
                    traded=traded,
                )
                for symbol, price in zip(self.symbols, self._prices, strict=True)
            ]


def _family_cpu(server: int) -> float:
    """User and system time of PostgreSQL, of its processes that have ended too."""
    total = 0
    for process in family(server):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        own, children = fields[11:13], fields[13:15]
        total += sum(map(int, own)) + (sum(map(int, children)) if process == server else 0)
    return total / TICKS_PER_SECOND
