"""The broadcaster: the only writer of answers, alerts and prices to the clients' sockets.

Because it is the only writer, it decides the order of messages. It never waits for a client: the
socket takes a frame at once, or the client is behind until a later flush and then gets the newest
of each symbol. Its memory of clients and flushes is `Connections`, which outlives it.

This is the actor: the clock, the mailbox and the tables. The decisions are `FanOut`'s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog
import trio

from stockstream.delivery.fan_out import FanOut, Framing
from stockstream.delivery.messages import (
    Answer,
    Attach,
    Detach,
    Farewell,
    Notify,
    Say,
    SendAway,
)
from stockstream.delivery.protocol import Status
from stockstream.delivery.turns import Turn, in_turns
from stockstream.garbage import sweep
from stockstream.messages import (
    CircuitChanged,
    DeliverAlert,
    FeedChanged,
    QuotesPublished,
    TellAlertsChanged,
)
from stockstream.quotes import iso_utc
from stockstream.refusals import refused
from stockstream.spans import Gathered, of_topic
from stockstream.statuses import CircuitState, FeedState
from stockstream.symbol_states import away, away_alone, next_due, unconfirmed
from stockstream.times import Moment, WallClock, now_ms
from stockstream.upstreams import circuits_of, feed_of_all, worst_circuit
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.delivery.lanes import Connections, Patience
    from stockstream.tables import Tables
    from supervision import Timer

__all__ = ["Broadcaster", "Framing"]

LOOK_SECONDS = 1.0
"""How often clients are checked for signs of life, and the tables for changes whose message was
lost."""
LONGEST_SILENCE_SECONDS = 4.0
"""Clients are told of a live feed every 5 s at least: this, and the next look."""
SHORTEST_TOLD_INTERVAL = 1.0
"""Clients call a price stale after three intervals; below this, a hiccup would look like that."""

_FLUSHES = of_topic("flush", "process")
_log: BoundLogger = structlog.get_logger("delivery.broadcaster")


class _Flush:
    """Time to flush."""


class _Look:
    """Time to check clients and tables."""


class Broadcaster(Actor):
    """See the module."""

    def __init__(
        self,
        tables: Tables,
        connections: Connections,
        framing: Framing,
        *,
        flush_interval: float,
        patience: Patience,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`flush_interval` in seconds; 0 flushes with every batch."""
        self._tables = tables
        self._clock = WallClock(clock)
        self._connections = connections
        self._book = connections.book
        self._flush_interval = flush_interval
        self._patience = patience
        self._turn = Turn()
        self._fan_out = FanOut(connections, framing, self._turn)
        self._timer: Timer | None = None
        self._timer_due = math.inf
        self._quotes_revision = -1
        self._states_of: tuple[int, frozenset[str]] = -1, frozenset()
        self._states_due = math.inf
        self._gathered = Gathered()

    async def init(self) -> None:
        """Go on where a predecessor was killed: with its lanes, and what they have seen."""
        now = trio.current_time()
        self._last_flush = self._flush_ended = self._last_round = self._last_heartbeat = now
        self._connections.counts.interval = self._flush_interval
        self._read_tables()
        self._flush_by(0.0)
        self.send_every(LOOK_SECONDS, _Look())

    # What comes from the market.

    @handles(QuotesPublished)
    async def _on_quotes(self, message: QuotesPublished) -> None:
        self._book.note(message.rows)
        self._gathered.add()
        if not self._book.waiting:
            self._gathered.forget()  # found in the table, and flushed, before it was told
            return
        if trio.current_time() >= self._flush_ended + self._flush_interval:
            await self._flush()  # by a timer it would be two passes of the loop later
        else:
            self._flush_by(0.0)  # behind all batches that wait already: they are one flush

    @handles(FeedChanged)
    def _on_feed(self, _message: FeedChanged) -> None:
        self._read_states()
        self._go_round_by(0.0)

    @handles(CircuitChanged)
    def _on_circuit(self, _message: CircuitChanged) -> None:
        self._go_round_by(0.0)

    def _read_tables(self) -> None:
        """Take in changes of the tables whose hint was lost."""
        if self._tables.quotes.revision != self._quotes_revision:
            self._quotes_revision = self._tables.quotes.revision
            self._book.note(self._tables.quotes.rows.values())
        self._read_states()

    def _read_states(self) -> None:
        """Take in which symbols are stale, and see that the next one is noticed in time."""
        rows, now = self._tables.confirmations.rows, Moment.now().milliseconds
        gone = away_alone(self._tables.feeds.rows)
        stand_of = self._tables.confirmations.revision, gone
        if stand_of == self._states_of and now < self._states_due:
            return
        self._states_of = stand_of
        self._read_refusals()
        self._states_due = next_due(rows, now)
        self._book.note_unconfirmed(unconfirmed(rows, now, gone))
        if self._book.waiting:
            self._flush_by(0.0)
        self._flush_by(self._states_due / 1000)

    def _read_refusals(self) -> None:
        """Take in which symbols get no price, and why."""
        if self._fan_out.set_not_served(refused(self._tables)):
            self._go_round_by(0.0)

    def _read_status(self) -> None:
        feed = feed_of_all(self._tables.feeds.rows)
        circuit = worst_circuit(circuits_of(self._tables))
        if feed is not None:
            as_of = feed.as_of
            if as_of is None:
                self._book.fetched(None, None)
            else:
                self._book.fetched(self._clock.tell(as_of), as_of.milliseconds)
        probe = None if circuit is None else circuit.next_probe
        self._fan_out.set_status(
            Status(
                feed=FeedState.DOWN if feed is None else feed.state,
                circuit=CircuitState.CLOSED if circuit is None else circuit.state,
                interval=self._told_interval,
                partly=bool(away_alone(self._tables.feeds.rows)),
                next_probe=None if probe is None else iso_utc(self._clock.tell(probe)),
                reason=(feed.reason if feed is not None else None)
                or (circuit.reason if circuit is not None else None),
            ),
            probe,
        )

    @property
    def _told_interval(self) -> float:
        feed = feed_of_all(self._tables.feeds.rows)
        return max(SHORTEST_TOLD_INTERVAL, 0.0 if feed is None else feed.interval)

    # What comes from the clients, by way of their connections and sessions.

    @handles(Attach)
    def _on_attach(self, request: Attach) -> None:
        self._fan_out.attach(request, trio.current_time())
        self._go_round_by(self._fan_out.again)

    @handles(Detach)
    def _on_detach(self, message: Detach) -> None:
        self._fan_out.detach(message.connection)

    @handles(Answer)
    def _on_answer(self, request: Answer) -> None:
        _log.debug("answer", connection=request.connection, command=request.command)
        self._fan_out.answer(request, trio.current_time())
        self._go_round_by(self._fan_out.again)

    @handles(Say)
    def _on_say(self, request: Say) -> None:
        _log.debug("answer", connection=request.connection, command=request.command)
        self._fan_out.say(request, trio.current_time())
        self._go_round_by(self._fan_out.again)

    @handles(Notify)
    def _on_notify(self, message: Notify) -> None:
        self._fan_out.notify(message.connection, message.payload, trio.current_time())
        self._go_round_by(self._fan_out.again)

    @handles(SendAway)
    def _on_send_away(self, request: SendAway) -> None:
        self._fan_out.send_away(request, trio.current_time())
        self._go_round_by(self._fan_out.again)

    @handles(Farewell)
    async def _on_farewell(self, request: Farewell) -> None:
        await in_turns(self._fan_out.farewell(request, trio.current_time()), self._turn)
        self._go_round_by(self._fan_out.again)

    # What comes from the alerts.

    @handles(DeliverAlert)
    def _on_alert(self, request: DeliverAlert) -> int:
        told = self._fan_out.alert(request.alert, trio.current_time())
        self._flush_by(self._fan_out.again)
        return told

    @handles(TellAlertsChanged)
    def _on_alerts_changed(self, message: TellAlertsChanged) -> None:
        self._fan_out.alerts_changed(message.owner, trio.current_time())
        self._flush_by(self._fan_out.again)

    # Flushes.

    def _flush_by(self, due: float) -> None:
        """See that prices are flushed at `due`, or as soon after it as the interval allows."""
        self._wake_by(max(due, self._last_flush + self._flush_interval))

    def _go_round_by(self, due: float) -> None:
        """The same for the sake of single clients, or of the status.

        It has an interval of its own. With the interval of the flushes, a retry for one client just
        before new prices come would make all others wait for these prices.
        """
        self._wake_by(max(due, self._last_round + self._flush_interval))

    def _wake_by(self, due: float) -> None:
        if due < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = due
            self._timer = self.send_after(max(0.0, due - trio.current_time()), _Flush())

    @handles(_Flush)
    async def _on_flush(self, _message: _Flush) -> None:
        self._timer_due = math.inf
        await self._flush()

    async def _flush(self) -> None:
        now = self._last_round = trio.current_time()
        before = self._book.as_of
        self._read_status()
        self._read_states()
        with_prices = self._book.waiting and now >= self._last_flush + self._flush_interval
        if with_prices:
            self._last_flush = now
            with self._gathered.span("flush stock:all", _FLUSHES) as span:
                span.note("stockstream.clients", len(self._connections))
                await in_turns(self._fan_out.flush(now, with_prices=True), self._turn)
        else:
            await in_turns(self._fan_out.flush(now, with_prices=False), self._turn)
        if with_prices:
            self._flush_ended = trio.current_time()
            self._connections.counts.seconds.add(self._flush_ended - now)
        # A heartbeat is worth most right after a fetch. Clients forgive three intervals.
        age = self._told_interval / 2
        if self._book.as_of != before and now - self._last_heartbeat >= age:
            self._last_heartbeat = now
            await self._send_heartbeats(now, age)
        self._go_round_by(self._fan_out.again)
        self._flush_by(self._states_due / 1000)
        if self._book.waiting:
            self._flush_by(0.0)
        elif with_prices:
            sweep()

    async def _send_heartbeats(self, now: float, age: float) -> None:
        feeds = self._tables.feeds.rows
        if len(away(feeds)) < len(feeds):
            heartbeat = self._fan_out.heartbeat(now, age, LONGEST_SILENCE_SECONDS)
            await in_turns(heartbeat, self._turn)

    @handles(_Look)
    async def _on_look(self, _message: _Look) -> None:
        now = trio.current_time()
        self._read_tables()
        self._read_refusals()  # which provider's turn it is, changes without a confirmation
        told = self._connections.status_number
        self._read_status()
        if self._book.waiting:
            self._flush_by(0.0)
        elif self._connections.status_number != told:
            self._go_round_by(0.0)
        await self._send_heartbeats(now, LONGEST_SILENCE_SECONDS)
        await in_turns(self._fan_out.look(now, self._patience), self._turn)
        self._go_round_by(self._fan_out.again)
