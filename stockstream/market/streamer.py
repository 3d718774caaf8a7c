"""The streamer: accepts what the feeds observed, and publishes what is new.

It is the only writer of the `quotes` table, of the outbox and of the alerts' inbox, so what is
newer, and what its version is, is decided in one place. It asks nobody for prices: a feed that is
killed, hangs or fails holds up nothing here, and one whose streamer is killed tells it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from stockstream import paths
from stockstream.market.acceptance import accept, epoch_of
from stockstream.market.day_base import corrected
from stockstream.market.observed import Accepted, Observed
from stockstream.messages import ClockStepped, FirstPricesFound, QuotesPublished
from stockstream.times import WallClock, now_ms
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.quotes import Symbol
    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables

CLAIM_SECONDS = 2.0

_log = structlog.stdlib.get_logger(__name__)


class Streamer(Actor):
    """See the module."""

    def __init__(
        self,
        tables: Tables,
        *,
        clock: Callable[[], int] = now_ms,
        claim_epoch: Callable[[], int] | None = None,
    ) -> None:
        """`claim_epoch` gives the process its epoch, in a thread; without one it is the clock's
        time.
        """
        self._tables = tables
        self._clock = clock
        self._wall = WallClock(clock)
        self._claim_epoch = claim_epoch

    async def init(self) -> None:
        """Have an epoch."""
        self._wall.step()
        self._epoch = epoch_of(self._tables.quotes.rows, await self._first_epoch())
        self._pubsub = self.system.ref(paths.PUBSUB)

    async def _first_epoch(self) -> int:
        """The epoch, if no quote has one yet. A disk that hangs holds nobody up for long."""
        if self._claim_epoch is not None and not self._tables.quotes.rows:
            with trio.move_on_after(CLAIM_SECONDS):
                return await trio.to_thread.run_sync(self._claim_epoch, abandon_on_cancel=True)
            _log.warning("the epoch could not be claimed in time; the clock has to do")
        return self._clock()

    @handles(Observed)
    def _on_observed(self, observed: Observed) -> Accepted:
        self._notice_step()
        accepted = accept(observed, self._tables.quotes.rows, epoch=self._epoch)
        if accepted.rows:
            self._tables.quotes.put_all({row.quote.symbol: row for row in accepted.rows})
            batch = self._tables.outbox.append(accepted.rows)
            self._tables.alert_inbox.append(accepted.rows)
            self._pubsub.cast(QuotesPublished(batch.number, batch.rows))
        return Accepted(len(accepted.rows), accepted.behind)

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
            self._tables.quotes.put_all(amended)
            last = self._tables.outbox.statistics().last_number
            self._pubsub.cast(QuotesPublished(last, tuple(amended.values())))

    def _notice_step(self) -> None:
        """Say that this machine's clock was set, if it was."""
        seconds = round(self._wall.step() / 1000, 1)
        if seconds:
            _log.warning("a clock was set", whose="server", seconds=seconds)
            self.system.emit(ClockStepped(self.path, "server", seconds))
