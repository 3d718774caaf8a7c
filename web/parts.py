"""What the front end is given by `application.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.times import now_ms

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

    from stockstream.alerts.mail.links import MailLinks
    from stockstream.alerts.signing import Signer
    from stockstream.alerts.targets import TargetPolicy
    from stockstream.chaos.records import ChaosRecords
    from stockstream.delivery.lanes import Connections
    from stockstream.delivery.limits import ClientLimits
    from stockstream.shards import Sharding
    from stockstream.shown_settings import ShownSetting
    from stockstream.tables import Tables
    from stockstream.telemetry.telemetry import Telemetry
    from stockstream.users.oidc.attempts import Attempts
    from stockstream.users.oidc.messages import OidcSettings
    from stockstream.users.passwords import Passwords
    from stockstream.users.sessions import SessionLimits
    from supervision import ActorRef, System
    from web.audited import Audit
    from web.cookies import Instance
    from web.server import AllowedHosts, StaticFiles
    from web.throttles import Throttles
    from web.traffic import Traffic
    from web.users.break_glass import AdminAccess
    from web.users.browser_users import BrowserUsers
    from web.users.principal import Principals
    from web.users.session_cookies import SessionCookies


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Settings of the front end; durations in seconds.

    `sockets` listen already and outlive every life of `web`, which serves on duplicates.
    `base_path` is "" or as `/stocks`. `numbers` gives each connection of this process a number of
    its own. With `login_needed` nobody sees anything who has not logged in. In a cluster the
    symbols of the upstreams are in shards, by `sharding`. On a machine with several nodes one of
    the sockets is shared by all; the node is alone at `own_port`, which is None elsewhere.
    """

    sockets: Sequence[socket.socket]
    numbers: Iterator[int]
    node: str
    sharding: Sharding | None
    production: bool
    limits: ClientLimits
    heartbeat: float
    drain_timeout: float
    max_connections: int
    max_connections_per_address: int
    max_http_connections_per_address: int
    keep_alive_timeout: float
    hosts: AllowedHosts
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    base_path: str
    public_url: str | None
    front_end: StaticFiles
    data_directory: Path
    instance: Instance
    admin: AdminAccess
    users: BrowserUsers
    oidc: OidcSettings | None
    attempts: Attempts
    throttles: Throttles
    traffic: Traffic
    login_needed: bool
    session_cookies: SessionCookies
    session_limits: SessionLimits
    passwords: Passwords
    signer: Signer
    mail_links: MailLinks | None
    targets: TargetPolicy
    chaos_enabled: bool
    own_port: int | None = None
    shown: Callable[[], Sequence[ShownSetting]] = tuple
    wall_clock_ms: Callable[[], int] = now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a handler may need: settings, tables to read, actors to talk to."""

    settings: WebSettings
    tables: Tables
    connections: Connections
    chaos: ChaosRecords
    telemetry: Telemetry
    system: System
    principals: Principals
    audit: Audit
    broadcaster: ActorRef
    manager: ActorRef
    sessions: ActorRef
    database: ActorRef
    alerts: ActorRef
    webhooks: ActorRef
