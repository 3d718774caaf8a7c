"""What the broadcaster knows of each client. Outlives it: the successor of a killed one uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from stockstream import paths
from stockstream.delivery.flush_book import NOTHING, AheadOf, FlushBook
from stockstream.histogram import Histogram
from stockstream.tables import Subscription
from supervision import Ownership

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.delivery.protocol import Status
    from stockstream.quotes import Symbol
    from stockstream.refusals import Refusal
    from stockstream.times import Moment

SENT, BEGUN, REFUSED, CLOSED = range(4)
"""Results of `Client.try_send`: the kernel has the frame; the connection finishes it; try again
later; never again."""


class Client(Protocol):
    """A client's connection, as the broadcaster may use it. Nothing here waits."""

    @property
    def name(self) -> str:
        """The session's name: the client was told it, and log lines carry it."""

    @property
    def address(self) -> str:
        """The client's IP address."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""

    @property
    def ready(self) -> bool:
        """Whether `try_send` may take a frame; False when it would refuse any frame."""

    @property
    def last_received(self) -> float:
        """When the last byte came in, on trio's clock."""

    @property
    def last_progress(self) -> float:
        """When the kernel last took bytes for it, on trio's clock."""

    def try_send(self, frame: bytes, now: float, /) -> int:
        """Send whole frames at once, or begin to, or refuse; see SENT. `now` is trio's clock."""

    def drained(self) -> None:
        """Called when all messages for it have been sent, or never will be."""

    def ask_to_close(self, code: int, reason: str) -> None:
        """Have its owner close it with a code, soon."""

    def abort(self) -> None:
        """Reset it now."""


@dataclass(slots=True)
class Operation:
    """A message to one client that keeps its order: an answer, an error, a farewell.

    `frame` comes first; `begun` says that it was sent. `want` is the client's subscription after
    the operation, None for no change. Added symbols are sent in snapshots; the client already has
    the symbols `known` as of flush `known_at`, and of those in `ahead` newer versions than these.
    """

    command: int
    frame: bytes
    want: Subscription | None = None
    known: frozenset[Symbol] = frozenset()
    known_at: int = 0
    ahead: AheadOf = field(default_factory=lambda: NOTHING)
    seconds_between: float | None = None
    begun: bool = False


class Lane:
    """One client's place in the broadcast. Written by the broadcaster only.

    `seen` is the last flush whose changes it has. `answered` is the number of its newest command
    that was answered, or whose answer waits in `operations`. `behind_since` is when the client
    first took no more, None once it has taken something again. `seconds_between` is the least time
    from `last_prices` (a snapshot or updates) to the next updates. A lane that is behind is tried
    again at `retry_at`; a lane that is `leaving` was too slow. `alerted` is the number of the
    newest alert that was sent to its `user`, or waits in `operations`. A client that came from
    another node may have been told more there: of what is in `ahead`, it is sent nothing older.
    `not_served` is what it was told of symbols that get no price, as of `not_served_seen`; -1 since
    it named others.
    Times are trio's.
    """

    __slots__ = (
        "ahead",
        "alerted",
        "answered",
        "behind_since",
        "client",
        "last_frame",
        "last_prices",
        "leaving",
        "not_served",
        "not_served_seen",
        "number",
        "operations",
        "ping_sent",
        "pings",
        "retry_at",
        "seconds_between",
        "seen",
        "slow",
        "status_seen",
        "try_send",
        "user",
        "want",
    )

    def __init__(
        self, number: int, client: Client, *, seen: int, now: float, user: str | None = None
    ) -> None:
        self.number = number
        self.user = user
        self.alerted = 0
        self.ahead = NOTHING
        self.client = client
        self.try_send = client.try_send
        self.want = Subscription()
        self.seen = seen
        self.status_seen = 0
        self.not_served: Mapping[Symbol, Refusal] = {}
        self.not_served_seen = 0
        self.answered = 0
        self.operations: list[Operation] = []  # few; an empty deque is 600 bytes
        self.seconds_between: float | None = None
        self.last_frame = self.last_prices = now
        self.behind_since: float | None = None
        self.retry_at = 0.0
        self.ping_sent = now
        self.pings = 0
        self.slow = False
        self.leaving = False


GOLDEN_RATIO = (5**0.5 - 1) / 2


class Health(Enum):
    """The result of checking a lane for signs of life."""

    WELL = "well"
    PING = "ping"
    """Its next ping is due: no ping for a heartbeat, or for a part of one since it connected."""
    SLOW = "slow"
    """What we send arrives with a lag of over 10 s."""
    TOO_SLOW = "too_slow"
    """The lag is over the limit, and something still trickles: a close frame may arrive."""
    GONE = "gone"
    """Nothing comes in and nothing goes out: the connection can only be reset."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may be silent, or slow; seconds."""

    heartbeat: float = 25.0
    pong: float = 10.0
    slow: float = 10.0
    too_slow: float = 30.0


def health(lane: Lane, now: float, patience: Patience) -> Health:
    """Judge a client by its silence, its lag and the progress of what is written to it.

    A ping waits behind the data that was queued before it, so the delay of the next message that
    comes back is the client's lag.
    """
    client = lane.client
    unanswered = _unanswered(lane, now)
    lag = max(unanswered, _behind(lane, now))
    # The ping itself was progress, so only what the kernel took after it counts.
    if unanswered >= patience.pong and client.last_progress <= lane.ping_sent:
        return Health.GONE
    if lag >= patience.too_slow:
        stuck = now - client.last_progress >= patience.pong
        return Health.GONE if stuck else Health.TOO_SLOW
    if lag >= patience.slow:
        return Health.SLOW
    if unanswered == 0.0 and now - lane.ping_sent >= _silence(lane, patience):
        return Health.PING
    return Health.WELL


def _silence(lane: Lane, patience: Patience) -> float:
    """Seconds from a ping to the next. The first ping comes at some time within them.

    Clients that connect together would always be pinged together, and their answers, all at once,
    would delay the prices. Multiples of the golden ratio spread evenly for any number of clients
    (Knuth, The Art of Computer Programming, volume 3, section 6.4).
    """
    return patience.heartbeat * (1.0 if lane.pings else lane.number * GOLDEN_RATIO % 1.0)


def lag(lane: Lane, now: float) -> float:
    """For how many seconds what we send to a client has not arrived, as far as we know."""
    return max(_unanswered(lane, now), _behind(lane, now))


def _unanswered(lane: Lane, now: float) -> float:
    if lane.pings and lane.client.last_received < lane.ping_sent:
        return now - lane.ping_sent
    return 0.0


def _behind(lane: Lane, now: float) -> float:
    return 0.0 if lane.behind_since is None else now - lane.behind_since


FLUSH_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH_SYMBOLS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(slots=True)
class Counts:
    """What the broadcaster has done since the process started, for operators.

    `interval` is the flush interval in seconds. `groups` is the number of different subscriptions
    at the last flush, and `last_batch` the number of symbols it changed. `rounds` counts the
    flushes and the rounds for late clients between them. `seconds` is the time of each flush until
    the last client had it or was left behind, `batches` the symbols of each.
    """

    interval: float = 0.0
    groups: int = 0
    last_batch: int = 0
    rounds: int = 0
    flushes: int = 0
    frames: int = 0
    begun: int = 0
    refused: int = 0
    updates: int = 0
    pings: int = 0
    gone: int = 0
    too_slow: int = 0
    seconds: Histogram = field(default_factory=lambda: Histogram(FLUSH_SECONDS))
    batches: Histogram = field(default_factory=lambda: Histogram(BATCH_SYMBOLS))


class Connections:
    """All lanes, and the flushes they refer to. Made once; the broadcaster writes, others read."""

    def __init__(self) -> None:
        self._owner = Ownership("connections", paths.BROADCASTER)
        self._lanes: dict[int, Lane] = {}
        self._users: dict[str, set[int]] = {}
        self.book = FlushBook()
        self.counts = Counts()
        self.status: Status | None = None
        """The newest status that clients are told; `status_number` counts them."""
        self.next_probe: Moment | None = None
        """When an open breaker tries again, by this status."""
        self.status_number = 0
        self.not_served: Mapping[Symbol, Refusal] = {}
        """The symbols without a price that their provider refuses; `not_served_number` counts."""
        self.not_served_number = 0

    def set_status(self, status: Status, next_probe: Moment | None) -> None:
        """Set what clients are to be told next."""
        self._owner.check()
        self.status = status
        self.next_probe = next_probe
        self.status_number += 1

    def set_not_served(self, refused: Mapping[Symbol, Refusal]) -> None:
        """Set which symbols get no price, and why."""
        self._owner.check()
        self.not_served = refused
        self.not_served_number += 1

    def add(self, lane: Lane) -> None:
        """Add a lane."""
        self._owner.check()
        self._lanes[lane.number] = lane
        if lane.user is not None:
            self._users.setdefault(lane.user, set()).add(lane.number)

    def remove(self, number: int) -> None:
        """Drop a lane; no error when there is none."""
        self._owner.check()
        lane = self._lanes.pop(number, None)
        if lane is None or lane.user is None:
            return
        there = self._users[lane.user]
        there.discard(number)
        if not there:
            del self._users[lane.user]

    def get(self, number: int) -> Lane | None:
        """The lane of a connection, or None."""
        return self._lanes.get(number)

    def of_user(self, user: str) -> list[Lane]:
        """The lanes of a user's connections, the oldest first."""
        return [self._lanes[number] for number in sorted(self._users.get(user, ()))]

    def lanes(self) -> list[Lane]:
        """All lanes, as of now."""
        return list(self._lanes.values())

    def __contains__(self, number: int) -> bool:
        return number in self._lanes

    def __len__(self) -> int:
        return len(self._lanes)
