"""A feed that is pushed to: it keeps lines to its provider, and tells the streamer what comes.

Where the provider allows several connections and so many are set, the symbols are shared out among
the lines as a cluster shares them out among its nodes. One task keeps each line: it asks the
circuit breaker for a permit, connects, and tells the breaker how that went once the provider has
acknowledged anything. Another tells the streamer the prices until it has taken them, and one says
each second how the feed stands. A line that the provider is about to end goes on until the next one
tells all that it told. Trouble upstream is a state of the feed, never a crash.

In a cluster each connection is a shard: the node that holds it connects, and the others stand by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import trio

from stockstream import paths
from stockstream.market.confirmations import Pace
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.confirming import subscribed
from stockstream.market.feeds.fill import Fill, Lacking, is_news
from stockstream.market.feeds.hurry import hurry_lines
from stockstream.market.feeds.kept_line import Common, KeptLine
from stockstream.market.feeds.partners import Partners
from stockstream.market.feeds.renewal import AccessRenewed
from stockstream.market.feeds.standby import Standby
from stockstream.market.feeds.standing import Standing
from stockstream.market.feeds.telling import Telling
from stockstream.market.feeds.wanting import NOTHING, Wanting
from stockstream.market.fetches import Fetches
from stockstream.market.observed import FiguresTold
from stockstream.market.providers.push import Event, Prices, Refused, Subscribed, Unread
from stockstream.masks import without_secrets
from stockstream.messages import (
    AlertSymbols,
    Demand,
    DemandWanted,
    FetchNow,
    HoldingChanged,
    Hurried,
    ProbeNow,
    RoutesChanged,
    UpstreamTold,
)
from stockstream.quotes import Symbol
from stockstream.refusals import OVER_LIMIT
from stockstream.shards import index_of
from stockstream.statuses import LineStatus, PushPhase, PushStatus
from stockstream.times import Moment, now_ms
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stockstream.market.feeds.push_settings import PushSettings
    from stockstream.market.feeds.wanting import Share
    from stockstream.market.providers.push import Access, PushProvider
    from stockstream.tables import Tables


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
        demand_from: str = paths.SUBSCRIPTION_MANAGER,
    ) -> None:
        """`watchers` are cast `FeedChanged`; the actor `demand_from` tells the demand."""
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
        self._parts = provider.connections
        self._wanting = Wanting(
            upstream,
            provider.starters,
            settings.symbols,
            tables,
            self._parts,
            most=provider.limits.symbols,
        )
        self._shares: dict[int, Share] = {}
        self._standby = Standby(upstream, self._parts, tables, exclusive=provider.needs_key)
        self._fill: Fill | None = None
        self._lacking = Lacking()
        self._lines: tuple[KeptLine, ...] = ()

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
        self._telling = Telling(
            self._upstream,
            self._tables,
            self._partners,
            self._standby,
            self._standing,
            self._clock,
            self._not_published,
        )
        self._take_over()
        row = self._tables.pushes.get(self._upstream) or PushStatus()
        self._common = self._in_common(row)
        latest, now = self._provider.latest, trio.current_time()
        if latest is not None:
            self._calls = Tokens(latest.calls, row.calls, now)
            self._fill = Fill(
                latest, self._access, self._filled, self._not_filled, self._clock, self._calls
            )
        self._share_out()
        self._lines = tuple(
            KeptLine(number, self._common, row.lines.get(number)) for number in range(self._parts)
        )
        self._write()
        for line in self._lines:
            self.tasks.start_soon(line.run, name=f"line {line.number}")
        self.tasks.start_soon(self._telling.run, name="prices")
        self.tasks.start_soon(self._stand, name="standing")
        if self._fill is not None:
            self.tasks.start_soon(self._fill.run, name="fill")
        for who in (self._demand_from, paths.ALERTS):
            self.system.ref(who).cast(DemandWanted())

    def _in_common(self, row: PushStatus) -> Common:
        """What the lines share; `row` is what the last life of this feed left."""
        limits, now = self._provider.limits, trio.current_time()
        return Common(
            provider=self._provider,
            access=self._access,
            settings=self._settings,
            tables=self._tables,
            partners=self._partners,
            feed=self.ref,
            fetches=Fetches(self._upstream, self._tables.fetches),
            connects=Tokens(limits.connects, row.connects, now),
            messages=Tokens(limits.messages, row.messages, now),
            clock=self._clock,
            wanted=self._wanted,
            holds=self._held_here,
            heard=self._heard,
            trouble=self._trouble,
            held_back=self._held_back,
            lost=self._lost,
            changed=self._write,
            barred=self._barred,
            ends=Counter(row.ends),
        )

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
            self._telling.begin()
            self._take_over()
        self._holds = held
        self._want()

    @handles(AccessRenewed)
    def _on_access(self, message: AccessRenewed) -> None:
        """The lines that are there go on, as the provider lets them; the next ones use this."""
        self._access = self._common.access = message.access
        if self._fill is not None:
            self._fill.renew(message.access)
        for line in self._lines:
            line.renewed()

    @handles(FetchNow)
    def _on_fetch_now(self, _request: FetchNow) -> Hurried:
        self._partners.breaker.cast(ProbeNow())
        if self._fill is not None:
            for line in self._lines:
                self._fill.want(frozenset() if line.open is None else line.open.subscribed)
        return hurry_lines(self._lines)

    @handles(UpstreamTold)
    def _on_told(self, told: UpstreamTold) -> None:
        if self._standby.told(told):
            self._partners.say_told(told)

    def _take_over(self) -> None:
        """This node is connected, if it holds anything of the upstream."""
        self._holds = bool(self._standby.held)
        if self._holds:
            self._standby.take_over()
            self._standing.begin(self._interval)

    # What the lines are to have

    def _want(self) -> None:
        """Have the lines know what is wanted."""
        self._share_out()
        for line in self._lines:
            line.want()

    def _share_out(self) -> None:
        self._shares = self._wanting.shares(self._standby.held)

    def _wanted(self, number: int) -> frozenset[Symbol]:
        """What a line is to have; nothing where another node has it by now."""
        return self._shares.get(number, NOTHING).symbols if self._held_here(number) else frozenset()

    def _held_here(self, number: int) -> bool:
        return number in self._standby.held

    def _line_of(self, symbol: Symbol) -> KeptLine:
        return self._lines[index_of(symbol, self._parts)]

    # How the lines do

    def _barred(self) -> LineStatus | None:
        """A line that was refused for good, while no line is open: the key is refused, or the plan.
        It would be tried for nothing once more for each line.
        """
        now = trio.current_time()
        if any(line.open for line in self._lines):
            return None
        for line in self._lines:
            row = line.row
            again = row.not_before
            if row.phase is PushPhase.MISCONFIGURED and again is not None and again.seconds > now:
                return row
        return None

    def _trouble(self, line: KeptLine, kind: str, reason: str, said: str | None) -> None:
        self._standing.trouble(kind, reason, said=said)
        if line.line is None:
            self._standing.stale(self._interval, reason)

    def _held_back(self, reason: str) -> None:
        self._standing.held_back(self._interval, reason)

    def _lost(self, symbols: frozenset[Symbol]) -> None:
        if self._fill is not None:
            self._fill.forget(symbols)

    def _write(self) -> None:
        """Write the feed's row of the pushes."""
        common = self._common
        row = PushStatus(
            {line.number: line.row for line in self._lines},
            connects=common.connects.level,
            messages=common.messages.level,
            calls=None if self._fill is None else self._calls.level,
            ends=dict(common.ends),
        )
        self._tables.pushes.put(self._upstream, row)

    # What the lines tell

    def _heard(self, line: KeptLine, event: Event) -> None:
        self._telling.dated = line.dated
        if isinstance(event, Subscribed) and self._fill is not None:
            self._fill.want(event.symbols)
        self._read(event)

    def _filled(self, event: Event) -> None:
        if isinstance(event, Refused):
            line = self._line_of(event.symbol).line
            if line is not None:
                line.refuse(event)
        elif isinstance(event, Prices):
            # The socket has told of many in the meantime; that is no trouble.
            rows = self._tables.quotes.rows
            known = tuple(one for one in event.observations if not is_news(one, rows))
            if known and self._standby.held:
                self._partners.tell_figures(FiguresTold(self._upstream, known))
            event = Prices(tuple(one for one in event.observations if is_news(one, rows)))
            found = defaultdict[KeptLine, list[Symbol]](list)
            for one in event.observations:
                found[self._line_of(one.symbol)].append(one.symbol)
            for kept, symbols in found.items():
                if kept.mute is not None:
                    kept.mute.found(symbols, trio.current_time())
        self._read(event)

    def _not_filled(self, kind: str, reason: str, said: str | None) -> None:
        self._standing.trouble(kind, reason, said=said)

    def _read(self, event: Event) -> None:
        match event:
            case Prices(observations):
                mine = [seen for seen in observations if self._wanting.tells(seen.symbol)]
                self._telling.add(mine)
                self._common.fetches.items(len(observations), len(mine), 0)
            case Refused(symbol, code, reason):
                self._standing.trouble(f"symbol_{code}", f"{symbol}: {reason}")
            case Unread(kind, detail, count):
                self._standing.trouble(f"item_{kind}", detail, count)
                self._common.fetches.items(0, 0, count)
            case _:
                pass

    def _not_published(self, kind: str, reason: str) -> None:
        self._standing.trouble(kind, reason)
        if not any(line.line for line in self._lines):
            self._standing.stale(self._interval, reason)

    # How it stands

    async def _stand(self) -> None:
        while True:
            await trio.sleep(self._settings.line.tick)
            held, now = self._standby.held, trio.current_time()
            if self._standby.barred:
                self._standing.stale(self._interval, "alone: another node may be connected")
            if not held:
                continue
            self._share_out()
            kept = [line for line in self._lines if line.number in held]
            lines = [line for one in kept if (line := one.open) is not None]
            all_there = all(one.open is not None or not one.wanted for one in kept)
            if all_there:
                # Nothing that this feed answers for is older than that.
                frames = [line.last_frame for line in lines if line.last_frame is not None]
                self._standing.fresh(Moment(min(frames, default=now)), self._interval)
            else:
                self._standing.held_back(self._interval, "connecting")
            if not lines:
                continue
            self._look_beyond()
            self._answer(kept, now)
            if all_there:
                again = {f"symbol_{why.code}" for one in kept for why in one.refused.values()}
                if self._fill is not None and self._fill.trouble is not None:
                    again.add(self._fill.trouble)
                self._standing.succeeded(again)
            to_ask = frozenset[Symbol]().union(*(one.look(now) for one in kept))
            if self._fill is not None:
                told = (symbol for line in lines for symbol in line.subscribed)
                lacking = self._lacking.look(told, self._tables.quotes.rows, self._upstream)
                if to_ask or lacking:
                    self._fill.want(to_ask | lacking)

    def _answer(self, kept: Sequence[KeptLine], now: float) -> None:
        """Say what the lines confirm by being there."""
        lines = [line for one in kept if (line := one.open) is not None]
        told = frozenset[Symbol]().union(*(line.subscribed for line in lines))
        refused = {symbol: why for one in kept for symbol, why in one.refused.items()}
        unanswered = frozenset[Symbol]().union(*(one.unanswered for one in kept))
        ours = self._wanting.among(frozenset(one.number for one in kept))
        answer = subscribed(told, refused, unanswered, self._upstream, self._tables, now, ours)
        self._telling.confirm(answer, Pace(self._interval, self._interval, None))

    def _look_beyond(self) -> None:
        """Say which symbols are wanted and more than the provider allows."""
        most = self._provider.limits.symbols
        why = f"{self._provider.name} tells {most} symbols on a connection, and this is one more"
        news: list[Symbol] = []
        for line in self._lines:
            beyond = self._shares.get(line.number, NOTHING).beyond
            news += [symbol for symbol in beyond if symbol not in line.beyond]
            line.beyond = {symbol: Refused(symbol, OVER_LIMIT, why) for symbol in beyond}
        if news:
            self._standing.trouble(f"symbol_{OVER_LIMIT}", f"{news[0]}: {why}", len(news))
