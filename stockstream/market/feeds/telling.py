"""Tells the streamer the prices that were pushed: in order, none lost, until it has taken them.

Used by the feed alone. In a cluster it also has the streamer know, each second, that what was told
still holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream import spans
from stockstream.market.feeds.confirming import Confirming, refusals
from stockstream.market.feeds.pending import Pending
from stockstream.market.observed import Observed
from stockstream.market.parser import Rejects
from stockstream.market.time_base import Reading, TimeBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stockstream.market.confirmations import Answer, Pace
    from stockstream.market.feeds.partners import Partners
    from stockstream.market.feeds.standby import Standby
    from stockstream.market.feeds.standing import Standing
    from stockstream.quotes import Observation, Symbol
    from stockstream.tables import Tables


class Telling:
    """See the module. `failed` is told a kind and a reason when the streamer does not answer."""

    def __init__(
        self,
        upstream: str,
        tables: Tables,
        partners: Partners,
        standby: Standby,
        standing: Standing,
        clock: Callable[[], int],
        failed: Callable[[str, str], None],
    ) -> None:
        self._upstream = upstream
        self._tables = tables
        self._partners = partners
        self._standby = standby
        self._standing = standing
        self._clock = clock
        self._failed = failed
        self._pending = Pending()
        self._overtaken: dict[Symbol, Observation] = {}
        self._confirms = False
        self.dated: int | None = None
        """By how much the provider's clock is ahead of the monotonic one, as it said; in ms."""
        self._wake = trio.Event()
        self.begin()

    def begin(self) -> None:
        """Begin with what the rows say: this feed's last life wrote them, or another node's feed
        told them.
        """
        clock = self._tables.upstream_clocks.get(self._upstream)
        self._base = TimeBase(clock, self._upstream, steps=False)
        self._confirming = Confirming(self._upstream, self._tables)

    def add(self, observations: Iterable[Observation]) -> None:
        """Have these told."""
        self._pending.add(observations)
        self._wake.set()

    def confirm(self, answer: Answer, pace: Pace) -> None:
        """Take what the lines confirm by being there."""
        self._confirming.answered(answer, pace)
        self._confirms = True
        self._wake.set()

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            while not (self._pending or self._confirms):
                self._wake = trio.Event()
                await self._wake.wait()
            if self._confirms:
                self._confirms = False
                await self._tell_again()
            if self._pending:
                with spans.root(f"receive {self._upstream}", "consumer"):
                    await self._publish(self._pending.take())

    async def _publish(self, observations: tuple[Observation, ...]) -> None:
        if not self._standby.held:
            return  # another node has it by now
        rows, reading = self._tables.quotes.rows, self._reading()
        poll = self._base.judge(observations, rows, reading)
        self._base.witness(Reading(reading.steady, reading.wall), observations)
        self._tables.upstream_clocks.put(self._upstream, self._base.clock)
        self._standing.suspected(poll)
        refused = refusals(Rejects(), reading.steady, poll)
        if refused:
            self._confirming.refused(refused)
        told = (*poll.newer, *poll.retold)
        if told:
            observed = Observed(self._upstream, told, reading, self._base.clock.shift)
            accepted = await self._partners.publish(observed, self._failed)
            self._standing.behind(len(accepted.behind))
            if accepted.behind:
                self._overtaken.update(self._standby.overtaken(poll.newer, accepted.behind))

    async def _tell_again(self) -> None:
        """Have the streamer of a cluster know that what was told still holds.

        A provider tells no price twice, and it may be hidden by a higher version of another node:
        by this it gets a new one. What came before the claim above that is told once more.
        """
        if self._standby.shares:
            again, self._overtaken = tuple(self._overtaken.values()), {}
            observed = Observed(self._upstream, again, self._reading(), self._base.clock.shift)
            accepted = await self._partners.publish(observed, self._failed)
            for symbol, seen in self._standby.overtaken(again, accepted.behind).items():
                self._overtaken.setdefault(symbol, seen)

    def _reading(self) -> Reading:
        steady = round(trio.current_time() * 1000)
        # Where our clock is slow, what comes is not from the future by the provider's.
        date = None if self.dated is None else steady + self.dated
        return Reading(steady, self._clock(), date)
