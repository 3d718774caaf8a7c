"""What the owner of a server may set."""

import ssl
from dataclasses import dataclass

__all__ = ["ServerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Limits of one server. Sizes in bytes, times in seconds.

    Raises ValueError naming the field when a limit is not positive.
    """

    max_connections: int = 20_000
    """Open sockets. One more gets 503 with `Retry-After`."""
    max_head_size: int = 16 * 1024
    """Request line and headers together."""
    max_message_size: int = 64 * 1024
    """One WebSocket message, over all its fragments; a larger one is closed with 1009."""

    head_timeout: float = 10.0
    """From the first byte of a request (or the connection) to the end of its head."""
    body_timeout: float = 30.0
    """The longest pause in a request's body."""
    keep_alive_timeout: float = 15.0
    """An HTTP connection without a request."""
    progress_timeout: float = 30.0
    """A write of which the peer takes nothing for so long ends in a reset."""
    close_timeout: float = 5.0
    """For the peer to finish the close handshake, or to read our last answer."""
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
            if name != "tls" and value <= 0:
                raise ValueError(f"{name} must be greater than 0, not {value}")
