"""The streamer: accepts what the feeds observed, and publishes what is new.

It is the only writer of the `quotes` table, of the outbox and of the alerts' inbox, so what is
newer, and what its version is, is decided in one place. It asks nobody for prices: a feed that is
killed, hangs or fails holds up nothing here, and one whose streamer is killed tells it again.
In a cluster it also takes in what other nodes have accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from stockstream import paths, spans
from stockstream.market.acceptance import accept, epoch_of, take_in
from stockstream.market.day_base import corrected
from stockstream.market.day_figures import said_later
from stockstream.market.observed import Accepted, FiguresTold, Observed
from stockstream.market.quote_ages import QuoteAges
from stockstream.market.sessions import next_turn, turned
from stockstream.market.versioning import Portion, Versioning
from stockstream.messages import (
    BatchesLost,
    BatchReceived,
    ClockStepped,
    EpochSeen,
    EpochsUsed,
    FirstPricesFound,
    HoldingChanged,
    QuotesPublished,
)
from stockstream.shards import Sharding
from stockstream.statuses import ReceivedFigures
from stockstream.times import WallClock, now_ms
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stockstream.quotes import Symbol
    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables

CLAIM_SECONDS = 2.0
LOOK_SECONDS = 1.0
"""How often it is looked whether a market has opened or closed."""

_PUBLISHES = spans.of_topic("publish", "send")
_log = structlog.stdlib.get_logger(__name__)
_disk = trio.CapacityLimiter(4)
"""Threads of its own: a disk that hangs must not block those of others, nor the first that it holds
those of a later life."""


class _Look:
    """Time to see which markets have opened and closed."""


class Streamer(Actor):
    """See the module."""

    def __init__(
        self,
        tables: Tables,
        *,
        clock: Callable[[], int] = now_ms,
        claim_epoch: Callable[[], int] | None = None,
        sharding: Sharding = Sharding(),  # noqa: B008  immutable
        node: str = "",
    ) -> None:
        """`claim_epoch` gives the process its epoch, in a thread; without one it is the clock's
        time. In a cluster the membership has the epochs of the shards; the name of this `node` has
        a part in those that it gives while it is alone.
        """
        self._tables = tables
        self._clock = clock
        self._wall = WallClock(clock)
        self._claim_epoch = claim_epoch
        self._versioning = Versioning(sharding, node)
        self._ages = QuoteAges(tables.quote_ages)

    async def init(self) -> None:
        """Have an epoch."""
        self._wall.step()
        self._epoch = epoch_of(self._tables.quotes.rows, await self._first_epoch())
        self._pubsub = self.system.ref(paths.PUBSUB)
        self._membership = self.system.ref(paths.MEMBERSHIP)
        self._turn_due = 0
        self._looked = 0
        self.send_every(LOOK_SECONDS, _Look())
        holding = self._tables.holding.value
        if holding is not None:
            self._versioning.begin(holding, _steady(), again=self.generation > 1)
            self._count(0, 0)
            if self.generation > 1:
                self.system.ref(paths.BUS).cast(BatchesLost())

    async def _first_epoch(self) -> int:
        """The epoch, if no quote has one yet. A disk that hangs holds nobody up for long."""
        single = self._tables.holding.value is None
        if single and self._claim_epoch is not None and not self._tables.quotes.rows:
            with trio.move_on_after(CLAIM_SECONDS):
                return await trio.to_thread.run_sync(
                    self._claim_epoch, abandon_on_cancel=True, limiter=_disk
                )
            _log.warning("the epoch could not be claimed in time; the clock has to do")
        return self._clock()

    @handles(Observed)
    def _on_observed(self, observed: Observed) -> Accepted:
        self._notice_step()
        published = 0
        behind: set[Symbol] = set()
        for portion in self._portions(observed):
            accepted = accept(portion.observed, self._tables.quotes.rows, epoch=portion.epoch)
            published += len(accepted.rows)
            behind |= accepted.behind
            if accepted.amended:
                self._amend({row.quote.symbol: row for row in accepted.amended}, own=portion.own)
            if accepted.rows:
                self._ages.accepted(observed.upstream, accepted.rows)
                self._publish(accepted.rows, own=portion.own)
            if accepted.overtaken:
                self._tell_overtaken(accepted.overtaken)
        self._reissue(observed)
        return Accepted(published, frozenset(behind))

    def _reissue(self, observed: Observed) -> None:
        """Give what was confirmed a version above those that others may have seen."""
        upstream, told = observed.upstream, observed.confirmed
        holding = self._tables.holding.value
        settled = self._versioning.settled(upstream, observed.asked_at, whole=observed.whole)
        if not settled or holding is None or holding.alone:
            return
        if observed.asked_at is None:
            confirmations = self._tables.confirmations.get(upstream)
            told = frozenset() if confirmations is None else confirmations.told
        rows = self._tables.quotes.rows
        confirmed = (rows[symbol] for symbol in told if symbol in rows)
        again = self._versioning.reissued(settled, holding, confirmed)
        if again:
            self._publish(again, own=True)

    @handles(HoldingChanged)
    def _on_holding(self, _message: HoldingChanged) -> None:
        holding = self._tables.holding.value
        if holding is not None:
            self._versioning.changed(holding, _steady())
            self._turn_due = 0  # nobody may have said of its symbols which markets have closed

    def _portions(self, observed: Observed) -> Iterable[Portion]:
        holding = self._tables.holding.value
        if holding is None:
            return (Portion(observed, self._epoch, own=True),)
        portions = self._versioning.portions(observed, holding, self._clock())
        if holding.alone and portions:
            self._membership.cast(EpochsUsed(dict(self._versioning.used)))
        return portions

    def _publish(self, rows: tuple[QuoteRow, ...], *, own: bool) -> None:
        with spans.child("publish stock:all", "producer", _PUBLISHES) as span:
            span.note("stockstream.quotes", len(rows))
            self._tables.quotes.put_all({row.quote.symbol: row for row in rows})
            if own:
                number = self._tables.outbox.append(rows).number
            else:
                number = self._tables.outbox.statistics().last_number
            self._tables.alert_inbox.append(rows, own=own)
            span.note("messaging.message.id", str(number))
            self._pubsub.cast(QuotesPublished(number, rows, own))

    def _tell_overtaken(self, symbols: Iterable[Symbol]) -> None:
        """Have the membership know: the shard is lost, or it needs a higher epoch."""
        rows = self._tables.quotes.rows
        newest = max(symbols, key=lambda symbol: rows[symbol].quote.version.epoch)
        self._membership.cast(EpochSeen(newest, rows[newest].quote.version.epoch))

    @handles(BatchReceived)
    def _on_received(self, message: BatchReceived) -> None:
        taken = take_in(message.rows, self._tables.quotes.rows)
        self._count(len(taken.newer) + len(taken.amended), taken.refused)
        if taken.newer:
            self._publish(taken.newer, own=False)
        if taken.amended:
            self._amend({row.quote.symbol: row for row in taken.amended}, own=False)

    def _count(self, taken: int, refused: int) -> None:
        before = self._tables.received.value or ReceivedFigures()
        self._tables.received.put(ReceivedFigures(before.taken + taken, before.refused + refused))

    @handles(FirstPricesFound)
    def _on_first_prices(self, message: FirstPricesFound) -> None:
        rows = self._tables.quotes.rows
        amended: dict[Symbol, QuoteRow] = {}
        for symbol, day in message.asked.items():
            row = rows.get(symbol)
            if row is not None:
                new = corrected(row, day, message.found.get(symbol), whole=message.whole)
                if new is not row:
                    amended[symbol] = new
        if amended:
            self._amend(amended, own=True)

    @handles(FiguresTold)
    def _on_figures(self, message: FiguresTold) -> None:
        rows = self._tables.quotes.rows
        amended: dict[Symbol, QuoteRow] = {}
        for seen in message.observations:
            row = rows.get(seen.symbol)
            if row is not None and row.source == message.upstream:
                new = said_later(row, seen)
                if new is not row:
                    amended[seen.symbol] = new
        if amended:
            self._amend(amended, own=True)

    @handles(_Look)
    def _on_look(self, _message: _Look) -> None:
        now, before = self._clock(), self._looked
        self._looked = now
        if before <= now < self._turn_due:
            return
        self._turn_due = next_turn(now)
        rows = turned(
            self._versioning.held(self._tables.quotes.rows, self._tables.holding.value), now
        )
        if rows:
            self._amend({row.quote.symbol: row for row in rows}, own=True)

    def _amend(self, rows: dict[Symbol, QuoteRow], *, own: bool) -> None:
        """Say more of quotes that were published."""
        self._tables.quotes.put_all(rows)
        last = self._tables.outbox.statistics().last_number
        self._pubsub.cast(QuotesPublished(last, tuple(rows.values()), own))

    def _notice_step(self) -> None:
        """Say that this machine's clock was set, if it was."""
        seconds = round(self._wall.step() / 1000, 1)
        if seconds:
            _log.warning("a clock was set", whose="server", seconds=seconds)
            self.system.emit(ClockStepped(self.path, "server", seconds))


def _steady() -> int:
    return round(trio.current_time() * 1000)
