"""The address of a PostgreSQL server as libpq writes it, read once for all who connect.

The driver takes some of libpq's parameters and would send the others to the server as settings of
the session, where each is an error. So each parameter is known here: passed to the driver, done
here instead, without effect in this program, or refused by name. pg_dump and similar programs get
the URL as it was written, without our own parameters and without secrets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("postgresql", "postgres")
PORT = 5432
LONGEST_CONNECT_SECONDS = 60

TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSIONS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_YES, _NO = ("1", "true", "on", "yes"), ("0", "false", "off", "no")

_OF_THE_DRIVER = {
    "passfile", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl",
    "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname",
    "gsslib",
}  # fmt: skip
_DONE_HERE = {"application_name", "options"}
_NUMBERS = {
    "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "tcp_user_timeout",
}  # fmt: skip
# The values allowed for each, because the program does exactly that. None: any value.
_CHOICES: dict[str, tuple[str, ...] | None] = {
    "sslmode": TLS_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": SESSIONS,
    "load_balance_hosts": ("disable", "random"),
    "keepalives": ("0", "1"),
    "channel_binding": ("disable", "prefer", "require"),
    "client_encoding": ("utf8", "utf-8", "unicode", "auto"),
    "pgbouncer": _YES + _NO,
    "ssl": _YES,
    "fallback_application_name": None,
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": ("0",),
    "sslcompression": ("0", "1"),
    "sslsni": ("1",),
    "sslcertmode": ("allow",),
    "replication": _NO,
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "latest"),
}
_PLACE = {"host", "port", "user", "password", "dbname"}
KNOWN = _PLACE | _OF_THE_DRIVER | _DONE_HERE | _NUMBERS | _CHOICES.keys()
_ONLY_OURS = {"pgbouncer", "ssl"}
SECRET = ("password", "sslpassword")


class InvalidDatabaseUrl(ValueError):
    """The URL cannot be used; the text says what is wrong, and repeats no secret."""


class Endpoint(NamedTuple):
    """A server: a name, an address, or the folder of its Unix socket; and its port."""

    host: str
    port: int

    @property
    def is_socket(self) -> bool:
        """Whether it is on this machine, by a Unix socket."""
        return self.host.startswith("/")

    def __str__(self) -> str:
        """As people write it."""
        if self.is_socket:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A URL, parsed. `parameters` are those of its query that are not part of the address."""

    endpoints: tuple[Endpoint, ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def place(self) -> str:
        """The address, without user and password."""
        return ",".join(map(str, self.endpoints))

    @property
    def is_pooled(self) -> bool:
        """Whether it says that a pooler is in front of the server."""
        return self.parameters.get("pgbouncer") in _YES

    @property
    def connect_seconds(self) -> float | None:
        """How long to try each server, if the URL sets it."""
        given = int(self.parameters.get("connect_timeout", "0"))
        return min(given, LONGEST_CONNECT_SECONDS) if given > 0 else None

    @property
    def trusts_the_system(self) -> bool:
        """Whether the server's certificate is checked against this machine's trusted roots."""
        return self.parameters.get("sslrootcert") == "system"

    def for_driver(self) -> str:
        """The parameters that the driver takes, as a URL without an address."""
        given = {n: value for n, value in self.parameters.items() if n in _OF_THE_DRIVER}
        if self.parameters.get("ssl") in _YES:
            given.setdefault("sslmode", "require")
        if self.trusts_the_system:
            given = {n: v for n, v in given.items() if n not in {"sslrootcert", "sslmode"}}
        return f"postgresql://?{urlencode(given)}" if given else "postgresql://"

    def for_programs(self) -> tuple[str, dict[str, str]]:
        """The URL for libpq, without passwords, which everybody on the machine could read among
        a process's arguments, and the environment that carries the password instead.

        Raises:
            InvalidDatabaseUrl: it has a secret that no environment variable carries.
        """
        if "sslpassword" in self.parameters:
            raise InvalidDatabaseUrl(
                "sslpassword would stand among the arguments of PostgreSQL's programs, for "
                "everybody to read; use a key without a passphrase"
            )
        given = {n: value for n, value in self.parameters.items() if n not in _ONLY_OURS}
        if self.parameters.get("ssl") in _YES:
            given.setdefault("sslmode", "require")
        given["host"] = ",".join(endpoint.host for endpoint in self.endpoints)
        given["port"] = ",".join(str(endpoint.port) for endpoint in self.endpoints)
        if self.user is not None:
            given["user"] = self.user
        path = "" if self.database is None else quote(self.database, safe="")
        query = urlencode(given, quote_via=quote)
        environment = {} if self.password is None else {"PGPASSWORD": self.password}
        return f"postgresql:///{path}?{query}", environment


def read_database_url(text: str) -> DatabaseUrl:
    """What a URL says.

    Raises:
        InvalidDatabaseUrl: it is not a URL, or asks for what this program cannot do.
    """
    # By hand: libpq's URLs may name several hosts, and newer Pythons' urlsplit refuses the brackets
    # of any but the first.
    scheme, _, rest = text.strip().partition("://")
    if scheme.lower() not in SCHEMES:
        raise InvalidDatabaseUrl("must begin with postgresql:// or postgres://")
    rest, _, fragment = rest.partition("#")
    if fragment:
        raise InvalidDatabaseUrl("has a #; write %23 where it belongs to a name or password")
    rest, _, parameters = rest.partition("?")
    place, _, database = rest.partition("/")
    login, _, hosts = place.rpartition("@")
    user, _, password = login.partition(":")
    query = _query(parameters)
    if "host" in query:
        hosts = query["host"]
    endpoints = _endpoints(hosts, query.get("port", ""))
    if not endpoints:
        raise InvalidDatabaseUrl("has no host")
    given = DatabaseUrl(
        endpoints,
        query.get("user", unquote(user)) or None,
        query.get("password", unquote(password)) or None,
        query.get("dbname", unquote(database)) or None,
        {name: value for name, value in query.items() if name not in _PLACE},
    )
    _check(given)
    return given


def _query(text: str) -> dict[str, str]:
    try:
        # To libpq a + is a +, as in a password.
        text = text.replace("+", "%2B")
        query = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
    except ValueError:
        raise InvalidDatabaseUrl("has a query that is not written name=value&name=value") from None
    for name, value in query.items():
        if name not in KNOWN:
            raise InvalidDatabaseUrl(
                f"parameter {name} is not one that this program knows what to do with; a setting "
                f"of the session is written options=-c%20{quote(name)}%3D..."
            )
        if name in _NUMBERS and not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise InvalidDatabaseUrl(f"parameter {name} must be a whole number, not {value!r}")
        choices = _CHOICES.get(name)
        if choices is not None and value.lower() not in choices:
            raise InvalidDatabaseUrl(
                f"parameter {name} may be {' or '.join(choices)} here, not {value!r}"
            )
    return {n: v.lower() if _CHOICES.get(n) is not None else v for n, v in query.items()}


def _endpoints(hosts: str, ports: str) -> tuple[Endpoint, ...]:
    """Hosts as libpq writes them: several by commas, each with a port or not, IPv6 in brackets."""
    names = [unquote(host) for host in hosts.split(",")] if hosts else []
    given = ports.split(",") if ports else [""]
    if len(given) not in {1, len(names)}:
        raise InvalidDatabaseUrl(f"has {len(names)} hosts and {len(given)} ports")
    defaults = given * len(names) if len(given) == 1 else given
    return tuple(_endpoint(name, port) for name, port in zip(names, defaults, strict=True))


def _endpoint(text: str, default: str) -> Endpoint:
    if text.startswith("/"):
        return Endpoint(text, _port(default))
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidDatabaseUrl("has a host with a [ that is not closed")
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""  # a bare IPv6 address, as `host=` takes it
    else:
        host, _, port = text.partition(":")
    if not host:
        raise InvalidDatabaseUrl("has no host")
    return Endpoint(host, _port(port or default))


def _port(text: str) -> int:
    if not text:
        return PORT
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65536):
        raise InvalidDatabaseUrl(f"has {text[:20]!r} where a port should be")
    return int(text)


def _check(url: DatabaseUrl) -> None:
    """Check that the parameters go together.

    Raises:
        InvalidDatabaseUrl: something does not.
    """
    mode = url.parameters.get("sslmode", "verify-full" if url.trusts_the_system else "prefer")
    if url.trusts_the_system and mode != "verify-full":
        raise InvalidDatabaseUrl("sslrootcert=system goes with sslmode=verify-full only")
    if url.parameters.get("channel_binding") == "require" and mode != "verify-full":
        raise InvalidDatabaseUrl(
            "channel_binding=require is beyond this program's driver; leave it out and write "
            "sslmode=verify-full (with sslrootcert=system where the certificate is a public one), "
            "which keeps others out of the middle too"
        )
