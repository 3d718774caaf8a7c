"""Messages that cross between the product's parts.

The parts (`market`, `delivery`, ...) do not import each other, so the messages between them are
here. Messages inside one part stay in that part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import msgspec

from stockstream.quotes import Symbol, Version
from supervision import Event, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.credential_keys import CredentialKey
    from stockstream.quotes import Base
    from stockstream.shards import NodeId, Shard
    from stockstream.statuses import (
        CircuitState,
        CircuitStatus,
        Confirmations,
        DrainStatus,  # noqa: F401 - named in a text
        ExchangeDay,
        FeedStatus,
        QuoteRow,
        UpstreamClock,
    )


@dataclass(frozen=True, slots=True)
class CircuitMoved(Event):
    """The circuit breaker at `path` changed its effective state, or was forced or released."""

    left: CircuitState
    entered: CircuitState
    reason: str
    forced: bool


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """A clock was set by so many seconds, back if they are below 0: `whose` it is."""

    whose: Literal["server", "upstream"]
    seconds: float


@dataclass(frozen=True, slots=True)
class ClusterChanged(Event):
    """Who is in the cluster, what this node fetches for it, or how it stands: one line of text."""

    text: str


@dataclass(frozen=True, slots=True)
class NoticeTold(Event):
    """Operators were told of something, which has happened so many `times`: a line of text. It is
    `bad`, or well again.
    """

    kind: str
    text: str
    times: int
    bad: bool = True


@dataclass(frozen=True, slots=True)
class OperatorAsked(Event):
    """Somebody who looks after the server had something done to `path`: `what`, and `who`."""

    what: str
    who: str


@dataclass(frozen=True, slots=True)
class QuotesPublished:
    """Quotes were accepted and stand in the `Quotes` table; from the streamer, by PubSub.

    Published means: the batch `number` was appended to the `Outbox` before this was sent. The same
    is told of rows of earlier batches that were amended since: their quotes are what they were.
    Prices that are `own` count for all nodes of a cluster, and are told to them; the others came
    from another node, or are shown here only.
    """

    number: int
    rows: tuple[QuoteRow, ...]
    own: bool = True


@dataclass(frozen=True, slots=True)
class BatchReceived:
    """Quotes that another node has published, or a page of those it has: from the bus.

    Their times by the monotonic clock are this process's. The streamer takes in what is newer.
    """

    node: NodeId
    rows: tuple[QuoteRow, ...]


@dataclass(frozen=True, slots=True)
class UpstreamTold:
    """How an upstream does at the `node` that fetches from it, and what that confirms.

    A feed tells it the bus after each round; the bus tells it the feed of that name on all other
    nodes. Times are this process's. `told` of the confirmations is the same object for as long as
    the same symbols were confirmed. `routes` are those that the node decides, by their patterns:
    which upstream tells the symbols of each.
    """

    upstream: str
    node: NodeId | None
    feed: FeedStatus
    circuit: CircuitStatus | None
    clock: UpstreamClock | None
    confirmations: Confirmations | None
    routes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoutesTold:
    """What the `node` that fetches from this upstream has decided of the routes that begin with it.
    From the upstream's feed to the router.
    """

    upstream: str
    node: NodeId
    routes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """The row of `routing` is new: another upstream tells some symbols. To the feeds."""


@dataclass(frozen=True, slots=True)
class BatchesLost:
    """With the streamer's last life died the batches of other nodes that waited for it: to the bus,
    which asks those nodes for all they have.
    """


@dataclass(frozen=True, slots=True)
class HoldingChanged:
    """The row of `holding` is new: this node fetches other shards, or fetches them otherwise."""


@dataclass(frozen=True, slots=True)
class EpochSeen:
    """A version of that epoch exists, or existed: a client has it, or another node has given it.

    To the membership, so that who fetches the symbol gives higher ones.
    """

    symbol: Symbol
    epoch: int


@dataclass(frozen=True, slots=True)
class EpochsUsed:
    """The epochs that the streamer of a node that is alone has given: to the membership."""

    epochs: Mapping[Shard, int]


@dataclass(frozen=True, slots=True)
class LocalDemand:
    """Which clients this node has: from the subscription manager to the membership.

    `symbols` counts connections by symbol named. `everything` are those that want all there are,
    `subscribers` those with any subscription, `connections` all.
    """

    symbols: Mapping[Symbol, int]
    everything: int
    subscribers: int
    connections: int


@dataclass(frozen=True, slots=True)
class FirstPricesFound:
    """To the streamer: the first recorded price of each `asked` day, where there is one.

    `whole` when all that was recorded before is in the database: what was not found is not there.
    """

    asked: Mapping[Symbol, ExchangeDay]
    found: Mapping[Symbol, Base]
    whole: bool


@dataclass(frozen=True, slots=True)
class FeedChanged:
    """A row in the `feeds` table is new: also after each fetch that brought nothing new."""


@dataclass(frozen=True, slots=True)
class CircuitChanged:
    """A row in the `circuits` table is new."""


@dataclass(frozen=True, slots=True)
class ForceCircuit(Request[None]):
    """Hold the circuit breaker open or closed for some seconds, or let it decide again (auto)."""

    state: Literal["open", "closed", "auto"]
    seconds: float | None

    def __post_init__(self) -> None:
        # Refused in the sender: a handler that raises ends the actor.
        seconds = self.seconds
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"seconds must be above 0, not {seconds}")


@dataclass(frozen=True, slots=True)
class Hurried:
    """What came of `FetchNow`: whether there are fresh prices, and one line for people."""

    ok: bool
    detail: str


class FetchNow(Request[Hurried]):
    """To a feed: do not wait for your time. It fetches, or connects, by its provider's limits.

    An open circuit breaker is asked to let it probe. It is answered when that has ended; by a feed
    whose prices are pushed at once.
    """


@dataclass(frozen=True, slots=True)
class ProbeNow:
    """To a circuit breaker, from its feed: an operator does not want to wait for the next probe."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The demand for symbols: from the subscription manager to the feeds.

    `symbols` are those subscribed by name; `everything` is set when somebody wants all there
    are; `subscribers` counts connections with at least one subscription.
    """

    symbols: frozenset[Symbol]
    everything: bool
    subscribers: int


@dataclass(frozen=True, slots=True)
class DemandWanted:
    """From a feed that has just started, and does not know the demand."""


class DatabaseFault(StrEnum):
    """The faults of the embedded database server."""

    STOP = "stop"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class DisturbDatabase(Request[bool]):
    """Stop or pause the embedded server for some seconds, or leave it in peace again (None).

    The answer is whether there is such a server to be disturbed.
    """

    fault: DatabaseFault | None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerReady:
    """From the embedded database server's owner: it takes connections now; or, as its password has
    changed, it may take them.
    """


@dataclass(frozen=True, slots=True)
class ReadSecrets:
    """Somebody asks that the secrets are read again."""


@dataclass(frozen=True, slots=True)
class SecretsRead(Event):
    """The secrets were read again; `changed` are the variables of those that are used from now on.

    `failed` where nothing could be read.
    """

    changed: tuple[str, ...]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class TokensChanged:
    """To the front end: who was let in by a token may not be any more."""


@dataclass(frozen=True, slots=True)
class CredentialsEnded(Request[None]):
    """These credentials have ended: nobody is let in by them, and their sockets are closed.

    Told to the doorkeeper by whoever ended them, once that is committed; by it to the front end,
    and to the bus, which tells the doorkeepers of other nodes. `heard` from another node, it is
    not passed on.
    """

    keys: tuple[CredentialKey, ...]
    heard: bool = False


@dataclass(frozen=True, slots=True)
class AccountChanged(Request[None]):
    """An account was changed: its credentials are confirmed anew, at once. Told as
    `CredentialsEnded` is, but not to the front end.
    """

    account_id: int
    heard: bool = False


@dataclass(frozen=True, slots=True)
class CredentialsChanged:
    """To the front end: these credentials go on, and allow something else now."""

    keys: tuple[CredentialKey, ...]


@dataclass(frozen=True, slots=True)
class ServerFailed:
    """From the same: it does not run; `reason` is one line that names the setting to look at."""

    reason: str


class CutConnections(Request[int]):
    """Cut every connection to the database, with the queries on it; returns their number."""


class Reconnect(Request[int]):
    """The same for an operator: all of them are cut, and made anew at once."""


@dataclass(frozen=True, slots=True)
class DrainClients(Request["DrainStatus"]):
    """To the front end: tell a `share` of the clients (percent, above 0) to leave, spread over so
    many seconds. With 100 no new clients should come, until `EndDrain`. It replaces one that runs.
    """

    share: float
    seconds: float

    def __post_init__(self) -> None:
        # Refused in the sender: a handler that raises ends the actor.
        if not (0 < self.share <= 100 and 0 <= self.seconds < math.inf):
            raise ValueError(f"no drain of {self.share} percent over {self.seconds} seconds")


@dataclass(frozen=True, slots=True)
class CloseClient(Request[bool]):
    """To the front end: close the connection of that number, for this reason; was it there?"""

    number: int
    reason: str


class EndDrain(Request["DrainStatus | None"]):
    """To the front end: nobody else is to leave, and new clients may come. None without a drain."""


class Alert(msgspec.Struct, frozen=True):
    """A user's rule fired: what it said then, and the price that crossed.

    `number` rises by one with each alert of this process. `threshold` is a price, or percents for
    a move within `window` seconds, which is measured from `reference`. `timestamp` is the price's,
    `fired_at` when it was judged, or told after a cool-down, in ms since 1970. It stands for so
    many `crossings`, of which this is the last. What is not known of the price is None.
    """

    number: int
    owner: str
    rule: int
    symbol: Symbol
    kind: str
    threshold: float
    window: int | None
    price: float
    reference: float | None
    timestamp: int
    version: Version
    fired_at: int
    crossings: int = 1
    exchange: str | None = None
    currency: str | None = None
    source: str | None = None

    @property
    def id(self) -> str:
        """Names it, in the database, on the socket and in a webhook: a price fires a rule once."""
        return f"{self.rule}-{self.version.epoch}-{self.version.seq}"


@dataclass(frozen=True, slots=True)
class DeliverAlert(Request[int]):
    """Tell an alert on all connections of its owner; how many there are. May be asked twice."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class TellAlerts:
    """Alerts to be told on all nodes: from the watcher to the bus, and from the bus to the watchers
    of the other nodes, whose connections are told. May come twice: their ids are known then.
    """

    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """Rules were changed in the database: read them now. The watcher has the bus tell other nodes.

    With an `owner` the connections of that user are told, too, also where alerts were read and no
    rule has changed. `heard` from another node, it is not passed on.
    """

    heard: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class TellAlertsChanged:
    """Tell the connections of a user that they may read rules and alerts again."""

    owner: str


@dataclass(frozen=True, slots=True)
class AlertSymbols:
    """The symbols of rules: to the feeds, which fetch them as if a client had subscribed."""

    symbols: frozenset[Symbol]
