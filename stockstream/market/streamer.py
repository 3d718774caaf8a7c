"""The streamer: fetches prices at the pace of the demand, and publishes what is new.

One task polls: it asks the circuit breaker for a permit, fetches, tells the breaker how it went,
and reports to its actor by message; so there are never two fetches at once, and the actor answers
while a fetch hangs. The actor decides what is accepted, writes the `quotes` and `feed` tables and
the outbox, and casts the batch to PubSub. Trouble upstream is a state of the feed, never a crash.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog
import trio

from stockstream import paths
from stockstream.market.acceptance import accept, epoch_of
from stockstream.market.breaker_messages import (
    AcquirePermit,
    CallRaised,
    CallReturned,
    NoCalls,
)
from stockstream.market.breaker_types import NotPermitted, Permit
from stockstream.market.listing import Listing
from stockstream.market.parser import RejectKind
from stockstream.market.providers import Provider, ProviderBody, ProviderError, SymbolsNotFound
from stockstream.market.shown import shortened
from stockstream.market.time_base import Poll, Reading, TimeBase
from stockstream.market.troubles import Troubles
from stockstream.messages import (
    AlertSymbols,
    ClockStepped,
    Demand,
    DemandWanted,
    FeedChanged,
    QuotesPublished,
)
from stockstream.quotes import Symbol, parse_symbol
from stockstream.statuses import FeedFigures, FeedState, FeedStatus
from stockstream.tables import FEED
from stockstream.times import Moment, WallClock, now_ms
from supervision import Actor, CallError, NoProc, Request, ServerExited, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stockstream.market.parser import Parsed, Rejects
    from stockstream.tables import Tables

CLAIM_SECONDS = 2.0
PERMIT_SECONDS = 1.0
"""How long the breaker may take to answer; it has nothing to wait for."""
RETRY_SECONDS = 0.05
RETRIES = 20
"""A breaker that is not there is restarting; after a second without one the round has failed."""
STALE_AFTER_INTERVALS = 3
STALE_AFTER_SECONDS = 3.0
"""However short the interval: clients are told one of a second at least, and count three of it.
A market of a few milliseconds would be stale after each hiccup, and say so to every client."""
DOWN_AFTER_SECONDS = 60.0
LONGEST_RETRY_AFTER = 60.0
"""An upstream that wants more rest than this is asked again all the same."""

LONGEST_REASON = 200
SYMBOLS_TOLD = 10
"""Of symbols that are listed no more, so many are named in the log."""
STEP_TOLD_SECONDS = 60.0
"""So long the feed's reason says that the upstream's clock was set."""

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamerSettings:
    """The pace and the range. Times in seconds; `jitter` is the part of each interval, from 0
    to 1, that is cut off at random, so an interval is never longer than said.

    `symbols` are fetched always; without any, all that the provider lists. With some, its whole
    list is still fetched every `list_interval`, to know what there is.
    """

    interval: float = 1.0
    idle_interval: float = 5.0
    jitter: float = 0.1
    symbols: frozenset[str] = frozenset()
    list_interval: float = 300.0

    def __post_init__(self) -> None:
        for name in ("interval", "idle_interval", "list_interval"):
            seconds: float = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} must be above 0 seconds, not {seconds}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be at least 0 and below 1, not {self.jitter}")


@dataclass(frozen=True, slots=True)
class StreamerStatistics:
    """Counts since this incarnation started, and how it goes now.

    `troubles` counts all that went wrong by kind; `current_troubles` are those not yet over.
    `last_duration` is the last fetch's in seconds, None before the first.
    """

    fetches: int
    failed_rounds: int
    accepted: int
    unchanged: int
    troubles: Mapping[str, int]
    current_troubles: Sequence[str]
    interval: float
    last_duration: float | None


@dataclass(frozen=True, slots=True)
class GetStatistics(Request[StreamerStatistics]):
    """Ask how it goes."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What a fetch brought, and what the clocks said when it ended.

    `whole` says that the provider's whole list was asked for.
    """

    parsed: Parsed
    reading: Reading
    duration: float
    whole: bool


@dataclass(frozen=True, slots=True)
class _Failed:
    """A round brought nothing. `kind` is None where it is no trouble: the breaker is open.

    `said` is what the upstream had to say for people.
    """

    kind: str | None
    reason: str
    rejects: Rejects | None = None
    said: str | None = None


class Streamer(Actor):
    """See the module."""

    owns_tasks = True

    def __init__(
        self,
        open_provider: Callable[[], Provider],
        settings: StreamerSettings,
        tables: Tables,
        watchers: Sequence[str] = (paths.BROADCASTER,),
        *,
        clock: Callable[[], int] = now_ms,
        claim_epoch: Callable[[], int] | None = None,
    ) -> None:
        """`open_provider` makes a provider for each life; `watchers` are cast `FeedChanged`.

        `claim_epoch` gives the process its epoch, in a thread; without one it is the clock's time.
        """
        self._claim_epoch = claim_epoch
        self._open_provider = open_provider
        self._settings = settings
        self._symbols = frozenset(map(parse_symbol, settings.symbols))
        self._tables = tables
        self._watchers = tuple(watchers)
        self._clock = clock
        self._wall = WallClock(clock)
        self._base = TimeBase(tables.upstream_clock.get(FEED))
        self._stepped: tuple[Moment, str] | None = None
        # Until the demand is told the pace is the fast one: somebody may be waiting.
        self._demand = Demand(frozenset(), everything=False, subscribers=1)
        self._alerts: frozenset[Symbol] = frozenset()
        self._wake = trio.Event()
        self._list_due = -math.inf
        self._troubles = Troubles()
        self._listing = Listing()
        self._fetches = self._failed_rounds = self._accepted = self._unchanged = 0
        self._last_duration: float | None = None

    async def init(self) -> None:
        """Begin to fetch, at once, and ask who wants what."""
        self._wall.step()
        self._epoch = epoch_of(self._tables.quotes.rows, await self._first_epoch())
        self._provider = self._open_provider()
        self._breaker = self.system.ref(paths.CIRCUIT_BREAKER)
        self._pubsub = self.system.ref(paths.PUBSUB)
        self.tasks.start_soon(self._poll, name="poll")
        for who in (paths.SUBSCRIPTION_MANAGER, paths.ALERTS):
            self.system.ref(who).cast(DemandWanted())

    async def _first_epoch(self) -> int:
        """The epoch, if no quote has one yet. A disk that hangs holds nobody up for long."""
        if self._claim_epoch is not None and not self._tables.quotes.rows:
            with trio.move_on_after(CLAIM_SECONDS):
                return await trio.to_thread.run_sync(self._claim_epoch, abandon_on_cancel=True)
            _log.warning("the epoch could not be claimed in time; the clock has to do")
        return self._clock()

    # The actor: what it is told

    @handles(Demand)
    def _on_demand(self, demand: Demand) -> None:
        before, self._demand = self._demand, demand
        if (before.subscribers == 0) != (demand.subscribers == 0):
            self._wake.set()
            feed = self._tables.feed.get(FEED)
            if feed is not None:
                self._put_feed(feed.as_of, feed.reason, listed=feed.listed)

    @handles(AlertSymbols)
    def _on_alert_symbols(self, message: AlertSymbols) -> None:
        self._alerts = message.symbols

    @handles(_Fetched)
    def _on_fetched(self, fetched: _Fetched) -> None:
        self._fetches += 1
        self._last_duration = fetched.duration
        self._notice_step(self._wall.step() / 1000, "server")
        rows = self._tables.quotes.rows
        poll = self._base.judge(fetched.parsed.observations, rows, fetched.reading)
        if self._provider.has_own_clock:
            self._base.witness(fetched.reading, fetched.parsed.observations)
        self._tables.upstream_clock.put(FEED, self._base.clock)
        self._notice_step(poll.step / 1000, "upstream")
        accepted = accept(
            poll.newer,
            rows,
            epoch=self._epoch,
            received=fetched.reading.wall,
            steady=fetched.reading.steady,
            shift=self._base.clock.shift,
        )
        again = self._count_rejects(fetched.parsed.rejects) + self._count_suspects(poll)
        self._accepted += len(accepted)
        self._unchanged += poll.unchanged
        if accepted:
            self._tables.quotes.put_all({row.quote.symbol: row for row in accepted})
            batch = self._tables.outbox.append(accepted)
            self._tables.alert_inbox.append(accepted)
            self._pubsub.cast(QuotesPublished(batch.number, batch.rows))
        for over in self._troubles.after_success(again):
            _log.info("feed trouble over", kind=over, times=self._troubles.counts[over])
        if fetched.whole:
            self._notice_unlisted(fetched.parsed)
        if poll.confirms_nothing:
            self._keep_feed(poll.why)
        else:
            # Every life begins with the whole list, so whatever came, that has been seen.
            self._put_feed(Moment(fetched.reading.steady / 1000), self._told_of_step(), listed=True)

    @handles(_Failed)
    def _on_failed(self, failed: _Failed) -> None:
        self._failed_rounds += 1
        if failed.rejects is not None:
            self._count_rejects(failed.rejects)
        if failed.kind is not None:
            self._trouble(failed.kind, failed.reason, said=failed.said)
        feed = self._tables.feed.get(FEED)
        # What made the breaker open says more than that it is open.
        before = None if feed is None or failed.kind is not None else feed.reason
        self._keep_feed(before or failed.reason)

    @handles(GetStatistics)
    def _on_statistics(self, _request: GetStatistics) -> StreamerStatistics:
        return StreamerStatistics(
            fetches=self._fetches,
            failed_rounds=self._failed_rounds,
            accepted=self._accepted,
            unchanged=self._unchanged,
            troubles=dict(self._troubles.counts),
            current_troubles=self._troubles.current,
            interval=self._interval,
            last_duration=self._last_duration,
        )

    def _count_rejects(self, rejects: Rejects) -> list[str]:
        kinds = []
        for kind, count in rejects.counts.items():
            kinds.append(f"item_{kind}")
            self._trouble(kinds[-1], rejects.samples[kind], count)
        return kinds

    def _count_suspects(self, poll: Poll) -> list[str]:
        kinds = []
        for kind, items, why in (
            ("item_outdated", poll.outdated, poll.why_outdated),
            ("item_clock_ahead", poll.ahead, poll.why_ahead),
        ):
            if items:
                kinds.append(kind)
                self._trouble(kind, why, len(items))
        return kinds

    def _notice_unlisted(self, parsed: Parsed) -> None:
        """Say which symbols the provider lists no more: their last prices stay."""
        rejects = parsed.rejects
        if RejectKind.BEYOND_LIMIT in rejects.counts:
            return  # they may be in the rest
        listed = {seen.symbol for seen in parsed.observations} | rejects.symbols
        gone, back = self._listing.seen(self._tables.quotes.rows.keys(), listed)
        for symbols, told in ((gone, "listed no more"), (back, "listed again")):
            if symbols:
                some = sorted(symbols)[:SYMBOLS_TOLD]
                address = self._provider.address
                _log.warning(f"symbols are {told}", count=len(symbols), some=some, address=address)

    def _notice_step(self, seconds: float, whose: Literal["server", "upstream"]) -> None:
        """Say that a clock was set, if it was."""
        if not seconds:
            return
        seconds = round(seconds, 1)
        _log.warning(
            "a clock was set", whose=whose, seconds=seconds, address=self._provider.address
        )
        self.system.emit(ClockStepped(self.path, whose, seconds))
        if whose == "upstream":
            way = "back" if seconds < 0 else "forward"
            why = f"the upstream's clock was set {way} by {abs(seconds):.0f} s"
            self._stepped = (Moment.now(), why)

    def _told_of_step(self) -> str | None:
        """The feed's reason while all is well: that the upstream's clock was set of late."""
        if self._stepped is None or self._stepped[0].age > STEP_TOLD_SECONDS:
            return None
        return self._stepped[1]

    def _trouble(self, kind: str, detail: str, times: int = 1, said: str | None = None) -> None:
        if not self._troubles.seen(kind, times):
            return
        # Only here, not in the feed's reason: anybody may read that.
        theirs = {} if said is None else {"server_said": said}
        address = self._provider.address
        _log.warning("feed trouble", kind=kind, detail=detail, address=address, **theirs)

    def _keep_feed(self, reason: str | None) -> None:
        """A round has brought nothing: what is known grows older."""
        feed = self._tables.feed.get(FEED)
        as_of, listed = (None, False) if feed is None else (feed.as_of, feed.listed)
        self._put_feed(as_of, reason, listed=listed)

    def _put_feed(self, as_of: Moment | None, reason: str | None, *, listed: bool) -> None:
        age = math.inf if as_of is None else as_of.age
        if age <= max(STALE_AFTER_SECONDS, STALE_AFTER_INTERVALS * self._interval):
            state = FeedState.LIVE
        else:
            state = FeedState.STALE if age <= DOWN_AFTER_SECONDS else FeedState.DOWN
        reason = None if reason is None else shortened(reason, LONGEST_REASON)
        row = FeedStatus(state, as_of, self._interval, listed, reason)
        self._tables.feed.put(FEED, row)
        figures = FeedFigures(dict(self._troubles.counts), len(self._listing.unlisted))
        self._tables.feed_figures.put(FEED, figures)
        for name in self._watchers:
            self.system.ref(name).cast(FeedChanged())

    @property
    def _interval(self) -> float:
        if self._provider.interval is not None:
            return self._provider.interval
        settings = self._settings
        return settings.interval if self._demand.subscribers else settings.idle_interval

    # The task: one round after another

    async def _poll(self) -> None:
        try:
            while True:
                started = trio.current_time()
                permit = await self._permit()
                if isinstance(permit, Permit):
                    earliest, latest = await self._fetch(permit), math.inf
                else:
                    earliest, latest = 0.0, permit
                await self._pause(started, earliest, latest)
        finally:
            await self._provider.aclose()

    async def _permit(self) -> Permit | float:
        """A permit, or by when on trio's clock to ask again at the latest."""
        why = ""
        for _ in range(RETRIES):
            try:
                answer = await self._breaker.call(AcquirePermit(self.ref), timeout=PERMIT_SECONDS)
            except (NoProc, ServerExited) as error:
                why = str(error)
                await trio.sleep(RETRY_SECONDS)
                continue
            except CallError as error:
                # It may have permitted the call all the same, after we gave up.
                self._breaker.cast(NoCalls(self.ref))
                why = str(error)
                break
            if isinstance(answer, NotPermitted):
                self.ref.cast(_Failed(None, f"the circuit breaker is {answer.state}"))
                wait = math.inf if answer.remaining is None else answer.remaining
                return trio.current_time() + wait
            return answer
        self.ref.cast(_Failed("breaker_unavailable", why))
        return math.inf

    async def _fetch(self, permit: Permit) -> float:
        """Fetch and report; from when on trio's clock the upstream may be asked again."""
        wanted = self._wanted()
        started = trio.current_time()
        rejects = None
        try:
            parsed = await self._provider.fetch(wanted)
            rejects = parsed.rejects
            if not parsed.observations:
                why = "; ".join(rejects.samples.values()) or "the list is empty"
                raise ProviderBody(
                    "body_no_quotes", f"no usable quote in the body: {why}", said=parsed.said
                )
        except ProviderError as error:
            duration = trio.current_time() - started
            self._breaker.cast(CallRaised(permit, duration, error, error.retry_after))
            self.ref.cast(_Failed(error.kind, str(error), rejects, error.said))
            if isinstance(error, SymbolsNotFound):
                # The list tells which of them are gone, and the rest go on.
                self._list_due = -math.inf
            return trio.current_time() + min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
        duration = trio.current_time() - started
        reading = Reading(round(trio.current_time() * 1000), self._clock(), parsed.date)
        if self._base.believes_none(parsed.observations, reading):
            # The streamer may come to believe them, and the breaker counts as it does elsewhere.
            none = ProviderBody("body_clock_ahead", "no quote of a time that can be believed")
            self._breaker.cast(CallRaised(permit, duration, none, None))
        else:
            self._breaker.cast(CallReturned(permit, duration, parsed))
        if wanted is None:
            self._list_due = started + self._settings.list_interval
        self.ref.cast(_Fetched(parsed, reading, duration, wanted is None))
        return 0.0

    def _wanted(self) -> frozenset[Symbol] | None:
        """What to ask for; None is the whole list."""
        list_is_due = trio.current_time() >= self._list_due
        if not self._symbols or self._demand.everything or list_is_due:
            return None
        known = self._tables.quotes.rows.keys()
        return ((self._symbols | self._demand.symbols | self._alerts) & known) or None

    async def _pause(self, started: float, earliest: float, latest: float) -> None:
        """Wait for the next round: an interval after this one began, within the limits.

        A demand that comes meanwhile changes the interval, and nothing more: clients that come
        and go cannot make the fetches any faster than that.
        """
        part = 1 - self._settings.jitter * random.random()
        while True:
            self._wake = trio.Event()
            due = max(min(started + self._interval * part, latest), earliest)
            with trio.move_on_at(due) as waiting:
                await self._wake.wait()
            if waiting.cancelled_caught:
                return
