"""The whole supervision tree, readable on one screen; the only place that wires actors together.

root                          one_for_one
├─ telemetry                  event log, figures of the process
├─ stub                       the bundled stub API; absent when STOCK_API_URL is set
├─ pubsub                     topic stock:all
├─ history                    postgres (embedded) · database · recorder · retention
├─ market                     circuit_breaker · streamer
├─ delivery                   subscription_manager · broadcaster · sessions
├─ alerts                     watcher · webhooks
├─ web                        Hypercorn + Quart-Trio
└─ chaos                      absent unless fault injection is enabled

Children start from top to bottom and stop from bottom to top. What survives an actor's death
stands in tables, made here and handed on.
"""

from __future__ import annotations

import itertools
import platform
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stockstream import paths
from stockstream.alerts.book import AlertBook
from stockstream.alerts.signing import Signer
from stockstream.alerts.targets import TargetPolicy
from stockstream.alerts.watcher import Watcher
from stockstream.alerts.webhooks import Webhooks, WebhookSettings
from stockstream.chaos.controller import ChaosController
from stockstream.chaos.records import ChaosRecords
from stockstream.delivery.broadcaster import Broadcaster, Framing
from stockstream.delivery.lanes import Connections, Patience
from stockstream.delivery.limits import ClientLimits
from stockstream.delivery.subscription_manager import SubscriptionManager
from stockstream.epochs import claim_epoch
from stockstream.history.database import Database, DatabaseSettings
from stockstream.history.postgres import Postgres
from stockstream.history.recorder import Recorder, RecorderSettings
from stockstream.history.retention import Retention, RetentionSettings
from stockstream.history.servers import Server, embedded_server
from stockstream.market.breaker_types import BreakerSettings, WindowType
from stockstream.market.circuit_breaker_actor import CircuitBreakerActor
from stockstream.market.parser import Parsed
from stockstream.market.providers import HttpSettings, Provider, SymbolsNotFound, from_url
from stockstream.market.streamer import Streamer, StreamerSettings
from stockstream.pubsub import ALL, PubSub
from stockstream.stub import Stub
from stockstream.tables import Tables
from stockstream.telemetry.telemetry import Telemetry, TelemetryActor
from supervision import ChildSpec, dynamic_supervisor, supervisor
from web.actor import Web
from web.admin_access import AdminAccess
from web.browser_users import BrowserUsers
from web.parts import WebSettings
from web.server import encode_ping, open_sockets, text_frame_head

if TYPE_CHECKING:
    import socket

    from stockstream.config import Settings

# Chaos kills at random, five times a second at most; a supervisor that gives up under that would
# turn a drill into an outage. A child that cannot come back at all reaches these just the same:
# a failing start takes about a millisecond.
INTENSITY, PERIOD = 100, 10.0
POSTGRES_SHUTDOWN_SECONDS = 6.0  # a fast stop writes all there is; then it is forced
WEB_SHUTDOWN_SECONDS = 9.0  # the drain takes at most 7 of them


@dataclass(frozen=True, slots=True)
class Addresses:
    """What was opened before anything started: `sockets` listen, `stub_port` was free."""

    sockets: tuple[socket.socket, ...]
    stub_port: int | None

    @property
    def url(self) -> str:
        """The dashboard's address, as a person on this machine types it."""
        host, port = self.sockets[0].getsockname()[:2]
        shown = "localhost" if host in {"127.0.0.1", "::1", "0.0.0.0", "::"} else host  # noqa: S104
        return f"http://{shown}:{port}"


def bind(settings: Settings) -> Addresses:
    """Open the listening sockets, and see that the stub's port is free.

    Raises:
        PortTaken: somebody has one of the ports.
        OSError: the address cannot be used.
    """
    stub_port = None
    if settings.stock_api_url is None:
        probe = open_sockets("127.0.0.1", settings.stub_port)
        stub_port = probe[0].getsockname()[1]
        for opened in probe:
            opened.close()
    return Addresses(tuple(open_sockets(settings.host, settings.port)), stub_port)


def build(settings: Settings, addresses: Addresses) -> ChildSpec:
    """Make the tables and the spec of the root.

    Raises:
        InvalidProviderUrl: `STOCK_API_URL` cannot be used.
    """
    tables, connections, chaos = Tables(), Connections(), ChaosRecords()
    telemetry = Telemetry()
    url = settings.stock_api_url or f"http://127.0.0.1:{addresses.stub_port}"
    provider_settings = _http(settings)
    from_url(url, provider_settings)  # a wrong address ends the start here, not in the streamer

    def provider() -> Provider:
        return from_url(url, provider_settings)

    streamer = partial(
        Streamer,
        provider,
        _streamer(settings),
        tables,
        claim_epoch=partial(claim_epoch, settings.data_directory),
    )
    market = supervisor(
        "market",
        [
            ChildSpec("circuit_breaker", partial(CircuitBreakerActor, _breaker(settings), tables)),
            ChildSpec("streamer", streamer),
        ],
        intensity=INTENSITY,
        period=PERIOD,
    )
    manager = partial(
        SubscriptionManager,
        tables,
        connections,
        symbol_limit=settings.max_symbols_per_connection,
    )
    broadcaster = partial(
        Broadcaster,
        tables,
        connections,
        Framing(text_frame_head, encode_ping()),
        flush_interval=settings.flush_interval,
        patience=Patience(settings.heartbeat, settings.heartbeat_timeout),
    )
    delivery = supervisor(
        "delivery",
        [
            ChildSpec("subscription_manager", manager),
            ChildSpec("broadcaster", broadcaster),
            # Temporary children, one per client: their deaths cost no budget.
            dynamic_supervisor("sessions"),
        ],
        intensity=INTENSITY,
        period=PERIOD,
    )
    children = [
        ChildSpec("telemetry", partial(TelemetryActor, telemetry)),
        ChildSpec("pubsub", partial(PubSub, {ALL: [paths.BROADCASTER, paths.ALERTS]})),
        _history(settings, tables),
        market,
        delivery,
        _alerts(settings, tables),
        ChildSpec(
            "web",
            partial(Web, _web(settings, addresses), tables, connections, chaos, telemetry),
            shutdown=WEB_SHUTDOWN_SECONDS,
        ),
    ]
    if settings.chaos_enabled:
        stub_url = None if url.startswith("sim:") else url
        controller = partial(
            ChaosController, chaos, breaker_path=paths.CIRCUIT_BREAKER, stub_url=stub_url
        )
        children.append(ChildSpec("chaos", controller))
    if addresses.stub_port is not None:
        children.insert(1, ChildSpec("stub", partial(Stub, addresses.stub_port)))
    return supervisor("root", children, intensity=INTENSITY, period=PERIOD)


def _history(settings: Settings, tables: Tables) -> ChildSpec:
    children = []
    if settings.database_url is None:
        primary = embedded_server(settings.data_directory)
        children.append(
            ChildSpec(
                "postgres",
                partial(Postgres, settings.data_directory, (paths.DATABASE,)),
                shutdown=POSTGRES_SHUTDOWN_SECONDS,
            )
        )
    else:
        primary = Server("DATABASE_URL", settings.database_url.get_secret_value())
    read = settings.database_read_url
    database = DatabaseSettings(
        primary,
        None if read is None else Server("DATABASE_READ_URL", read.get_secret_value()),
        readers=settings.database_pool_size,
    )
    recorder = RecorderSettings(
        node=_node(settings),
        boot=time.time_ns() // 1000,
        folder=settings.data_directory / "spool",
        limit=settings.spool_size,
    )
    retention = RetentionSettings(settings.retain_ticks, settings.retain_candles)
    children += [
        ChildSpec("database", partial(Database, database, tables.database)),
        ChildSpec("recorder", partial(Recorder, recorder, tables.outbox, tables.recorder)),
        ChildSpec("retention", partial(Retention, retention)),
    ]
    return supervisor("history", children, intensity=INTENSITY, period=PERIOD)


def _alerts(settings: Settings, tables: Tables) -> ChildSpec:
    webhooks = WebhookSettings(
        TargetPolicy(settings.webhook_allow_http, settings.webhook_networks),
        attempts=settings.webhook_attempts,
    )
    signer = Signer(settings.secret_key_base.get_secret_value())
    watcher = partial(Watcher, AlertBook(), tables.alert_inbox, tables.quotes, tables.alerts)
    return supervisor(
        "alerts",
        [
            ChildSpec("watcher", watcher),
            ChildSpec("webhooks", partial(Webhooks, webhooks, signer, tables.webhooks)),
        ],
        intensity=INTENSITY,
        period=PERIOD,
    )


def _node(settings: Settings) -> str:
    return settings.node_name or platform.node()


def _http(settings: Settings) -> HttpSettings:
    return HttpSettings(
        pool_size=settings.http_pool_size,
        connect_timeout=settings.http_connect_timeout,
        read_timeout=settings.http_read_timeout,
        total_timeout=settings.http_timeout,
        verify_tls=settings.http_verify_tls,
        max_body=settings.http_max_body,
    )


def _breaker(settings: Settings) -> BreakerSettings:
    return BreakerSettings(
        window_type=WindowType(settings.breaker_window_type),
        window=settings.breaker_window,
        minimum_calls=settings.breaker_minimum_calls,
        failure_rate=settings.breaker_failure_rate,
        slow_call=settings.breaker_slow_call,
        slow_rate=settings.breaker_slow_rate,
        wait=settings.breaker_wait,
        max_wait=settings.breaker_max_wait,
        jitter=settings.breaker_jitter / 100,
        max_retry_after=settings.breaker_max_retry_after,
        probes=settings.breaker_probes,
        max_half_open=settings.breaker_max_half_open,
        ignored=(SymbolsNotFound,),
        is_failure=_holds_nothing,
    )


def _holds_nothing(result: object) -> bool:
    return isinstance(result, Parsed) and not result.observations


def _streamer(settings: Settings) -> StreamerSettings:
    return StreamerSettings(
        interval=settings.fetch_interval,
        idle_interval=settings.fetch_interval_idle,
        jitter=settings.fetch_jitter / 100,
        symbols=frozenset(settings.symbols),
    )


def _web(settings: Settings, addresses: Addresses) -> WebSettings:
    return WebSettings(
        sockets=addresses.sockets,
        numbers=itertools.count(1),
        node=_node(settings),
        limits=ClientLimits(
            settings.max_message_size,
            settings.message_rate,
            settings.message_burst,
            settings.max_symbols_per_connection,
        ),
        heartbeat=settings.heartbeat,
        drain_timeout=settings.drain_timeout,
        max_connections=settings.max_connections,
        max_connections_per_address=settings.max_connections_per_address,
        allowed_origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
        chaos_enabled=settings.chaos_enabled,
        chaos_token=(
            None if settings.chaos_token is None else settings.chaos_token.get_secret_value()
        ),
        admin=AdminAccess(
            settings.admin_token.get_secret_value(), settings.secret_key_base.get_secret_value()
        ),
        users=BrowserUsers(settings.secret_key_base.get_secret_value()),
        signer=Signer(settings.secret_key_base.get_secret_value()),
        targets=TargetPolicy(settings.webhook_allow_http, settings.webhook_networks),
    )
