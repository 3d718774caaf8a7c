"""A feed that is pushed to: it keeps a line to its provider, and tells the streamer what comes.

One task keeps the line: it asks the circuit breaker for a permit, connects, and tells the breaker
how that went once the provider has acknowledged anything. A second tells the streamer the prices
until it has taken them, and a third says each second how the feed stands. A line that the provider
is about to end goes on until the next one tells all that it told. Trouble upstream is a state of
the feed, never a crash.

In a cluster the node that holds the upstream connects; on the others the feed stands by.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream import paths
from stockstream.market.breaker_messages import CallRaised, CallReturned, NoCalls
from stockstream.market.breaker_types import NotPermitted, Permit
from stockstream.market.confirmations import Pace
from stockstream.market.feeds.allowance import (
    LONGEST_RETRY_AFTER,
    Tokens,
    pause_after,
    pause_while_it_lingers,
)
from stockstream.market.feeds.confirming import Confirming, refusals, subscribed
from stockstream.market.feeds.fill import Fill, is_news
from stockstream.market.feeds.line import Line, LineTimes
from stockstream.market.feeds.mute import QUIET_SECONDS, Mute
from stockstream.market.feeds.partners import RETRY_SECONDS, Partners
from stockstream.market.feeds.pending import Pending
from stockstream.market.feeds.push_socket import Ended
from stockstream.market.feeds.standby import Standby
from stockstream.market.feeds.standing import Standing
from stockstream.market.feeds.wanting import Wanting
from stockstream.market.observed import Observed
from stockstream.market.parser import Rejects
from stockstream.market.providers.push import Event, Prices, Refused, Subscribed, Unread
from stockstream.market.sessions import may_trade
from stockstream.market.time_base import Reading, TimeBase
from stockstream.masks import without_secrets
from stockstream.messages import (
    AlertSymbols,
    Demand,
    DemandWanted,
    HoldingChanged,
    RoutesChanged,
    UpstreamTold,
)
from stockstream.refusals import OVER_LIMIT
from stockstream.statuses import PushPhase, PushStatus
from stockstream.times import Moment, now_ms
from supervision import Actor, CallError, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stockstream.market.providers.push import Access, PushProvider
    from stockstream.quotes import Observation, Symbol
    from stockstream.tables import Tables


@dataclass(frozen=True, slots=True)
class PushSettings:
    """The symbols wanted always, and times in seconds.

    A feed whose key or plan was refused tries again after `misconfigured`. Failures in a row are
    forgotten when a line has lived for `healthy`. A line for which nothing is wanted is ended
    after `idle`, and one that is silent for `quiet` while its symbols trade is replaced. The new
    one has `settle` to have all symbols before the old one is given up. Clients are told an
    `interval`, at least.
    """

    symbols: frozenset[Symbol] = frozenset()
    misconfigured: float = 300.0
    healthy: float = 60.0
    idle: float = 30.0
    quiet: float = QUIET_SECONDS
    interval: float = 1.0
    settle: float = 10.0
    line: LineTimes = field(default_factory=LineTimes)


class PushFeed(Actor):
    """See the module."""

    owns_tasks = True

    def __init__(
        self,
        upstream: str,
        provider: PushProvider,
        access: Access,
        settings: PushSettings,
        tables: Tables,
        watchers: Sequence[str] = (paths.BROADCASTER,),
        *,
        clock: Callable[[], int] = now_ms,
        parts: int = 1,
        demand_from: str = paths.SUBSCRIPTION_MANAGER,
    ) -> None:
        """`watchers` are cast `FeedChanged`; the actor `demand_from` tells the demand. A cluster
        has so many `parts`, each of them on one node.
        """
        self._upstream = upstream
        self._provider = provider
        self._access = access
        self._settings = settings
        self._tables = tables
        self._watchers = tuple(watchers)
        self._clock = clock
        self._demand_from = demand_from
        times = settings.line
        life = times.ping + times.pong if provider.silence is None else provider.silence
        # Clients call prices stale after three of them.
        self._interval = max(settings.interval, life / 3)
        self._holds = False
        self._rng = random.Random()
        self._wanting = Wanting(
            upstream,
            provider.starters,
            settings.symbols,
            tables,
            parts,
            most=provider.limits.symbols,
        )
        self._standby = Standby(upstream, parts, tables)
        self._pending = Pending()
        self._fill: Fill | None = None
        self._line: Line | None = None
        self._connecting: Line | None = None
        self._mute: Mute | None = None
        self._beyond: Mapping[Symbol, Refused] = {}
        self._overtaken: dict[Symbol, Observation] = {}
        self._confirms = False
        self._wake, self._told_wake = trio.Event(), trio.Event()

    async def init(self) -> None:
        """Connect at once, unless this feed's last life has to wait, and ask who wants what."""
        self._partners = Partners(self.system, self._upstream, self._standby, self._watchers)
        self._standing = Standing(
            self._upstream,
            without_secrets(self._access.url or self._provider.address),
            self._tables,
            self._partners.say_changed,
            lists=False,
        )
        if self._standby.has_own_row:
            self._standing.begin(self._interval)
        self._begin_by_rows()
        now = trio.current_time()
        row = self._tables.pushes.get(self._upstream) or PushStatus(PushPhase.IDLE, Moment(now))
        limits = self._provider.limits
        self._connects = Tokens(limits.connects, row.connects, now)
        self._messages = Tokens(limits.messages, row.messages, now)
        self._row = row
        latest = self._provider.latest
        if latest is not None:
            self._calls = Tokens(latest.calls, row.calls, now)
            self._fill = Fill(
                latest, self._access, self._filled, self._not_filled, self._clock, self._calls
            )
        waits = row.not_before is not None and row.not_before.seconds > now
        self._say(row.phase if waits else PushPhase.IDLE, row.reason if waits else None)
        self.tasks.start_soon(self._keep_a_line, name="line")
        self.tasks.start_soon(self._tell_prices, name="prices")
        self.tasks.start_soon(self._stand, name="standing")
        if self._fill is not None:
            self.tasks.start_soon(self._fill.run, name="fill")
        for who in (self._demand_from, paths.ALERTS):
            self.system.ref(who).cast(DemandWanted())

    @handles(Demand)
    def _on_demand(self, demand: Demand) -> None:
        self._wanting.demand = demand
        self._want()

    @handles(AlertSymbols)
    def _on_alert_symbols(self, message: AlertSymbols) -> None:
        self._wanting.alerts = message.symbols
        self._want()

    @handles(RoutesChanged)
    def _on_routes(self, _message: RoutesChanged) -> None:
        self._want()
        self._partners.tell_nodes()

    @handles(HoldingChanged)
    def _on_holding(self, _message: HoldingChanged) -> None:
        self._standby.forget_gone()
        held = bool(self._standby.held)
        if held and not self._holds:
            self._begin_by_rows()
        self._holds = held
        self._want()

    @handles(UpstreamTold)
    def _on_told(self, told: UpstreamTold) -> None:
        if self._standby.told(told):
            self._partners.say_told(told)

    def _begin_by_rows(self) -> None:
        """Begin with what the rows say: this feed's last life wrote them, or another node's feed
        told them.
        """
        self._holds = bool(self._standby.held)
        clock = self._tables.upstream_clocks.get(self._upstream)
        self._base = TimeBase(clock, self._upstream, steps=False)
        self._confirming = Confirming(self._upstream, self._tables)
        if self._holds:
            self._standby.take_over()
            self._standing.begin(self._interval)

    def _want(self) -> None:
        """Have the lines and whoever waits for one know what is wanted."""
        held = self._standby.held
        for line in (self._line, self._connecting):
            if line is None:
                continue
            if held:
                line.want(self._wanting.symbols(held))
            else:
                # Some providers allow a single connection, which is the other node's now.
                line.hang_up(Ended("idle", "another node of the cluster is connected"))
        self._wake.set()

    # The line

    async def _keep_a_line(self) -> None:
        async with trio.open_nursery() as lines:
            while True:
                await self._until_wanted()
                await self._until_allowed()
                permit = await self._permit()
                if not isinstance(permit, Permit):
                    await self._rest(permit)
                    continue
                wanted = self._wanting.symbols(self._standby.held)
                if not wanted:  # any more: all that took its time
                    self._partners.breaker.cast(NoCalls(self.ref))
                    self._say(PushPhase.IDLE)
                    continue
                line = await self._connect(lines, permit, wanted)
                if line is None:
                    continue
                await line.leaving.wait()
                if line.end is not None:
                    self._lost(line, line.end)

    async def _connect(
        self, lines: trio.Nursery, permit: Permit, wanted: frozenset[Symbol]
    ) -> Line | None:
        """One attempt, up to the first acknowledgement, told to the breaker; None if it failed."""
        started = trio.current_time()
        self._connects.take(started)
        self._say(PushPhase.CONNECTING, self._row.reason)
        line = Line(
            self._provider,
            self._access,
            self._messages,
            self._heard,
            self._clock,
            self._settings.line,
        )
        line.want(wanted)
        self._connecting = line
        lines.start_soon(line.run)
        await line.answered.wait()
        self._connecting = None
        duration = trio.current_time() - started
        end = line.end
        if end is None:
            self._partners.breaker.cast(CallReturned(permit, duration, None))
            await self._take_over(line)
            return line
        if end.fatal or end.lingers or end.kind == "idle":
            # Nothing is wrong with the provider: an open breaker would say that there is.
            self._partners.breaker.cast(NoCalls(self.ref))
        else:
            self._partners.breaker.cast(CallRaised(permit, duration, end, end.retry_after))
        self._ended(end)
        return None

    async def _take_over(self, line: Line) -> None:
        """The new line is the one; the one before it tells until this one does."""
        before, self._line = self._line, line
        rows = self._tables.quotes.rows
        self._mute = Mute(
            trio.current_time(), self._settings.quiet, lambda symbol: may_trade(rows.get(symbol))
        )
        self._want()
        if before is not None and before.end is None:
            with trio.move_on_after(self._settings.settle):
                await line.settled.wait()
            before.hang_up(Ended("replaced", "another connection has taken its place"))
        self._say(PushPhase.CONNECTED)

    def _lost(self, line: Line, end: Ended) -> None:
        """The line has ended."""
        if line is self._line:
            self._line = self._mute = None
            if self._fill is not None:
                self._fill.forget()
        self._ended(end)

    def _ended(self, end: Ended) -> None:
        if end.kind == "idle":
            self._say(PushPhase.IDLE)
        else:
            self._failed(end)

    def _failed(self, end: Ended) -> None:
        """Note why there is no line, and when the next attempt may be."""
        failures = self._row.failures + 1
        if end.fatal:
            pause = self._settings.misconfigured
        else:
            asked = min(end.retry_after or 0.0, LONGEST_RETRY_AFTER)
            wait = pause_while_it_lingers if end.lingers else pause_after
            pause = max(wait(failures, self._rng), asked)
        reason = f"misconfigured: {end}" if end.fatal else str(end)
        self._trouble(end.kind, reason, end.said)
        self._row = msgspec.structs.replace(
            self._row,
            failures=failures,
            not_before=Moment.now().after(pause),
            ends={**self._row.ends, end.kind: self._row.ends.get(end.kind, 0) + 1},
        )
        self._say(PushPhase.MISCONFIGURED if end.fatal else PushPhase.WAITING, reason)

    def _trouble(self, kind: str, reason: str, said: str | None = None) -> None:
        self._standing.trouble(kind, reason, said=said)
        if self._line is None:
            self._standing.stale(self._interval, reason)

    def _say(self, phase: PushPhase, reason: str | None = None) -> None:
        """Write the feed's row of the pushes."""
        line, row = self._line, self._row
        self._row = msgspec.structs.replace(
            row,
            phase=phase,
            since=row.since if phase is row.phase else Moment.now(),
            reason=reason,
            connects=self._connects.level,
            messages=self._messages.level,
            calls=None if self._fill is None else self._calls.level,
            symbols=0 if line is None else len(line.subscribed),
            refused={symbol: why.code for symbol, why in self._refused(line).items()},
        )
        self._tables.pushes.put(self._upstream, self._row)

    async def _until_wanted(self) -> None:
        """Wait until this node is to have any symbols from this provider."""
        while not self._wanting.symbols(self._standby.held):
            self._wake = trio.Event()
            await self._wake.wait()

    async def _until_allowed(self) -> None:
        """Wait until a connection may be made, by what failed before and by the provider's limit.

        A line that is to be replaced goes on meanwhile.
        """
        now = trio.current_time()
        row = self._row.not_before
        due = max(now + self._connects.wait(now), now if row is None else row.seconds)
        await trio.sleep_until(due)

    async def _permit(self) -> Permit | float | None:
        """A permit, or by when on trio's clock to ask again at the latest."""
        try:
            answer = await self._partners.permit(self.ref)
        except CallError as error:
            self._trouble("breaker_unavailable", str(error))
            return trio.current_time() + RETRY_SECONDS
        if isinstance(answer, NotPermitted):
            self._say(PushPhase.WAITING, self._row.reason or f"the breaker is {answer.state}")
            self._standing.held_back(self._interval, f"the circuit breaker is {answer.state}")
            return None if answer.remaining is None else trio.current_time() + answer.remaining
        return answer

    async def _rest(self, until: float | None) -> None:
        await trio.sleep_until(trio.current_time() + 1.0 if until is None else until)

    # What the line tells

    def _heard(self, line: Line, event: Event) -> None:
        if isinstance(event, Subscribed) and self._fill is not None:
            self._fill.want(event.symbols)
        elif isinstance(event, Prices) and self._mute is not None and line is self._line:
            self._mute.priced(event.observations, trio.current_time())
        self._read(event)

    def _filled(self, event: Event) -> None:
        if isinstance(event, Refused) and self._line is not None:
            self._line.refuse(event)
        elif isinstance(event, Prices):
            # The socket has told of many in the meantime; that is no trouble.
            rows = self._tables.quotes.rows
            event = Prices(tuple(one for one in event.observations if is_news(one, rows)))
            if self._mute is not None:
                self._mute.found((one.symbol for one in event.observations), trio.current_time())
        self._read(event)

    def _not_filled(self, kind: str, reason: str, said: str | None) -> None:
        self._standing.trouble(kind, reason, said=said)

    def _read(self, event: Event) -> None:
        match event:
            case Prices(observations):
                mine = [seen for seen in observations if self._wanting.tells(seen.symbol)]
                self._pending.add(mine)
                self._told_wake.set()
            case Refused(symbol, code, reason):
                self._standing.trouble(f"symbol_{code}", f"{symbol}: {reason}")
            case Unread(kind, detail, count):
                self._standing.trouble(f"item_{kind}", detail, count)
            case _:
                pass

    async def _tell_prices(self) -> None:
        while True:
            while not (self._pending or self._confirms):
                self._told_wake = trio.Event()
                await self._told_wake.wait()
            if self._confirms:
                self._confirms = False
                await self._confirm()
            if self._pending:
                await self._publish(self._pending.take())

    async def _publish(self, observations: tuple[Observation, ...]) -> None:
        if not self._standby.held:
            return  # another node has it by now
        rows = self._tables.quotes.rows
        reading = Reading(round(trio.current_time() * 1000), self._clock())
        poll = self._base.judge(observations, rows, reading)
        self._base.witness(reading, observations)
        self._tables.upstream_clocks.put(self._upstream, self._base.clock)
        self._standing.suspected(poll)
        refused = refusals(Rejects(), reading.steady, poll)
        if refused:
            self._confirming.refused(refused)
        if poll.newer:
            observed = Observed(self._upstream, tuple(poll.newer), reading, self._base.clock.shift)
            accepted = await self._partners.publish(observed, self._trouble)
            self._standing.behind(len(accepted.behind))
            if accepted.behind:
                self._overtaken.update(self._standby.overtaken(poll.newer, accepted.behind))

    async def _confirm(self) -> None:
        """Have the streamer of a cluster know that what was told still holds.

        A provider tells no price twice, and it may be hidden by a higher version of another node:
        by this it gets a new one. What came before the claim above that is told once more.
        """
        if self._standby.shares:
            again, self._overtaken = tuple(self._overtaken.values()), {}
            reading = Reading(round(trio.current_time() * 1000), self._clock())
            observed = Observed(self._upstream, again, reading, self._base.clock.shift)
            accepted = await self._partners.publish(observed, self._trouble)
            for symbol, seen in self._standby.overtaken(again, accepted.behind).items():
                self._overtaken.setdefault(symbol, seen)

    # How it stands

    async def _stand(self) -> None:
        idle_since: float | None = None
        while True:
            await trio.sleep(self._settings.line.tick)
            if not self._standby.held:
                continue
            now, line = trio.current_time(), self._line
            wanted = self._wanting.symbols(self._standby.held)
            if line is None or line.last_frame is None or line.end is not None:
                if not wanted:
                    # Nothing that this feed answers for is older than that.
                    self._standing.fresh(Moment(now), self._interval)
                else:
                    self._standing.held_back(self._interval, "connecting")
                continue
            self._standing.fresh(Moment(line.last_frame), self._interval)
            self._look_beyond()
            again = {f"symbol_{why.code}" for why in self._refused(line).values()}
            if self._fill is not None and self._fill.trouble is not None:
                again.add(self._fill.trouble)
            self._standing.succeeded(again)
            if self._row.failures and now - (line.opened or now) >= self._settings.healthy:
                self._row = msgspec.structs.replace(self._row, failures=0)
            refused = self._refused(line)
            answer = subscribed(line, refused, wanted, self._upstream, self._tables, now)
            self._confirming.answered(answer, Pace(self._interval, self._interval, None))
            self._confirms = True
            self._told_wake.set()
            self._say(PushPhase.CONNECTED)
            line.want(wanted)
            idle_since = None if wanted else idle_since or now
            if idle_since is not None and now - idle_since > self._settings.idle:
                line.hang_up(Ended("idle", "nobody wants a price of it"))
            elif self._mute is not None and self._mute.suspected(now):
                self._suspect(line, self._mute, now)

    def _suspect(self, line: Line, mute: Mute, now: float) -> None:
        """End a mute line. Where markets close, only if REST knows what it keeps silent about."""
        if self._provider.sessionless or mute.proven(now):
            why = f"no price for {self._settings.quiet:g} s, though symbols were trading"
            line.hang_up(Ended("mute", why))
        elif self._fill is not None:
            self._fill.want(mute.to_ask(now))

    def _refused(self, line: Line | None) -> Mapping[Symbol, Refused]:
        return {} if line is None else {**self._beyond, **line.refused}

    def _look_beyond(self) -> None:
        """Say which symbols are wanted and more than the provider allows."""
        most = self._provider.limits.symbols
        why = f"{self._provider.name} tells {most} symbols on a connection, and this is one more"
        beyond = self._wanting.beyond(self._standby.held)
        before = self._beyond
        self._beyond = {symbol: Refused(symbol, OVER_LIMIT, why) for symbol in beyond}
        news = [symbol for symbol in beyond if symbol not in before]
        if news:
            self._standing.trouble(f"symbol_{OVER_LIMIT}", f"{news[0]}: {why}", len(news))
