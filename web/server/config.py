"""The settings of a server."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ServerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Limits of one server. Sizes in bytes, times in seconds.

    Raises ValueError naming the field when a limit is not positive.
    """

    max_connections: int = 20_000
    """Open sockets. For one more the longest idle is closed; if none is, it gets a 503."""
    max_connections_per_address: int = 20_000
    """Open sockets of one holder, and requests under way on sockets of proxies. For one more its
    longest idle is closed; else it gets a 429."""
    holder: Callable[[str], str | None] = str
    """The holder of a peer's address; None for a proxy, whose sockets belong to its clients."""
    request_holder: Callable[[str, list[tuple[bytes, bytes]]], str] | None = None
    """The holder of a request on a proxy's socket, by the proxy's address and the headers."""
    local_reserve: int = 0
    """Sockets beyond `max_connections` for this machine's own programs."""
    vital_paths: frozenset[bytes] = frozenset()
    """The paths of the liveness check, answered also on a socket over the limits."""
    own_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers, named in lower case, of all answers that do not have them from the app."""
    max_head_size: int = 16 * 1024
    """Request line and headers together."""
    max_message_size: int = 64 * 1024
    """One WebSocket message, over all its fragments; a larger one is closed with 1009."""

    head_timeout: float = 10.0
    """From the first byte of a request (or the connection) to the end of its head."""
    body_timeout: float = 30.0
    """The longest pause in a request's body."""
    body_rate: float = 500.0
    """Bytes a second of a body; a slower client uses up `body_timeout`."""
    keep_alive_timeout: float = 150.0
    """An HTTP connection without a request. Longer than proxies keep theirs: Caddy 120 s."""
    progress_timeout: float = 30.0
    """The connection is reset when the peer takes nothing of a write for so long."""
    close_timeout: float = 5.0
    """For the peer to finish the close handshake, or to read our last answer; for that answer,
    when the peer has ended its side."""
    handler_grace: float = 10.0
    """For an app that goes on after its client has left; then it is cancelled."""
    startup_timeout: float = 30.0
    shutdown_timeout: float = 5.0
    """For the app's lifespan events."""

    tls: ssl.SSLContext | None = None
    """Serve TLS with this context; its ALPN is set to http/1.1."""
    tls_handshake_timeout: float = 10.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= 0 and name != "local_reserve":
                raise ValueError(f"{name} must be greater than 0, not {value}")
        if self.local_reserve < 0:
            raise ValueError(f"local_reserve must not be below 0, not {self.local_reserve}")
