"""Which checks there are, by the settings: the one place that knows all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from stockstream import part_settings
from stockstream.cli.doctor import database, machine, names, public
from stockstream.cli.doctor.backups import look_at_backups, look_at_folder
from stockstream.cli.doctor.bus import look_at_nats
from stockstream.cli.doctor.findings import ok, skipped
from stockstream.cli.doctor.identity import look_at_issuer
from stockstream.cli.doctor.installed import look_at_packages, look_at_python
from stockstream.cli.doctor.mail import look_at_smtp
from stockstream.cli.doctor.node import judge_node, judge_spool, judge_upstream
from stockstream.cli.doctor.provider import ask_polled, ask_pushed, judge_asked
from stockstream.cli.doctor.running import Check
from stockstream.cli.doctor.secrets import NOT_CHOSEN, look_at_secrets
from stockstream.cli.doctor.traces import address_of as address_of_collector
from stockstream.cli.doctor.traces import look_at_collector
from stockstream.cluster.nats_access import NatsAccess, read_servers
from stockstream.database.url import read_database_url
from stockstream.http_client import host_of
from stockstream.market.providers.chosen import poll_provider, push_provider
from stockstream.proxies import proxy_to
from stockstream.sources import Source
from stockstream.times import now_ms
from stockstream.tracing import endpoint_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.asyncio_thread import AsyncioLoop
    from stockstream.cli.doctor.clock import Clocks
    from stockstream.cli.doctor.findings import Finding
    from stockstream.cli.doctor.node import Node
    from stockstream.config import Settings
    from stockstream.environment import Configuration
    from stockstream.upstreams import Upstream

_SLOW_HERE = "see what this machine is busy with; a stalled disk is one reason"
_SLOW_THERE = "see the network between, and whether a firewall drops what is sent"


def of_the_program() -> list[Check]:
    """What needs no settings."""
    return [
        Check("python", look_at_python, _SLOW_HERE),
        Check("packages", look_at_packages, _SLOW_HERE),
    ]


def of_the_settings(
    configuration: Configuration,
    upstreams: Sequence[Upstream],
    node: Node,
    loop: AsyncioLoop,
    clocks: Clocks,
) -> list[Check]:
    """What the settings say that there should be."""
    settings = configuration.settings
    return [
        Check("settings", partial(_settings, configuration), _SLOW_HERE),
        Check("secrets", partial(look_at_secrets, configuration), _SLOW_HERE),
        *_of_this_machine(configuration, node),
        Check("server", _judged(judge_node(node)), _SLOW_HERE),
        *_of_backups(settings, loop),
        Check("recording", _judged(judge_spool(node)), _SLOW_HERE),
        Check(
            "names",
            partial(names.look_at_names, _hosts(settings, upstreams)),
            _SLOW_THERE,
            leaves=True,
        ),
        *_of_databases(settings, loop, clocks),
        *_of_nats(settings, loop),
        *(_of_upstream(one, settings, node, clocks) for one in upstreams),
        *_of_the_issuer(settings),
        *_of_the_public(settings, node),
        *_of_mail(settings),
        *_of_traces(configuration),
    ]


async def _settings(configuration: Configuration) -> Finding:
    chosen = sum(source not in NOT_CHOSEN for source in configuration.sources.values())
    place = "production" if configuration.settings.production else "development"
    return ok(f"{chosen} are set, all can be used, for {place}")


def _judged(finding: Finding) -> _Told:
    return _Told(finding)


class _Told:
    """A finding that is known already, as a check has it."""

    def __init__(self, finding: Finding) -> None:
        self._finding = finding

    async def __call__(self) -> Finding:
        return self._finding


def _of_this_machine(configuration: Configuration, node: Node) -> list[Check]:
    settings = configuration.settings
    chosen = configuration.sources["max_connections"] != "default"
    files = partial(machine.look_at_open_files, settings.max_connections, chosen=chosen)
    port = partial(machine.look_at_port, settings.host, settings.port, "PORT", ours=node.lives)
    checks = [
        Check(
            "data directory",
            partial(machine.look_at_disk, settings.data_directory, settings.spool_size),
            "the disk does not answer: see the kernel's log, and mounts over the network",
        ),
        Check("open files", files, _SLOW_HERE),
        Check("port", port, _SLOW_HERE),
    ]
    if settings.uses_stub:
        stub = partial(
            machine.look_at_port, "127.0.0.1", settings.stub_port, "STUB_PORT", ours=node.lives
        )
        checks.append(Check("stub port", stub, _SLOW_HERE))
    return checks


def _of_backups(settings: Settings, loop: AsyncioLoop) -> list[Check]:
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    leaves = url is not None and not _database_is_here(url)
    noted = partial(look_at_backups, loop, url, settings.data_directory)
    checks = [Check("backup", noted, _SLOW_THERE if leaves else _SLOW_HERE, leaves=leaves)]
    if settings.backup_directory is not None:
        look = partial(look_at_folder, settings.backup_directory, settings.backup_schedule)
        do = "the disk of BACKUP_DIRECTORY does not answer: see the kernel's log, and mounts"
        checks.append(Check("backup folder", look, do))
    return checks


def _of_databases(settings: Settings, loop: AsyncioLoop, clocks: Clocks) -> list[Check]:
    chosen = part_settings.database(settings)
    retained = settings.retain_ticks
    if settings.database_url is None:
        directory = settings.data_directory
        embedded = partial(database.look_at_embedded, loop, directory, chosen.connections, retained)
        checks = [Check("database", embedded, _SLOW_HERE)]
    else:
        url = settings.database_url.get_secret_value()
        look = partial(
            database.look_at_server,
            loop,
            url,
            "DATABASE_URL",
            chosen.connections,
            retained,
            clocks,
        )
        checks = [Check("database", look, _SLOW_THERE, leaves=not _database_is_here(url))]
    if settings.database_read_url is not None:
        url = settings.database_read_url.get_secret_value()
        replica = partial(database.look_at_replica, loop, url, "DATABASE_READ_URL", chosen.readers)
        checks.append(Check("replica", replica, _SLOW_THERE, leaves=not _database_is_here(url)))
    return checks


def _database_is_here(url: str) -> bool:
    return all(names.is_here(endpoint.host) for endpoint in read_database_url(url).endpoints)


def _nats(settings: Settings) -> NatsAccess | None:
    urls = settings.cluster_nats_url
    if urls is None:
        return None
    return NatsAccess(
        read_servers(urls.get_secret_value()),
        settings.cluster_nats_credentials,
        settings.cluster_nats_ca,
    )


def _of_nats(settings: Settings, loop: AsyncioLoop) -> list[Check]:
    access = _nats(settings)
    if access is None:
        return []
    return [
        Check(
            f"nats {server.shown}",
            partial(look_at_nats, loop, server, access, settings.cluster_name),
            _SLOW_THERE,
            leaves=not names.is_here(server.host),
        )
        for server in access.servers
    ]


def _of_traces(configuration: Configuration) -> list[Check]:
    given = configuration.otel
    setting = endpoint_setting(given)
    if setting is None:
        return []
    look = partial(look_at_collector, given, setting)
    leaves = not names.is_here(names.host_in(address_of_collector(given, setting)))
    return [Check("traces", look, _SLOW_THERE, leaves=leaves)]


def _of_upstream(upstream: Upstream, settings: Settings, node: Node, clocks: Clocks) -> Check:
    name = f"prices {upstream.name}"
    known = node.upstreams.get(upstream.name)
    if known is not None:
        return Check(name, _judged(judge_upstream(known)), _SLOW_HERE)
    if settings.uses_stub:
        return Check(name, _judged(skipped("the bundled stub starts with the server")), _SLOW_HERE)
    there = address_of(upstream, settings)
    return Check(
        name,
        partial(_ask, upstream, settings, clocks),
        "see whether it is reached from here; `stockstream providers try` waits longer",
        leaves=there is not None and not names.is_here(there.host),
    )


async def _ask(upstream: Upstream, settings: Settings, clocks: Clocks) -> Finding:
    symbols = frozenset(settings.symbols)
    pushed = push_provider(upstream, verify_tls=settings.http_verify_tls)
    if pushed is not None:
        asked = await ask_pushed(*pushed, symbols, clocks, upstream.name)
    else:
        polled = poll_provider(upstream, part_settings.http(settings))()
        asked = await ask_polled(polled, symbols, clocks, upstream.name)
    key = Source(upstream.name, upstream.url).key_variable if upstream.key is not None else None
    return judge_asked(asked, now_ms(), key)


def address_of(upstream: Upstream, settings: Settings) -> httpx.URL | None:
    """Where an upstream is asked; None for one that is asked nowhere.

    Raises:
        InvalidProviderUrl: its address cannot be used.
        InvalidProxy: the environment names a proxy for it that cannot be used.
    """
    pushed = push_provider(upstream, verify_tls=settings.http_verify_tls)
    if pushed is not None:
        provider, access = pushed
        address = access.url or provider.address
    else:
        address = poll_provider(upstream, part_settings.http(settings))().address
    return None if host_of(address) is None else httpx.URL(address)


def _hosts(settings: Settings, upstreams: Sequence[Upstream]) -> dict[str, str]:
    """The hosts that settings name by names, each with the setting."""
    found: dict[str, str] = {}
    source = "PROVIDERS" if settings.providers else "STOCK_API_URL"
    for upstream in upstreams:
        address = address_of(upstream, settings)
        if address is not None:
            proxy = proxy_to(address)
            # Behind a proxy, names are looked up there.
            host, setting = (
                (address.host, source) if proxy is None else (proxy.url.host, proxy.variable)
            )
            found.setdefault(host, setting)
    for name in ("database_url", "database_read_url"):
        secret = getattr(settings, name)
        if secret is not None:
            for endpoint in read_database_url(secret.get_secret_value()).endpoints:
                found.setdefault(endpoint.host, name.upper())
    access = _nats(settings)
    for server in access.servers if access is not None else ():
        found.setdefault(server.host, "CLUSTER_NATS_URL")
    if settings.operator_webhook is not None:
        host = urlsplit(settings.operator_webhook.get_secret_value()).hostname or ""
        found.setdefault(host, "OPERATOR_WEBHOOK")
    smtp = part_settings.smtp_server(settings)
    if smtp is not None:
        found.setdefault(smtp.host, "SMTP_URL")
    for name in ("public_url", "node_url", "oidc_issuer"):
        url = getattr(settings, name)
        if url is not None:
            found.setdefault(urlsplit(url).hostname or "", name.upper())
    return {host: setting for host, setting in found.items() if names.is_name(host)}


def _of_the_issuer(settings: Settings) -> list[Check]:
    issuer = settings.oidc_issuer
    if issuer is None:
        return []
    leaves = not names.is_here(urlsplit(issuer).hostname or "")
    return [Check("login", partial(look_at_issuer, issuer), _SLOW_THERE, leaves=leaves)]


def _of_mail(settings: Settings) -> list[Check]:
    server = part_settings.smtp_server(settings)
    if server is None:
        return []
    secret = settings.smtp_password
    look = partial(look_at_smtp, server, None if secret is None else secret.get_secret_value())
    return [Check("mail", look, _SLOW_THERE, leaves=not server.is_here)]


def _of_the_public(settings: Settings, node: Node) -> list[Check]:
    url, ca = settings.public_url, settings.cluster_nats_ca
    checks = []
    leaves = url is not None and not names.is_here(urlsplit(url).hostname or "")
    if url is not None:
        look = partial(public.look_at_public_url, url, node)
        checks.append(Check("public address", look, _SLOW_THERE, leaves=leaves))
    if ca is not None or (url is not None and url.startswith("https:")):
        certificates = partial(public.look_at_certificates, url, ca)
        checks.append(Check("certificates", certificates, _SLOW_THERE, leaves=leaves))
    return checks
