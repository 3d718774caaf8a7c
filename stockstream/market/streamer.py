"""The streamer: fetches prices again and again, and publishes what is new.

One task fetches; it never does so twice at once, asks the circuit breaker first, and reports to
the actor by message. The actor alone writes: the `quotes` and `feed` tables, the outbox, and
the cast to PubSub. Trouble upstream is a failed round, never a crash.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.market.acceptance import accept, epoch_of
from stockstream.market.breaker_messages import (
    AcquirePermit,
    CallCancelled,
    CallRaised,
    CallReturned,
)
from stockstream.market.breaker_types import NotPermitted, Permit
from stockstream.market.providers import Provider, ProviderError
from stockstream.market.quotes import Symbol, now_ms
from stockstream.messages import (
    Demand,
    DemandWanted,
    FeedChanged,
    FeedState,
    FeedStatus,
    QuotesPublished,
)
from stockstream.tables import FEED, Tables
from supervision import Actor, CallError, NoProc, handles

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.market.parser import Parsed

PERMIT_SECONDS = 1.0
NO_BREAKER_SECONDS = 0.05
"""A breaker that is being restarted is asked again after so long."""
SHORTEST_GAP_SECONDS = 0.2
"""However often the demand changes, fetches are at least this far apart."""
LISTING_SECONDS = 60.0
"""When only some symbols are fetched, the whole list is looked at this often."""
STALE_INTERVALS = 3
DOWN_MS = 60_000
CLOSE_SECONDS = 2.0

_log: BoundLogger = structlog.get_logger("market.streamer")


@dataclass(frozen=True, slots=True)
class StreamerSettings:
    """Seconds between fetches, with subscribers and without; `jitter` is the random part of them.

    `symbols` are fetched whoever subscribes; empty means all that the provider lists.
    """

    interval: float = 1.0
    idle_interval: float = 5.0
    jitter: float = 0.1
    symbols: frozenset[Symbol] = frozenset()


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A round brought prices; of the whole list, when `listing`."""

    parsed: Parsed
    received: int
    listing: bool


@dataclass(frozen=True, slots=True)
class _Failed:
    """A round brought nothing; `kind` for counting, `reason` for people."""

    kind: str
    reason: str


@dataclass(slots=True)
class StreamerStatistics:
    """Counts since this incarnation started."""

    rounds: int = 0
    accepted: int = 0
    unchanged: int = 0
    outdated: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)


class Streamer(Actor):
    """See the module. `open_provider` makes the provider this incarnation owns."""

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self, open_provider: Callable[[], Provider], settings: StreamerSettings, tables: Tables
    ) -> None:
        self._open_provider = open_provider
        self._settings = settings
        self._tables = tables
        self._demand: Demand | None = None
        self._listed_at = -math.inf
        self._last_start = -math.inf
        self._wake = trio.Event()
        self._failing: dict[str, int] = {}
        self._interval: float | None = None
        self.statistics = StreamerStatistics()

    async def init(self) -> None:
        """Fetch at once, at the fast interval until the demand is known."""
        self._breaker = self.system.ref(paths.CIRCUIT_BREAKER)
        self._pubsub = self.system.ref(paths.PUBSUB)
        self._broadcaster = self.system.ref(paths.BROADCASTER)
        self._epoch = epoch_of(self._tables.quotes.rows, now_ms())
        self.tasks.start_soon(self._poll)
        self.system.ref(paths.SUBSCRIPTION_MANAGER).cast(DemandWanted())

    # The task.

    async def _poll(self) -> None:
        provider = self._open_provider()
        self._interval = provider.interval
        try:
            while True:
                self._last_start = trio.current_time()
                await self._round(provider)
                await self._pause()
        finally:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await provider.aclose()

    async def _pause(self) -> None:
        spread = 1 - self._settings.jitter * random.random()
        while True:
            self._wake = trio.Event()
            due = self._last_start + self.interval * spread
            with trio.move_on_at(due) as limit:
                await self._wake.wait()
            if limit.cancelled_caught:
                return
            if self._hurried():
                await trio.sleep_until(self._last_start + SHORTEST_GAP_SECONDS)
                return

    def _hurried(self) -> bool:
        """Whether somebody waits for a first price."""
        demand = self._demand
        if demand is None:
            return False
        return any(symbol not in self._tables.quotes for symbol in demand.symbols) or (
            demand.subscribers > 0
            and trio.current_time() - self._last_start >= self._settings.interval
        )

    async def _round(self, provider: Provider) -> None:
        permit = await self._permit()
        if isinstance(permit, _Failed):
            self.ref.cast(permit)
            return
        wanted = self._wanted()
        began = trio.current_time()
        settled = False
        try:
            parsed = await provider.fetch(wanted)
        except ProviderError as error:
            settled = True
            took = trio.current_time() - began
            self._breaker.cast(CallRaised(permit, took, error, error.retry_after))
            self.ref.cast(_Failed(error.kind, str(error)))
        else:
            settled = True
            self._breaker.cast(CallReturned(permit, trio.current_time() - began, parsed))
            self.ref.cast(_Fetched(parsed, now_ms(), wanted is None))
        finally:
            if not settled:
                self._breaker.cast(CallCancelled(permit))

    async def _permit(self) -> Permit | _Failed:
        give_up_at = trio.current_time() + PERMIT_SECONDS
        while True:
            try:
                answer = await self._breaker.call(AcquirePermit(self.ref), timeout=PERMIT_SECONDS)
            except NoProc as error:
                if trio.current_time() >= give_up_at:
                    return _Failed("no_breaker", str(error))
                await trio.sleep(NO_BREAKER_SECONDS)
            except CallError as error:
                return _Failed("no_breaker", str(error))
            else:
                if isinstance(answer, NotPermitted):
                    return _Failed("not_permitted", str(answer))
                return answer

    def _wanted(self) -> frozenset[Symbol] | None:
        """The symbols to ask for, None for all there are."""
        demand = self._demand
        if not self._settings.symbols or (demand is not None and demand.everything):
            return None
        if trio.current_time() - self._listed_at >= LISTING_SECONDS:
            return None
        return self._settings.symbols | (demand.symbols if demand is not None else frozenset())

    # The actor.

    @property
    def interval(self) -> float:
        """Seconds between fetches now, before jitter."""
        if self._interval is not None:
            return self._interval
        idle = self._demand is not None and self._demand.subscribers == 0
        return self._settings.idle_interval if idle else self._settings.interval

    @handles(Demand)
    def _on_demand(self, demand: Demand) -> None:
        self._demand = demand
        self._wake.set()

    @handles(_Fetched)
    def _on_fetched(self, message: _Fetched) -> None:
        statistics = self.statistics
        statistics.rounds += 1
        self._count_rejects(message.parsed)
        if not message.parsed.observations:
            self._fail("no_quotes", "the answer held no usable quote")
            return
        if message.listing:
            self._listed_at = trio.current_time()
        accepted = accept(
            message.parsed.observations,
            self._tables.quotes.rows,
            epoch=self._epoch,
            received=message.received,
        )
        statistics.accepted += len(accepted.rows)
        statistics.unchanged += accepted.unchanged
        statistics.outdated += accepted.outdated
        self._recover()
        if accepted.rows:
            self._tables.quotes.put_all({row.quote.symbol: row for row in accepted.rows})
            batch = self._tables.outbox.append(accepted.rows)
            self._pubsub.cast(QuotesPublished(batch.number, batch.rows))
        self._tell(FeedState.LIVE, message.received, None)

    @handles(_Failed)
    def _on_failed(self, message: _Failed) -> None:
        self.statistics.rounds += 1
        self._fail(message.kind, message.reason)

    def _fail(self, kind: str, reason: str) -> None:
        self.statistics.failures[kind] += 1
        if kind not in self._failing:
            _log.warning("no prices", kind=kind, reason=reason)
        self._failing[kind] = self._failing.get(kind, 0) + 1
        feed = self._tables.feed.get(FEED)
        as_of = None if feed is None else feed.as_of
        age = math.inf if as_of is None else now_ms() - as_of
        if age > DOWN_MS:
            state = FeedState.DOWN
        elif age > STALE_INTERVALS * self.interval * 1000:
            state = FeedState.STALE
        else:
            state = FeedState.LIVE
        if kind == "not_permitted" and feed is not None and feed.reason is not None:
            reason = feed.reason  # what opened the breaker says more than that it is open
        self._tell(state, as_of, reason)

    def _recover(self) -> None:
        if self._failing:
            _log.info("prices again", failed_rounds=dict(self._failing))
            self._failing.clear()

    def _count_rejects(self, parsed: Parsed) -> None:
        for kind, count in parsed.rejects.counts.items():
            if kind not in self.statistics.rejects:
                _log.warning(
                    "items left out", kind=str(kind), sample=parsed.rejects.samples.get(kind)
                )
            self.statistics.rejects[kind] += count

    def _tell(self, state: FeedState, as_of: int | None, reason: str | None) -> None:
        before = self._tables.feed.get(FEED)
        listed = self._listed_at > -math.inf or (before is not None and before.listed)
        self._tables.feed.put(FEED, FeedStatus(state, as_of, self.interval, listed, reason))
        self._broadcaster.cast(FeedChanged())
