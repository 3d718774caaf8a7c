"""The settings of each part, made from the whole: one function a part, nothing else."""

from __future__ import annotations

import itertools
import platform
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from stockstream import paths
from stockstream.alerts.mail.letters import Letters
from stockstream.alerts.mail.links import MailLinks
from stockstream.alerts.mail.mailer import MailerSettings
from stockstream.alerts.mail.places import read_sender, read_smtp_url
from stockstream.alerts.mail.smtp import Postman
from stockstream.alerts.signing import Signer
from stockstream.alerts.targets import TargetPolicy
from stockstream.alerts.webhooks import WebhookSettings
from stockstream.cluster.bus import BusSettings
from stockstream.cluster.fingerprints import PROVIDERS, fingerprints
from stockstream.cluster.membership import MembershipSettings
from stockstream.cluster.nats_access import NatsAccess, read_servers
from stockstream.database.gateway import DatabaseSettings
from stockstream.database.servers import Server, embedded_server
from stockstream.database.url import read_database_url
from stockstream.delivery.limits import ClientLimits
from stockstream.epochs import claim_epoch, keep_epoch
from stockstream.errors import ConfigurationError
from stockstream.history.backing_up import BackupSettings
from stockstream.history.recorder import RecorderSettings
from stockstream.history.retention import RetentionSettings
from stockstream.instance import kept_instance
from stockstream.market.body_items import Limits
from stockstream.market.breaker_types import BreakerSettings, WindowType
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.feeds.push_settings import PushSettings
from stockstream.market.parser import Parsed
from stockstream.market.providers import (
    HttpSettings,
    InvalidProviderUrl,
    SymbolsNotFound,
)
from stockstream.market.providers.chosen import declared_in, poll_provider, push_provider
from stockstream.notices.notifier import NoticeSettings
from stockstream.proxies import proxy_to
from stockstream.shards import NodeId, Sharding
from stockstream.sources import Route, Source, routes_of
from stockstream.times import now_ns
from stockstream.upstreams import Upstream
from stockstream.users.oidc.attempts import Attempts
from stockstream.users.oidc.messages import OidcSettings
from stockstream.users.oidc.roles import RoleRules
from stockstream.users.passwords import ArgonSettings, Passwords
from stockstream.users.purging import PurgeSettings
from stockstream.users.sessions import SessionLimits
from web.cookies import Instance
from web.front_end import front_end
from web.limits import Buckets
from web.live.admission import handshakes
from web.parts import WebSettings
from web.request_limits import RequestLimits
from web.server import AllowedHosts, machine_names
from web.throttles import Throttles
from web.traffic import Traffic
from web.users.access import CHANGES, NEW_ROWS
from web.users.break_glass import WRONG_TOKENS, AdminAccess
from web.users.browser_users import BrowserUsers
from web.users.login_throttle import LoginThrottle
from web.users.session_cookies import SessionCookies

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from stockstream.alerts.mail.places import SmtpServer
    from stockstream.config import Settings


def database(settings: Settings, now: Callable[[], Settings] | None = None) -> DatabaseSettings:
    """The primary, the embedded server unless `DATABASE_URL` names one, and its replica.

    `now` tells the settings at each connection, where they may change: other passwords.
    """
    now = now or (lambda: settings)
    if settings.database_url is None:
        primary = embedded_server(settings.data_directory)
    else:
        primary = Server("DATABASE_URL", lambda: _text(now().database_url) or "")
    replica = None
    if settings.database_read_url is not None:
        replica = Server("DATABASE_READ_URL", lambda: _text(now().database_read_url) or "")
    return DatabaseSettings(primary, replica, readers=settings.database_pool_size)


def recorder(settings: Settings) -> RecorderSettings:
    """Its `boot` is the start's own: batches are numbered from 1 in each."""
    return RecorderSettings(
        node=node_name(settings),
        boot=now_ns() // 1000,
        folder=settings.data_directory / "spool",
        limit=settings.spool_size,
    )


def retention(settings: Settings) -> RetentionSettings:
    """How long prices are kept, in days."""
    return RetentionSettings(ticks=settings.retain_ticks, candles=settings.retain_candles)


def backups(settings: Settings, now: Callable[[], Settings]) -> BackupSettings | None:
    """When and where backups are made; None where none are."""
    if settings.backup_schedule is None or settings.backup_directory is None:
        return None
    kind = settings.backup_kind
    if kind == "auto":
        kind = "incremental" if settings.database_url is None else "dump"
    return BackupSettings(
        schedule=settings.backup_schedule,
        directory=settings.backup_directory.absolute(),
        kind=kind,
        keep=settings.backup_keep,
        address=database(settings, now).primary.address,
        notes=settings.data_directory,
    )


def purge(settings: Settings) -> PurgeSettings:
    """How long the rows of users are kept, in days."""
    return PurgeSettings(
        alerts=settings.retain_alerts,
        deleted=settings.retain_deleted,
        audit=settings.retain_audit,
    )


def sessions(settings: Settings) -> SessionLimits:
    """How long a login lasts."""
    return SessionLimits(settings.session_idle, settings.session_lifetime)


def argon(settings: Settings) -> ArgonSettings:
    """What the hash of a password costs."""
    return ArgonSettings(settings.argon2_memory, settings.argon2_time, settings.argon2_parallelism)


def oidc(settings: Settings) -> OidcSettings | None:
    """The identity provider that people may log in by; None without one.

    Raises:
        InvalidProxy: the environment names a proxy for it that cannot be used.
    """
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    proxy_to(httpx.URL(settings.oidc_issuer))
    return OidcSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        scopes=settings.oidc_scopes,
        name=settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or "",
        rules=RoleRules(
            claim=settings.oidc_role_claim,
            roles=settings.oidc_roles,
            refuse=settings.oidc_without_role == "refuse",
        ),
    )


def webhooks(settings: Settings) -> WebhookSettings:
    """Where to webhooks may go, and for how long it is tried."""
    return WebhookSettings(_targets(settings), retry_for=settings.webhook_retry_for)


def mail_links(settings: Settings) -> MailLinks:
    """The links in letters, to the pages that browsers reach at `PUBLIC_URL`."""
    secrets = [settings.secret_key_base, settings.secret_key_base_previous]
    known = [secret.get_secret_value() for secret in secrets if secret is not None]
    return MailLinks(known, settings.public_url or "")


def smtp_server(settings: Settings) -> SmtpServer | None:
    """Where letters are handed in; None where none are."""
    if settings.smtp_url is None:
        return None
    return read_smtp_url(settings.smtp_url, allow_plain=settings.smtp_allow_plain)


def mailing(settings: Settings, now: Callable[[], Settings]) -> MailerSettings | None:
    """Alerts by mail: `now` tells the settings at each connection, whose password may change."""
    server = smtp_server(settings)
    if server is None or settings.mail_from is None:
        return None
    return MailerSettings(
        Postman(server, lambda: _text(now().smtp_password)),
        Letters(read_sender(settings.mail_from), mail_links(settings)),
        retry_for=settings.webhook_retry_for,
    )


def notices(settings: Settings, now: Callable[[], Settings]) -> NoticeSettings:
    """Where notices for operators go: `now` tells the settings at each post."""
    return NoticeSettings(
        node_name(settings),
        lambda: _text(now().operator_webhook),
        _targets(settings),
        signer(settings),
    )


def signer(settings: Settings) -> Signer:
    """Signs webhooks."""
    return Signer(settings.secret_key_base.get_secret_value())


def http(settings: Settings) -> HttpSettings:
    """Limits of the price API's client."""
    return HttpSettings(
        pool_size=settings.http_pool_size,
        connect_timeout=settings.http_connect_timeout,
        read_timeout=settings.http_read_timeout,
        total_timeout=settings.http_timeout,
        verify_tls=settings.http_verify_tls,
        max_body=settings.http_max_body,
        limits=Limits(settings.http_max_items, settings.http_max_fields),
    )


def breaker(settings: Settings) -> BreakerSettings:
    """An answer without a usable price is a failure; a missing requested symbol is not."""
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


def upstreams(settings: Settings, stub_port: int | None) -> list[Upstream]:
    """Where prices come from: the providers that `PROVIDERS` names, the API that `STOCK_API_URL`
    does, or the bundled stub.

    The names say what it is, never where: anybody may read them.

    Raises:
        ConfigurationError: there is no such provider, or its address, options or key are wrong.
    """
    if settings.providers:
        return [_provider(source, settings) for source in settings.providers]
    url = settings.stock_api_url
    if url is None:
        return [Upstream("stub", f"http://127.0.0.1:{stub_port}")]
    return [Upstream("sim" if url.lower().startswith("sim:") else "api", url)]


def upstream_of(source: Source, key: SecretStr | None, secret: SecretStr | None) -> Upstream:
    """The upstream that a provider is, with its key and what belongs to it."""
    return Upstream(
        source.name,
        source.url,
        _text(key),
        _text(secret),
    )


def _provider(source: Source, settings: Settings) -> Upstream:
    upstream = upstream_of(
        source,
        settings.provider_keys.get(source.name),
        settings.provider_secrets.get(source.name),
    )
    try:
        if push_provider(upstream) is None:
            poll_provider(upstream, http(settings))
    except InvalidProviderUrl as error:
        raise ConfigurationError(f"PROVIDERS: {source.name}: {error}") from None
    return upstream


def polling(settings: Settings) -> PollSettings:
    """How often which symbols are fetched."""
    return PollSettings(
        interval=settings.fetch_interval,
        idle_interval=settings.fetch_interval_idle,
        jitter=settings.fetch_jitter / 100,
        symbols=frozenset(settings.symbols),
    )


def pushing(settings: Settings) -> PushSettings:
    """Which symbols are wanted of providers that push, whoever asks for them."""
    return PushSettings(symbols=frozenset(settings.symbols))


def routes(settings: Settings) -> tuple[Route, ...]:
    """Which provider tells which symbols; none without `PROVIDERS`."""
    return routes_of(settings.providers, settings.routes) if settings.providers else ()


def sharding(settings: Settings, upstreams: Sequence[Upstream]) -> Sharding:
    """In how many parts each upstream is fetched: of one that is polled, in a cluster, as many as
    are set. One that pushes has as many as there are to be connections, whatever is set.
    """
    polled = 1 if settings.cluster_nats_url is None else settings.fetch_shards
    counts = {}
    for upstream in upstreams:
        pushes = push_provider(upstream)
        counts[upstream.name] = polled if pushes is None else pushes[0].connections
    return Sharding(counts)


def demand_from(settings: Settings) -> str:
    """Who tells the feeds what clients want: in a cluster, those of all nodes."""
    clustered = settings.cluster_nats_url is not None
    return paths.MEMBERSHIP if clustered else paths.SUBSCRIPTION_MANAGER


def membership(
    settings: Settings, upstreams: Sequence[Upstream], own_url: str
) -> MembershipSettings:
    """This node in its cluster, in a life of its own: it has a new epoch. Blocks.

    It tells the other nodes its settings by fingerprints, of the database the place alone: each
    node may have a user of its own there.
    """
    directory = settings.data_directory
    url = settings.database_url
    database = (
        f"embedded in {directory.absolute()} of {platform.node()}"
        if url is None
        else f"{(read := read_database_url(url.get_secret_value())).place}/{read.database}"
    )
    sharded = sharding(settings, upstreams)
    told = {
        "STOCK_API_URL": settings.stock_api_url or "stub",
        PROVIDERS: ",".join(f"{source.name}={source.url}" for source in settings.providers)
        + "".join(map(declared_in, upstreams)),
        "ROUTES": ",".join(map(str, settings.routes)),
        "FETCH_SHARDS": _said(sharded, settings.fetch_shards),
        "SYMBOLS": ",".join(sorted(settings.symbols)),
        "DATABASE_URL": database,
    }
    return MembershipSettings(
        me=NodeId(node_name(settings), claim_epoch(directory)),
        sharding=sharded,
        fingerprints=fingerprints(settings.secret_key_base.get_secret_value(), told),
        address=settings.node_url or own_url,
        public_url=settings.public_url or "",
        keep_epoch=partial(keep_epoch, directory),
    )


def _said(sharding: Sharding, fetch_shards: int) -> str:
    """`FETCH_SHARDS`, and of which upstreams it is not the number. Where it is that of all, this is
    what versions say that have as many of each: they have the same shards.
    """
    others = {name: count for name, count in sharding.counts.items() if count != fetch_shards}
    return " ".join([str(fetch_shards), *(f"{name}={others[name]}" for name in sorted(others))])


def bus(settings: Settings, me: NodeId) -> BusSettings:
    """Where the NATS servers are that `me` is joined to the others by."""
    return BusSettings(me, settings.cluster_name, nats_access(settings))


def nats_access(settings: Settings) -> NatsAccess:
    """Where they are, and what they are shown."""
    urls = settings.cluster_nats_url
    assert urls is not None  # noqa: S101 - else there is no bus
    return NatsAccess(
        read_servers(urls.get_secret_value()),
        settings.cluster_nats_credentials,
        settings.cluster_nats_ca,
    )


def web(
    settings: Settings,
    sockets: tuple[socket.socket, ...],
    upstreams: Sequence[Upstream],
    own_port: int | None = None,
) -> WebSettings:
    """It listens on `sockets`, which outlive each life of it, and numbers clients across them."""
    instance = Instance(kept_instance(settings.data_directory))
    secret = settings.secret_key_base.get_secret_value()
    previous = _text(settings.secret_key_base_previous)
    limited = throttles(settings)
    return WebSettings(
        sockets=sockets,
        own_port=own_port,
        numbers=itertools.count(1),
        node=node_name(settings),
        sharding=None if settings.cluster_nats_url is None else sharding(settings, upstreams),
        production=settings.production,
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
        max_http_connections_per_address=settings.max_http_connections_per_address,
        keep_alive_timeout=settings.keep_alive_timeout,
        hosts=AllowedHosts((*machine_names(), settings.host, *settings.allowed_hosts)),
        allowed_origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
        base_path=settings.base_path,
        public_url=settings.public_url,
        front_end=front_end(),
        chaos_enabled=settings.chaos_enabled,
        data_directory=settings.data_directory,
        instance=instance,
        admin=AdminAccess(
            settings.admin_token.get_secret_value(),
            secret,
            instance,
            previous=previous,
            chaos_token=_text(settings.chaos_token),
            wrong_tokens=limited.wrong_tokens,
        ),
        users=BrowserUsers(secret, instance, previous=previous),
        oidc=oidc(settings),
        attempts=Attempts([secret, *([] if previous is None else [previous])]),
        throttles=limited,
        traffic=Traffic(),
        login_needed=settings.dashboard == "login",
        session_cookies=SessionCookies(secret, instance, settings.base_path, previous=previous),
        session_limits=sessions(settings),
        passwords=Passwords(argon(settings)),
        signer=signer(settings),
        targets=_targets(settings),
        mail_links=None if settings.smtp_url is None else mail_links(settings),
    )


def throttles(settings: Settings) -> Throttles:
    """How often who may ask for what."""
    by_address, by_user = handshakes(settings.max_connections_per_address)
    return Throttles(
        requests=RequestLimits(
            rate=settings.request_rate,
            burst=settings.request_burst,
            rate_per_address=settings.request_rate_per_address,
            burst_per_address=settings.request_burst_per_address,
        ),
        handshakes=by_address,
        user_handshakes=by_user,
        changes=Buckets(CHANGES),
        new_rows=Buckets(NEW_ROWS),
        wrong_tokens=Buckets(WRONG_TOKENS),
        logins=LoginThrottle(),
    )


def renew_tokens(admin: AdminAccess, settings: Settings) -> None:
    """Have operators come in by the tokens of these settings."""
    admin.renew(settings.admin_token.get_secret_value(), _text(settings.chaos_token))


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def node_name(settings: Settings) -> str:
    """The name of this node: set, or the host's."""
    return settings.node


def _targets(settings: Settings) -> TargetPolicy:
    return TargetPolicy(settings.webhook_allow_http, settings.webhook_networks)
