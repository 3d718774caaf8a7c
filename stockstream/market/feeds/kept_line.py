"""A line that a feed keeps: where one ends, the next is made, when that may be.

Used by the feed alone, which has one of these for each connection to its provider. Each has its own
symbols, failures and watchdogs. What the provider allows they have in common, and so they connect
one after the other: the circuit breaker sees one attempt at a time.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.market.breaker_messages import CallRaised, CallReturned, NoCalls
from stockstream.market.breaker_types import NotPermitted, Permit
from stockstream.market.feeds.allowance import (
    LONGEST_RETRY_AFTER,
    pause_after,
    pause_while_it_lingers,
)
from stockstream.market.feeds.line import Line
from stockstream.market.feeds.mute import Mute
from stockstream.market.feeds.partners import RETRY_SECONDS
from stockstream.market.feeds.push_socket import Ended
from stockstream.market.fetches import Outcome
from stockstream.market.providers.push import Event, Prices, Refused
from stockstream.market.sessions import may_trade
from stockstream.statuses import LineStatus, PushPhase
from stockstream.times import Moment
from supervision import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stockstream.market.feeds.allowance import Tokens
    from stockstream.market.feeds.partners import Partners
    from stockstream.market.feeds.push_settings import PushSettings
    from stockstream.market.fetches import Fetches
    from stockstream.market.providers.push import Access, PushProvider
    from stockstream.quotes import Observation, Symbol
    from stockstream.tables import Tables
    from supervision import ActorRef

LONGEST_FRAME = 2_000
"""Characters of the last frame that operators see."""
REST_SECONDS = 1.0
"""An open breaker that does not say for how long is asked again after this."""


@dataclass(slots=True, kw_only=True)
class Common:
    """What the lines of a feed have in common, and what they tell it: events, troubles (a kind, a
    reason, the provider's words), that the breaker holds them back, that a line is lost with all
    that it had, and that a row is `changed`.
    """

    provider: PushProvider
    access: Access
    settings: PushSettings
    tables: Tables
    partners: Partners
    feed: ActorRef
    fetches: Fetches
    connects: Tokens
    messages: Tokens
    clock: Callable[[], int]
    wanted: Callable[[int], frozenset[Symbol]]
    holds: Callable[[int], bool]
    heard: Callable[[KeptLine, Event], None]
    trouble: Callable[[KeptLine, str, str, str | None], None]
    held_back: Callable[[str], None]
    lost: Callable[[frozenset[Symbol]], None]
    changed: Callable[[], None]
    barred: Callable[[], LineStatus | None]
    """A line that was refused for good while no line is open: its end would be any other's."""
    ends: Counter[str] = field(default_factory=Counter)
    turn: trio.Lock = field(default_factory=trio.Lock)
    rng: random.Random = field(default_factory=random.Random)


class KeptLine:
    """See the module. It has the symbols of the part `number`; `row` is how it stands."""

    def __init__(self, number: int, common: Common, before: LineStatus | None) -> None:
        """`before` is the row that the feed's last life left."""
        self.number = number
        self._common = common
        self.row = before or LineStatus(PushPhase.IDLE, Moment.now())
        self.line: Line | None = None
        self._connecting: Line | None = None
        self.mute: Mute | None = None
        self.dated: int | None = None
        """By how much the provider's clock is ahead of the monotonic one, as it last said."""
        self.beyond: Mapping[Symbol, Refused] = {}
        """What is wanted, and more than the provider tells on a connection."""
        self._idle_since: float | None = None
        self._priced: tuple[float, Observation] | None = None
        self._silent = False
        self._wake, self._renewed = trio.Event(), trio.Event()
        again = self.row.not_before
        waits = again is not None and again.seconds > trio.current_time()
        if not waits:
            self._put(PushPhase.IDLE, None)

    @property
    def wanted(self) -> frozenset[Symbol]:
        """What this line is to have now."""
        return self._common.wanted(self.number)

    @property
    def open(self) -> Line | None:
        """The line, while it is there."""
        line = self.line
        gone = line is None or line.last_frame is None or line.end is not None
        return None if gone else line

    @property
    def refused(self) -> Mapping[Symbol, Refused]:
        """What is wanted and not told, and why."""
        return {} if self.line is None else {**self.beyond, **self.line.refused}

    @property
    def unanswered(self) -> frozenset[Symbol]:
        """What is wanted and neither subscribed nor refused, as far as the provider has said."""
        line, wanted = self.open, self.wanted
        if line is None:
            return wanted
        return frozenset() if line.settled.is_set() else wanted - line.subscribed

    async def run(self) -> None:
        """Keep it, for ever."""
        async with trio.open_nursery() as lines:
            while True:
                await self._until_wanted()
                await self._until_allowed()
                async with self._common.turn:
                    made = await self._attempt(lines)
                if isinstance(made, Line):
                    await self._take_over(made)
                    await made.leaving.wait()
                    if made.end is not None:
                        self._lost(made, made.end)
                elif made is not None:
                    await self._until(made)

    def want(self) -> None:
        """Have the lines and whoever waits for one know what is wanted."""
        for line in (self.line, self._connecting):
            if line is None:
                continue
            if self._common.holds(self.number):
                line.want(self.wanted)
            else:
                # Some providers allow a single connection, which is the other node's now.
                line.hang_up(Ended("idle", "another node of the cluster is connected"))
        self._wake.set()

    def renewed(self) -> None:
        """The key has changed: what was refused with the one of before is tried again at once."""
        if self.row.phase is PushPhase.MISCONFIGURED:
            self.row = msgspec.structs.replace(self.row, failures=0, not_before=None)
            self._say(PushPhase.WAITING, "the key has changed")
        self._renewed.set()
        self._renewed = trio.Event()

    def hurry(self) -> None:
        """Whatever failed before: connect now."""
        self.row = msgspec.structs.replace(self.row, not_before=None)
        self._renewed.set()
        self._renewed = trio.Event()

    def look(self, now: float) -> frozenset[Symbol]:
        """See whether the line is well, once a second; whose latest prices REST is to tell."""
        line, settings, wanted = self.open, self._common.settings, self.wanted
        if line is None:
            return frozenset()
        if self.row.failures and now - (line.opened or now) >= settings.healthy:
            self.row = msgspec.structs.replace(self.row, failures=0)
        self._silent = self.mute is not None and self.mute.suspected(now)
        self._say(PushPhase.CONNECTED)
        line.want(wanted)
        self._idle_since = None if wanted else self._idle_since or now
        if self._idle_since is not None and now - self._idle_since > settings.idle:
            line.hang_up(Ended("idle", "nobody wants a price of it"))
        elif self.mute is not None and self._silent:
            return self._suspect(line, self.mute, now)
        return frozenset()

    def _suspect(self, line: Line, mute: Mute, now: float) -> frozenset[Symbol]:
        """End a mute line. Where markets close, only if REST knows what it keeps silent about."""
        provider, quiet = self._common.provider, self._common.settings.quiet
        if provider.sessionless or mute.proven(now):
            line.hang_up(Ended("mute", f"no price for {quiet:g} s, though symbols were trading"))
        elif provider.latest is not None:
            return mute.to_ask(now)
        return frozenset()

    # An attempt

    async def _until_wanted(self) -> None:
        """Wait until this node is to have any symbols on this line."""
        while not self.wanted:
            self._wake = trio.Event()
            await self._wake.wait()

    async def _until_allowed(self) -> None:
        """Wait until a connection may be made, by what failed before.

        A line that is to be replaced goes on meanwhile.
        """
        while (again := self.row.not_before) is not None:
            if again.seconds <= trio.current_time():
                return
            await self._until(again.seconds)

    async def _until(self, due: float) -> None:
        """Wait until then, or until the key has changed."""
        with trio.move_on_at(due):
            await self._renewed.wait()

    async def _attempt(self, lines: trio.Nursery) -> Line | float | None:
        """A line; or by when on trio's clock to try again, None: as the row says."""
        common = self._common
        barred = common.barred()
        if barred is not None and barred.not_before is not None:
            self._say(barred.phase, barred.reason)
            return barred.not_before.seconds
        await trio.sleep(common.connects.wait(trio.current_time()))
        permit = await self._permit()
        if not isinstance(permit, Permit):
            return permit
        wanted = self.wanted
        if not wanted:  # any more: all that took its time
            common.partners.breaker.cast(NoCalls(common.feed))
            self._say(PushPhase.IDLE)
            return None
        return await self._connect(lines, permit, wanted)

    async def _permit(self) -> Permit | float:
        """A permit, or by when on trio's clock to ask again at the latest."""
        common = self._common
        try:
            answer = await common.partners.permit(common.feed)
        except CallError as error:
            common.trouble(self, "breaker_unavailable", str(error), None)
            return trio.current_time() + RETRY_SECONDS
        if isinstance(answer, NotPermitted):
            self._say(PushPhase.WAITING, self.row.reason or f"the breaker is {answer.state}")
            common.held_back(f"the circuit breaker is {answer.state}")
            rest = REST_SECONDS if answer.remaining is None else answer.remaining
            return trio.current_time() + rest
        return answer

    async def _connect(
        self, lines: trio.Nursery, permit: Permit, wanted: frozenset[Symbol]
    ) -> Line | None:
        """One attempt, up to the first acknowledgement, told to the breaker; None if it failed."""
        common, started = self._common, trio.current_time()
        common.connects.take(started)
        self._say(PushPhase.CONNECTING, self.row.reason)
        line = Line(
            common.provider,
            common.access,
            common.messages,
            self._heard,
            common.clock,
            common.settings.line,
        )
        line.want(wanted)
        self._connecting = line
        lines.start_soon(line.run)
        await line.answered.wait()
        self._connecting = None
        duration = trio.current_time() - started
        breaker, end = common.partners.breaker, line.end
        if end is None:
            common.fetches.ended(Outcome.SUCCESSFUL, duration)
            breaker.cast(CallReturned(permit, duration, None))
            return line
        if end.kind != "idle":
            outcome = Outcome.REFUSED if end.fatal else Outcome.FAILED
            common.fetches.ended(outcome, duration)
        if end.fatal or end.lingers or end.kind == "idle":
            # Nothing is wrong with the provider: an open breaker would say that there is.
            breaker.cast(NoCalls(common.feed))
        else:
            breaker.cast(CallRaised(permit, duration, end, end.retry_after))
        self._ended(end)
        return None

    async def _take_over(self, line: Line) -> None:
        """The new line is the one; the one before it tells until this one does."""
        before, self.line = self.line, line
        rows, settings = self._common.tables.quotes.rows, self._common.settings
        self.mute = Mute(
            trio.current_time(), settings.quiet, lambda symbol: may_trade(rows.get(symbol))
        )
        self.want()
        if before is not None and before.end is None:
            with trio.move_on_after(settings.settle):
                await line.settled.wait()
            before.hang_up(Ended("replaced", "another connection has taken its place"))
        self._say(PushPhase.CONNECTED)

    # Its end

    def _lost(self, line: Line, end: Ended) -> None:
        if line is self.line:
            self.line = self.mute = None
            self._common.lost(self.wanted | line.subscribed)
        self._ended(end)

    def _ended(self, end: Ended) -> None:
        if end.kind == "idle":
            self._say(PushPhase.IDLE)
        else:
            self._failed(end)

    def _failed(self, end: Ended) -> None:
        """Note why there is no line, and when the next attempt may be."""
        common, failures = self._common, self.row.failures + 1
        if end.fatal:
            pause = common.settings.misconfigured
        else:
            asked = min(end.retry_after or 0.0, LONGEST_RETRY_AFTER)
            wait = pause_while_it_lingers if end.lingers else pause_after
            pause = max(wait(failures, common.rng), asked)
        reason = f"misconfigured: {end}" if end.fatal else str(end)
        common.trouble(self, end.kind, reason, end.said)
        common.ends[end.kind] += 1
        again = Moment.now().after(pause)
        self.row = msgspec.structs.replace(self.row, failures=failures, not_before=again)
        self._say(PushPhase.MISCONFIGURED if end.fatal else PushPhase.WAITING, reason)

    def _say(self, phase: PushPhase, reason: str | None = None) -> None:
        """Have the feed write how this line stands."""
        self._put(phase, reason)
        self._common.changed()

    def _put(self, phase: PushPhase, reason: str | None) -> None:
        row = self.row
        self.row = msgspec.structs.replace(
            row,
            phase=phase,
            since=row.since if phase is row.phase else Moment.now(),
            reason=reason,
            symbols=0 if self.line is None else len(self.line.subscribed),
            refused={symbol: why.code for symbol, why in self.refused.items()},
            silent=self._silent and phase is PushPhase.CONNECTED,
        )
        if self.line is not None:
            self._put_heard(self.line)

    def _put_heard(self, line: Line) -> None:
        """Write what came last; of a line that is lost it stays."""
        self.row = msgspec.structs.replace(
            self.row,
            opened=_moment(line.opened),
            heard=_moment(line.heard),
            frame=_begin(line.frame),
        )
        if self._priced is not None:
            at, seen = self._priced
            told = f"{seen.symbol} {seen.price:.12g}"
            self.row = msgspec.structs.replace(self.row, priced=Moment(at), told=told)

    def _heard(self, line: Line, event: Event) -> None:
        self.dated = line.dated
        if isinstance(event, Prices):
            now = trio.current_time()
            if event.observations:
                self._priced = now, event.observations[-1]
            if self.mute is not None and line is self.line:
                self.mute.priced(event.observations, now)
        self._common.heard(self, event)


def _moment(at: float | None) -> Moment | None:
    return None if at is None else Moment(at)


def _begin(frame: str | bytes) -> str | None:
    """What operators see of a frame."""
    some = frame[: 2 * LONGEST_FRAME]
    text = some if isinstance(some, str) else some.decode(errors="replace")
    return text[:LONGEST_FRAME] or None
