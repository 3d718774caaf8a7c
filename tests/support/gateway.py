"""The history's actors in a tree of their own, on a real database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.query import Query, ask
from stockstream.database.servers import Server
from stockstream.history.candles import Tick
from stockstream.history.progress import Progress, progress
from stockstream.history.recorder import Recorder, RecorderSettings
from stockstream.history.recording import TickBatch
from stockstream.quotes import Quote, Symbol, Version
from stockstream.statuses import DatabaseStatus, QuoteRow, RecorderStatus, Traded
from stockstream.tables import OUTBOX_ROWS, Outbox, Tables
from stockstream.times import Moment, now_ms
from supervision import Actor, ChildSpec, Request, Slot, System, handles, supervisor
from tests.support.history import Select

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from supervision import ActorRef

DAY = 20_000 * 86_400_000
"""A day in 2024, at midnight UTC, in ms."""
WAIT_SECONDS = 20.0


def tick(
    seq: int,
    *,
    symbol: str = "AAPL",
    price: float | None = None,
    ts: int | None = None,
    received: int | None = None,
    currency: str | None = None,
    volume: float | None = None,
) -> Tick:
    """A tick; one second after the one before it unless told otherwise."""
    at = DAY + 1000 * seq if ts is None else ts
    cost = 100.0 + seq if price is None else price
    told = at if received is None else received
    return Tick(symbol, "SIM", cost, at, told, 1, seq, currency, volume=volume)


def batch(number: int, *ticks: Tick, boot: int = 1, node: str = "a") -> TickBatch:
    return TickBatch(node, boot, number, ticks or (tick(number),))


def quote_row(symbol: str, seq: int, price: float) -> QuoteRow:
    at = DAY + 1000 * seq
    quote = Quote(Symbol(symbol), price, at, "SIM", None, False, Version(1, seq), at)
    # Of some it is not known what was traded.
    traded = None if seq % 3 == 0 else Traded(float(seq), 1_000.0 * seq)
    return QuoteRow(quote, price, None, traded=traded)


@dataclass(frozen=True, slots=True)
class Publish(Request[int]):
    """Have the source publish rows; the batch's number."""

    rows: Sequence[QuoteRow]


class Source(Actor):
    """Takes the streamer's place, and publishes the rows that it is given."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    @handles(Publish)
    def _on_publish(self, request: Publish) -> int:
        return self._outbox.append(request.rows).number


@dataclass
class History:
    """A running history; `url` may be changed by a test that moves the server."""

    system: System
    url: str
    statuses: Slot[DatabaseStatus]
    recorders: Slot[RecorderStatus]
    outbox: Outbox
    published: list[QuoteRow] = field(default_factory=list)

    @property
    def database(self) -> ActorRef:
        return self.system.ref(paths.DATABASE)

    @property
    def status(self) -> DatabaseStatus:
        found = self.statuses.value
        assert found is not None
        return found

    @property
    def recorder(self) -> RecorderStatus:
        return self.recorders.value or RecorderStatus()

    @property
    def progress(self) -> Progress:
        """Its part of the health page."""
        tables = Tables(database=self.statuses, recorder=self.recorders, outbox=self.outbox)
        return progress(tables, now_ms())

    async def ask(self, query: Query[Any]) -> Any:
        return await ask(self.database, query)

    async def select(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return await ask(self.database, Select(sql, arguments))

    async def publish(self, *rows: QuoteRow) -> int:
        self.published += rows
        return await self.system.ref(paths.STREAMER).call(Publish(rows))

    async def until(self, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait until `holds`; polls, because tables do not announce changes."""
        with trio.move_on_after(seconds):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.01)
            return
        raise AssertionError(f"in vain: {self.status}, {self.recorder}")

    async def until_up(self) -> None:
        """Wait until queries of every kind can be asked; `status.up` tells of writing only."""
        await self.until(lambda: all(self.status.connections.values()))

    async def until_rows(self, wanted: list[tuple[Any, ...]], sql: str, *arguments: object) -> None:
        """Wait until a query has that answer; polls, because a server does not announce it."""
        found: list[tuple[Any, ...]] = []
        with trio.move_on_after(WAIT_SECONDS):
            while (found := await self.select(sql, *arguments)) != wanted:  # noqa: ASYNC110
                await trio.sleep(0.05)
            return
        raise AssertionError(f"{found} and not {wanted}")

    async def until_none_is_left(self) -> None:
        """Wait until the server has exactly the connections that the gateway has now."""
        sql = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name ~ '^stockstream' AND datname = current_database()"
        )
        with trio.fail_after(WAIT_SECONDS):
            while await self.select(sql) != [(sum(self.status.connections.values()),)]:  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)

    async def kill_gateway(self) -> None:
        """Kill it, and wait for its successor."""
        before = self.database.generation
        self.database.kill()
        await self.until(lambda: self.database.alive and self.database.generation != before)

    async def until_recorded(self) -> None:
        await self.until(
            lambda: self.outbox.statistics().waiting == 0 and self.recorder.spooled == 0
        )


@asynccontextmanager
async def running_history(
    url: str,
    *,
    read_url: str | None = None,
    spool: Path | None = None,
    spool_limit: int = 64_000_000,
    outbox_limit: int = OUTBOX_ROWS,
    clock: Callable[[], Moment] = Moment.now,
    beside: Callable[[Slot[DatabaseStatus]], Sequence[ChildSpec]] = lambda _statuses: (),
    **settings: Any,
) -> AsyncIterator[History]:
    """A gateway, and with a `spool` a source and a recorder too, for the time of a `with`.

    `clock` is the recorder's. `beside` makes what else is in the tree, given the gateway's status.
    """
    system = System()
    statuses: Slot[DatabaseStatus] = Slot("database", writer=paths.DATABASE)
    recorders: Slot[RecorderStatus] = Slot("recorder", writer=paths.RECORDER)
    outbox = Outbox(writer=paths.STREAMER, reader=paths.RECORDER, limit=outbox_limit)
    history = History(system, url, statuses, recorders, outbox)
    database = DatabaseSettings(
        Server("DATABASE_URL", lambda: history.url),
        None if read_url is None else Server("DATABASE_READ_URL", read_url),
        **settings,
    )
    gateway = ChildSpec("gateway", partial(Database, database, statuses, AsyncioThread()))
    children = []
    if spool is not None:
        recording = RecorderSettings("test", 1, spool, spool_limit, round_seconds=0.02)
        recorder = partial(Recorder, recording, outbox, recorders, clock)
        children.append(ChildSpec("recorder", recorder))
    generous = {"intensity": 1000, "period": 1.0}
    root = supervisor(
        "root",
        [
            supervisor("database", [gateway], **generous),
            supervisor("history", children, **generous),
            supervisor("market", [ChildSpec("streamer", partial(Source, outbox))]),
            *beside(statuses),
        ],
        **generous,
    )
    async with trio.open_nursery() as nursery:
        up = trio.Event()
        nursery.start_soon(partial(system.run, root, on_start=lambda _: up.set()))
        with trio.fail_after(WAIT_SECONDS):
            await up.wait()
        try:
            yield history
        finally:
            system.stop()
