"""Rows of the tables: the status of each part, as its one writer last set it.

The writers and readers are in different parts of the product, which do not import each other, so
their rows are here, beside `tables.py`. Messages from actor to actor are in `messages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

from stockstream.histogram import Histogram
from stockstream.quotes import Base, Quote, Symbol, TradingSession
from stockstream.shards import Claim, NodeId, Shard
from stockstream.sources import Route
from stockstream.times import Moment


class ExchangeDay(NamedTuple):
    """A day of an exchange, from midnight to midnight in its `zone` (IANA); ms since 1970.

    The zone is `UTC` where the exchange is not known.
    """

    zone: str
    start: int
    end: int


class SymbolDay(msgspec.Struct, frozen=True, gc=False):
    """The day that a symbol's newest price belongs to, and the `first` price of that day.

    It is the first that this process has seen, until the day is `settled`: then the history knows
    none earlier, or cannot know. `dated` says that the day is that of the prices' own times, which
    could be believed.
    """

    day: ExchangeDay
    first: Base
    dated: bool
    settled: bool


class MarketSession(NamedTuple):
    """What a market does with a symbol since a moment in ms since 1970; None: nobody knows."""

    session: TradingSession | None
    since: int


class Traded(NamedTuple):
    """The `volume` that was traded since the price before, as far as it is known: what the day's
    volume, `counted` so far, has grown by, or that of the `Flow` that began at `since`.
    """

    volume: float | None
    counted: float
    since: int = 0


class QuoteRow(msgspec.Struct, frozen=True, gc=False):
    """A symbol's row in the `Quotes` table.

    `open` is the first price of the exchange's day that is known; `previous` the last
    price before this one that differed, None for a symbol seen for the first time. `shift` is
    `UpstreamClock.shift` of its upstream when the quote was accepted: by the provider's time less
    that quotes of a symbol are ordered. `steady` is when it was received by the monotonic clock, in
    ms: what happens between two quotes is timed by it, whatever the wall clock does meanwhile.
    `source` is the name of the upstream that told it. `changed` is when the price last became
    another one, or was first seen, by the monotonic clock in ms. The change of the `day` is against
    `base`; without one it is against `open`. `session` is what its market does by the calendar;
    None where the provider says it with the price, and from older nodes. What was `traded` is told
    beside a volume of the day.
    """

    quote: Quote
    open: float
    previous: float | None
    shift: int = 0
    steady: int = 0
    source: str = ""
    changed: int = 0
    base: Base | None = None
    day: SymbolDay | None = None
    session: MarketSession | None = None
    traded: Traded | None = None


class SymbolState(StrEnum):
    """Whether an upstream has told a symbol, acceptably, within three of its intervals."""

    LIVE = "live"
    STALE = "stale"


class StaleReason(StrEnum):
    """Why a symbol is stale.

    The provider's list lacks it; it was asked for and is not in the answer; it may be in the part
    of the list that was not read; only older prices of it come; its time is too far ahead; or its
    item is bad, as the parser says. Of these, only the API says that the whole feed is away: on
    the socket that is the status of the feed. `OVER_LIMIT` and `NOT_IN_PLAN` are told to clients
    in place of `NOT_LISTED` where the provider says so; nodes do not tell them to each other.
    """

    NOT_LISTED = "not_listed"
    NOT_TOLD = "not_told"
    BEYOND_LIMIT = "beyond_limit"
    OUTDATED = "outdated"
    CLOCK_AHEAD = "clock_ahead"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    NOT_POSITIVE = "not_positive"
    INVALID_TIMESTAMP = "invalid_timestamp"
    FEED_AWAY = "feed_away"
    OVER_LIMIT = "over_limit"
    NOT_IN_PLAN = "not_in_plan"


class Unconfirmed(NamedTuple):
    """A symbol that the last fetch did not confirm.

    `reason` says why it is stale; it is None while the symbol is live all the same. `confirmed` is
    when it was confirmed last, by the monotonic clock, in ms.
    """

    reason: StaleReason | None
    confirmed: int


class Lapse(NamedTuple):
    """A symbol that was asked for, and that the answer did not confirm, for this reason.

    It was `confirmed` last, and is stale from `due` on, both by the monotonic clock, in ms.
    """

    reason: StaleReason
    confirmed: int
    due: int


class Rejection(NamedTuple):
    """Why a symbol was last refused: `detail` quotes the provider, so it is for operators.

    `at` is by the monotonic clock, in ms.
    """

    reason: StaleReason
    detail: str
    at: int


class Confirmations(msgspec.Struct, frozen=True):
    """When an upstream last told each symbol, acceptably. Times by the monotonic clock, in ms.

    The answer that came at `fetched` confirmed the symbols `told`. It was not asked for those in
    `unasked`, which an earlier answer confirmed. It should have confirmed those in `lapsed`. The
    upstream never told any other. `rejected` has the last refusal of a symbol, also of one that
    has no price yet. `not_served` are those that it says now that it tells no prices of, each with
    a code.
    """

    fetched: int
    told: frozenset[Symbol] = frozenset()
    unasked: Mapping[Symbol, Unconfirmed] = {}
    lapsed: Mapping[Symbol, Lapse] = {}
    rejected: Mapping[Symbol, Rejection] = {}
    not_served: Mapping[Symbol, Annotated[str, msgspec.Meta(max_length=64)]] = {}


class UpstreamClock(msgspec.Struct, frozen=True):
    """The upstream's clock, as its prices tell it; all in ms.

    `shift` is by how much it has stepped since this process began, all `steps` together. `lead` is
    by how much the newest time that it told, less `shift`, is ahead of the monotonic clock, None
    before the first price; `steady` is that clock's reading when that was found. `agreed` is what
    our wall clock was ahead of the monotonic one when the upstream last agreed with it, to the
    hour; None when it never did. `dated` is by how much the date of its last answer, where it had
    one, was ahead of the monotonic clock.
    """

    shift: int = 0
    steps: int = 0
    lead: int | None = None
    steady: int = 0
    agreed: int | None = None
    dated: int | None = None


class FeedState(StrEnum):
    """The state of a feed: the last fetches succeeded, the recent ones fail, or it is gone."""

    LIVE = "live"
    STALE = "stale"
    DOWN = "down"


class FeedStatus(msgspec.Struct, frozen=True):
    """The status of the feed of one upstream; or of all together, as clients get it.

    `as_of` is when the last fetch ended that told or confirmed a price, None before the first;
    `interval` the seconds between fetches now; `listed` whether the provider's whole list has
    been seen, so that a symbol it lacks is unknown; `reason` what ails it, for people.
    """

    state: FeedState
    as_of: Moment | None
    interval: float
    listed: bool
    reason: str | None = None


class SeenTrouble(msgspec.Struct, frozen=True):
    """A trouble of a feed, as it was seen last. `said` are the upstream's own words, masked.

    `correlation` is that of the line in the log: of the first one since it was over.
    """

    at: Moment
    detail: str
    said: str | None = None
    correlation: str | None = None


class FeedFigures(msgspec.Struct, frozen=True):
    """What went wrong with a feed since its start, for operators.

    `troubles` counts by kind, bad items each; `seen` has the last of each kind.
    """

    troubles: Mapping[str, int]
    seen: Mapping[str, SeenTrouble] = {}


class BodySample(msgspec.Struct, frozen=True):
    """The begin of what an upstream answered `at` a time, with its keys masked; `size` in bytes."""

    at: Moment
    status: int
    size: int
    content_type: str
    text: str


class FetchFigures(msgspec.Struct, frozen=True):
    """The fetches of a feed, or its attempts to connect, over all its lives in this process.

    Those that ended are counted by `outcomes`; `seconds` is the live histogram of how long they
    took, `recent` are the last of them, live. So many items were `told`, of which so many were
    `newer` than what was known; others were `refused`. `body` is the last answer; the last fetch
    `ended` at a time, however it ended.
    """

    seconds: Histogram
    outcomes: Mapping[str, int] = {}
    recent: Sequence[float] = ()
    told: int = 0
    newer: int = 0
    refused: int = 0
    body: BodySample | None = None
    ended: Moment | None = None


class Routing(msgspec.Struct, frozen=True):
    """Which upstream tells which symbols, of all that are routed.

    `active` is, for each of the `routes` in their order, which of its names tells its symbols now:
    0 for the first. A symbol of no route has no source.
    """

    routes: tuple[Route, ...]
    active: tuple[int, ...]

    def source(self, symbol: Symbol) -> str | None:
        """The one upstream that tells a symbol now."""
        for route, active in zip(self.routes, self.active, strict=True):
            if route.fits(symbol):
                return route.names[active]
        return None

    def names(self, symbol: Symbol) -> tuple[str, ...]:
        """The upstreams that may tell a symbol, in the order of failover."""
        return next((route.names for route in self.routes if route.fits(symbol)), ())

    def wants(self, upstream: str, symbol: Symbol) -> bool:
        """Whether an upstream is to be asked for a symbol: it tells it, or would rather than the
        one that does, so that it is found when it is well again.
        """
        for route, active in zip(self.routes, self.active, strict=True):
            if route.fits(symbol):
                return upstream in route.names[: active + 1]
        return False


class PushPhase(StrEnum):
    """What a feed does that has its prices pushed to it.

    `idle`: nobody wants a price of it; `waiting`: it connects again after a pause;
    `misconfigured`: its key or plan was refused, and it is tried again every few minutes.
    """

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    MISCONFIGURED = "misconfigured"


_BAD_PHASES = [
    PushPhase.IDLE,
    PushPhase.CONNECTED,
    PushPhase.CONNECTING,
    PushPhase.WAITING,
    PushPhase.MISCONFIGURED,
]
"""Each worse than the one before it."""


class TokenLevel(NamedTuple):
    """So many tokens were in a bucket `at` a time by the monotonic clock, in seconds."""

    tokens: float
    at: float


class LineStatus(msgspec.Struct, frozen=True):
    """How a connection stands, and what the next attempt has to heed.

    `since` is the begin of the phase. `failures` attempts in a row have failed, so that there is
    none before `not_before`. What was acknowledged counts in `symbols`; those `refused` have the
    provider's code. The last connection was `opened`, `heard` its last frame and `priced` its last
    price, `told`, each at a time; `frame` is the begin of that frame, its keys masked. It is
    `silent` while its watchdog suspects that prices are kept back.
    """

    phase: PushPhase
    since: Moment
    reason: str | None = None
    failures: int = 0
    not_before: Moment | None = None
    symbols: int = 0
    refused: Mapping[Symbol, str] = {}
    opened: Moment | None = None
    heard: Moment | None = None
    priced: Moment | None = None
    told: str | None = None
    frame: str | None = None
    silent: bool = False


class PushStatus(msgspec.Struct, frozen=True):
    """How a feed is connected, and what a new life of it has to heed.

    Its `lines` have a number each. `ends` counts connections by what ended them.
    """

    lines: Mapping[int, LineStatus] = {}
    connects: TokenLevel | None = None
    messages: TokenLevel | None = None
    calls: TokenLevel | None = None
    ends: Mapping[str, int] = {}

    @property
    def worst(self) -> LineStatus | None:
        """Of the lines the one that is worst off, the longest of several."""

        def badness(line: LineStatus) -> tuple[int, float]:
            return _BAD_PHASES.index(line.phase), -line.since.seconds

        return max(self.lines.values(), key=badness, default=None)


class CircuitState(StrEnum):
    """What the circuit breaker lets through, forced states counted as what they do."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitStatus(msgspec.Struct, frozen=True):
    """The status of the circuit breaker of one upstream; or the worst one, as clients get it.

    `next_probe` is when the wait ends, None when closed or when nobody knows; `since` when this
    state began.
    """

    state: CircuitState
    since: Moment
    next_probe: Moment | None = None
    reason: str | None = None


class CircuitFigures(msgspec.Struct, frozen=True):
    """The circuit breaker's figures, for operators, as of the last thing it was asked or told.

    `computed` is what its outcomes say, also while `forced` is set. Rates and thresholds are
    percents, rates None below the minimum of calls; `calls`, `failures` and `slow_calls` are those
    the rates are made of, of at most `window` outcomes, or of `window` seconds when
    `window_is_seconds`.
    """

    computed: str
    forced: str | None
    forced_until: Moment | None
    since: Moment
    openings: int
    calls: int
    failures: int
    slow_calls: int
    failure_rate: float | None
    slow_rate: float | None
    failure_threshold: float
    slow_threshold: float
    window: int
    window_is_seconds: bool
    minimum_calls: int
    in_flight: int
    successful: int
    failed: int
    ignored: int
    cancelled: int
    not_permitted: int


class ReplicaStatus(msgspec.Struct, frozen=True):
    """How the replica is that history queries ask first, through so many `connections` now.

    It has all that was committed before `as_of`, at least; None where that is not known. `reason`
    is one line that names the setting: why the primary is asked in its place, or why `as_of` is not
    known; empty when all is well.
    """

    connections: int
    as_of: Moment | None
    reason: str


class DatabaseStatus(msgspec.Struct, frozen=True):
    """The status of the connections to the database.

    `up` when history can be written; `connections` open now by purpose; `reason` why it is not up,
    one line that names the setting to look at; `since` when it became so. `replica` where there is
    one. `queries` and those that `failed` are counted since the process began, once a second.
    """

    up: bool
    reason: str
    since: Moment
    connections: dict[str, int]
    queries: int = 0
    failed: int = 0
    replica: ReplicaStatus | None = None


class PoolFigures(msgspec.Struct, frozen=True):
    """The queries that wait in the gateway, by purpose; counts are of this process.

    So many are `waiting` now; `refused` were those for which there was no room any more. `waits`
    are the live histograms of how many seconds a query waited for a connection.
    """

    waiting: Mapping[str, int]
    refused: Mapping[str, int]
    waits: Mapping[str, Histogram]


class RecorderFigures(msgspec.Struct, frozen=True):
    """The status of recording. Counts are of this process, over all lives of the recorder.

    `spooled` batches wait on disk in `spool_bytes` of at most `spool_limit`, the oldest received at
    `spooled_since` (ms since 1970), where that is known; `lost` ticks went there, because it was
    full, or a file of it damaged or gone, and with them `unread_batches` of so many `unread_bytes`,
    of which it is not known how many ticks they held; `dropped` ones went from memory because the
    spool could not be written; `rejected` batches were refused by the
    database and put aside, of which `rejected_gone` had to give way to later ones. `trouble` is
    why the last attempt to record failed, None when it did not. `alert` says what an operator must
    see to, None when nothing is wrong now.
    """

    recorded_batches: int = 0
    recorded_ticks: int = 0
    spooled: int = 0
    spool_bytes: int = 0
    spool_limit: int = 0
    spooled_since: int | None = None
    rejected: int = 0
    rejected_gone: int = 0
    lost: int = 0
    unread_batches: int = 0
    unread_bytes: int = 0
    dropped: int = 0
    trouble: str | None = None
    alert: str | None = None


class RecorderStatus(RecorderFigures, frozen=True):
    """The row of the `recorder` table. Ticks were lost or dropped last at `lost_at`; since
    `behind_since` there was no moment at which all that was published had been recorded.
    """

    lost_at: Moment | None = None
    behind_since: Moment | None = None


class AlertStatus(msgspec.Struct, frozen=True):
    """The status of alerts. Counts are of this process; `unstored` and `undelivered` wait now.

    `dropped` alerts gave way, unstored, because the database was away for too long; `missed`
    quotes were lost before they were judged, so that only the newest of each symbol was. `withheld`
    crossings came within a cool-down; they are told after it, in one alert.
    """

    rules: int
    judged: int
    fired: int
    unstored: int
    undelivered: int
    dropped: int
    missed: int
    withheld: int


class WebhookStatus(msgspec.Struct, frozen=True):
    """The status of webhooks. Counts are of this process; `under_way` now.

    `failed` counts single attempts, `dead` the calls that were given up; the last one at `dead_at`,
    in ms since 1970.
    """

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    under_way: int = 0
    dead_at: int | None = None


class MailStatus(msgspec.Struct, frozen=True):
    """The status of alerts by mail. Counts are of this process; `failed` counts single attempts,
    `dead` the letters that were given up. `trouble` is why the `server` takes none now, else None.
    Times are in ms since 1970: since when it is in trouble, when it took one last, when one was
    given up last, and when it said its `last_error`, of a letter or of all of them.
    """

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    trouble: str | None = None
    server: str = ""
    trouble_since: int | None = None
    last_error: str | None = None
    last_error_at: int | None = None
    taken_at: int | None = None
    dead_at: int | None = None


class OpenNotice(NamedTuple):
    """Something that operators were told of and that is not well again; `at` in ms since 1970."""

    kind: str
    subject: str
    state: str
    text: str
    at: int


class NoticeFigures(msgspec.Struct, frozen=True):
    """The notices for operators. Counts are of this process; `waiting` to be posted now.

    They were `said` by kind; of these, `held` came within a minute after the same one. `failed`
    counts single attempts to post; `given_up` and `dropped` are notices that are not posted.
    Those in `open` are bad, and nobody has said since that they are well again.
    """

    said: Mapping[str, int] = {}
    held: int = 0
    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    dropped: int = 0
    waiting: int = 0
    open: tuple[OpenNotice, ...] = ()


class Holding(msgspec.Struct, frozen=True):
    """What this node of a cluster fetches. A single node has no such row, and fetches all.

    It gives the prices of each shard in `epochs` versions of that epoch. `highest` is the highest
    epoch of each shard that is known. A node that is `alone` cannot reach the others: it fetches
    what its own clients want, each time in an epoch above all it knows. What it accepts of the
    shards in `recording` counts for all nodes: it is recorded, and alerts of it are told. Of those
    that are `contested` somebody has a price in an epoch between this one and the last; those
    `taken_back` had been another node's meanwhile, that could not be heard.
    """

    epochs: Mapping[Shard, int] = {}
    recording: frozenset[Shard] = frozenset()
    highest: Mapping[Shard, int] = {}
    alone: bool = False
    contested: frozenset[Shard] = frozenset()
    taken_back: frozenset[Shard] = frozenset()


class ReceivedFigures(msgspec.Struct, frozen=True):
    """Rows that other nodes told, since the process began.

    `taken` were newer than those here, or said more of them; `refused` were not, as a rule because
    they had come before: a page holds all that its sender has.
    """

    taken: int = 0
    refused: int = 0


class NodeState(StrEnum):
    """How a node stands in its cluster.

    It knows the prices and may fetch; it is still being told them; nobody can be reached; or
    another node of its name is newer, or its settings differ in what must be the same, so that it
    only shows prices.
    """

    READY = "ready"
    JOINING = "joining"
    ALONE = "alone"
    STANDING_BY = "standing_by"


class Member(msgspec.Struct, frozen=True):
    """A node of the cluster, as its last heartbeat told it, which came at `heard`.

    It may fetch once it is `ready`, and not from the upstreams in `unfit`, which it cannot reach.
    `address` is its own address for operators, `public_url` the one for browsers; None where it has
    none. `load` is the share of a core that it used of late; `clients` are connected to it.
    `differing` are the settings that are not as they are here. Its wall clock is `clock_ahead` ms
    ahead of this node's, to half a second or so; None where it is not known.
    """

    node: NodeId
    ready: bool
    unfit: frozenset[str]
    heard: Moment
    version: str
    address: str | None
    public_url: str | None
    load: float
    clients: int
    differing: tuple[str, ...] = ()
    clock_ahead: int | None = None


class Members(msgspec.Struct, frozen=True):
    """The cluster as this node, `me`, sees it.

    `state` is how it stands itself; `me` is among the `members`, in the order of their names.
    `claims` says who fetches each shard, where anybody does. Its last heartbeat came back at
    `echoed`, so many seconds after it was sent: `echo_seconds`. `why` it stands by is one line,
    None where it does not. Its wall clock is `clock_off` ms ahead of what most of the members say;
    0 while it is right, or nobody knows. It is `filled` once another node has told it all prices,
    or nobody was there to ask.
    """

    me: NodeId
    state: NodeState
    members: tuple[Member, ...]
    claims: Mapping[Shard, Claim]
    echoed: Moment | None
    echo_seconds: float | None
    why: str | None = None
    clock_off: int = 0
    filled: bool = True


class MemberFigures(msgspec.Struct, frozen=True):
    """What a node of a cluster counts in its process, over all lives of the membership.

    `claims` are those it made itself, of a shard each. Other nodes `came`, and were `gone`. So many
    times it was `alone`. `echoes` is the live histogram of the seconds until a heartbeat came back.
    """

    echoes: Histogram
    claims: int = 0
    came: int = 0
    gone: int = 0
    alone: int = 0


class NodeClients(msgspec.Struct, frozen=True):
    """The clients of a node: connected, with a subscription, subscribed to everything."""

    node: str
    connections: int
    subscribed: int
    everything: int


class ClusterPresence(msgspec.Struct, frozen=True):
    """The clients of all living nodes. `symbols` counts their connections by symbol named."""

    nodes: tuple[NodeClients, ...]
    symbols: Mapping[Symbol, int]


class Traffic(NamedTuple):
    """Messages of one kind in one direction, and their bytes; counted since the process began."""

    messages: int
    bytes: int


class BusStatus(msgspec.Struct, frozen=True):
    """The status of the connection to NATS. Counts are of this process, over all lives of the bus.

    `server` is the one that it is `up` to, or was; `reason` why it is not up; `since` when it
    became so. `sent` and `received` are by kind. `connections` were made so far. `dropped`
    messages were not sent, as there was no connection, or not taken, as too many waited. Of those
    received, `refused` were of another version, or had prices of an epoch that is too far ahead,
    and `unreadable` were none of ours. `gaps` are messages of prices that were missed, found by
    their numbers; `pages` of prices were taken from others for it.
    """

    up: bool
    server: str
    reason: str
    since: Moment
    sent: Mapping[str, Traffic] = {}
    received: Mapping[str, Traffic] = {}
    connections: int = 0
    dropped: int = 0
    refused: int = 0
    unreadable: int = 0
    gaps: int = 0
    pages: int = 0


class JobStatus(msgspec.Struct, frozen=True):
    """A job that runs on a schedule, as this node knows it. Times in ms since 1970, by the
    database's clock; the counts are of all nodes, from the job's first run on.

    `place` is the actor that runs it. `outcome` is `ok`, `failed` or `waits` (it had reason to do
    nothing) and `note` what was done, or why not; empty before the first run. `running_on` names
    the node that runs it now. `failing` is why it has failed for so long that somebody should
    look; `overdue_seconds` is how late it is. `correlation` is that of the lines in this node's log
    of the last run that was here.
    """

    name: str
    about: str
    place: str
    schedule: str
    started: int | None = None
    seconds: float | None = None
    outcome: str = ""
    note: str = ""
    node: str | None = None
    succeeded: int | None = None
    next_run: int | None = None
    running_on: str | None = None
    runs: int = 0
    failures: int = 0
    failing: str | None = None
    overdue_seconds: float = 0.0
    correlation: str | None = None


class DrainStatus(msgspec.Struct, frozen=True):
    """Clients are told to leave: `share` percent, which were so many, `chosen` by chance.

    So many have been `told`, over `seconds` in all, since `began` (ms since 1970). `closed` says
    that no new ones should be sent here; `running` that some are still to be told.
    """

    share: float
    seconds: float
    began: int
    chosen: int
    told: int
    running: bool
    closed: bool


class SocketFacts(msgspec.Struct, frozen=True):
    """Whose an open WebSocket is: since when, who has come in, and with what program."""

    since: Moment
    who: str
    agent: str


class LogArchiveStatus(msgspec.Struct, frozen=True):
    """Whether the database's log is archived; `reason` is why not, None where it is."""

    reason: str | None = None
