"""The state of the whole service in one document, for the admin page. Reads memory only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.cluster.told import ClusterDocument, cluster_document
from stockstream.history.progress import RecorderDocument, progress, told
from stockstream.quotes import Symbol
from stockstream.run_record import PastRun
from stockstream.statuses import (
    AlertStatus,
    CircuitFigures,
    CircuitStatus,
    DatabaseStatus,
    DrainStatus,
    FeedFigures,
    FeedStatus,
    MailStatus,
    PushPhase,
    PushStatus,
    Routing,
    WebhookStatus,
)
from stockstream.symbol_states import stale_count
from stockstream.telemetry.process import ProcessSample
from stockstream.times import Moment
from stockstream.upstreams import feed_of_all
from web.admin.symbols import SymbolsDocument, symbols_of
from web.admin.verdict import Verdict, verdict

if TYPE_CHECKING:
    from stockstream.delivery.lanes import Connections, Lane
    from stockstream.tables import Tables
    from stockstream.telemetry.telemetry import Telemetry
    from web.parts import Parts

SCHEMA_VERSION = 2
SLOW_CLIENTS = 20
"""So many of the clients that lag are named, the worst first."""
BEHIND_SECONDS = 1.0
"""A client that waits for its socket for less is not shown: the next flush brings it up to date."""
SAMPLES = 120


class BreakerDocument(msgspec.Struct, frozen=True):
    """The state of an upstream's circuit breaker, and the figures behind it."""

    status: CircuitStatus | None
    figures: CircuitFigures | None


class PushDocument(msgspec.Struct, frozen=True):
    """How a feed is connected that has its prices pushed to it, by so many `connections`.

    It is in this phase `since` a time, and tries again at `again` where an attempt failed: of
    several connections, the one that is worst off. The provider tells prices of so many `symbols`,
    and refused some, by its code. `ends` counts connections by what ended them.
    """

    phase: PushPhase
    since: Moment
    reason: str | None
    failures: int
    again: Moment | None
    symbols: int
    refused: Mapping[Symbol, str]
    ends: Mapping[str, int]
    connections: int


class RouteDocument(msgspec.Struct, frozen=True):
    """Which of the `providers` of a pattern tells its symbols `now`."""

    symbols: str
    providers: tuple[str, ...]
    now: str


class UpstreamDocument(msgspec.Struct, frozen=True):
    """The state of an upstream, by its feed, by its breaker, and by its symbols.

    `troubles` of its feed are counted since it started, by kind; each bad item counts. `push` is
    null for one that is polled.
    """

    name: str
    feed: FeedStatus
    breaker: BreakerDocument
    symbols: SymbolsDocument | None
    troubles: dict[str, int]
    push: PushDocument | None = None


class FeedDocument(msgspec.Struct, frozen=True):
    """The status of all feeds together, as clients get it, and the number of priced symbols.

    So many of these are `stale`: no upstream confirms them.
    """

    status: FeedStatus | None
    symbols: int
    stale: int
    batches: int


class SlowClient(msgspec.Struct, frozen=True):
    """A client that lags: `behind` and `silent` in seconds, `waiting` answers not yet sent.

    `name` is its name in its welcome and in log lines, `address` its IP address.
    """

    number: int
    name: str
    address: str
    symbols: int
    everything: bool
    slow: bool
    behind: float
    silent: float
    waiting: int


class ClientsDocument(msgspec.Struct, frozen=True):
    """Clients now. `behind` wait for their sockets for over a second, `slow` for over ten. `drain`
    is the last one, if there was any.
    """

    connected: int
    subscribed: int
    behind: int
    slow: int
    worst: list[SlowClient]
    drain: DrainStatus | None = None


class HistoryDocument(msgspec.Struct, frozen=True):
    """The status of recording; times in ms since 1970.

    `waiting` batches of `rows` quotes wait in memory, more of them on disk as `recorder` tells;
    `oldest` is when the oldest of all that is not in the database was received. `reason` says why
    it is not `ok`, as `/health/ready` does.
    """

    ok: bool
    reason: str | None
    database: DatabaseStatus | None
    recorder: RecorderDocument | None
    waiting: int
    rows: int
    oldest: int | None
    lag_seconds: float


class ProcessDocument(msgspec.Struct, frozen=True):
    """This run and the one before, and samples of the last two minutes, oldest first."""

    started: int
    before: PastRun | None
    samples: list[ProcessSample]


class Overview(msgspec.Struct, frozen=True):
    """See the module. `now` in ms since 1970. `cluster` is null on a single node; `routes` are
    empty without `PROVIDERS`, and `mail` is null without `SMTP_URL`.
    """

    schema_version: int
    node: str
    now: int
    run: int
    upstreams: list[UpstreamDocument]
    feed: FeedDocument
    clients: ClientsDocument
    alerts: AlertStatus | None
    webhooks: WebhookStatus | None
    history: HistoryDocument
    process: ProcessDocument
    casts_to_nobody: int
    subscriber_failures: int
    event_streams: int
    cluster: ClusterDocument | None
    verdict: Verdict
    routes: list[RouteDocument] = []
    mail: MailStatus | None = None


def overview(parts: Parts, event_streams: int) -> Overview:
    """How everything stands now."""
    now = parts.settings.wall_clock_ms()
    return Overview(
        schema_version=SCHEMA_VERSION,
        node=parts.settings.node,
        now=now,
        run=parts.telemetry.events.run,
        upstreams=_upstreams(parts.tables),
        feed=_feed(parts.tables),
        clients=_clients(parts.tables, parts.connections),
        alerts=parts.tables.alerts.value,
        webhooks=parts.tables.webhooks.value,
        history=_history(parts.tables, now),
        process=_process(parts.telemetry),
        casts_to_nobody=parts.system.casts_to_nobody,
        subscriber_failures=parts.system.subscriber_failures,
        event_streams=event_streams,
        cluster=cluster_document(parts.tables),
        verdict=verdict(parts, now),
        routes=_routes(parts.tables.routing.value),
        mail=parts.tables.mail.value,
    )


def _upstreams(tables: Tables) -> list[UpstreamDocument]:
    return [
        UpstreamDocument(
            name,
            feed,
            BreakerDocument(tables.circuits.get(name), tables.circuit_figures.get(name)),
            symbols_of(tables.confirmations.get(name)),
            _troubles(tables.feed_figures.get(name)),
            _push(tables.pushes.get(name)),
        )
        for name, feed in sorted(tables.feeds.rows.items())
    ]


def _push(row: PushStatus | None) -> PushDocument | None:
    worst = None if row is None else row.worst
    if row is None or worst is None:
        return None
    waits = worst.phase in {PushPhase.WAITING, PushPhase.MISCONFIGURED}
    lines = row.lines.values()
    return PushDocument(
        worst.phase,
        worst.since,
        worst.reason,
        worst.failures,
        worst.not_before if waits else None,
        sum(line.symbols for line in lines),
        {symbol: code for line in lines for symbol, code in line.refused.items()},
        row.ends,
        sum(line.phase is PushPhase.CONNECTED for line in lines),
    )


def _routes(routing: Routing | None) -> list[RouteDocument]:
    if routing is None:
        return []
    return [
        RouteDocument(route.pattern, route.names, route.names[active])
        for route, active in zip(routing.routes, routing.active, strict=True)
    ]


def _troubles(figures: FeedFigures | None) -> dict[str, int]:
    return {} if figures is None else dict(figures.troubles)


def _feed(tables: Tables) -> FeedDocument:
    return FeedDocument(
        feed_of_all(tables.feeds.rows),
        len(tables.quotes),
        stale_count(tables.confirmations.rows, Moment.now().milliseconds),
        tables.outbox.statistics().last_number,
    )


def _history(tables: Tables, now_ms: int) -> HistoryDocument:
    outbox, standing = tables.outbox.statistics(), progress(tables, now_ms)
    return HistoryDocument(
        ok=standing.ok,
        reason=standing.reason,
        database=tables.database.value,
        recorder=told(tables.recorder.value, now_ms),
        waiting=outbox.waiting,
        rows=outbox.rows,
        oldest=standing.oldest,
        lag_seconds=standing.lag_seconds,
    )


def _clients(tables: Tables, connections: Connections) -> ClientsDocument:
    now = trio.current_time()
    subscribed = sum(
        bool(subscription.symbols) or subscription.everything
        for subscription in tables.subscriptions.rows.values()
    )
    behind: list[tuple[float, Lane]] = []
    slow = 0
    lanes = connections.lanes()
    for lane in lanes:
        seconds = 0.0 if lane.behind_since is None else now - lane.behind_since
        slow += lane.slow
        if lane.slow or seconds >= BEHIND_SECONDS:
            behind.append((seconds, lane))
    behind.sort(key=lambda pair: pair[0], reverse=True)
    return ClientsDocument(
        connected=len(lanes),
        subscribed=subscribed,
        behind=len(behind),
        slow=slow,
        worst=[_slow(lane, seconds, now) for seconds, lane in behind[:SLOW_CLIENTS]],
        drain=tables.drain.value,
    )


def _slow(lane: Lane, behind: float, now: float) -> SlowClient:
    return SlowClient(
        number=lane.number,
        name=lane.client.name,
        address=lane.client.address,
        symbols=len(lane.want.symbols),
        everything=lane.want.everything,
        slow=lane.slow,
        behind=round(behind, 1),
        silent=round(now - lane.client.last_received, 1),
        waiting=len(lane.operations),
    )


def _process(telemetry: Telemetry) -> ProcessDocument:
    samples = telemetry.process.samples()[-SAMPLES:]
    return ProcessDocument(telemetry.process.started, telemetry.before, samples)
