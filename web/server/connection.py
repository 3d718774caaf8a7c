"""One TCP connection: its reader, its limits, and an end that holds nobody."""

import logging
import socket
from math import inf
from typing import TYPE_CHECKING, Any, cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from hypercorn.utils import parse_socket_addr

from .app_tasks import AppErrors, AppTasks
from .http1 import Http1Protocol
from .turnstile import Turnstile
from .wire import Wire

if TYPE_CHECKING:
    from .config import ServerConfig

__all__ = ["WIRE_KEY", "Connection", "peer_has_left"]

WIRE_KEY = "wire"
"""Where a request finds the socket it came on, in its scope's `state`."""

logger = logging.getLogger("web.server")

_READ_SIZE = 16 * 1024  # bounds what a connection holds unparsed; a body of 16 MB is 1,000 reads

# Linux, include/net/tcp_states.h: the states in which the peer has sent FIN or RST.
_TCP_LEFT = {7, 8, 9, 11}  # CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING


def peer_has_left(sock: socket.socket) -> bool:
    """Whether FIN or RST has arrived, though unread data may lie before it. Linux only."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _TCP_LEFT
    except OSError:
        return True


class Connection:
    """Reads one accepted socket, and owns the tasks that its requests run in.

    One cancel scope covers the reader. Its deadline is the limit of the phase: the request's
    head, a pause in its body, keep-alive, the close handshake. Whoever ends the connection
    cancels it; then what the peer still sends is thrown away for `close_timeout`, because
    closing a socket with unread data resets it and destroys our last bytes on their way.
    """

    __slots__ = (
        "_app",
        "_closing",
        "_config",
        "_context",
        "_ended",
        "_errors",
        "_hypercorn",
        "_idle",
        "_limit",
        "_protocol",
        "_reading",
        "_receiving",
        "_socket",
        "_state",
        "_tls",
        "messages",
        "refuse",
        "requests",
        "wire",
    )

    def __init__(
        self,
        sock: socket.socket,
        app: ASGIFramework,
        config: "ServerConfig",
        *,
        hypercorn: Config,
        context: WorkerContext,
        state: dict[str, Any],
        errors: AppErrors,
        requests: Turnstile,
        messages: Turnstile,
        refuse: bool,
    ) -> None:
        self._socket = sock
        self._app = app
        self._config = config
        self._hypercorn = hypercorn
        self._context = context
        self._errors = errors
        self.requests = requests
        self.messages = messages
        self.refuse = refuse
        self._tls = _tls_stream(sock, config)
        self.wire = Wire(
            sock, _address(sock), progress_timeout=config.progress_timeout, tls=self._tls
        )
        self._state = {**state, WIRE_KEY: self.wire}
        self._protocol: Http1Protocol | None = None
        self._reading = trio.CancelScope()
        self._receiving = False
        self._closing = False
        self._ended = False
        self._idle = False
        self._limit = trio.current_time() + config.head_timeout

    @property
    def max_message_size(self) -> int:
        """Bytes of one WebSocket message."""
        return self._config.max_message_size

    async def run(self) -> None:
        """Serve this connection to its end; the socket is closed on every way out."""
        try:
            if self._tls is not None and not await self._shake_hands(self._tls):
                return
            async with trio.open_nursery() as nursery:
                self.wire.attach(nursery)
                try:
                    self._protocol = self._make_protocol(nursery)
                    with self._reading:
                        await self._read(self._protocol)
                    # Thousands may leave at once, when a proxy goes: one begins to in a pass.
                    await self.requests.enter()
                    await self._see_off(self._protocol)
                finally:
                    # While the nursery is open, which finishes a frame that somebody else begins.
                    self.wire.close()
                nursery.cancel_scope.deadline = trio.current_time() + self._config.handler_grace
            if nursery.cancel_scope.cancelled_caught:
                logger.warning(
                    "the app went on for %s s after %s had left, and was cancelled",
                    self._config.handler_grace,
                    self.wire.peer,
                )
        finally:
            self.wire.close()
            self._let_go()

    def _let_go(self) -> None:
        """Cut the circles in which things refer to one another.

        The garbage collector would find them, and halt everybody for as long as it looks.
        """
        self.wire.detach()
        if self._protocol is not None:
            self._protocol.stream = None
            self._protocol = None

    async def _see_off(self, protocol: Http1Protocol) -> None:
        """Tell the app, let the peer read our last bytes, and close."""
        said_goodbye = self._ended
        self._end()
        await protocol.handle(Closed())
        if said_goodbye:
            now = trio.current_time()
            with trio.CancelScope(
                deadline=self._limit if self._closing else now + self._config.close_timeout
            ):
                await self._discard_input()
        self.wire.close()

    def drain(self) -> None:
        """End this connection now if no request is under way."""
        if self._protocol is not None:
            parser = self._protocol.connection
            if parser.their_state is h11.IDLE and not parser.trailing_data[0]:
                self._end()

    def close_soon(self) -> None:
        """Give the peer `close_timeout` to finish; then the connection ends."""
        self._closing = True
        self._limit_reading(trio.current_time() + self._config.close_timeout)

    # Reading

    async def _read(self, protocol: Http1Protocol) -> None:
        while True:
            self._receiving = True
            if self._reading.deadline != self._limit:
                self._reading.deadline = self._limit
            data = await self._receive()
            self._receiving = False
            if not data:
                return
            self.wire.last_received = trio.current_time()
            if not self._closing:
                self._reading.deadline = inf  # a slow app is not a slow client
            await protocol.handle(RawData(data))
            self._renew_limit(protocol)

    async def _receive(self) -> bytes:
        """Return some bytes; none at the end of the stream or when the peer is gone."""
        try:
            if self._tls is not None:
                return bytes(await self._tls.receive_some(_READ_SIZE))
            while self._socket.fileno() != -1:
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    return self._socket.recv(_READ_SIZE)
                except BlockingIOError:
                    continue  # woken for nothing
        except OSError as error:
            self.wire.fail(error)
            return b""
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if isinstance(error.__cause__, OSError):
                self.wire.fail(error.__cause__)
            return b""
        return b""  # closed on our side

    async def _discard_input(self) -> None:
        while await self._receive():
            pass

    # Limits

    def _renew_limit(self, protocol: Http1Protocol) -> None:
        """After each read: how long the peer may take for what comes next."""
        if self._closing:
            return
        client_state = protocol.connection.their_state
        if client_state is h11.SEND_BODY:
            self._limit = trio.current_time() + self._config.body_timeout
        elif client_state is h11.IDLE:
            if self._idle and protocol.connection.trailing_data[0]:
                self._idle = False
                self._limit = trio.current_time() + self._config.head_timeout
        else:
            self._limit = inf  # the app is at work, or this is a WebSocket

    def _limit_reading(self, deadline: float) -> None:
        self._limit = deadline
        if self._receiving or self._closing:
            self._reading.deadline = deadline

    # What the protocol asks for

    async def _send(self, event: Event) -> None:
        if isinstance(event, RawData):
            try:
                await self.wire.write(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._end()
                if self._protocol is not None:
                    await self._protocol.handle(Closed())
        elif isinstance(event, Closed):
            self._end()
            if self._protocol is not None:
                await self._protocol.handle(Closed())
        elif isinstance(event, Updated):
            self._idle = event.idle
            if event.idle:
                self._limit_reading(trio.current_time() + self._config.keep_alive_timeout)

    def _end(self) -> None:
        """Send FIN and stop reading requests. What comes after is thrown away."""
        self._ended = True
        self.wire.shutdown_write()
        self._reading.cancel()

    # Making

    async def _shake_hands(self, tls: trio.SSLStream[trio.SocketStream]) -> bool:
        try:
            with trio.fail_after(self._config.tls_handshake_timeout):
                await tls.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            return False
        return True

    def _make_protocol(self, nursery: trio.Nursery) -> Http1Protocol:
        return Http1Protocol(
            self,
            ASGIWrapper(self._app),
            self._hypercorn,
            self._context,
            AppTasks(self._app, nursery, self._errors, lambda: peer_has_left(self._socket)),
            cast("ConnectionState", self._state),
            tls=self._tls is not None,
            client=self.wire.peer,
            server=parse_socket_addr(self._socket.family, self._socket.getsockname()),
            send=self._send,
        )


def _address(sock: socket.socket) -> tuple[str, int] | None:
    try:
        return parse_socket_addr(sock.family, sock.getpeername())
    except OSError:  # the peer left before we looked
        return None


def _tls_stream(
    sock: socket.socket, config: "ServerConfig"
) -> trio.SSLStream[trio.SocketStream] | None:
    if config.tls is None:
        return None
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    return trio.SSLStream(transport, config.tls, server_side=True, https_compatible=True)
