"""A mailbox: a memory channel, the runtime's own count against a bound, a stop flag.

The channel itself is unbounded, so that sending never waits. What is counted are casts and
calls. The runtime's own signals (DOWN, child exits, timers, retries, stop) keep their place
in the channel and are exempt from the bound.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import trio

from .context import correlation_id
from .exits import check_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .call import PendingCall
    from .exits import ExitReason

DEFAULT_BOUND = 10_000


Envelope = tuple[object, "PendingCall | None", "str | None", bool]
"""One queued message: the message, the call that waits for its answer, the sender's
correlation id, whether it counts against the bound. A plain tuple: making a named one would
be half the cost of a cast."""


class Token(Protocol):
    """Something queued that decides, when its turn comes, which envelope it stands for."""

    def redeem(self) -> Envelope | None:
        """The envelope to handle now, or None when there is nothing left to do."""


Channel = tuple[
    "trio.MemorySendChannel[Envelope | Token | None]",
    "trio.MemoryReceiveChannel[Envelope | Token | None]",
]


@dataclass(frozen=True, slots=True)
class DropNewest:
    """Over the bound, refuse the message that comes in."""


@dataclass(frozen=True, slots=True)
class DropOldest:
    """Over the bound, forget the cast that waited longest.

    Casts keep their order among themselves; a cast that came in over the bound takes the
    place that was freed, so it may be handled before a call made earlier.
    """


@dataclass(frozen=True, slots=True)
class Conflate:
    """Keep one waiting message per key: a newer one takes the place of the waiting one.

    `key` maps a message to its key, or to None for a message that is queued as it is.
    """

    key: Callable[[object], Hashable | None]

    def __post_init__(self) -> None:
        if not callable(self.key):
            raise TypeError(f"the key of Conflate is a function of a message, not {self.key!r}")


Overflow = DropNewest | DropOldest | Conflate


@dataclass(frozen=True, slots=True)
class MailboxPolicy:
    """What an actor declares: how many casts and calls may wait, and what gives way."""

    bound: int = DEFAULT_BOUND
    overflow: Overflow = DropNewest()

    def __post_init__(self) -> None:
        if isinstance(self.bound, bool) or not isinstance(self.bound, int):
            raise TypeError(f"the bound of a mailbox is a number of messages, not {self.bound!r}")
        if self.bound < 1:
            raise ValueError(f"a mailbox needs a bound of at least 1, not {self.bound}")
        if not isinstance(self.overflow, Overflow):
            raise TypeError(
                f"overflow is DropNewest(), DropOldest() or Conflate(key), not {self.overflow!r}"
            )


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """A mailbox now, and what happened to it since the actor started."""

    queued: int
    """Casts and calls that wait."""
    high_water: int
    """The most that ever waited."""
    bound: int
    """How many may wait."""
    dropped: int
    """Casts and calls that were refused, or gave way to newer ones."""
    conflated: int
    """Casts that a newer one of the same key replaced."""
    overflow: str
    """The name of the mailbox's class, which tells its policy."""


class Mailbox:
    """A memory channel with one receiver. Owned by one cell: anyone sends, its loop receives.

    `receive` and `receive_nowait` are the channel's own. Whoever takes out an envelope that is
    counted subtracts it from `queued`.
    """

    __slots__ = (
        "_receive_channel",
        "_send",
        "_send_channel",
        "_told",
        "bound",
        "closed",
        "conflated",
        "dropped",
        "high_water",
        "queued",
        "receive",
        "receive_nowait",
        "stop_reason",
    )

    def __init__(self, bound: int) -> None:
        channel: Channel = trio.open_memory_channel(math.inf)
        self._send_channel, self._receive_channel = channel
        # Looked up once: a look at each cast would be a twentieth of its cost.
        self._send: Callable[[Envelope | Token | None], None] = self._send_channel.send_nowait
        self.receive = self._receive_channel.receive
        self.receive_nowait = self._receive_channel.receive_nowait
        self._told: list[Callable[[object], None]] | None = None
        self.closed = False
        self.bound = bound
        self.queued = 0
        self.high_water = 0
        self.dropped = 0
        self.conflated = 0
        self.stop_reason: ExitReason | None = None

    def cast(self, message: object) -> bool:
        """Queue a message nobody waits for; False when it, or an older one, was dropped."""
        if self.queued >= self.bound:
            self.dropped += 1
            return False
        self.queued += 1
        self._send((message, None, correlation_id.get(), True))
        return True

    def call(self, request: object, call: PendingCall) -> bool:
        """Queue a request; False when the mailbox is at its bound."""
        if self.queued >= self.bound:
            self.dropped += 1
            return False
        self.queued += 1
        self._send((request, call, correlation_id.get(), True))
        return True

    def signal(self, message: object) -> None:
        """Queue a message of the runtime's own: exempt from the bound."""
        self._signal((message, None, None, False))

    def signal_token(self, token: Token) -> None:
        """Queue a signal that may have lost its meaning by the time its turn comes."""
        self._signal(token)

    def _signal(self, item: Envelope | Token | None) -> None:
        if not self.closed:  # somebody may still hold the ended actor, or a timer of it
            self._send(item)

    def stop(self, reason: ExitReason) -> None:
        """Raise the stop flag, which is looked at before each message; the first reason stays."""
        if self.stop_reason is None:
            self.stop_reason = check_reason(reason)
            self._signal(None)  # wakes a loop that waits

    def tell(self, told: Callable[[object], None]) -> None:
        """Have `told` called with each cast and call that is queued from now on."""
        if self._told is None:
            self._told = []
            send, listeners = self._send, self._told

            def telling(item: Envelope | Token | None) -> None:
                send(item)
                envelope = self.envelope_of(item)
                if envelope is not None and envelope[3]:
                    for listener in tuple(listeners):  # one may take itself off
                        listener(envelope[0])

            self._send = telling
        self._told.append(told)

    def tell_no_more(self, told: Callable[[object], None]) -> None:
        """Call it no more; a no-op when it is not called."""
        if self._told is not None and told in self._told:
            self._told.remove(told)
            if not self._told:
                self._told, self._send = None, self._send_channel.send_nowait

    def envelope_of(self, item: Envelope | Token | None) -> Envelope | None:
        """What a queued item stands for now, left in its place; None for the runtime's own."""
        return item if isinstance(item, tuple) else None

    def close(self) -> list[Envelope]:
        """Take out what is left, uncounted signals included, and refuse the rest for ever."""
        left: list[Envelope] = []
        # Closing a channel throws away what it holds, so it is emptied first.
        while True:
            try:
                item = self.receive_nowait()
            except trio.WouldBlock:
                break
            envelope = item if item is None or isinstance(item, tuple) else item.redeem()
            if envelope is not None:
                left.append(envelope)
        self.queued = 0
        self.closed = True
        self._send_channel.close()
        self._receive_channel.close()
        # What took their place names this mailbox, which would be a cycle.
        self._send = self._send_channel.send_nowait
        self.receive = self._receive_channel.receive
        self.receive_nowait = self._receive_channel.receive_nowait
        return left

    def statistics(self) -> MailboxStatistics:
        """Counts, for `snapshot()`."""
        return MailboxStatistics(
            queued=self.queued,
            high_water=max(self.high_water, self.queued),
            bound=self.bound,
            dropped=self.dropped,
            conflated=self.conflated,
            overflow=type(self).__name__,
        )


class DroppingOldest(Mailbox):
    """Casts wait in a queue of their own; the channel holds one token for each.

    Nothing can be taken out of the middle of a channel, and an oldest cast that is only marked
    as dropped would stay there: a flood would fill the channel with them. So the channel holds
    the right to take the next cast.
    """

    __slots__ = ("_casts",)

    def __init__(self, bound: int) -> None:
        super().__init__(bound)
        self._casts: deque[Envelope] = deque()

    def cast(self, message: object) -> bool:
        """Queue a message; over the bound, forget the oldest cast instead of it."""
        self._casts.append((message, None, correlation_id.get(), True))
        if self.queued < self.bound:
            self.queued += 1
            self._send(self)
            return True
        self.dropped += 1
        if len(self._casts) > 1:
            self._casts.popleft()
        else:  # calls alone fill the bound: there is no older cast to give way
            self._casts.pop()
        return False

    def envelope_of(self, item: Envelope | Token | None) -> Envelope | None:
        """A token was queued for the newest cast."""
        return self._casts[-1] if item is self and self._casts else super().envelope_of(item)

    def redeem(self) -> Envelope | None:
        """Answer the oldest cast that is left."""
        return self._casts.popleft() if self._casts else None


class _Place:
    """A place in the channel, held by the newest message of its key when its turn comes."""

    __slots__ = ("_key", "_places", "envelope")

    def __init__(self, key: Hashable, places: dict[Hashable, _Place], envelope: Envelope) -> None:
        self._key = key
        self._places = places
        self.envelope = envelope

    def redeem(self) -> Envelope | None:
        del self._places[self._key]
        return self.envelope


class Conflating(Mailbox):
    """Queues a place per key; a newer message of a waiting key takes the place of the older."""

    __slots__ = ("_key_of", "_places")

    def __init__(self, bound: int, key: Callable[[object], Hashable | None]) -> None:
        super().__init__(bound)
        self._key_of = key
        self._places: dict[Hashable, _Place] = {}

    def cast(self, message: object) -> bool:
        """Queue a message, or have it take the place of the waiting one of its key."""
        key = self._key_of(message)
        if key is None:
            return super().cast(message)
        place = self._places.get(key)
        if place is not None:
            self.conflated += 1
            place.envelope = (message, None, correlation_id.get(), True)
        elif self.queued >= self.bound:
            self.dropped += 1
            return False
        else:
            self.queued += 1
            place = _Place(key, self._places, (message, None, correlation_id.get(), True))
            self._places[key] = place
            self._send(place)
        return True

    def envelope_of(self, item: Envelope | Token | None) -> Envelope | None:
        """The newest message of the key whose place it is."""
        return item.envelope if isinstance(item, _Place) else super().envelope_of(item)


def open_mailbox(policy: MailboxPolicy) -> Mailbox:
    """The mailbox an actor declared."""
    match policy.overflow:
        case DropNewest():
            return Mailbox(policy.bound)
        case DropOldest():
            return DroppingOldest(policy.bound)
        case Conflate(key):
            return Conflating(policy.bound, key)
