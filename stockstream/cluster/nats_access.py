"""Where NATS is, and what it is shown: the settings of a connection, read from their text."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 4222


@dataclass(frozen=True, slots=True)
class Server:
    """One server. A user without a password is a token, as all clients of NATS have it."""

    host: str
    port: int
    tls: bool
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """How people are told of it: no secret."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """The `servers`, in the order in which they are tried; files of credentials and certificates.

    With a `ca` each connection has to be under TLS, as with `tls://` in an address.
    """

    servers: tuple[Server, ...]
    credentials: Path | None = None
    ca: Path | None = None

    def tls_context(self) -> ssl.SSLContext:
        """What their certificates are checked against. Blocks for the time of reading a file."""
        return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))


def read_servers(urls: str) -> tuple[Server, ...]:
    """The servers of `CLUSTER_NATS_URL`, whose form the settings have checked."""
    return tuple(_read_server(url.strip()) for url in urls.split(","))


def _read_server(url: str) -> Server:
    parts = urlsplit(url)
    user, password = parts.username, parts.password
    return Server(
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORT,
        tls=parts.scheme == "tls",
        user=None if user is None else unquote(user),
        password=None if password is None else unquote(password),
    )
