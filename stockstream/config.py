"""Every setting, its default and its environment variable.

`Settings` is the typed, frozen value that `application.py` hands on in parts; nothing below the
application reads the environment. A start gets it from `stockstream.environment.load()`.
"""

import platform
import re
import secrets
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stockstream.alerts.mail.places import read_sender, read_smtp_url
from stockstream.alerts.targets import Forbidden, TargetPolicy, check_url
from stockstream.data_places import default_directory
from stockstream.database.backups.keeping import Keep, read_keep
from stockstream.database.url import read_database_url
from stockstream.http_client import host_of
from stockstream.jobs.schedule import Daily, Every, read_schedule
from stockstream.masks import MASK, without_secrets
from stockstream.quotes import Symbol, parse_symbol
from stockstream.regular_files import read_regular
from stockstream.shards import MOST_SHARDS
from stockstream.sources import Route, Source, read_providers, read_routes, routes_of
from stockstream.users.oidc.metadata import why_unsafe
from stockstream.users.oidc.roles import GROUPS, RoleRule, read_roles

if TYPE_CHECKING:
    from pydantic.config import JsonDict

T = TypeVar("T")
Network = IPv4Network | IPv6Network
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(gt=0, le=100)]

ENV_FILE = ".env"
OWN_ADDRESSES = frozenset(
    {
        "account",
        "admin",
        "api",
        "docs",
        "health",
        "login",
        "logout",
        "mail",
        "metrics",
        "openapi.json",
        "s",
        "shared",
        "static",
        "ws",
    }
)
"""The first parts of the server's own paths. `BASE_PATH` must not begin with one, so that we can
tell them apart if a proxy has removed it."""
SECRETS = ("secret_key_base", "admin_token")
"""Fields that are generated in development and required in production."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _schedule(value: object) -> object:
    return read_schedule(value) if isinstance(value, str) else value


def _keep(value: object) -> object:
    return read_keep(value) if isinstance(value, str) else value


BackupSchedule = Annotated[Every | Daily | None, NoDecode, BeforeValidator(_schedule)]


def _each(check: Callable[[str], T]) -> BeforeValidator:
    """Read a comma-separated text (or a sequence) and check each part separately."""

    def validate(value: object) -> object:
        parts = _split(value)
        if not isinstance(parts, tuple | list):
            # No TypeError: pydantic turns only a ValueError into an error of the field.
            raise ValueError("must be a list separated by commas")  # noqa: TRY004
        return tuple(check(part) if isinstance(part, str) else part for part in parts)

    return BeforeValidator(validate)


def _origin(text: str) -> str:
    parts = urlsplit(text.lower())
    rest = parts.path or parts.query or parts.fragment or parts.username
    if parts.scheme not in {"http", "https"} or not parts.hostname or rest or "*" in text:
        raise ValueError(f"{text!r} is no origin; write scheme://host[:port] and nothing after")
    _ = parts.port  # raises ValueError when it is no port number
    default_port = 443 if parts.scheme == "https" else 80
    # Browsers leave the default port out of the Origin header.
    host = parts.netloc.removesuffix(f":{default_port}")
    return f"{parts.scheme}://{host}"


def _base_path(text: str) -> str:
    base = text.rstrip("/")
    if not base:
        return ""
    if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", base):
        raise ValueError(f"{text!r} is no path as /stocks: letters, digits, `-`, `_`, `.`, `~`")
    first = base.split("/")[1]
    if first in OWN_ADDRESSES:
        raise ValueError(f"{text!r} begins as the server's own /{first} does; take another name")
    return base


_HOST_NAME = re.compile(
    r"\*|(?:\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)


def _host_name(text: str) -> str:
    try:
        # As browsers send a name with other letters than those of ASCII.
        name = text if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        name = ""
    name = name.lower() if name.startswith("*") else name.lower().removesuffix(".")
    too_long = len(name) > 253 or any(len(label) > 63 for label in name.split("."))
    if too_long or not _HOST_NAME.fullmatch(name):
        raise ValueError(
            f"{text!r} is no host name; write a name (prices.example), all names below one "
            "(*.example) or * for any, without scheme and port"
        )
    return name


_NODE_NAME = re.compile(r"(?=.{1,255}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""Parts of a NATS subject."""

_MAPPED_BITS = 96


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address or network: {error}") from None
    mapped = None
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
    # As peers are read: one of IPv4 written as one of IPv6 would be nobody's.
    return network if mapped is None else IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _url(text: str, *schemes: str) -> str:
    """Check scheme and host; the error does not repeat the text, which may carry a password."""
    parts = urlsplit(text)
    expected = " or ".join(f"{scheme}://" for scheme in schemes)
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {expected}")
    if not parts.hostname and parts.scheme != "sim":
        raise ValueError("has no host")
    _ = parts.port  # raises ValueError when it is no port number
    return text


def _price_url(text: str) -> str:
    checked = _url(text, "http", "https", "sim")
    return checked if checked.startswith("sim:") else checked.rstrip("/")


def _read_by(read: Callable[[str], object]) -> BeforeValidator:
    """Have a text read by a function whose ValueError names what is wrong."""

    def validate(value: object) -> object:
        return read(value) if isinstance(value, str) else value

    return BeforeValidator(validate)


def _database_url(value: SecretStr) -> SecretStr:
    read_database_url(value.get_secret_value())
    return value


def _nats_urls(value: SecretStr) -> SecretStr:
    for number, part in enumerate(value.get_secret_value().split(","), 1):
        try:
            parts = urlsplit(_url(part.strip(), "nats", "tls"))
            if parts.path.strip("/") or parts.query or parts.fragment:
                raise ValueError("has more than a server: write nats://host:port")
        except ValueError as error:
            raise ValueError(f"server {number} {error}") from None
    return value


def _file(check: Callable[[Path], object]) -> AfterValidator:
    """Check that a file can be read, and what it holds, at the start and not at the first use."""

    def validate(path: Path) -> Path:
        try:
            read_regular(path, 1)  # a FIFO would wait for ever, and a device never end
            check(path)
        except OSError as error:
            # An SSLError is one, too.
            raise ValueError(f"{str(path)!r}: {error.strerror or error}") from None
        return path

    return AfterValidator(validate)


def _certificates(path: Path) -> None:
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise ValueError(f"{str(path)!r}: holds no certificate in PEM") from None


def _nats_credentials(path: Path) -> None:
    if "-----BEGIN NATS USER JWT-----" not in path.read_text(encoding="utf-8", errors="replace"):
        raise ValueError(f"{str(path)!r}: holds no NATS user JWT")


def _subject_part(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError(f"{text!r} is no name of a cluster: letters, digits, `-`, `_`, at most 64")
    return text


def _page_url(text: str) -> str:
    parts = urlsplit(_url(text, "http", "https"))
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{text!r} has more than a place: write https://host[:port][/path]")
    return text.rstrip("/")


def _smtp_url(text: str) -> str:
    read_smtp_url(text)
    return text


def _sender(text: str) -> str:
    read_sender(text)
    return text


def _issuer(text: str) -> str:
    trouble = why_unsafe(text) or ("must hold no ?" if "?" in text else None)
    if trouble is None and host_of(text) is None:
        trouble = "has no host that can be asked"
    if trouble is not None:
        raise ValueError(f"{text!r}: {trouble}")
    return text


def _scopes(text: str) -> str:
    if "openid" not in text.split():
        raise ValueError(f"{text!r} does not name `openid`, without which nobody says who logs in")
    return " ".join(text.split())


def _at_least(length: int) -> AfterValidator:
    def validate(value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < length:
            raise ValueError(f"must be at least {length} characters long")
        return value

    return AfterValidator(validate)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _setting(
    group: str, default: T, text: str, shown_default: str = "", *, private: bool = False
) -> T:
    """Declare a setting; a private one may hold a password: repr and errors leave it out."""
    extra: JsonDict = {"group": group, "shown_default": shown_default}
    return Field(default, description=text, json_schema_extra=extra, repr=not private)


def _secret(text: str) -> SecretStr:
    extra: JsonDict = {"group": "Server", "shown_default": "generated; required in production"}
    return Field(
        default_factory=lambda: SecretStr(secrets.token_urlsafe(48)),
        description=text,
        json_schema_extra=extra,
        repr=False,
    )


_server = partial(_setting, "Server")
_clients = partial(_setting, "Clients")
_market = partial(_setting, "Market")
_breaker = partial(_setting, "Circuit breaker")
_backends = partial(_setting, "Backends")
_cluster = partial(_setting, "Cluster")
_accounts = partial(_setting, "Accounts")
_operation = partial(_setting, "Operation")


class WebhookUrl(SecretStr):
    """An address whose path is its key: nothing but its host is shown."""


class Settings(BaseSettings):
    """All settings. A field's environment variable is its name in capitals.

    Durations are seconds, sizes bytes, rates per second, shares percent. Lists are separated by
    commas. An empty variable counts as not set. Raises `pydantic.ValidationError`; a start uses
    `load()` instead, for errors of one line and secrets that survive it.
    """

    model_config = SettingsConfigDict(
        alias_generator=str.upper,
        populate_by_name=True,
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",  # the environment is full of strangers; load() looks for misspelt names
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=True,
        env_file=ENV_FILE,
    )

    stockstream_env: Literal["development", "production"] = _server(
        "development", "`production` requires that both secrets are given."
    )
    host: str = _server("127.0.0.1", "Address to listen on; the container image sets `0.0.0.0`.")
    port: Port = _server(4000, "Port of the dashboard, the API and `/ws`; 0 takes a free one.")
    secret_key_base: Annotated[SecretStr, _at_least(32)] = _secret(
        "Key that signs cookies, at least 32 characters; docs/secrets.md says how to replace it."
    )
    secret_key_base_previous: Annotated[SecretStr, _at_least(32)] | None = _server(
        None,
        "The one that `SECRET_KEY_BASE` replaces: cookies it has signed are read, and signed anew.",
        "none",
        private=True,
    )
    admin_token: Annotated[SecretStr, _at_least(16)] = _secret(
        "Bearer token of the admin API and `/metrics`: at least 16 characters, drawn at random."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, _each(_host_name)] = _server(
        (),
        "Host names that requests may be for, beside `localhost`, this machine's name and all "
        "addresses; `*.example.com` and `*` work too.",
        "none",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode, _each(_origin)] = _server(
        (),
        "Origins, beside the server's own, whose pages may open `/ws` and change lists and alerts.",
        "none",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, _each(_network)] = _server(
        (),
        "Addresses or networks of proxies whose `X-Forwarded-For`, `-Host`, `-Proto` count.",
        "none",
    )
    base_path: Annotated[str, AfterValidator(_base_path)] = _server(
        "", "Path below which a proxy serves all this, as `/stocks`.", "none"
    )
    drain_timeout: Annotated[float, Field(ge=0, le=7)] = _server(
        7, "Longest wait for clients to leave at a shutdown."
    )
    data_directory: Path = Field(
        default_factory=default_directory,
        description="Directory of the generated secrets and the embedded data.",
        json_schema_extra={
            "group": "Server",
            "shown_default": "`.stockstream` in a checkout and where there is one already; else "
            "`stockstream` in `$XDG_DATA_HOME`, which is `~/.local/share`",
        },
    )

    flush_interval: Annotated[float, Field(ge=0, le=60)] = _clients(
        0.05, "Interval at which changed prices are sent; 0 sends each at once."
    )
    max_connections: Count = _clients(20_000, "WebSocket connections on this node.")
    max_connections_per_address: Count = _clients(
        200, "WebSocket connections from one client address."
    )
    max_http_connections_per_address: Count = _clients(
        200,
        "HTTP connections from one address beside those; behind a proxy, its requests under way.",
    )
    request_rate: Rate = _clients(
        20, "HTTP requests per second by one user; static files have no limit."
    )
    request_burst: Count = _clients(400, "HTTP requests that a user may make at once.")
    request_rate_per_address: Rate = _clients(
        200, "HTTP requests per second from one client address, of all its users together."
    )
    request_burst_per_address: Count = _clients(
        4_000, "HTTP requests from one client address at once."
    )
    keep_alive_timeout: Seconds = _clients(
        150, "How long an idle HTTP connection is kept; longer than a proxy before it keeps one."
    )
    max_symbols_per_connection: Count = _clients(
        1_000, "Symbols that one connection may subscribe to; `*` is exempt."
    )
    max_message_size: Annotated[int, Field(ge=256)] = _clients(
        65_536, "Bytes in a client's message; a longer one closes the connection (1009)."
    )
    message_rate: Rate = _clients(50, "Messages per second that a client may send.")
    message_burst: Count = _clients(100, "Messages that a client may send at once.")
    heartbeat: Seconds = _clients(25, "Interval of the pings to a client.")
    heartbeat_timeout: Seconds = _clients(
        10, "Wait for the pong before a silent client counts as gone."
    )

    stock_api_url: Annotated[str, AfterValidator(_price_url)] | None = _market(
        None,
        "Price API (`http://`, `https://`) or simulated market (`sim://?symbols=1000`).",
        "the bundled stub",
        private=True,
    )
    providers: Annotated[tuple[Source, ...], NoDecode, _read_by(read_providers)] = _market(
        (),
        "Providers of real prices, in place of `STOCK_API_URL`: `crypto=kraken://`, with commas "
        "between; the key of one is in `NAME_API_KEY`, or in the file `NAME_API_KEY_FILE`, and "
        "what some give out beside it in `NAME_API_SECRET`, or `NAME_API_SECRET_FILE`.",
        "none",
        private=True,
    )
    routes: Annotated[tuple[Route, ...], NoDecode, _read_by(read_routes)] = _market(
        (),
        "Which of them tell which symbols, as `BTC-*=crypto, *=us,us2`: the longest beginning "
        "counts, and after the first provider those in its place while it is away.",
        "all from the one there is",
    )
    stub_port: Port = _market(1080, "Port of the bundled stub API; 0 takes a free one.")
    symbols: Annotated[tuple[Symbol, ...], NoDecode, _each(parse_symbol)] = _market(
        (), "Symbols fetched even when nobody subscribes.", "all the provider lists"
    )
    fetch_interval: Seconds = _market(1, "Time between fetches while clients subscribe.")
    fetch_interval_idle: Seconds = _market(5, "Time between fetches while nobody does.")
    fetch_jitter: Annotated[float, Field(ge=0, le=50)] = _market(
        10, "Random part of each interval."
    )
    http_pool_size: Count = _market(10, "Connections to the price API, at most.")
    http_connect_timeout: Seconds = _market(2, "Longest wait for a connection to it.")
    http_read_timeout: Seconds = _market(3, "Longest pause between two parts of its answer.")
    http_timeout: Seconds = _market(5, "Longest wait for a whole answer from it.")
    http_verify_tls: bool = _market(True, "Whether its TLS certificate is verified.")
    http_max_body: Count = _market(5_000_000, "Bytes in its answer, at most.")
    http_max_items: Count = _market(
        20_000, "Items of its answer that are read; those beyond are counted and logged."
    )
    http_max_fields: Count = _market(
        1_000_000, "Fields of all items together that are read, counted by their commas."
    )

    breaker_window_type: Literal["count", "time"] = _breaker(
        "count", "Whether the window holds the last calls or the last seconds."
    )
    breaker_window: Count = _breaker(20, "Size of the window, in calls or seconds.")
    breaker_minimum_calls: Count = _breaker(5, "Calls in the window before a rate is judged.")
    breaker_failure_rate: Percent = _breaker(50, "Share of failed calls that opens the breaker.")
    breaker_slow_call: Seconds = _breaker(2, "A call that takes longer is slow.")
    breaker_slow_rate: Percent = _breaker(80, "Share of slow calls that opens the breaker.")
    breaker_wait: Seconds = _breaker(5, "Wait before the first probe.")
    breaker_max_wait: Seconds = _breaker(
        60, "Longest wait; each opening in a row waits longer, up to this."
    )
    breaker_jitter: Annotated[float, Field(ge=0, le=50)] = _breaker(
        10, "Random part of each wait, up and down."
    )
    breaker_max_retry_after: Seconds = _breaker(
        300, "Longest wait that the API may ask for by `Retry-After`."
    )
    breaker_probes: Count = _breaker(2, "Calls that probe whether the API is back.")
    breaker_max_half_open: Seconds = _breaker(
        10, "Longest time of probing before a decision is forced."
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = _backends(
        None, "PostgreSQL server (`postgresql://…`).", "embedded", private=True
    )
    database_read_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = _backends(
        None,
        "Read replica that history queries ask first (`postgresql://…`).",
        "none",
        private=True,
    )
    database_pool_size: Annotated[int, Field(ge=1, le=40)] = _backends(
        4,
        "Connections for history queries; recording, upkeep, and lists have their own.",
    )
    spool_size: Annotated[int, Field(ge=64_000_000)] = _backends(
        1_000_000_000, "Bytes of prices kept on disk while the database is away, at most."
    )
    # A day is a partition, and a server can carry some hundreds of a table.
    retain_ticks: Annotated[float, Field(ge=1, le=366)] = _backends(7, "Days that ticks are kept.")
    retain_candles: Annotated[float, Field(ge=1, le=731)] = _backends(
        90, "Days that 1-minute candles are kept; longer ones are kept for ever."
    )
    retain_alerts: Annotated[float, Field(ge=1)] = _backends(
        90, "Days that fired alerts are kept; unseen or not yet posted, longer."
    )
    retain_deleted: Annotated[float, Field(ge=1)] = _backends(
        30, "Days that deleted lists and alert rules can be restored."
    )
    retain_audit: Annotated[float, Field(ge=1)] = _backends(
        365, "Days that the audit of users' changes is kept."
    )
    backup_directory: Path | None = _backends(
        None, "Folder of backups; several nodes need the same one.", "none"
    )
    backup_schedule: Annotated[Every | Daily | None, NoDecode, BeforeValidator(_schedule)] = (
        _backends(
            None, "When backups are made: `every 6h`, `03:30` or `03:30 Europe/Berlin`.", "never"
        )
    )
    backup_kind: Literal["auto", "full", "incremental", "dump"] = _backends(
        "auto",
        "Of the scheduled ones: `incremental` is a full one each week; `auto` is that, and `dump` "
        "with `DATABASE_URL`.",
    )
    backup_keep: Annotated[Keep, NoDecode, BeforeValidator(_keep)] = _backends(
        Keep(), "Backups that are kept: how many, how long, or both, such as `14, 30d`.", "14"
    )
    webhook_allow_http: bool = _backends(
        False, "Whether alerts may be posted to addresses without TLS."
    )
    webhook_networks: Annotated[tuple[Network, ...], NoDecode, _each(_network)] = _backends(
        (), "Networks beside the internet where alerts may be posted to.", "none"
    )
    webhook_retry_for: Annotated[float, Field(ge=0, le=2_592_000)] = _backends(
        86_400, "How long it is tried to post an alert before it is given up; 0 tries once."
    )

    smtp_url: Annotated[str, AfterValidator(_smtp_url)] | None = _backends(
        None,
        "Server that takes alerts by mail: `smtp://user@host:587`, which is TLS by STARTTLS, or "
        "`smtps://user@host`.",
        "none: nothing is mailed",
    )
    smtp_password: SecretStr | None = _backends(
        None, "Password of that user.", "none", private=True
    )
    smtp_allow_plain: bool = _backends(
        False, "Whether mail may go without TLS to a server elsewhere that offers none."
    )
    mail_from: Annotated[str, AfterValidator(_sender)] | None = _backends(
        None, "Whom mail comes from: `StockStream <alerts@example.com>`.", "none"
    )

    dashboard: Literal["open", "login"] = _accounts(
        "open",
        "Whether anybody may read prices (`open`), or only who has logged in (`login`).",
        "open where `HOST` is this machine; to be said in production elsewhere",
    )
    session_idle: Annotated[float, Field(ge=60, le=31_536_000)] = _accounts(
        43_200, "How long a login lasts without being used."
    )
    session_lifetime: Annotated[float, Field(ge=60, le=31_536_000)] = _accounts(
        604_800, "How long a login lasts at most."
    )
    # At least 8 KiB a lane, as argon2 has it.
    argon2_memory: Annotated[int, Field(ge=8_192, le=4_194_304)] = _accounts(
        65_536, "KiB of memory that the hash of a password takes; two are made at a time."
    )
    argon2_time: Annotated[int, Field(ge=1, le=100)] = _accounts(
        3, "Passes over it; the time that a login takes rises with both."
    )
    argon2_parallelism: Annotated[int, Field(ge=1, le=64)] = _accounts(
        4, "Threads that such a hash takes, where there are so many."
    )

    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = _accounts(
        None,
        "Identity provider that people may log in by, as it calls itself to the letter "
        "(`https://id.example/realms/main`).",
        "none",
    )
    oidc_client_id: str | None = _accounts(None, "What this server is called there.", "none")
    oidc_client_secret: SecretStr | None = _accounts(
        None, "What this server shows there.", "none", private=True
    )
    oidc_name: str | None = _accounts(None, "What the login page calls the provider.", "its host")
    oidc_scopes: Annotated[str, AfterValidator(_scopes)] = _accounts(
        "openid profile", "What is asked of it, with blanks between."
    )
    oidc_role_claim: str = _accounts(
        GROUPS, "Claim that holds what gives a role; `realm_access.roles` is one inside another."
    )
    oidc_roles: Annotated[tuple[RoleRule, ...], NoDecode, _read_by(read_roles)] = _accounts(
        (),
        "Which value gives which role, as `sre=operator, leads=admin`; decided at each login.",
        "none: roles are given here",
    )
    oidc_without_role: Literal["viewer", "refuse"] = _accounts(
        "viewer", "What becomes of those whom `OIDC_ROLES` gives none."
    )

    cluster_nats_url: Annotated[SecretStr, AfterValidator(_nats_urls)] | None = _cluster(
        None, "NATS servers that join the nodes (`nats://a:4222,…`).", "single node", private=True
    )
    cluster_nats_credentials: Annotated[Path, _file(_nats_credentials)] | None = _cluster(
        None, "File of the credentials for them (`.creds`), where they ask for some.", "none"
    )
    cluster_nats_ca: Annotated[Path, _file(_certificates)] | None = _cluster(
        None,
        "File of the certificates (PEM) that theirs are checked against under TLS.",
        "this machine's",
    )
    cluster_name: Annotated[str, AfterValidator(_subject_part)] = _cluster(
        "stockstream", "Name of the cluster: several may share their NATS servers."
    )
    fetch_shards: Annotated[int, Field(ge=1, le=MOST_SHARDS)] = _cluster(
        1,
        "Parts that nodes share an upstream's symbols out by; 1 where one request brings them all.",
    )
    public_url: Annotated[str, AfterValidator(_page_url)] | None = _cluster(
        None,
        "Address at which browsers reach this node, to move there from another, and which links in "
        "mail begin with; behind a balancer its own, the same for all.",
        "none: a balancer does that",
    )
    node_url: Annotated[str, AfterValidator(_page_url)] | None = _cluster(
        None, "Address at which operators reach this node alone.", "from `HOST` and `PORT`"
    )

    node_name: str | None = _operation(
        None,
        "Name of this node in logs and answers; no two nodes of a cluster have the same.",
        "the host's name",
    )
    operator_webhook: WebhookUrl | None = _operation(
        None,
        "Address (`https://…`) that notices for operators are posted to, under the same rules as "
        "alerts.",
        "none",
        private=True,
    )
    chaos_enabled: bool = _operation(False, "Whether faults may be injected.")
    chaos_token: Annotated[SecretStr, _at_least(16)] | None = _operation(
        None,
        "Token that injecting faults takes beside `ADMIN_TOKEN`; required in production.",
        "none",
        private=True,
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
    ] = _operation("info", "Least severity that is logged.")
    log_format: Literal["console", "json"] = _operation(
        "console", "Lines for people or one JSON object per line."
    )

    _provider_keys: Mapping[str, SecretStr] = PrivateAttr(default_factory=dict)
    _provider_secrets: Mapping[str, SecretStr] = PrivateAttr(default_factory=dict)

    @field_validator("fetch_interval_idle", "breaker_max_wait")
    @classmethod
    def _not_below_its_lower_bound(cls, value: float, info: ValidationInfo) -> float:
        lower = {"fetch_interval_idle": "fetch_interval", "breaker_max_wait": "breaker_wait"}
        other = lower[info.field_name or ""]
        # The other is missing from info.data when it was wrong itself, which is reported already.
        if other in info.data and value < info.data[other]:
            raise ValueError(f"must not be below {other.upper()} ({info.data[other]:g})")
        return value

    @model_validator(mode="after")
    def _prices_come_from_one_setting(self) -> Self:
        if self.providers and self.stock_api_url is not None:
            raise ValueError(
                "STOCK_API_URL: is of no use with PROVIDERS; write it there, as api=https://…"
            )
        try:
            if self.providers:
                routes_of(self.providers, self.routes)
            elif self.routes:
                raise ValueError("is of no use without PROVIDERS")
        except ValueError as error:
            raise ValueError(f"ROUTES: {error}") from None
        return self

    @model_validator(mode="after")
    def _backups_have_a_folder(self) -> Self:
        if self.backup_schedule is not None and self.backup_directory is None:
            raise ValueError("BACKUP_DIRECTORY: required with BACKUP_SCHEDULE")
        return self

    @model_validator(mode="after")
    def _production_is_given_its_secrets(self) -> Self:
        missing = [name.upper() for name in SECRETS if name not in self.model_fields_set]
        if self.production and missing:
            raise ValueError(f"{' and '.join(missing)}: required when STOCKSTREAM_ENV=production")
        return self

    @model_validator(mode="after")
    def _previous_key_is_another_one(self) -> Self:
        if self.secret_key_base_previous == self.secret_key_base:
            raise ValueError(
                "SECRET_KEY_BASE_PREVIOUS: is the SECRET_KEY_BASE of now; set the one of before"
            )
        return self

    @model_validator(mode="after")
    def _chaos_in_production_has_its_token(self) -> Self:
        if self.production and self.chaos_enabled and self.chaos_token is None:
            raise ValueError("CHAOS_TOKEN: required for CHAOS_ENABLED=true in production")
        return self

    @model_validator(mode="after")
    def _open_to_others_is_said(self) -> Self:
        said = "dashboard" in self.model_fields_set
        if self.production and not said and not self.on_loopback:
            raise ValueError(
                f"DASHBOARD: required in production where HOST={self.host} is reached from other "
                "machines: open has anybody read prices, login only who has logged in"
            )
        return self

    @model_validator(mode="after")
    def _notices_may_be_posted(self) -> Self:
        if self.operator_webhook is not None:
            policy = TargetPolicy(self.webhook_allow_http, self.webhook_networks)
            try:
                check_url(self.operator_webhook.get_secret_value(), policy)
            except Forbidden as error:
                # What follows a colon may quote the address, which is a secret.
                why = str(error).partition(": ")[0]
                raise ValueError(
                    f"OPERATOR_WEBHOOK: {why} (WEBHOOK_ALLOW_HTTP and WEBHOOK_NETWORKS allow more)"
                ) from None
        return self

    @model_validator(mode="after")
    def _mail_is_set_whole(self) -> Self:
        if self.smtp_url is None:
            for name in ("smtp_password", "mail_from"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name.upper()}: is of no use without SMTP_URL")
            return self
        for name, why in (("mail_from", "whom it comes from"), ("public_url", "where links lead")):
            if getattr(self, name) is None:
                raise ValueError(f"{name.upper()}: required with SMTP_URL: mail says {why}")
        if self.smtp_password is not None and read_smtp_url(self.smtp_url).user is None:
            raise ValueError("SMTP_URL: names no user for SMTP_PASSWORD: smtp://user@host")
        return self

    @model_validator(mode="after")
    def _nats_is_set_whole(self) -> Self:
        if self.cluster_nats_url is None:
            for name in ("cluster_nats_credentials", "cluster_nats_ca"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name.upper()}: is of no use without CLUSTER_NATS_URL")
        return self

    @model_validator(mode="after")
    def _oidc_is_set_whole(self) -> Self:
        needed = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
        missing = [name for name in needed if getattr(self, name) is None]
        given = [name for name in sorted(self.model_fields_set) if name.startswith("oidc_")]
        given = [name for name in given if getattr(self, name) is not None]
        if missing and given:
            names = " and ".join(name.upper() for name in missing)
            raise ValueError(f"{names}: required with {given[0].upper()}")
        for name in ("oidc_role_claim", "oidc_without_role"):
            if name in given and not self.oidc_roles:
                raise ValueError(f"{name.upper()}: is of no use without OIDC_ROLES")
        return self

    @model_validator(mode="after")
    def _node_has_a_name_for_the_cluster(self) -> Self:
        if self.cluster_nats_url is not None and not names_a_node(self.node):
            raise ValueError(unfit_name(self))
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches the server's own address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def uses_stub(self) -> bool:
        """Whether prices come from the bundled stub."""
        return self.stock_api_url is None and not self.providers

    @property
    def provider_keys(self) -> Mapping[str, SecretStr]:
        """The key of each provider that was given one, by its name."""
        return self._provider_keys

    @property
    def provider_secrets(self) -> Mapping[str, SecretStr]:
        """What belongs to the key of each provider that was given one, by its name."""
        return self._provider_secrets

    def with_provider_key(self, name: str, key: SecretStr | None, secret: SecretStr | None) -> Self:
        """These settings with the key of a provider, which comes by another variable."""
        copy = self.model_copy()
        if key is not None:
            copy._provider_keys = {**self._provider_keys, name: key}  # noqa: SLF001 - its own
        if secret is not None:
            copy._provider_secrets = {**self._provider_secrets, name: secret}  # noqa: SLF001 - too
        return copy

    @property
    def node(self) -> str:
        """The name of this node: set, or the host's."""
        return self.node_name or platform.node()

    @property
    def production(self) -> bool:
        """Whether this is a production start."""
        return self.stockstream_env == "production"


PRIVATE = tuple(name for name, field in Settings.model_fields.items() if not field.repr)
"""Fields that are secrets, or addresses that may hold one: for each there is `NAME_FILE`, too."""


def public_value(value: object) -> str | int | float | bool | list[str] | None:
    """Return a setting's value as it may be shown: plain JSON types, passwords masked."""
    match value:
        case WebhookUrl():
            parts = urlsplit(value.get_secret_value())
            return f"{parts.scheme}://{parts.hostname}/{MASK}"
        case SecretStr():
            text = value.get_secret_value()
            return without_secrets(text) if "://" in text else MASK
        case tuple():
            return [str(part) for part in value]
        case None | bool() | int() | float():
            return value
        case _:
            return without_secrets(str(value))


def names_a_node(name: str) -> bool:
    """Whether a node of a cluster may have that name."""
    return _NODE_NAME.fullmatch(name) is not None


def unfit_name(settings: Settings) -> str:
    """What is said of a node's name that is none."""
    whose = "" if settings.node_name else ", the host's name,"
    return (
        f"NODE_NAME: {settings.node!r}{whose} cannot name a node of a cluster: letters, digits, "
        "`-`, `_`, single dots between them, at most 255"
    )
