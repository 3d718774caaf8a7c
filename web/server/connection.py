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

from .allowance import BodyAllowance
from .app_tasks import AppErrors, AppTasks
from .http1 import Http1Protocol
from .incoming import Incoming
from .turnstile import Turnstile
from .wire import Wire

if TYPE_CHECKING:
    from .config import ServerConfig
    from .places import Place

__all__ = ["PLACE_KEY", "WIRE_KEY", "Connection", "peer_address"]

PLACE_KEY = "place"
WIRE_KEY = "wire"
"""Where a request finds the socket it came on, in its scope's `state`."""

logger = logging.getLogger("web.server")


class Connection:
    """Reads one accepted socket, and owns the tasks of its requests.

    One cancel scope covers the reader. Its deadline is the limit of the phase: the request's
    head, a pause in its body, keep-alive, the close handshake. To end the connection, the scope is
    cancelled. Then further data of the peer is thrown away for `close_timeout`, because closing a
    socket with unread data resets it and destroys our last bytes on their way.

    An idle connection is checked once more before it ends: a request that has come is served.
    """

    __slots__ = (
        "_app",
        "_body",
        "_closing",
        "_context",
        "_ended",
        "_errors",
        "_half_closed",
        "_hypercorn",
        "_idle",
        "_incoming",
        "_limit",
        "_protocol",
        "_reading",
        "_receiving",
        "_socket",
        "_state",
        "_tls",
        "config",
        "messages",
        "place",
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
        place: "Place",
        peer: tuple[str, int] | None,
    ) -> None:
        self._socket = sock
        self._app = app
        self.config = config
        self._hypercorn = hypercorn
        self._context = context
        self._errors = errors
        self.requests = requests
        self.messages = messages
        self.place = place
        self._tls = _tls_stream(sock, config)
        self.wire = Wire(sock, peer, progress_timeout=config.progress_timeout, tls=self._tls)
        self._incoming = Incoming(sock, self._tls, self.wire)
        self._state = {**state, PLACE_KEY: place, WIRE_KEY: self.wire}
        self._protocol: Http1Protocol | None = None
        self._reading = trio.CancelScope()
        self._receiving = False
        self._closing = False
        self._ended = False
        self._half_closed = False
        self._idle = False
        self._body: BodyAllowance | None = None
        self._limit = trio.current_time() + config.head_timeout

    async def run(self) -> None:
        """Serve this connection to its end; the socket is closed on every way out."""
        try:
            if self._tls is not None and not await self._shake_hands(self._tls):
                return
            async with trio.open_nursery() as nursery:
                self.wire.attach(nursery)
                try:
                    self._protocol = self._make_protocol(nursery)
                    self.place.idle(self)
                    if self._context.terminated.is_set():
                        self.drain()  # which found it in its TLS handshake
                    await self._read_to_the_end(self._protocol)
                    # Thousands may leave at once, when a proxy goes: one starts in each pass.
                    await self.requests.enter()
                    await self._see_off(self._protocol)
                finally:
                    # The nursery is still open, and finishes a frame that another task begins.
                    self.wire.close()
                nursery.cancel_scope.deadline = trio.current_time() + self.config.handler_grace
            if nursery.cancel_scope.cancelled_caught:
                logger.warning(
                    "the app went on for %s s after %s had left, and was cancelled",
                    self.config.handler_grace,
                    self.wire.peer,
                )
        finally:
            self.wire.close()
            self.place.leave()
            self._let_go()

    def _let_go(self) -> None:
        """Cut the reference cycles.

        The garbage collector would find them, but it stops all tasks while it searches.
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
        if self.place.refusal is not None:
            self.place.idle(self)  # it had its answer; the next client need not wait for its end
        if said_goodbye:
            now = trio.current_time()
            with trio.CancelScope(
                deadline=self._limit if self._closing else now + self.config.close_timeout
            ):
                await self._incoming.discard()
        self.wire.close()

    def drain(self) -> None:
        """End this connection now if no request is under way."""
        if self._protocol is not None and self._protocol.idle:
            self._reading.cancel()

    def leave_place(self) -> bool:
        """Close now for another, if the peer has said nothing; whether that was so.

        On a connection that only gets a refusal, a begun head does not count.
        """
        protocol = self._protocol
        if protocol is None:
            return False
        if not self._ended:
            stands = self.place.refusal is not None and not protocol.answering
            if self._incoming.waiting() or not (protocol.idle or stands):
                return False
        self.wire.close()
        return True

    def close_soon(self) -> None:
        """Give the peer `close_timeout` to finish; then the connection ends."""
        self._closing = True
        self._limit_reading(trio.current_time() + self.config.close_timeout)

    # Reading

    async def _read_to_the_end(self, protocol: Http1Protocol) -> None:
        late = b""
        while True:
            came, late = late, b""
            with self._reading:
                late = await self._read(protocol, came)
            # A request may have come while the time ran out, or in the moment of a drain.
            if not late and not self._ended and protocol.idle and self._incoming.waiting():
                with trio.move_on_after(self.config.head_timeout):  # at once, but for TLS
                    late = await self._incoming.receive()
            if self._ended or not late:
                return
            self._reading = trio.CancelScope()

    async def _read(self, protocol: Http1Protocol, came: bytes) -> bytes:
        """Handle `came` and all that follows; return data that came too late to be handled here."""
        if came:
            await protocol.handle(RawData(came))
            self._renew_limit(protocol, 0, len(came))
        while True:
            self._receiving = True
            if self._reading.deadline != self._limit:
                self._reading.deadline = self._limit
            started = trio.current_time()
            data = await self._incoming.receive()
            self._receiving = False
            if not data:
                await self._answer_half_closed(protocol)
                return b""
            now = self.wire.last_received = trio.current_time()
            if not self._closing:
                if self._reading.cancel_called:
                    return data  # in the moment in which the time ran out
                self._reading.deadline = inf  # a slow app is not a slow client
            await protocol.handle(RawData(data))
            self._renew_limit(protocol, now - started, len(data))

    async def _answer_half_closed(self, protocol: Http1Protocol) -> None:
        """Give the answer to a client that ended its side behind its request, in good time."""
        if protocol.answering and not self.wire.gone:
            self._half_closed = True
            self._reading.deadline = trio.current_time() + self.config.close_timeout
            await trio.sleep_forever()  # until the answer is complete, or nobody takes it

    # Limits

    def _renew_limit(self, protocol: Http1Protocol, waited: float, received: int) -> None:
        """After each read: set how long the peer may take for the next data."""
        if self._closing:
            return
        client_state = protocol.connection.their_state
        if client_state is h11.SEND_BODY:
            self._limit = trio.current_time() + self._time_for_body(waited, received)
            return
        self._body = None
        if client_state is h11.IDLE:
            if self._idle and not protocol.idle:
                self._idle = False
                self._limit = trio.current_time() + self.config.head_timeout
        else:
            self._limit = inf  # the app is at work, or this is a WebSocket

    def _time_for_body(self, waited: float, received: int) -> float:
        if self._body is None:
            config = self.config
            self._body = BodyAllowance(pause=config.body_timeout, rate=config.body_rate)
            return config.body_timeout
        return self._body.after(waited, received)

    def _limit_reading(self, deadline: float) -> None:
        self._limit = deadline
        if self._receiving or self._closing:
            self._reading.deadline = deadline

    # What the protocol asks for

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Write to the socket; what cannot be written any more ends the connection.

        `last` gives no other task a turn if the kernel takes all: nothing follows by itself.
        """
        try:
            await (self.wire.write_last(data) if last else self.wire.write(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._end()
            if self._protocol is not None:
                await self._protocol.handle(Closed())

    async def _send(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self.write(event.data)
        elif isinstance(event, Closed):
            self._end()
            if self._protocol is not None:
                await self._protocol.handle(Closed())
        elif isinstance(event, Updated):
            self._on_idle() if event.idle else self._on_request()

    def _on_request(self) -> None:
        self._idle = False
        if self.place.refusal is None:
            self.place.busy()

    def _on_idle(self) -> None:
        self._idle = True
        self.place.idle(self)
        self._limit_reading(trio.current_time() + self.config.keep_alive_timeout)
        if self._half_closed:
            self._reading.cancel()

    def _end(self) -> None:
        """Send FIN and stop reading requests. What comes after is thrown away."""
        self._ended = True
        self.wire.shutdown_write()
        self._reading.cancel()

    # Making

    async def _shake_hands(self, tls: trio.SSLStream[trio.SocketStream]) -> bool:
        try:
            with trio.fail_after(self.config.tls_handshake_timeout):
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
            AppTasks(self._app, nursery, self._errors, self._incoming.peer_has_left),
            cast("ConnectionState", self._state),
            tls=self._tls is not None,
            client=self.wire.peer,
            server=parse_socket_addr(self._socket.family, self._socket.getsockname()),
            send=self._send,
        )


def peer_address(sock: socket.socket) -> tuple[str, int] | None:
    """The peer's address and port; None when it has left already."""
    try:
        return parse_socket_addr(sock.family, sock.getpeername())
    except OSError:
        return None


def _tls_stream(
    sock: socket.socket, config: "ServerConfig"
) -> trio.SSLStream[trio.SocketStream] | None:
    if config.tls is None:
        return None
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    return trio.SSLStream(transport, config.tls, server_side=True, https_compatible=True)
