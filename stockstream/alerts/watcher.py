"""The watcher: judges published quotes by the users' rules, and delivers and stores the alerts.

It takes batches from an inbox of its own, which the streamer fills, so none is lost when the
watcher is killed, and the stream never waits for it. Alerts are sent to clients at once, and stored
as soon as the database answers, however long that takes; neither waits for the other.
Rules are read from the database again every few seconds, and at once when they are changed, here or
on another node of the cluster. `spares.py` tells what every node judges, and which one stores and
tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths, spans
from stockstream.alerts.alert_rows import StoreAlerts
from stockstream.alerts.book import Unstored
from stockstream.alerts.rule_rows import FetchChanges
from stockstream.alerts.webhooks import CallsDue
from stockstream.database.query import DatabaseError, Rejected, ask
from stockstream.messages import (
    AlertSymbols,
    DeliverAlert,
    DemandWanted,
    HoldingChanged,
    QuotesPublished,
    RulesChanged,
    TellAlerts,
    TellAlertsChanged,
)
from stockstream.times import now_ms
from supervision import Actor, CallError, Conflate, MailboxPolicy, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.alerts.book import AlertBook
    from stockstream.alerts.rule_rows import Changes
    from stockstream.quotes import Symbol
    from stockstream.statuses import AlertStatus, QuoteRow
    from stockstream.tables import Outbox
    from supervision import ExitReason, Slot, Table

LOOK_SECONDS = 1.0
"""How often the inbox is looked at without a hint, which may be lost with PubSub."""
READ_SECONDS = 5.0
"""How often rules are read again: another node may have changed them, or a hint was lost."""
RETRY_SECONDS = 0.5
DELIVER_SECONDS = 2.0
DELIVER_RETRY_SECONDS = 0.05
FLUSH_SECONDS = 2.0
BATCHES_AT_ONCE = 100
RULES_AT_ONCE = 100
TOLD_AT_ONCE = 200
"""Alerts in one message to the other nodes, some 60 KB."""

_JUDGES = spans.of_topic("judge", "process")

_log: BoundLogger = structlog.get_logger("alerts")


@dataclass(frozen=True, slots=True)
class _Look:
    """Time to look at the inbox."""


def _key(message: object) -> Hashable | None:
    """One waiting hint is enough: all of them say the same."""
    if isinstance(message, RulesChanged):
        return message
    return QuotesPublished if isinstance(message, QuotesPublished) else None


class Watcher(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True
    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(bound=100, overflow=Conflate(_key))

    def __init__(
        self,
        book: AlertBook,
        inbox: Outbox,
        quotes: Table[Symbol, QuoteRow],
        statuses: Slot[AlertStatus],
        feeds: Sequence[str],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`feeds` are the names of the actors that are told the symbols of the rules."""
        self._feed_names = tuple(feeds)
        self._book = book
        self._inbox = inbox
        self._quotes = quotes
        self._statuses = statuses
        self._clock = clock
        self._since: int | None = None
        self._judging = trio.Lock()
        self._fired = trio.Event()
        self._changed = trio.Event()
        self._storing = trio.CancelScope()
        self._resting = trio.Event()

    async def init(self) -> None:
        """Go on where a predecessor was killed."""
        self._database = self.system.ref(paths.DATABASE)
        self._broadcaster = self.system.ref(paths.BROADCASTER)
        self._feeds = [self.system.ref(name) for name in self._feed_names]
        self._webhooks = self.system.ref(paths.WEBHOOKS)
        self._bus = self.system.ref(paths.BUS)
        await self._judge_waiting()
        self._tell_symbols()
        self._tell_status()
        self.send_every(LOOK_SECONDS, _Look())
        for task in (self._read_rules, self._store, self._deliver):
            self.tasks.start_soon(task)

    async def terminate(self, _reason: ExitReason) -> None:
        """Store the last alerts, and those that are withheld."""
        self._storing.cancel()
        await self._resting.wait()
        await _in_turns(self._end_cooldowns(early=True))
        with trio.move_on_after(FLUSH_SECONDS):
            while await self._store_next():
                pass

    # Prices

    @handles(QuotesPublished)
    async def _on_quotes(self, _message: QuotesPublished) -> None:
        async with self._judging:
            await self._judge_waiting()

    @handles(_Look)
    async def _on_look(self, _message: _Look) -> None:
        async with self._judging:
            await self._judge_waiting()
            await _in_turns(self._end_cooldowns())
            self._take_over()
        self._wake_tellers()
        self._tell_status()

    async def _judge_waiting(self) -> None:
        """Judge all waiting batches until none is left. A batch is acknowledged once judged."""
        while True:
            now = self._clock()
            while batches := self._inbox.waiting(BATCHES_AT_ONCE):
                for batch in batches:
                    traced = [] if batch.traced is None else [batch.traced]
                    with spans.following("judge stock:all", traced, values=_JUDGES):
                        await _in_turns(self._book.judge(batch.rows, now, own=batch.own))
                    self._inbox.acknowledge(batch.number)
                self._wake_tellers()
            if not self._book.note_dropped(self._inbox.statistics().dropped):
                return
            # Batches came faster than they were judged. The last price of each symbol is known.
            rows = self._quotes.rows
            newest = [rows[symbol] for symbol in self._book.symbols if symbol in rows]
            await _in_turns(self._book.judge(newest, now))
            self._wake_tellers()

    def _end_cooldowns(self, *, early: bool = False) -> Iterator[None]:
        steady = round(trio.current_time() * 1000)
        return self._book.end_cooldowns(steady, self._clock(), early=early)

    # Other nodes

    @handles(HoldingChanged)
    async def _on_holding(self, _message: HoldingChanged) -> None:
        async with self._judging:
            await self._judge_waiting()
            self._take_over()
        self._wake_tellers()

    def _take_over(self) -> None:
        """Store and tell what a node may have left undone whose symbols are recorded here now."""
        taken = self._book.take_over(round(trio.current_time() * 1000))
        if taken:
            _log.info("alerts of a node that is gone are stored here", alerts=taken)

    @handles(TellAlerts)
    def _on_told(self, message: TellAlerts) -> None:
        self._book.hear(message.alerts)
        self._wake_tellers()

    def _tell_others(self) -> None:
        """Have the bus tell the other nodes; what it cannot send their clients read later."""
        while alerts := self._book.untold(TOLD_AT_ONCE):
            self._bus.cast(TellAlerts(alerts))
            self._book.told(alerts)

    def _wake_tellers(self) -> None:
        self._fired.set()
        self._fired = trio.Event()

    # Rules

    @handles(RulesChanged)
    def _on_rules_changed(self, message: RulesChanged) -> None:
        if message.owner:
            self._broadcaster.cast(TellAlertsChanged(message.owner))
        if self._book.in_cluster and not message.heard:
            self._bus.cast(message)
        self._changed.set()
        self._changed = trio.Event()

    @handles(DemandWanted)
    def _on_wanted(self, _message: DemandWanted) -> None:
        self._tell_symbols()

    async def _read_rules(self) -> None:
        while True:
            changed = self._changed
            try:
                changes = await ask(self._database, FetchChanges(self._since))
            except DatabaseError:
                pause = RETRY_SECONDS
            else:
                async with self._judging:
                    await self._take(changes)
                pause = READ_SECONDS
            with trio.move_on_after(pause):
                await changed.wait()

    async def _take(self, changes: Changes) -> None:
        before, now = self._book.symbols, self._clock()
        if changes.complete:
            self._book.keep_only({rule.id for rule in changes.rules})
        for number in changes.deleted:
            self._book.drop_rule(number)
        for first in range(0, len(changes.rules), RULES_AT_ONCE):
            # A new rule starts from the newest price, so the older ones must not come after it.
            await self._judge_waiting()
            for rule in changes.rules[first : first + RULES_AT_ONCE]:
                self._book.put_rule(rule, self._quotes.get(rule.symbol), now)
            self._wake_tellers()
            await trio.lowlevel.checkpoint()
        self._since = changes.next_since
        if self._book.symbols != before:
            self._tell_symbols()

    def _tell_status(self) -> None:
        """Write down how it goes; log what was lost since the last time."""
        before, now = self._statuses.value, self._book.status()
        if before is not None and now.dropped > before.dropped:
            _log.error("alerts were lost: the database is away for too long", lost=now.dropped)
        if before is not None and now.missed > before.missed:
            _log.warning("prices came too fast to be judged one by one", missed=now.missed)
        if now != before:
            self._statuses.put(now)

    def _tell_symbols(self) -> None:
        symbols = AlertSymbols(self._book.symbols)
        for feed in self._feeds:
            feed.cast(symbols)

    # What fired

    async def _store(self) -> None:
        with self._storing:
            while True:
                fired = self._fired
                if not await self._store_next():
                    await fired.wait()
        self._resting.set()
        await trio.sleep_forever()

    async def _store_next(self) -> bool:
        """Store what waits; False when nothing does. Without a database, wait a moment."""
        unstored = self._book.unstored()
        if unstored is None:
            return False
        try:
            with spans.following("store alerts", self._book.traced(unstored.alerts), "internal"):
                await self._store_all(unstored)
        except DatabaseError:
            await trio.sleep(RETRY_SECONDS)
        else:
            self._book.stored(unstored)
        return True

    async def _store_all(self, unstored: Unstored) -> None:
        """Store alerts and standings; where they are refused, one by one.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        try:
            if await ask(self._database, StoreAlerts(unstored)):
                self._webhooks.cast(CallsDue())
        except Rejected as error:
            if not unstored.alerts:
                _log.error("standings are refused", reason=str(error))
                return
            for alert, url in zip(unstored.alerts, unstored.webhooks, strict=True):
                try:
                    one = Unstored([alert], [url], {}, unstored.traceparents)
                    if await ask(self._database, StoreAlerts(one)):
                        self._webhooks.cast(CallsDue())
                except Rejected as why:
                    _log.error("an alert is refused", alert=alert.id, reason=str(why))
            await self._store_all(Unstored([], [], unstored.standings))

    async def _deliver(self) -> None:
        while True:
            fired = self._fired
            self._tell_others()
            alert = self._book.undelivered()
            if alert is None:
                await fired.wait()
                continue
            try:
                with spans.following("deliver alert", self._book.traced([alert]), "internal"):
                    await self._broadcaster.call(DeliverAlert(alert), timeout=DELIVER_SECONDS)
            except CallError:
                # It restarts. Asked twice it tells each connection once.
                await trio.sleep(DELIVER_RETRY_SECONDS)
            else:
                self._book.delivered(alert)


async def _in_turns(work: Iterator[None]) -> None:
    """Do it to its end, letting others run where it says so."""
    for _ in work:
        await trio.lowlevel.checkpoint()
