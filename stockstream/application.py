"""The whole supervision tree, readable on one screen; the only place that wires actors together.

root                          one_for_one
├─ telemetry                  event log, figures of the process
├─ figures                    stores a row for each minute
├─ notices                    tells operators what somebody should know
├─ secrets                    reads them again when it is told to
├─ stub                       the bundled stub API; absent when prices come from elsewhere
├─ pubsub                     topic stock:all
├─ database                   postgres (embedded) · gateway
├─ users                      doorkeeper · audit · identity_provider (with OIDC_ISSUER)
├─ history                    recorder · first_prices · backup_notes · and its jobs: roll_ups ·
│                             retention · purge · backups (with BACKUP_SCHEDULE, and then
│                             log_archive)
├─ cluster                    bus · membership; absent without CLUSTER_NATS_URL
├─ market                     router (with PROVIDERS) · streamer ·
│                             feeds: for each upstream its circuit_breaker · feed
├─ delivery                   subscription_manager · broadcaster · sessions
├─ alerts                     watcher · webhooks · mailer (with SMTP_URL) · and the jobs of the
│                             last two: due_webhooks · due_mail
├─ web                        Hypercorn + Quart-Trio
└─ chaos                      absent unless fault injection is enabled

Children start from top to bottom and stop from bottom to top. State that survives an actor's death
is in tables, which are made here and passed on.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from stockstream import part_settings, paths
from stockstream.alerts.book import AlertBook
from stockstream.alerts.due_jobs import mail_job, webhook_job
from stockstream.alerts.mail.mailer import Mailer
from stockstream.alerts.spares import Recording
from stockstream.alerts.watcher import Watcher
from stockstream.alerts.webhooks import Webhooks
from stockstream.asyncio_thread import AsyncioThread
from stockstream.changing_secrets import Current, Secrets
from stockstream.chaos.controller import ChaosController
from stockstream.chaos.records import ChaosRecords
from stockstream.cluster.bus import Bus
from stockstream.cluster.membership import Membership
from stockstream.cluster.memory import Memory
from stockstream.database.embedded.postgres import Postgres
from stockstream.database.gateway import Database
from stockstream.delivery.broadcaster import Broadcaster, Framing
from stockstream.delivery.lanes import Connections, Patience
from stockstream.delivery.subscription_manager import SubscriptionManager
from stockstream.epochs import claim_epoch
from stockstream.figures.keeper import FiguresKeeper
from stockstream.figures.minutes import MinuteBook
from stockstream.history.backing_up import backup_job
from stockstream.history.backup_notes_actor import BackupNotesReader
from stockstream.history.first_prices import FirstPrices
from stockstream.history.log_archive import LogArchive
from stockstream.history.recorder import Recorder
from stockstream.history.retention import upkeep_jobs
from stockstream.jobs.job import Job, Runner
from stockstream.market.circuit_breaker_actor import CircuitBreakerActor
from stockstream.market.feeds.poll import PollFeed
from stockstream.market.feeds.push import PushFeed
from stockstream.market.providers.chosen import poll_provider, push_provider
from stockstream.market.router import Router
from stockstream.market.streamer import Streamer
from stockstream.names import known
from stockstream.notices.notifier import NoticeRecords, Notices
from stockstream.pubsub import PubSub
from stockstream.shown_settings import shown_settings
from stockstream.stub import Stub
from stockstream.tables import Tables
from stockstream.telemetry.telemetry import Telemetry, TelemetryActor
from stockstream.users.audit_keeper import AuditKeeper
from stockstream.users.doorkeeper import Doorkeeper
from stockstream.users.oidc.identity_provider import IdentityProvider
from stockstream.users.passwords import common_passwords
from supervision import Actor, Backoff, ChildSpec, dynamic_supervisor, supervisor
from web.actor import Web
from web.server import encode_ping, open_sockets, text_frame_head

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from stockstream.config import Settings
    from stockstream.run_record import PastRun
    from stockstream.upstreams import Upstream

# Chaos kills at random, five times a second at most; a supervisor that gives up under that would
# turn a drill into an outage. A child that cannot start at all reaches these limits quickly, too,
# because a failing start takes about a millisecond.
INTENSITY, PERIOD = 100, 10.0
# An upstream whose feed cannot start at all is restarted with growing pauses, and the others go on:
# if its restarts counted, it would end them all. The pauses begin again after a second of running,
# so a feed that is killed by hand is back at once.
FEEDS_PERIOD, FEEDS_BACKOFF = 1.0, Backoff(first=0.01, longest=10.0)
POSTGRES_SHUTDOWN_SECONDS = 6.0  # a fast stop writes all data; after this it is forced
WEB_SHUTDOWN_SECONDS = 9.0  # the drain takes at most 7 of them


@dataclass(frozen=True, slots=True)
class Addresses:
    """The sockets opened before anything started: `sockets` listen, `stub_port` was free.

    With `inherited` they were the parent's, which runs the stub and PostgreSQL for all its nodes;
    the last of them is this node's own.
    """

    sockets: tuple[socket.socket, ...]
    stub_port: int | None
    inherited: bool = False

    @property
    def url(self) -> str:
        """The dashboard's address, as a person on this machine types it."""
        host, port = self.sockets[0].getsockname()[:2]
        shown = "localhost" if host in {"127.0.0.1", "::1", "0.0.0.0", "::"} else host  # noqa: S104
        return f"http://{shown}:{port}"

    @property
    def local_url(self) -> str:
        """The same for a command on this machine: an address, so that no name is looked up."""
        host, port = self.sockets[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def own_port(self) -> int | None:
        """Where this node is alone, if it shares its first socket with others."""
        return self.sockets[-1].getsockname()[1] if self.inherited else None

    @property
    def own_url(self) -> str:
        """The address of this node alone, as other machines reach it where they can at all."""
        host, port = self.sockets[-1 if self.inherited else 0].getsockname()[:2]
        if host in {"0.0.0.0", "::"}:  # noqa: S104
            host = platform.node()
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind(settings: Settings) -> Addresses:
    """Open the listening sockets, and check that the stub's port is free.

    Raises:
        PortTaken: another process has one of the ports.
        OSError: the address cannot be used.
    """
    stub_port = None
    if settings.uses_stub:
        probe = open_sockets("127.0.0.1", settings.stub_port)
        stub_port = probe[0].getsockname()[1]
        for opened in probe:
            opened.close()
    return Addresses(tuple(open_sockets(settings.host, settings.port)), stub_port)


def build(
    settings: Settings,
    addresses: Addresses,
    upstreams: Sequence[Upstream],
    before: PastRun | None = None,
    current: Current | None = None,
) -> ChildSpec:
    """Make the tables and the spec of the root. `before` is the last run, for operators; `current`
    has the settings by which secrets may change.

    Raises:
        InvalidProviderUrl: the address of an upstream cannot be used.
        InvalidProxy: the proxy that the environment names for it cannot be used.
    """
    known()  # now: a new release may be put in this one's place while nodes of it still run
    common_passwords()
    tables, connections = Tables(), Connections()
    current = current or Current(settings)
    chaos, telemetry = ChaosRecords(), Telemetry(before)
    asyncio_thread = AsyncioThread()  # for all gateways; it runs while one of them does
    feeds = [paths.feed(upstream.name) for upstream in upstreams]
    minutes = MinuteBook(tables, connections, telemetry)
    clustered = settings.cluster_nats_url is not None
    notices = part_settings.notices(settings, lambda: current.settings)
    web = part_settings.web(settings, addresses.sockets, upstreams, addresses.own_port)
    web = replace(web, shown=lambda: shown_settings(current.settings, current.sources))
    current.admin = web.admin
    subscribers = [paths.BROADCASTER, paths.ALERTS, *([paths.BUS] if clustered else [])]
    children = [
        ChildSpec("telemetry", partial(TelemetryActor, telemetry)),
        ChildSpec("figures", partial(FiguresKeeper, minutes, part_settings.node_name(settings))),
        ChildSpec("notices", partial(Notices, notices, NoticeRecords(), tables)),
        ChildSpec("secrets", partial(Secrets, current)),
        ChildSpec("pubsub", partial(PubSub, subscribers)),
        _database(current, tables, asyncio_thread, addresses),
        _users(current, tables),
        _history(current, tables),
        # Below history: at a stop it says goodbye as soon as nothing is fetched any more.
        *([_cluster(current, addresses, tables, upstreams, asyncio_thread)] if clustered else []),
        _market(current, tables, upstreams),
        _delivery(settings, tables, connections, feeds),
        _alerts(current, tables, upstreams),
        ChildSpec(
            "web",
            partial(Web, web, tables, connections, chaos, telemetry),
            shutdown=WEB_SHUTDOWN_SECONDS,
        ),
    ]
    if settings.chaos_enabled:
        children.append(ChildSpec("chaos", partial(ChaosController, chaos, upstreams)))
    if addresses.stub_port is not None and not addresses.inherited:
        stub = partial(Stub, addresses.stub_port, settings.allowed_hosts, settings.log_format)
        children.insert(1, ChildSpec("stub", stub))
    return _one_for_one("root", children)


def _database(
    current: Current, tables: Tables, asyncio_thread: AsyncioThread, addresses: Addresses
) -> ChildSpec:
    settings = current.settings
    chosen = part_settings.database(settings, lambda: current.settings)
    gateway = partial(Database, chosen, tables.database, asyncio_thread, tables.pools)
    children = [ChildSpec("gateway", gateway)]
    if settings.database_url is None and not addresses.inherited:
        postgres = partial(Postgres, settings.data_directory, (paths.DATABASE,))
        children.insert(0, ChildSpec("postgres", postgres, shutdown=POSTGRES_SHUTDOWN_SECONDS))
    return _one_for_one("database", children)


def _users(current: Current, tables: Tables) -> ChildSpec:
    settings = current.settings
    doorkeeper = partial(
        Doorkeeper,
        part_settings.sessions(settings).idle,
        tables,
        in_cluster=settings.cluster_nats_url is not None,
    )
    audit = partial(AuditKeeper, tables.audit_inbox, part_settings.node_name(settings))
    children = [ChildSpec("doorkeeper", doorkeeper), ChildSpec("audit", audit)]
    oidc = part_settings.oidc(settings)
    if oidc is not None:

        def provider() -> IdentityProvider:
            secret = current.settings.oidc_client_secret
            assert secret is not None  # noqa: S101 - the settings demand it
            return IdentityProvider(oidc, secret)

        children.append(ChildSpec("identity_provider", provider))
    return _one_for_one("users", children)


def _history(current: Current, tables: Tables) -> ChildSpec:
    settings = current.settings
    recorder = partial(Recorder, part_settings.recorder(settings), tables.outbox, tables.recorder)
    first_prices = partial(FirstPrices, tables.quotes, tables.recorder)
    notes = partial(BackupNotesReader, settings.data_directory, tables.backed_up)
    jobs = upkeep_jobs(
        part_settings.retention(settings),
        part_settings.purge(settings).step,
        tables.upstream_clocks,
    )
    more = []
    backups = part_settings.backups(settings, lambda: current.settings)
    if backups is not None:
        jobs.append(backup_job(backups))
        if backups.kind != "dump":
            archive = partial(LogArchive, backups.directory, backups.address, tables.log_archive)
            more.append(ChildSpec("log_archive", archive))
    runner = Runner(part_settings.node_name(settings))
    return _one_for_one(
        "history",
        [
            ChildSpec("recorder", recorder),
            *(ChildSpec(job.name, partial(Job, job, runner, tables.jobs)) for job in jobs),
            ChildSpec("first_prices", first_prices),
            ChildSpec("backup_notes", notes),
            *more,
        ],
    )


def _cluster(
    current: Current,
    addresses: Addresses,
    tables: Tables,
    upstreams: Sequence[Upstream],
    asyncio_thread: AsyncioThread,
) -> ChildSpec:
    chosen = part_settings.membership(current.settings, upstreams, addresses.own_url)

    def bus() -> Bus:
        gateway = part_settings.bus(current.settings, chosen.me)
        return Bus(gateway, tables, asyncio_thread, tuple(chosen.sharding.counts))

    membership = partial(Membership, chosen, tables, Memory())
    return _one_for_one("cluster", [ChildSpec("bus", bus), ChildSpec("membership", membership)])


def _market(current: Current, tables: Tables, upstreams: Sequence[Upstream]) -> ChildSpec:
    settings = current.settings
    epoch = partial(claim_epoch, settings.data_directory)
    sharding = part_settings.sharding(settings, upstreams)
    node = part_settings.node_name(settings)
    streamer = partial(Streamer, tables, claim_epoch=epoch, sharding=sharding, node=node)
    feeds = supervisor(
        "feeds",
        [_upstream(current, tables, one, sharding.counts[one.name]) for one in upstreams],
        intensity=INTENSITY,
        period=FEEDS_PERIOD,
        backoff=FEEDS_BACKOFF,
    )
    children = [ChildSpec("streamer", streamer), feeds]
    routes = part_settings.routes(settings)
    if routes:
        names = [paths.feed(upstream.name) for upstream in upstreams]
        children.insert(0, ChildSpec("router", partial(Router, routes, names, tables)))
    return _one_for_one("market", children)


def _upstream(current: Current, tables: Tables, upstream: Upstream, parts: int) -> ChildSpec:
    name = upstream.name
    breaker = partial(CircuitBreakerActor, name, part_settings.breaker(current.settings), tables)
    feed = _feed(current, tables, upstream, parts)
    return _one_for_one(name, [ChildSpec("circuit_breaker", breaker), ChildSpec("feed", feed)])


def _feed(current: Current, tables: Tables, upstream: Upstream, parts: int) -> Callable[[], Actor]:
    """The feed, by what its provider speaks. A wrong address ends the start here.

    Each life of it begins with the key of that time.
    """
    settings, name = current.settings, upstream.name
    demand_from = part_settings.demand_from(settings)
    pushes = push_provider(upstream, verify_tls=settings.http_verify_tls)
    if pushes is not None:
        chosen, current.pushed[name] = part_settings.pushing(settings), pushes
        return lambda: PushFeed(
            name, *current.pushed[name], chosen, tables, demand_from=demand_from
        )
    current.polled[name] = poll_provider(upstream, part_settings.http(settings))
    pace = part_settings.polling(settings)
    return lambda: PollFeed(
        name, current.polled[name], pace, tables, parts=parts, demand_from=demand_from
    )


def _delivery(
    settings: Settings, tables: Tables, connections: Connections, feeds: Sequence[str]
) -> ChildSpec:
    manager = partial(
        SubscriptionManager,
        tables,
        connections,
        feeds,
        symbol_limit=settings.max_symbols_per_connection,
        membership=None if settings.cluster_nats_url is None else paths.MEMBERSHIP,
    )
    broadcaster = partial(
        Broadcaster,
        tables,
        connections,
        Framing(text_frame_head, encode_ping()),
        flush_interval=settings.flush_interval,
        patience=Patience(settings.heartbeat, settings.heartbeat_timeout),
    )
    return _one_for_one(
        "delivery",
        [
            ChildSpec("subscription_manager", manager),
            ChildSpec("broadcaster", broadcaster),
            # Temporary children, one per client: their deaths cost no budget.
            dynamic_supervisor("sessions"),
        ],
    )


def _alerts(current: Current, tables: Tables, upstreams: Sequence[Upstream]) -> ChildSpec:
    settings = current.settings
    feeds = [paths.feed(upstream.name) for upstream in upstreams]
    book = AlertBook(Recording(tables.holding, part_settings.sharding(settings, upstreams)))
    watcher = partial(Watcher, book, tables.alert_inbox, tables.quotes, tables.alerts, feeds)
    webhooks = partial(
        Webhooks, part_settings.webhooks(settings), part_settings.signer(settings), tables.webhooks
    )
    runner = Runner(part_settings.node_name(settings))
    children = [
        ChildSpec("watcher", watcher),
        ChildSpec("webhooks", webhooks),
        ChildSpec("due_webhooks", partial(Job, webhook_job(), runner, tables.jobs)),
    ]
    mailing = part_settings.mailing(settings, lambda: current.settings)
    if mailing is not None:
        children.append(ChildSpec("mailer", partial(Mailer, mailing, tables.mail)))
        children.append(ChildSpec("due_mail", partial(Job, mail_job(), runner, tables.jobs)))
    return _one_for_one("alerts", children)


def _one_for_one(name: str, children: list[ChildSpec]) -> ChildSpec:
    return supervisor(name, children, intensity=INTENSITY, period=PERIOD)
