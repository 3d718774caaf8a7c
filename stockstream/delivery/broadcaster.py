"""The broadcaster: the only writer of answers, snapshots and prices to the clients' sockets.

Being the only one, it decides what comes before what. It never waits for a client: a frame is
taken by the socket at once, or the client is behind until a later flush, and gets the newest
of each symbol then. Its memory of clients and flushes is `Connections`, which outlives it.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from stockstream.delivery.lanes import (
    CLOSED,
    REFUSED,
    Connections,
    Health,
    Lane,
    Operation,
    Patience,
    health,
)
from stockstream.delivery.messages import Answer, Attach, Detach, Farewell, Say
from stockstream.delivery.protocol import (
    EVERYTHING,
    GoingAway,
    Status,
    Subscriptions,
    encode,
)
from stockstream.messages import (
    CircuitChanged,
    CircuitState,
    FeedChanged,
    FeedState,
    QuotesPublished,
    iso_utc,
)
from stockstream.tables import CIRCUIT, FEED, Subscription, Tables
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from msgspec import UnsetType

    from stockstream.delivery.messages import Changed
    from stockstream.delivery.protocol import CommandId
    from stockstream.messages import Symbol, Version

SENDS_PER_TURN = 256
"""Frames written before other tasks get a turn: a few milliseconds."""
LOOK_SECONDS = 1.0
"""How often the signs of life are looked at, and the tables for what a lost hint would hide."""
LONGEST_HEARTBEAT_SECONDS = 5.0
SHORTEST_TOLD_INTERVAL = 1.0
"""Clients call a price stale after three intervals; below this, a hiccup would look like that."""
CODE_TOO_SLOW = 4008


@dataclass(frozen=True, slots=True)
class Framing:
    """How messages become frames; from the web server, which knows WebSockets."""

    text: Callable[[bytes], bytes]
    ping: bytes


@dataclass(frozen=True, slots=True)
class _Flush:
    """Time to flush."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Time to look around."""


@dataclass(frozen=True, slots=True)
class BroadcastStatistics:
    """Counts since this incarnation started; `behind` and `slow` are clients now."""

    clients: int
    groups: int
    behind: int
    slow: int
    flushes: int
    frames: int
    refused: int
    updates: int
    last_batch: int
    gone: int


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
    ) -> None:
        """`flush_interval` in seconds; 0 flushes with every batch."""
        self._tables = tables
        self._connections = connections
        self._book = connections.book
        self._framing = framing
        self._flush_interval = flush_interval
        self._patience = patience
        self._groups: dict[Subscription, dict[int, Lane]] = {}
        self._behind: dict[int, Lane] = {}
        self._flush_due = False
        self._last_flush = -float("inf")
        self._status_frame = b""
        self._quotes_revision = -1
        self._counts: Counter[str] = Counter()

    async def init(self) -> None:
        """Go on where a predecessor was killed: with its lanes, and what they have seen."""
        self._last_flush = trio.current_time()
        if self._connections.status is not None:
            self._status_frame = self._framing.text(encode(self._connections.status))
        self._read_tables()
        for lane in self._connections.lanes():
            self._behind[lane.number] = lane
        self._schedule_flush()
        self.send_every(LOOK_SECONDS, _Look())

    def statistics(self) -> BroadcastStatistics:
        """Counts, for operators."""
        return BroadcastStatistics(
            clients=len(self._connections),
            groups=len(self._groups),
            behind=sum(lane.behind_since is not None for lane in self._behind.values()),
            slow=sum(lane.slow for lane in self._connections.lanes()),
            flushes=self._counts["flushes"],
            frames=self._counts["frames"],
            refused=self._counts["refused"],
            updates=self._counts["updates"],
            last_batch=self._counts["last_batch"],
            gone=self._counts["gone"],
        )

    # What comes from the market.

    @handles(QuotesPublished)
    async def _on_quotes(self, message: QuotesPublished) -> None:
        self._book.note(message.rows)
        if self._flush_interval == 0:
            await self._flush()
        elif self._book.waiting:
            self._schedule_flush()

    @handles(FeedChanged)
    def _on_feed(self, _message: FeedChanged) -> None:
        self._schedule_flush()

    @handles(CircuitChanged)
    def _on_circuit(self, _message: CircuitChanged) -> None:
        self._schedule_flush()

    def _read_tables(self) -> None:
        """Take in what a hint lost on its way would have told."""
        if self._tables.quotes.revision != self._quotes_revision:
            self._quotes_revision = self._tables.quotes.revision
            self._book.note(self._tables.quotes.rows.values())

    def _read_status(self) -> None:
        feed = self._tables.feed.get(FEED)
        circuit = self._tables.circuit.get(CIRCUIT)
        if feed is not None:
            self._book.as_of = feed.as_of
        probe = None if circuit is None else circuit.next_probe
        status = Status(
            feed=FeedState.DOWN if feed is None else feed.state,
            circuit=CircuitState.CLOSED if circuit is None else circuit.state,
            interval=max(SHORTEST_TOLD_INTERVAL, 0.0 if feed is None else feed.interval),
            next_probe=None if probe is None else iso_utc(probe),
            reason=(feed.reason if feed is not None else None)
            or (circuit.reason if circuit is not None else None),
        )
        if status != self._connections.status:
            self._connections.set_status(status)
            self._status_frame = self._framing.text(encode(status))

    # What comes from the clients, by way of their sessions.

    @handles(Attach)
    def _attach(self, request: Attach) -> None:
        if request.connection in self._connections:
            return
        now = trio.current_time()
        lane = Lane(request.connection, request.client, seen=self._book.number, now=now)
        lane.operations.append(self._say(0, request.welcome))
        self._connections.add(lane)
        self._behind[lane.number] = lane
        self._advance(lane, now)

    @handles(Detach)
    def _detach(self, message: Detach) -> None:
        lane = self._connections.get(message.connection)
        if lane is not None:
            self._drop(lane)

    @handles(Answer)
    def _answer(self, request: Answer) -> None:
        render = partial(self._render_answer, request.changed, request.since, request.id)
        self._operate(
            request.connection,
            Operation(
                request.command, render, request.changed.subscription, request.seconds_between
            ),
        )

    @handles(Say)
    def _on_say(self, request: Say) -> None:
        self._operate(request.connection, self._say(request.command, request.payload))

    @handles(Farewell)
    def _on_farewell(self, request: Farewell) -> None:
        now = trio.current_time()
        for lane in self._connections.lanes():
            after = round(random.uniform(request.earliest, request.latest), 1)
            lane.operations.append(self._say(lane.answered, encode(GoingAway(after))))
            self._advance(lane, now)

    def _say(self, command: int, payload: bytes) -> Operation:
        frame = self._framing.text(payload)
        return Operation(command, lambda _lane: frame)

    def _operate(self, connection: int, operation: Operation) -> None:
        lane = self._connections.get(connection)
        # A command is given again when the session that had it, or we, died before its answer
        # was known to be on its way. It is answered once.
        if lane is None or operation.command <= lane.answered:
            return
        lane.answered = operation.command
        lane.operations.append(operation)
        self._advance(lane, trio.current_time())

    def _render_answer(
        self,
        changed: Changed,
        since: Mapping[Symbol, Version],
        command_id: CommandId | UnsetType,
        lane: Lane,
    ) -> bytes:
        want = changed.subscription
        symbols: list[str] = [EVERYTHING] if want.everything else sorted(want.symbols)
        answer = Subscriptions(symbols, list(changed.rejected), command_id)
        frames = self._framing.text(encode(answer))
        snapshot = self._book.snapshot(want, lane.want, since)
        return frames if snapshot is None else frames + self._framing.text(snapshot)

    # One lane.

    def _advance(self, lane: Lane, now: float) -> None:
        """Send the client what it lacks, in order, until there is nothing or it takes no more."""
        while True:
            rest = self._next_frames(lane, now)
            if rest is None:
                self._caught_up(lane)
                return
            frames, done = rest
            if not frames:
                return  # a client with a rate of its own, whose time has not come
            outcome = lane.try_send(frames)
            if outcome == CLOSED:
                self._drop(lane)
                return
            if outcome == REFUSED:
                self._counts["refused"] += 1
                self._falls_behind(lane, now)
                return
            self._counts["frames"] += 1
            lane.last_frame = now
            done()

    def _next_frames(self, lane: Lane, now: float) -> tuple[bytes, Callable[[], None]] | None:
        """The frames that come next for a lane, and what is true once they are sent."""
        if lane.operations and lane.status_seen == 0:
            # Nothing comes before the welcome, not even a status.
            return lane.operations[0].render(lane), partial(self._operated, lane)
        if lane.status_seen != self._connections.status_number:
            return self._status_frame, partial(self._told_status, lane)
        lacking = self._book.lacking(lane.want, lane.seen)
        if lacking and (lane.operations or not _rests(lane, now)):
            frame = self._framing.text(self._book.prices(lacking))
            return frame, partial(self._told_prices, lane, len(lacking))
        if lane.operations:
            return lane.operations[0].render(lane), partial(self._operated, lane)
        return (b"", lambda: None) if lacking else None

    def _operated(self, lane: Lane) -> None:
        operation = lane.operations.popleft()
        if operation.want is not None:
            self._leave_group(lane)
            lane.want = operation.want
            lane.seconds_between = operation.seconds_between or lane.seconds_between
        lane.seen = self._book.number
        if not lane.operations:
            lane.client.drained()

    def _told_status(self, lane: Lane) -> None:
        lane.status_seen = self._connections.status_number

    def _told_prices(self, lane: Lane, updates: int) -> None:
        lane.seen = self._book.number
        self._counts["updates"] += updates

    def _caught_up(self, lane: Lane) -> None:
        self._behind.pop(lane.number, None)
        lane.behind_since = None
        lane.seen = self._book.number
        if lane.seconds_between is None:
            self._groups.setdefault(lane.want, {})[lane.number] = lane
        else:
            # Its flushes are its own, so it never shares a group's frame.
            self._behind[lane.number] = lane

    def _falls_behind(self, lane: Lane, now: float) -> None:
        self._leave_group(lane)
        self._behind[lane.number] = lane
        if lane.behind_since is None:
            lane.behind_since = now
        self._schedule_flush()

    def _leave_group(self, lane: Lane) -> None:
        members = self._groups.get(lane.want)
        if members is not None and members.pop(lane.number, None) is not None and not members:
            del self._groups[lane.want]

    def _drop(self, lane: Lane) -> None:
        self._leave_group(lane)
        self._behind.pop(lane.number, None)
        self._connections.remove(lane.number)
        lane.client.drained()

    # All lanes.

    def _schedule_flush(self) -> None:
        if self._flush_due:
            return
        self._flush_due = True
        wait = self._last_flush + self._flush_interval - trio.current_time()
        self.send_after(max(0.0, wait), _Flush())

    @handles(_Flush)
    async def _on_flush(self, _message: _Flush) -> None:
        self._flush_due = False
        await self._flush()

    async def _flush(self) -> None:
        now = self._last_flush = trio.current_time()
        self._counts["flushes"] += 1
        self._read_status()
        if self._book.waiting:
            changed = self._book.flush()
            self._counts["last_batch"] = len(changed)
            for want, members in list(self._groups.items()):
                symbols = changed if want.everything else changed & want.symbols
                if symbols:
                    await self._tell_group(members, symbols, now)
        await self._tell_late(now)

    async def _tell_group(
        self, members: dict[int, Lane], symbols: Iterable[Symbol], now: float
    ) -> None:
        """Write one frame to all who share it. All of them had seen everything before it."""
        listed = list(symbols)
        frame = self._framing.text(self._book.prices(listed))
        number, updates = self._book.number, len(listed)
        sent = 0
        for lane in list(members.values()):
            if lane.operations or lane.status_seen != self._connections.status_number:
                continue  # its turn comes below, in order
            outcome = lane.try_send(frame)
            if outcome < REFUSED:
                lane.seen = number
                lane.last_frame = now
                sent += 1
                if sent % SENDS_PER_TURN == 0:
                    await trio.lowlevel.checkpoint()
            elif outcome == REFUSED:
                self._counts["refused"] += 1
                self._falls_behind(lane, now)
            else:
                self._drop(lane)
        self._counts["frames"] += sent
        self._counts["updates"] += sent * updates

    async def _tell_late(self, now: float) -> None:
        """Serve those who are behind, and those who have not heard the newest status."""
        late = list(self._behind.values())
        late += [
            lane
            for members in self._groups.values()
            for lane in members.values()
            if lane.status_seen != self._connections.status_number
        ]
        for count, lane in enumerate(late, 1):
            self._advance(lane, now)
            if count % SENDS_PER_TURN == 0:
                await trio.lowlevel.checkpoint()
        if self._behind:
            self._schedule_flush()

    # Signs of life, ours and theirs.

    @handles(_Look)
    async def _on_look(self, _message: _Look) -> None:
        now = trio.current_time()
        self._read_tables()
        if self._book.waiting or self._behind:
            self._schedule_flush()
        await self._send_heartbeats(now)
        for count, lane in enumerate(self._connections.lanes(), 1):
            self._look_at(lane, now)
            if count % SENDS_PER_TURN == 0:
                await trio.lowlevel.checkpoint()

    async def _send_heartbeats(self, now: float) -> None:
        """Tell those whose prices stand still that the feed does not."""
        feed = self._tables.feed.get(FEED)
        if feed is None or feed.state is not FeedState.LIVE:
            return
        period = min(LONGEST_HEARTBEAT_SECONDS, max(SHORTEST_TOLD_INTERVAL, feed.interval))
        for members in list(self._groups.values()):
            if any(now - lane.last_frame >= period for lane in members.values()):
                await self._tell_group(members, (), now)

    def _look_at(self, lane: Lane, now: float) -> None:
        if lane.client.closed:
            self._drop(lane)
            return
        verdict = health(lane, now, self._patience)
        lane.slow = verdict in {Health.SLOW, Health.TOO_SLOW}
        if verdict is Health.PING:
            if lane.try_send(self._framing.ping) < REFUSED:
                lane.ping_sent = now
                lane.pings += 1
        elif verdict is Health.TOO_SLOW:
            lane.client.ask_to_close(CODE_TOO_SLOW, "you read too slowly")
        elif verdict is Health.GONE:
            self._counts["gone"] += 1
            lane.client.abort()
            self._drop(lane)


def _rests(lane: Lane, now: float) -> bool:
    """Whether a client with a rate of its own has had its frame for now."""
    return lane.seconds_between is not None and now - lane.last_frame < lane.seconds_between
