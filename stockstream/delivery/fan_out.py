"""Who gets which frame when: the broadcaster's decisions, with the clock passed in.

Nothing here waits. Long work is a generator, which yields when its turn is over: the actor around
it lets other tasks run, and begins another turn. State that must survive the actor is in
`Connections`; the groups here are rebuilt from it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from stockstream.delivery import not_served
from stockstream.delivery.flush_book import NOTHING
from stockstream.delivery.lanes import (
    BEGUN,
    REFUSED,
    Connections,
    Health,
    Lane,
    Operation,
    Patience,
    health,
)
from stockstream.delivery.protocol import (
    EVERYTHING,
    AlertsChanged,
    GoingAway,
    Status,
    Subscriptions,
    encode,
)
from stockstream.delivery.protocol import Alert as AlertMessage
from stockstream.delivery.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from stockstream.delivery.flush_book import AheadOf
    from stockstream.delivery.messages import Answer, Attach, Farewell, Say, SendAway
    from stockstream.delivery.protocol import Stamp
    from stockstream.messages import Alert
    from stockstream.quotes import Symbol
    from stockstream.refusals import Refusal
    from stockstream.tables import Subscription
    from stockstream.times import Moment

WELCOME = 0
"""In place of a command's number; commands count from 1."""
SNAPSHOT_PART = 100
"""Symbols in one snapshot, some 200 bytes each: the next waits until the client has taken it."""
RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 1.0
PATIENCE_PART = 0.25
"""A client that is behind is tried again after this part of the time that it has been behind,
within these limits. Each try encodes what the client lacks, and it may never take it."""
CODE_TOO_SLOW = 4008
MOST_OWED = 32
"""Alerts wait in one queue with the answers. A client that takes nothing gets no more alerts once
so many operations wait; its page reads the missed ones from the API."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How messages become frames; from the web server, which knows WebSockets.

    `head` is what comes before a text message of so many bytes.
    """

    head: Callable[[int], bytes]
    ping: bytes

    def text(self, *pieces: bytes) -> bytes:
        """A frame around a message. The message may come in pieces, which are copied once."""
        return b"".join((self.head(sum(map(len, pieces))), *pieces))


class FanOut:
    """See the module.

    A lane is in exactly one place. A lane in the group of its subscription has all that was flushed
    and shares the group's frames. A late lane is looked at alone in each flush: its client is
    behind, was taken over from a predecessor, or has a rate of its own.
    """

    def __init__(
        self, connections: Connections, framing: Framing, turn: Turn | None = None
    ) -> None:
        """Go on where a predecessor was killed: each lane says what it has seen.

        `turn` is begun by the actor that runs the generators; without it, each step ends one.
        """
        self._connections = connections
        self._book = connections.book
        self._counts = connections.counts
        self._turn = turn or Turn()
        self._framing = framing
        self._groups: dict[Subscription, dict[int, Lane]] = {}
        self._late = {lane.number: lane for lane in connections.lanes()}
        self._held_back: set[int] = set()
        """Lanes whose heartbeat waits for the rate that the client asked for."""
        self._status_frame: tuple[Status, Stamp, bytes] | None = None
        self._status_told = connections.status_number
        self._refusals_changed: frozenset[Symbol] = frozenset()
        self.again = 0.0 if self._late else math.inf
        """When the next flush for late clients alone is due; infinity for none."""

    def set_status(self, status: Status, next_probe: Moment | None = None) -> None:
        """Send the status to every client with the next flush, if it is a new one."""
        if status != self._connections.status:
            self._connections.set_status(status, next_probe)

    def set_not_served(self, refused: Mapping[Symbol, Refusal]) -> bool:
        """Tell which symbols get no price with the next flush, to those who named them; whether
        that is news.
        """
        changed = not_served.difference(self._connections.not_served, refused)
        if changed:
            self._connections.set_not_served(refused)
            self._refusals_changed |= changed
        return bool(changed)

    # What clients do, and what is said to one of them.

    def attach(self, request: Attach, now: float) -> None:
        """Add a client; the welcome is the first message that it gets. Idempotent."""
        if request.connection in self._connections:
            return
        lane = Lane(
            request.connection, request.client, seen=self._book.number, now=now, user=request.user
        )
        lane.operations.append(self._said(WELCOME, request.welcome))
        self._connections.add(lane)
        self._late[lane.number] = lane
        self._advance(lane, now)

    def detach(self, number: int) -> None:
        """Remove a client; no error when there is none."""
        lane = self._connections.get(number)
        if lane is not None:
            self._drop(lane)

    def answer(self, request: Answer, now: float) -> None:
        """Answer a command that may have changed a subscription."""
        want = request.changed.subscription
        known = self._book.known(want, request.since)
        ahead = self._book.ahead(want, request.since) if request.since else NOTHING
        symbols: list[str] = [EVERYTHING] if want.everything else sorted(want.symbols)
        message = Subscriptions(symbols, list(request.changed.rejected), request.id)
        operation = Operation(
            request.command,
            self._framing.text(encode(message)),
            want,
            known,
            self._book.number,
            ahead,
            request.seconds_between,
        )
        self._operate(request.connection, operation, now)

    def say(self, request: Say, now: float) -> None:
        """Say one message to a client, as the answer to a command."""
        self._operate(request.connection, self._said(request.command, request.payload), now)

    def notify(self, connection: int, payload: bytes, now: float) -> None:
        """Say one message to a client of our own accord, unless it owes too much already."""
        lane = self._connections.get(connection)
        if lane is not None and len(lane.operations) < MOST_OWED:
            lane.operations.append(self._said(lane.answered, payload))
            self._advance(lane, now)

    def alert(self, alert: Alert, now: float) -> int:
        """Tell an alert on each connection of its owner, once; how many there are."""
        lanes = self._connections.of_user(alert.owner)
        frame = self._framing.text(encode(AlertMessage.of(alert))) if lanes else b""
        for lane in lanes:
            if alert.number > lane.alerted:
                lane.alerted = alert.number
                if len(lane.operations) < MOST_OWED:
                    lane.operations.append(Operation(lane.answered, frame))
                    self._advance(lane, now)
        return len(lanes)

    def alerts_changed(self, owner: str, now: float) -> None:
        """Tell each connection of a user to read rules and alerts again, unless it owes too much
        already: a page reads them with each connection in any case.
        """
        lanes = self._connections.of_user(owner)
        frame = self._framing.text(encode(AlertsChanged())) if lanes else b""
        for lane in lanes:
            if len(lane.operations) < MOST_OWED:
                lane.operations.append(Operation(lane.answered, frame))
                self._advance(lane, now)

    def farewell(self, request: Farewell, now: float) -> Iterator[None]:
        """Tell every client when to come back, each another time; yields for a turn."""
        for lane in self._connections.lanes():
            lane.operations.append(self._going(lane, request))
            self._advance(lane, now)
            if self._turn.over:
                yield

    def send_away(self, request: SendAway, now: float) -> None:
        """Tell one client when to come back."""
        lane = self._connections.get(request.connection)
        if lane is not None:
            lane.operations.append(self._going(lane, request))
            self._advance(lane, now)

    def _going(self, lane: Lane, request: Farewell | SendAway) -> Operation:
        after = round(random.uniform(request.earliest, request.latest), 1)
        # Each in another order: they are shared among the nodes that stay.
        nodes = random.sample(request.nodes, len(request.nodes))
        return self._said(lane.answered, encode(GoingAway(after, nodes or UNSET)))

    def _said(self, command: int, payload: bytes) -> Operation:
        return Operation(command, self._framing.text(payload))

    def _operate(self, connection: int, operation: Operation, now: float) -> None:
        lane = self._connections.get(connection)
        # A command is given again when the session that had it, or the broadcaster, died before
        # its answer was known to be on its way. It is answered once.
        if lane is None or operation.command <= lane.answered:
            return
        lane.answered = operation.command
        lane.operations.append(operation)
        self._advance(lane, now)

    # One lane.

    def _advance(self, lane: Lane, now: float) -> None:
        """Send the client what it lacks, in order, until there is nothing or it takes no more."""
        self._book.at(now)
        while True:
            if not lane.client.ready and self._is_owed(lane):
                self._falls_behind(lane, now)
                return
            rest = self._next_frames(lane, now)
            if rest is None:
                self._caught_up(lane)
                return
            frames, done = rest
            if not frames:  # it has a rate of its own, and its time has not come
                lane.behind_since = None  # it is ready: what it lacks is held back by us
                self.again = min(self.again, lane.last_prices + (lane.seconds_between or 0.0))
                return
            if not self._send(lane, frames, now):
                return
            lane.behind_since = None
            done()

    def _is_owed(self, lane: Lane) -> bool:
        return (
            bool(lane.operations)
            or lane.status_seen != self._connections.status_number
            or not_served.news(lane, self._connections) is not None
            or bool(self._lacking(lane))
        )

    def _lacking(self, lane: Lane) -> list[Symbol]:
        """What changed after the last flush that a client has seen, as far as it may be told."""
        lacking = self._book.lacking(lane.want, lane.seen)
        return self._book.due(lane.want, lacking, lane.ahead) if lane.ahead else lacking

    def _next_frames(self, lane: Lane, now: float) -> tuple[bytes, Callable[[], None]] | None:
        """The frames that come next for a lane, and what is true once they are sent."""
        if lane.operations and lane.operations[0].command == WELCOME:
            # Nothing comes before it, not even a status; everything else waits for what is owed.
            return self._next_of_operation(lane, now)
        status = self._connections.status
        if status is not None and lane.status_seen != self._connections.status_number:
            return self._framed(status), partial(self._told_status, lane)
        refusals = not_served.news(lane, self._connections)
        if refusals is not None:
            frame = self._framing.text(encode(refusals))
            return frame, partial(not_served.told, lane, self._connections)
        lacking = self._lacking(lane)
        # All that the old subscription owes is sent before the subscription changes. Other answers
        # overtake prices that the client's rate holds back; else each ping would defeat the rate.
        changes = bool(lane.operations) and lane.operations[0].want is not None
        if lacking and (changes or not _rests(lane, now)):
            frames = self._frames(lacking, lane.seen, lane.ahead)
            return frames, partial(self._told_prices, lane, len(lacking), now)
        if lane.operations:
            return self._next_of_operation(lane, now)
        return (b"", lambda: None) if lacking else None

    def _framed(self, status: Status) -> bytes:
        """The status in a frame, shared by all clients that get it at one time."""
        stamp, last = self._book.stamp, self._status_frame
        if last is None or last[0] is not status or last[1] is not stamp:
            probe = self._connections.next_probe
            made = msgspec.structs.replace(
                status,
                probe_in=None if probe is None else max(0, probe.milliseconds - stamp.steady),
                steady=stamp.steady,
                fetched=stamp.fetched,
            )
            last = self._status_frame = status, stamp, self._framing.text(encode(made))
        return last[2]

    def _next_of_operation(self, lane: Lane, now: float) -> tuple[bytes, Callable[[], None]]:
        operation = lane.operations[0]
        frames = b"" if operation.begun else operation.frame
        if operation.want is None:
            return frames, partial(self._operated, lane, None, now)
        want = self._book.part(operation.want, lane.want, SNAPSHOT_PART)
        snapshot = self._book.snapshot(
            want, lane.want, operation.known, operation.known_at, operation.ahead
        )
        if snapshot is not None:
            frames += self._framing.text(*snapshot)
        return frames, partial(self._operated, lane, want, now)

    def _frames(self, symbols: Collection[Symbol], seen: int, ahead: AheadOf = NOTHING) -> bytes:
        messages = self._book.updates(symbols, seen, ahead)
        if len(messages) == 1:
            return self._framing.text(*messages[0])
        return b"".join(self._framing.text(*pieces) for pieces in messages)

    def _send(self, lane: Lane, frames: bytes, now: float) -> bool:
        """Write to a client; False when it took nothing, and is behind or gone."""
        outcome = lane.try_send(frames, now)
        if outcome < REFUSED:
            lane.last_frame = now
            self._counts.frames += 1
            if outcome == BEGUN:
                self._counts.begun += 1
            return True
        if outcome == REFUSED:
            self._falls_behind(lane, now)
        else:
            self._drop(lane)
        return False

    def _operated(self, lane: Lane, want: Subscription | None, now: float) -> None:
        operation = lane.operations[0]
        operation.begun = True
        if want is not None:
            self._leave_group(lane)
            lane.want = want
            not_served.wants(lane)
            if operation.ahead or lane.ahead:
                lane.ahead = self._book.still_ahead(want, {**lane.ahead, **operation.ahead})
            lane.seconds_between = operation.seconds_between or lane.seconds_between
            lane.last_prices = now
            lane.seen = self._book.number
            self._held_back.discard(lane.number)
        if want == operation.want:
            del lane.operations[0]
            if not lane.operations:
                lane.client.drained()

    def _told_status(self, lane: Lane) -> None:
        lane.status_seen = self._connections.status_number

    def _told_prices(self, lane: Lane, updates: int, now: float) -> None:
        lane.seen = self._book.number
        if lane.ahead:
            lane.ahead = self._book.still_ahead(lane.want, lane.ahead)
        lane.last_prices = now
        self._held_back.discard(lane.number)
        self._counts.updates += updates

    def _caught_up(self, lane: Lane) -> None:
        lane.behind_since = None
        lane.seen = self._book.number
        not_served.told(lane, self._connections)
        # Who has a rate of its own, or is ahead, shares no frames.
        if lane.seconds_between is None and not lane.ahead:
            self._late.pop(lane.number, None)
            self._groups.setdefault(lane.want, {})[lane.number] = lane
        else:
            self._late[lane.number] = lane

    def _falls_behind(self, lane: Lane, now: float) -> None:
        self._counts.refused += 1
        self._leave_group(lane)
        self._late[lane.number] = lane
        if lane.behind_since is None:
            lane.behind_since = now
        wait = max(RETRY_SECONDS, PATIENCE_PART * (now - lane.behind_since))
        lane.retry_at = now + min(wait, LONGEST_RETRY_SECONDS)
        self.again = min(self.again, lane.retry_at)

    def _leave_group(self, lane: Lane) -> None:
        members = self._groups.get(lane.want)
        if members is not None and members.pop(lane.number, None) is not None and not members:
            del self._groups[lane.want]

    def _drop(self, lane: Lane) -> None:
        self._leave_group(lane)
        self._late.pop(lane.number, None)
        self._held_back.discard(lane.number)
        self._connections.remove(lane.number)
        lane.client.drained()

    # All lanes.

    def flush(self, now: float, *, with_prices: bool = True) -> Iterator[None]:
        """Send each client the newest of what has changed; yields when others get a turn.

        Without prices it is a round for the status and for clients that are behind.
        """
        self._book.at(now)
        self._counts.rounds += 1
        self.again = math.inf
        turn = self._turn
        if with_prices and self._book.waiting:
            self._counts.flushes += 1
            changed = self._book.flush()
            self._counts.last_batch = len(changed)
            self._counts.batches.add(len(changed))
            self._counts.groups = len(self._groups)
            for want, members in list(self._groups.items()):
                symbols = changed if want.everything else among(want.symbols, changed)
                if symbols:
                    frames = self._frames(symbols, self._book.number - 1)
                    for lane in list(members.values()):
                        if self._tell(lane, frames, now):
                            lane.seen = self._book.number
                            self._counts.updates += len(symbols)
                        if turn.over:
                            yield
                elif turn.over:
                    yield
        late = list(self._late.values())
        if self._status_told != self._connections.status_number:
            self._status_told = self._connections.status_number
            late += [lane for members in self._groups.values() for lane in members.values()]
        if self._refusals_changed:
            changed, self._refusals_changed = self._refusals_changed, frozenset()
            concerned = [w for w in self._groups if not_served.concerns(w, changed)]
            late += [lane for want in concerned for lane in self._groups[want].values()]
        for lane in late:
            if lane.behind_since is None or lane.retry_at <= now:
                self._advance(lane, now)
                if lane.number in self._held_back:
                    self._reassure(lane, self._heartbeat(), now)
            else:
                self.again = min(self.again, lane.retry_at)
            if turn.over:
                yield

    def heartbeat(self, now: float, age: float, unsubscribed_age: float) -> Iterator[None]:
        """Send a heartbeat to clients that got nothing for `age` seconds: the feed is alive.

        Clients without a subscription have no price that could look stale: they are told after
        `unsubscribed_age`.
        """
        self._book.at(now)
        frame = self._heartbeat()
        for lane in self._connections.lanes():
            least = age if lane.want.everything or lane.want.symbols else unsubscribed_age
            if now - lane.last_frame >= least and lane.behind_since is None:
                self._reassure(lane, frame, now)
            if self._turn.over:
                yield

    def _heartbeat(self) -> bytes:
        return self._framing.text(*self._book.prices(()))

    def _reassure(self, lane: Lane, heartbeat: bytes, now: float) -> None:
        """Send a heartbeat, unless prices are on their way. The client's own rate may delay it.

        It is not left out then: the next one may be a fetch later, and the last that the client
        was told may be from before its subscription. Its prices would look stale in between.
        """
        if self._lacking(lane):
            return
        if _rests(lane, now):
            self._held_back.add(lane.number)
            self.again = min(self.again, lane.last_prices + (lane.seconds_between or 0.0))
            return
        self._held_back.discard(lane.number)
        if self._tell(lane, heartbeat, now):
            lane.seen = self._book.number
            lane.last_prices = now  # it is one of the messages that the rate counts

    def _tell(self, lane: Lane, frames: bytes, now: float) -> bool:
        """Write to a client that lacks nothing else; False when it did not take the frame."""
        if lane.operations or lane.status_seen != self._connections.status_number:
            return False  # its turn comes with the late, in order
        return self._send(lane, frames, now)

    # Signs of life.

    def look(self, now: float, patience: Patience) -> Iterator[None]:
        """Ping clients that are due, drop those that are gone or too slow; yields for a turn."""
        for lane in self._connections.lanes():
            self._look_at(lane, now, patience)
            if self._turn.over:
                yield

    def _look_at(self, lane: Lane, now: float, patience: Patience) -> None:
        client = lane.client
        if client.closed:
            self._drop(lane)
            return
        verdict = health(lane, now, patience)
        lane.slow = verdict in {Health.SLOW, Health.TOO_SLOW}
        if verdict is Health.PING:
            if lane.try_send(self._framing.ping, now) < REFUSED:
                # Not `now`: the ping itself is progress and must not count as later progress.
                lane.ping_sent = max(now, client.last_progress)
                lane.pings += 1
                self._counts.pings += 1
        elif verdict is Health.TOO_SLOW:
            self._counts.too_slow += not lane.leaving
            lane.leaving = True
            client.ask_to_close(CODE_TOO_SLOW, "you read too slowly")
        elif verdict is Health.GONE:
            self._counts.gone += 1
            client.abort()
            self._drop(lane)


def among(wanted: frozenset[Symbol], changed: frozenset[Symbol]) -> list[Symbol]:
    """The part of `wanted` that changed. Twice as fast as an intersection, which makes a set."""
    if len(changed) < len(wanted):
        return list(filter(wanted.__contains__, changed))
    return list(filter(changed.__contains__, wanted))


def _rests(lane: Lane, now: float) -> bool:
    """Whether a client with a rate of its own has had its frame for now."""
    return lane.seconds_between is not None and now - lane.last_prices < lane.seconds_between
