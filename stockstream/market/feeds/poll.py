"""A feed that polls: it asks its upstream for prices at the pace of the demand.

One task goes round. It asks the circuit breaker for a permit, fetches, and tells the breaker the
outcome. It sorts the prices by the upstream's clock, and tells the streamer the newer ones until
the streamer has taken them. So there are never two fetches at once, and the actor answers while one
hangs. Trouble upstream is a state of the feed, never a crash.

In a cluster one node fetches. There the feed tells the bus how each round went. On the other nodes
it stands by, and its rows are what it is told from there, until the membership has it fetch.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import trio

from stockstream import paths, spans
from stockstream.market.breaker_messages import CallRaised, CallReturned, NoCalls
from stockstream.market.breaker_types import NotPermitted, Permit
from stockstream.market.confirmations import Answer, Pace
from stockstream.market.feeds.allowance import Allowance
from stockstream.market.feeds.asking import Asking
from stockstream.market.feeds.by_name import ByName
from stockstream.market.feeds.confirming import Confirming, answer_of, believed, refusals
from stockstream.market.feeds.hurry import hurried
from stockstream.market.feeds.partners import Partners
from stockstream.market.feeds.renewal import ProviderRenewed
from stockstream.market.feeds.standby import Standby
from stockstream.market.feeds.standing import Standing
from stockstream.market.feeds.wanting import Wanting
from stockstream.market.fetches import Fetches, Outcome
from stockstream.market.observed import Observed
from stockstream.market.providers import (
    Provider,
    ProviderBody,
    ProviderError,
    ProviderRefused,
    SymbolsNotFound,
)
from stockstream.market.providers.base import sample_of
from stockstream.market.time_base import Reading, TimeBase
from stockstream.messages import (
    AlertSymbols,
    ClockStepped,
    Demand,
    DemandWanted,
    FetchNow,
    HoldingChanged,
    Hurried,
    ProbeNow,
    RoutesChanged,
    UpstreamTold,
)
from stockstream.quotes import Symbol, parse_symbol
from stockstream.statuses import Rejection, StaleReason
from stockstream.times import Moment, now_ms
from supervision import Actor, Caller, CallError, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stockstream.market.feeds.poll_settings import PollSettings
    from stockstream.market.parser import Parsed
    from stockstream.market.time_base import Poll
    from stockstream.tables import Tables

LONGEST_RETRY_AFTER = 60.0
"""An upstream may ask for a longer rest; it is asked again after this time all the same."""
MISCONFIGURED_SECONDS = 300.0
"""One that refuses our key would do so again; somebody may have mended that meanwhile."""
GATHER_SECONDS = 0.1
"""Symbols are named one after another, and asked for together."""


class PollFeed(Actor):
    """See the module."""

    owns_tasks = True

    def __init__(
        self,
        upstream: str,
        open_provider: Callable[[], Provider],
        settings: PollSettings,
        tables: Tables,
        watchers: Sequence[str] = (paths.BROADCASTER,),
        *,
        clock: Callable[[], int] = now_ms,
        parts: int = 1,
        demand_from: str = paths.SUBSCRIPTION_MANAGER,
    ) -> None:
        """`open_provider` makes a provider for each life; `watchers` are cast `FeedChanged`.

        The actor `demand_from` tells the demand. A cluster fetches in so many `parts`, each of
        them on one node.
        """
        self._upstream = upstream
        self._open_provider = open_provider
        self._settings = settings
        self._tables = tables
        self._watchers = tuple(watchers)
        self._clock = clock
        self._demand_from = demand_from
        self._parts = parts
        self._standby = Standby(upstream, parts, tables)
        self._fetches = Fetches(upstream, tables.fetches)
        self._asked: Mapping[int, int] = {}  # the parts of the last round, and their epochs
        self._wake = trio.Event()
        self._resting = False
        self._renewed = self._was_refused = False
        self._hurry: list[Caller[Hurried]] = []
        self._last_fetch = -math.inf
        self._span = spans.NOT_TRACED

    async def init(self) -> None:
        """Begin to fetch, at once, and ask who wants what."""
        self._provider = self._open_provider()
        self._asking = self._questions()
        now, levels = trio.current_time(), self._tables.allowances.get(self._upstream)
        self._allowance = Allowance(self._provider.terms.limits, levels, now)
        self._partners = Partners(self.system, self._upstream, self._standby, self._watchers)
        self._standing = Standing(
            self._upstream,
            self._provider.address,
            self._tables,
            self._partners.say_changed,
            lists=self._lists,
        )
        if self._standby.has_own_row:
            self._standing.begin(self._cycle)
        self._take_over()
        self.tasks.start_soon(self._poll, name="poll")
        for who in (self._demand_from, paths.ALERTS):
            self.system.ref(who).cast(DemandWanted())

    def _questions(self) -> Asking | ByName:
        """What to ask such a provider for."""
        symbols = frozenset(map(parse_symbol, self._settings.symbols))
        upstream, tables, parts = self._upstream, self._tables, self._parts
        terms = self._provider.terms
        if self._lists:
            return Asking(upstream, symbols, self._settings.list_interval, tables, parts)
        return ByName(Wanting(upstream, terms.starters, symbols, tables, parts), terms, parts)

    @handles(Demand)
    def _on_demand(self, demand: Demand) -> None:
        before, self._asking.demand = self._asking.demand, demand
        if (before.subscribers == 0) != (demand.subscribers == 0):
            self._wake.set()
        self._look_at_once()
        self._standing.paced(self._cycle)

    @handles(AlertSymbols)
    def _on_alert_symbols(self, message: AlertSymbols) -> None:
        self._asking.alerts = message.symbols
        self._look_at_once()

    @handles(RoutesChanged)
    def _on_routes(self, _message: RoutesChanged) -> None:
        """The next round goes by them, which is now where symbols come here that were another's;
        other nodes are told at once.
        """
        self._partners.tell_nodes()
        self._look_at_once()

    def _look_at_once(self) -> None:
        """Ask now, within what is allowed, for what is wanted and was not before."""
        if self._resting or self._asking.has_news:
            self._wake.set()

    @handles(HoldingChanged)
    def _on_holding(self, _message: HoldingChanged) -> None:
        self._standby.forget_gone()
        self._wake.set()

    @handles(ProviderRenewed)
    def _on_renewed(self, message: ProviderRenewed) -> None:
        self._open_provider, self._renewed = message.open_provider, True
        self._wake.set()

    @replies_later(FetchNow)
    def _on_fetch_now(self, _request: FetchNow, caller: Caller[Hurried]) -> None:
        if self._standby.held:
            self._hurry.append(caller)
            self._wake.set()
        else:
            caller.reply(Hurried(False, "another node of the cluster fetches its prices"))

    @handles(UpstreamTold)
    def _on_told(self, told: UpstreamTold) -> None:
        if self._standby.told(told):
            self._partners.say_told(told)

    def _take_over(self) -> None:
        """Begin with what the rows say: this feed's last life wrote them, or another node's feed
        told them.
        """
        clock = self._tables.upstream_clocks.get(self._upstream)
        # By name, an answer is of a few symbols, which agree with each other too easily.
        steps = self._lists
        self._base = TimeBase(clock, self._upstream, steps=steps)
        self._confirming = Confirming(self._upstream, self._tables)

    @property
    def _lists(self) -> bool:
        return self._provider.terms.at_once is None

    @property
    def _interval(self) -> float:
        if self._provider.interval is not None:
            return self._provider.interval
        settings = self._settings
        return settings.interval if self._asking.demand.subscribers else settings.idle_interval

    @property
    def _gap(self) -> float:
        return self._asking.gap(self._interval, self._allowance)

    @property
    def _cycle(self) -> float:
        return self._asking.cycle(self._interval, self._allowance)

    @property
    def _pace(self) -> Pace:
        return Pace(self._cycle, self._settings.list_interval, self._asking.often)

    # The task: one round after another

    async def _poll(self) -> None:
        try:
            while True:
                await self._until_held()
                await self._renew()
                started = trio.current_time()
                if self._asking.rests(started):
                    if self._asking.idle:
                        # Nothing that this node answers for is older than that.
                        self._standing.fresh(Moment.now(), self._cycle)
                    self._hurried(Hurried(False, "nobody wants a price of it now"))
                    await self._rest()
                    continue
                await trio.sleep(self._allowance.wait(started, self._asking.cost()))
                started = trio.current_time()
                if self._hurry:
                    self._partners.breaker.cast(ProbeNow())
                permit = await self._permit()
                if isinstance(permit, Permit):
                    with spans.root(f"fetch {self._upstream}") as self._span:
                        earliest, latest = await self._fetch(permit), math.inf
                else:
                    earliest, latest = 0.0, permit
                if self._hurry:
                    self._hurried(hurried(self._tables.feeds.get(self._upstream), started))
                await self._pause(started, earliest, latest)
        finally:
            await self._provider.aclose()

    async def _renew(self) -> None:
        """Ask by the new key from now on, if there is one."""
        if not self._renewed:
            return
        before, self._provider = self._provider, self._open_provider()
        self._renewed = self._was_refused = False
        await before.aclose()

    async def _until_held(self) -> None:
        """Wait until this node is to fetch anything from this upstream."""
        if not self._standby.held:
            while not self._standby.held:
                self._hurried(Hurried(False, "another node of the cluster fetches its prices"))
                self._wake = trio.Event()
                await self._wake.wait()
            self._take_over()
            self._standby.take_over()
            self._standing.begin(self._cycle)
        held = self._standby.held
        if not held <= self._asked.keys():
            self._asking.list_is_due()  # nobody has told which symbols it lists in a new part
        self._asking.held, self._asked = held, self._standby.claimed

    async def _permit(self) -> Permit | float:
        """A permit, or by when on trio's clock to ask again at the latest."""
        try:
            answer = await self._partners.permit(self.ref)
        except CallError as error:
            self._failed("breaker_unavailable", str(error))
            return math.inf
        if isinstance(answer, NotPermitted):
            self._standing.held_back(self._cycle, f"the circuit breaker is {answer.state}")
            wait = math.inf if answer.remaining is None else answer.remaining
            return trio.current_time() + wait
        return answer

    async def _fetch(self, permit: Permit) -> float:
        """Fetch and publish; from when on trio's clock the upstream may be asked again."""
        started = trio.current_time()
        wanted = self._asking.next(started)
        if wanted is not None and not wanted:  # any more
            self._partners.breaker.cast(NoCalls(self.ref))
            return 0.0
        self._last_fetch = started
        self._was_refused = False
        self._pay(started, self._asking.cost(wanted))
        try:
            parsed = await self._provider.fetch(wanted)
            if not parsed.observations:
                self._standing.rejected(parsed.rejects)
                self._fetches.items(0, 0, parsed.rejects.total)
                self._confirming.refused(refusals(parsed.rejects, Moment.now().milliseconds))
                why = "; ".join(parsed.rejects.samples.values()) or "the list is empty"
                raise ProviderBody(
                    "body_no_quotes", f"no usable quote in the body: {why}", said=parsed.said
                )
        except ProviderRefused as error:
            # Nothing is wrong with the provider: an open breaker would say that there is.
            self._fetch_ended(Outcome.REFUSED, trio.current_time() - started)
            self._partners.breaker.cast(NoCalls(self.ref))
            self._failed(error.kind, f"misconfigured: {error}", error.said)
            self._was_refused = True
            return trio.current_time() + MISCONFIGURED_SECONDS
        except ProviderError as error:
            duration = trio.current_time() - started
            self._fetch_ended(Outcome.FAILED, duration)
            self._partners.breaker.cast(CallRaised(permit, duration, error, error.retry_after))
            self._failed(error.kind, str(error), error.said)
            if isinstance(error, SymbolsNotFound):
                self._not_found(self._asking.not_found(wanted, started), str(error))
            else:
                self._asking.failed(wanted)
            return trio.current_time() + min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)
        duration = trio.current_time() - started
        self._fetch_ended(Outcome.SUCCESSFUL, duration)
        reading = Reading(round(trio.current_time() * 1000), self._clock(), parsed.date)
        # First: by the answer that shows a step of the clock, its own prices can be believed.
        poll = self._base.judge(parsed.observations, self._tables.quotes.rows, reading)
        if self._base.believes_none(parsed.observations, reading):
            # They may be believed later; for the breaker it is a failure like others.
            none = ProviderBody("body_clock_ahead", "no quote of a time that can be believed")
            self._partners.breaker.cast(CallRaised(permit, duration, none, None))
        else:
            self._partners.breaker.cast(CallReturned(permit, duration, parsed))
        if wanted is None:
            self._asking.listed(parsed, started)
        told = self._asking.answered(wanted, parsed)
        await self._publish(parsed, poll, reading, told, started)
        return 0.0

    def _fetch_ended(self, outcome: Outcome, seconds: float) -> None:
        self._fetches.ended(outcome, seconds, sample_of(self._provider))

    def _pay(self, now: float, cost: float) -> None:
        """Take a request from what the provider allows, so that a new life has no more of it."""
        if self._provider.terms.limits:
            self._allowance.take(now, cost)
            self._tables.allowances.put(self._upstream, self._allowance.levels)

    def _not_found(self, gone: frozenset[Symbol], why: str) -> None:
        """The provider has these no longer, if it ever had."""
        if gone:
            at = Moment.now().milliseconds
            refused = {symbol: Rejection(StaleReason.NOT_LISTED, why, at) for symbol in gone}
            not_served = self._asking.not_served
            answer = Answer(at, gone, frozenset(), refused, not_served=not_served)
            self._confirming.answered(answer, self._pace)

    async def _publish(
        self,
        parsed: Parsed,
        poll: Poll,
        reading: Reading,
        asked: frozenset[Symbol] | None,
        asked_at: float,
    ) -> None:
        """Have what is newer published, and note what that confirms of what was `asked` for."""
        if not self._standby.held:
            return  # another node has fetched it by now
        standing = self._standing
        if self._provider.has_own_clock:
            self._base.witness(reading, parsed.observations)
        self._tables.upstream_clocks.put(self._upstream, self._base.clock)
        if poll.step:
            seconds = round(poll.step / 1000, 1)
            standing.stepped(seconds)
            self.system.emit(ClockStepped(self.path, "upstream", seconds))
        newer, retold, elsewhere = poll.newer, poll.retold, self._elsewhere(parsed)
        if elsewhere:
            newer = [seen for seen in newer if seen.symbol not in elsewhere]
            retold = [seen for seen in retold if seen.symbol not in elsewhere]
        told = believed(parsed, poll)
        self._fetches.items(len(parsed.observations), len(newer), parsed.rejects.total)
        shift, when = self._base.clock.shift, round(asked_at * 1000)
        accepted = await self._partners.publish(
            Observed(
                *(self._upstream, (*newer, *retold), reading, shift, when, told),
                whole=self._lists,
            ),
            self._failed,
        )
        again = standing.rejected(parsed.rejects) + standing.suspected(poll)
        standing.succeeded(again + standing.behind(len(accepted.behind)))
        behind = accepted.behind | elsewhere
        not_served = self._asking.not_served
        answer = answer_of(parsed, poll, reading.steady, asked, told, behind, not_served)
        self._confirming.answered(answer, self._pace)
        if poll.confirms_nothing:
            standing.stale(self._cycle, poll.why)
        else:
            standing.fresh(Moment(reading.steady / 1000), self._cycle)

    def _elsewhere(self, parsed: Parsed) -> frozenset[Symbol]:
        """The symbols in an answer that another provider tells, by the routes."""
        routing = self._tables.routing.value
        if routing is None:
            return frozenset()
        symbols = (seen.symbol for seen in parsed.observations)
        return frozenset(s for s in symbols if routing.source(s) != self._upstream)

    def _failed(self, kind: str, reason: str, said: str | None = None) -> None:
        self._span.fail(kind)
        self._standing.trouble(kind, reason, said=said)
        self._standing.stale(self._cycle, reason)

    def _hurried(self, came_of_it: Hurried) -> None:
        """Answer who did not want to wait."""
        callers, self._hurry = self._hurry, []
        for caller in callers:
            caller.reply(came_of_it)

    async def _rest(self) -> None:
        """Wait until there may be something to ask for; not sooner after the last fetch, though,
        than without a rest.
        """
        self._resting, self._wake = True, trio.Event()
        with trio.move_on_after(self._gap):
            await self._wake.wait()
        self._resting = False
        with trio.move_on_at(self._last_fetch + self._gap):
            while not self._standby.has_taken_over(self._asked):
                self._wake = trio.Event()
                await self._wake.wait()

    async def _pause(self, started: float, earliest: float, latest: float) -> None:
        """Wait for the next round: an interval after this one began, within the limits.

        A demand that comes meanwhile changes the interval, and nothing more: clients that come
        and go cannot make the fetches any faster than that. What this node takes over meanwhile is
        asked for at once: the last answer about it may be an interval old, and was another node's.
        """
        part = 1 - self._settings.jitter * random.random()
        while True:
            self._wake = trio.Event()
            pause = GATHER_SECONDS if self._asking.has_news else self._gap * part
            if self._standby.has_taken_over(self._asked):
                pause = 0.0
            if self._renewed and self._was_refused:
                earliest = 0.0  # what was refused is not asked for any more
            if self._hurry:
                return
            due = max(min(started + pause, latest), earliest)
            with trio.move_on_at(due) as waiting:
                await self._wake.wait()
            if waiting.cancelled_caught:
                return
