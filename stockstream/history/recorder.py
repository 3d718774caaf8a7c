"""The recorder: stores the batches of the `Outbox`, each once.

It works in rounds of 250 ms. Batches go to the database, or, when that cannot be asked, to the
spool, which is synced; only then they are acknowledged. While the spool is not empty, new batches
are appended to it, and it is replayed in order. It does not matter whether an unanswered write was
committed: the ledger lets each batch in once. The recorder may be killed at any moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar
from urllib.parse import quote

import structlog
import trio

from stockstream import paths, spans
from stockstream.database.query import DatabaseError, NoRoom, Rejected, ask
from stockstream.history.candles import Tick
from stockstream.history.recording import Record, TickBatch
from stockstream.history.rejected import put_aside
from stockstream.history.spool import REJECTED, Spool
from stockstream.history.standing import Standing
from stockstream.times import Moment
from supervision import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from stockstream.statuses import RecorderStatus
    from stockstream.tables import Batch, Outbox
    from supervision import ExitReason, Slot

ROUND_SECONDS = 0.25
TICKS_AT_ONCE = 5_000
"""In one transaction: well under the statement's time limit on a slow disk."""
BATCHES_AT_ONCE = 200
FLUSH_SECONDS = 3.0
ADOPT_SECONDS = 30.0
"""How soon the spool of another node is taken over when that node has ended for good."""
LONGEST_NAME = 100
CALM_SECONDS = 900.0
"""Lost ticks are an alert for so long after the last of them: long enough for a monitor that reads
`/health/ready` every few minutes. The counts stay."""

R = TypeVar("R")

_OF = {name: spans.of_topic(name, "process", "outbox") for name in ("record", "spool")}
_log: BoundLogger = structlog.get_logger("recorder")


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """`node` and `boot` name this life of the process in the ledger; `limit` is in bytes.

    All nodes that share a data directory have their spools in `folder`, each in its own subfolder.
    A loss is an alert until nothing was lost for `calm_seconds`.
    """

    node: str
    boot: int
    folder: Path
    limit: int
    round_seconds: float = ROUND_SECONDS
    calm_seconds: float = CALM_SECONDS

    @property
    def own_folder(self) -> str:
        """The name of this life's folder."""
        return f"{quote(self.node, safe='')[:LONGEST_NAME]}-{self.boot}"


class Recorder(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(
        self,
        settings: RecorderSettings,
        outbox: Outbox,
        statuses: Slot[RecorderStatus],
        clock: Callable[[], Moment] = Moment.now,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._standing = Standing(statuses, settings.calm_seconds, clock)
        # A limiter of its own: a hung disk must not use up the threads of others.
        self._limiter = trio.CapacityLimiter(1)
        self._spool: Spool | None = None
        self._spooled_since: int | None = None
        self._adopt_at = -math.inf
        self._unusable: str | None = None
        self._traced: list[spans.Traced] = []

    async def init(self) -> None:
        """Begin."""
        self._database = self.system.ref(paths.DATABASE)
        self._rounds = trio.CancelScope()
        self._resting = trio.Event()
        self.tasks.start_soon(self._run)

    async def terminate(self, _reason: ExitReason) -> None:
        """Record the last published batches, or spool them."""
        self._rounds.cancel()
        await self._resting.wait()
        with trio.move_on_after(FLUSH_SECONDS):
            await self._round()

    async def _run(self) -> None:
        try:
            with self._rounds:
                due = trio.current_time()
                while True:
                    await self._round()
                    due = max(due + self._settings.round_seconds, trio.current_time())
                    await trio.sleep_until(due)
            self._resting.set()
            await trio.sleep_forever()
        finally:
            if self._spool is not None:
                self._spool.close()

    # A round

    async def _round(self) -> None:
        if self._spool is None:
            await self._open_spool()
        if self._spool is not None and trio.current_time() >= self._adopt_at:
            await self._adopt(self._spool)
        if (self._spool is None or self._spool.is_empty) and await self._record_waiting():
            self._tell(None)
            return
        trouble = await self._spool_waiting()
        self._tell(await self._replay() or trouble or self._unusable)

    async def _record_waiting(self) -> bool:
        """Empty the outbox into the database; False when the database cannot be asked."""
        while batches := self._waiting():
            try:
                with self._span("record", len(batches)):
                    await self._record(batches)
            except DatabaseError as error:
                self._standing.failed(str(error))
                return False
            self._outbox.acknowledge(batches[-1].number)
            self._tell(None)
        return True

    async def _spool_waiting(self) -> str | None:
        """Put what waits now into the spool. Batches that cannot be written stay as room allows.

        What comes meanwhile is for the next round: more may come than can be written, and the spool
        would never be replayed.
        """
        last = self._outbox.statistics().last_number
        while (
            self._spool is not None and (batches := self._waiting()) and batches[0].number <= last
        ):
            try:
                with self._span("spool", len(batches)):
                    lost = await self._in_thread(partial(self._spool.append, batches))
            except OSError as error:
                self._standing.lose(self._spool.settle())
                return self._disk_trouble(error)
            self._standing.lose(lost)
            if self._spooled_since is None:
                self._spooled_since = batches[0].ticks[0].received
            # Before they leave the outbox: a batch waits in one place or in the other.
            self._tell(self._standing.alert)
            self._outbox.acknowledge(batches[-1].number)
        return None

    async def _replay(self) -> str | None:
        """Replay the spool for the time of a round, so that new batches are taken, too."""
        spool, until = self._spool, trio.current_time() + self._settings.round_seconds
        if spool is None:
            return None
        try:
            while not spool.is_empty and trio.current_time() < until:
                batches = await self._in_thread(partial(spool.peek, TICKS_AT_ONCE))
                if batches:
                    self._spooled_since = batches[0].ticks[0].received
                    await self._record(batches, replayed=True)
                self._standing.lose(await self._in_thread(spool.take))
        except DatabaseError as error:
            self._standing.failed(str(error))
            return str(error) if isinstance(error, NoRoom) else None
        except OSError as error:
            return self._disk_trouble(error)
        return None

    def _disk_trouble(self, error: OSError) -> str:
        return f"DATA_DIRECTORY: {self._settings.folder}: {error.strerror}"

    async def _record(self, batches: Sequence[TickBatch], *, replayed: bool = False) -> None:
        """Write batches, all at once; where one of them is refused, one by one.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        try:
            ticks = await ask(self._database, Record(batches, replayed))
        except Rejected as error:
            if len(batches) > 1:
                for batch in batches:
                    await self._record([batch], replayed=replayed)
            else:
                await self._put_aside(batches[0], str(error))
            return
        self._standing.recorded(len(batches), ticks)

    async def _put_aside(self, batch: TickBatch, why: str) -> None:
        folder = self._settings.folder if self._spool is None else self._spool.folder
        try:
            gone = await self._in_thread(partial(put_aside, folder / REJECTED, batch))
        except OSError as error:
            gone = 1
            why += f"; it could not be kept: {error.strerror}"
        _log.error("the database refuses a batch", number=batch.number, reason=why)
        self._standing.count(rejected=1, rejected_gone=gone)

    # Small things

    def _waiting(self) -> list[TickBatch]:
        """The oldest batches of the outbox, as they are recorded."""
        chosen: list[TickBatch] = []
        self._traced = []
        ticks = 0
        for batch in self._outbox.waiting(BATCHES_AT_ONCE):
            chosen.append(self._as_recorded(batch))
            if batch.traced is not None:
                self._traced.append(batch.traced)
            ticks += len(batch.rows)
            if ticks >= TICKS_AT_ONCE:
                break
        return chosen

    def _span(self, operation: str, batches: int) -> spans.Span:
        """The span of what is done with the batches that `_waiting` has just told."""
        span = spans.following(f"{operation} outbox", self._traced, values=_OF[operation])
        span.note("messaging.batch.message_count", batches)
        return span

    def _as_recorded(self, batch: Batch) -> TickBatch:
        ticks = tuple(
            Tick(
                quote.symbol,
                quote.exchange,
                quote.price,
                # A candle is never in the future, also where the provider's clock is ahead.
                min(quote.timestamp, quote.received),
                quote.received,
                quote.version.epoch,
                quote.version.seq,
                quote.currency,
                row.source or None,
                None if row.traded is None else row.traded.volume,
            )
            for row in batch.rows
            for quote in (row.quote,)
        )
        return TickBatch(self._settings.node, self._settings.boot, batch.number, ticks)

    async def _open_spool(self) -> None:
        settings = self._settings
        opening = partial(Spool, settings.folder, settings.own_folder, settings.limit)
        try:
            spool = await self._in_thread(opening)
        except OSError as error:
            self._unusable = self._disk_trouble(error)
            return
        self._spool, self._unusable = spool, None
        if spool.torn_bytes:
            _log.warning("a torn end of the spool was cut", size=spool.torn_bytes)
        if spool.batches:
            _log.info("the spool holds batches", batches=spool.batches)

    async def _adopt(self, spool: Spool) -> None:
        """Take over the spools of ended processes, also of other nodes."""
        self._adopt_at = trio.current_time() + ADOPT_SECONDS
        before, torn = len(spool.adopted), spool.torn_bytes
        try:
            self._standing.lose(await self._in_thread(spool.adopt))
            self._unusable = None
        except OSError as error:
            self._unusable = self._disk_trouble(error)
        if spool.adopted[before:]:
            _log.info(
                "the spool of a life that is over was adopted",
                folders=spool.adopted[before:],
                batches=spool.batches,
                torn_bytes=spool.torn_bytes - torn,
            )

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await trio.to_thread.run_sync(work, limiter=self._limiter)

    def _tell(self, alert: str | None) -> None:
        """Store the status of recording; `alert` is about the disks."""
        spooled = self._spool is not None and not self._spool.is_empty
        if not spooled:
            self._spooled_since = None
        self._standing.tell(
            self._outbox,
            self._spool,
            spooled_since=self._spooled_since,
            alert=alert,
            behind=spooled or self._outbox.statistics().waiting > 0,
        )
