"""Serves an ASGI app on open sockets; no connection can end another one."""

import logging
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import EventWrapper, WorkerContext
from hypercorn.typing import ASGIFramework, Scope

from .app_tasks import split_error
from .config import ServerConfig
from .connection import PLACE_KEY, WIRE_KEY, Connection, peer_address
from .lifespan import lifespan
from .listening import accept_for_ever
from .places import Place, Places
from .turnstile import Turnstile
from .wire import Wire

__all__ = ["Server", "ServerStatistics", "place_of", "serve", "wire_of"]

logger = logging.getLogger("web.server")

# Messages and requests that begin in one pass of trio's loop, of all clients together. Each is many
# steps, and does one step in each pass. So if one begins in each pass, a pass under a flood takes
# about as long as one message, for any number of sending clients.
_REQUESTS_PER_PASS = 1
_MESSAGES_PER_PASS = 1

_UNSENT_LIMIT = 16 * 1024  # bytes the kernel queues per socket beyond what is on its way


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """Counters since the server started, and what is open now."""

    open: int
    accepted: int
    refused: int
    """Over a limit: answered 503 or 429, or reset."""
    evicted: int
    """Idle ones that were closed for another."""
    crashed: int
    """Connections ended by an exception in the protocol code."""
    timed_out: int
    """Connections ended because their peer took, or acknowledged, nothing for too long."""
    waiting: int
    """Frames and requests of clients that wait for their turn, now."""
    handler_errors: int
    """Requests and WebSocket handlers that ended with an exception."""


class Server:
    """A running server, as its owner sees it. `serve` makes it."""

    def __init__(self, app: ASGIFramework, config: ServerConfig) -> None:
        self.config = config
        self.handler_errors = 0
        self._app = app
        self._state: dict[str, Any] = {}
        self._hypercorn = _hypercorn_config(config)
        self._context = _context(self)
        self._connections: set[Connection] = set()
        self._accepting = trio.CancelScope()
        self._cut_at = inf
        self._cut = 0
        self._emptied = trio.Event()
        self._drained = trio.Event()
        self._accepted = 0
        self._places = Places(config)
        self._crashed = 0
        self._timed_out = 0
        self._requests = Turnstile(_REQUESTS_PER_PASS)
        self._messages = Turnstile(_MESSAGES_PER_PASS)

    @property
    def draining(self) -> bool:
        """Whether `drain` was called."""
        return self._accepting.cancel_called

    def connections(self) -> list[Wire]:
        """The open sockets, at this moment."""
        return [connection.wire for connection in self._connections]

    def statistics(self) -> ServerStatistics:
        """A snapshot of the counters."""
        return ServerStatistics(
            open=len(self._connections),
            accepted=self._accepted,
            refused=self._places.refused,
            evicted=self._places.evicted,
            crashed=self._crashed,
            timed_out=self._timed_out,
            waiting=self._messages.waiting + self._requests.waiting,
            handler_errors=self.handler_errors,
        )

    def drain(self, seconds: float) -> None:
        """Accept no more, close idle connections, and cut what is left after `seconds`.

        Requests under way are finished. WebSockets stay until their handlers close them, because
        the app decides what to tell those clients. `serve` returns when all are gone.
        """
        self._cut_at = min(self._cut_at, trio.current_time() + seconds)
        self._accepting.cancel()

    async def wait_drained(self) -> int:
        """Wait, after `drain`, until all connections are gone; return how many had to be cut."""
        await self._drained.wait()
        return self._cut

    # The inside of serve()

    async def run(
        self, listeners: Sequence[socket.socket], task_status: "trio.TaskStatus[Server]"
    ) -> None:
        """Accept until drained, then wait for the connections; see `serve`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._requests.run)
            nursery.start_soon(self._messages.run)
            try:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listener in listeners:
                            acceptors.start_soon(
                                accept_for_ever,
                                listener,
                                lambda sock: self._admit(sock, nursery),
                                self._places.make_room,
                            )
                        task_status.started(self)
                for listener in listeners:
                    listener.close()
                await self._wait_until_empty()
            finally:
                # Before the nursery waits for them: a task in a shielded write ends only with
                # its socket.
                for connection in list(self._connections):
                    connection.wire.close()
                self._drained.set()
            nursery.cancel_scope.cancel()

    async def _wait_until_empty(self) -> None:
        for connection in list(self._connections):
            connection.drain()
        if self._connections:
            with trio.CancelScope(deadline=self._cut_at):
                await self._emptied.wait()
        self._cut = len(self._connections)

    def _admit(self, sock: socket.socket, nursery: trio.Nursery) -> None:
        self._accepted += 1
        peer = peer_address(sock)
        place = self._places.take(None if peer is None else peer[0])
        if place is None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            return
        _set_options(sock)
        connection = Connection(
            sock,
            self._app,
            self.config,
            hypercorn=self._hypercorn,
            context=self._context,
            state=self._state,
            errors=self,
            requests=self._requests,
            messages=self._messages,
            place=place,
            peer=peer,
        )
        self._connections.add(connection)
        nursery.start_soon(self._run_connection, connection)

    async def _run_connection(self, connection: Connection) -> None:
        try:
            await connection.run()
        except BaseException as error:
            wrong, exit_ = split_error(error)
            if wrong is not None:
                self._crashed += 1
                logger.exception("connection of %s ended", connection.wire.peer, exc_info=wrong)
            if exit_ is not None:
                raise exit_ from None
        finally:
            self._timed_out += connection.wire.timed_out
            self._connections.discard(connection)
            if not self._connections and self.draining:
                self._emptied.set()


async def serve(
    app: ASGIFramework,
    listeners: Sequence[socket.socket],
    *,
    config: ServerConfig | None = None,
    task_status: "trio.TaskStatus[Server]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an ASGI app on listening sockets until drained or cancelled.

    `listeners` are closed on return, so a socket that must outlive this call is passed as a
    `dup()`: connections made in between wait in its backlog. `task_status` gets the `Server`
    once the app's startup is done and connections are accepted.

    An exception in one connection, or in the app's handling of a request, ends that connection
    or request, logged and counted. Cancelling ends all at once: every client's socket is closed
    synchronously. Raises lifespan.StartupFailed; a crash of the app's lifespan task (Quart's
    `app.nursery`) ends the server with that error.
    """
    config = config or ServerConfig()
    if config.tls is not None:
        config.tls.set_alpn_protocols(["http/1.1"])
    server = Server(app, config)
    try:
        async with lifespan(
            app,
            server._state,  # noqa: SLF001 - the two halves of one thing
            startup_timeout=config.startup_timeout,
            shutdown_timeout=config.shutdown_timeout,
        ):
            await server.run(listeners, task_status)
    finally:
        for listener in listeners:
            listener.close()


def wire_of(scope: Scope) -> Wire:
    """Return the socket that a request came on. Raises KeyError under another server."""
    return cast("Wire", scope["state"][WIRE_KEY])


def place_of(scope: Scope) -> Place:
    """Return the place that its connection has. Raises KeyError under another server."""
    return cast("Place", scope["state"][PLACE_KEY])


def _hypercorn_config(config: ServerConfig) -> Config:
    hypercorn = Config()
    hypercorn.include_server_header = False
    hypercorn.accesslog = None
    hypercorn.errorlog = logger
    hypercorn.h11_max_incomplete_size = config.max_head_size
    return hypercorn


class _Draining(EventWrapper):
    """What Hypercorn asks before it takes another request: true as soon as `drain` was called."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def is_set(self) -> bool:
        """Whether no further request is taken."""
        return self._server.draining


def _context(server: Server) -> WorkerContext:
    context = WorkerContext(None)
    context.terminated = _Draining(server)
    return context


def _set_options(sock: socket.socket) -> None:
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_LIMIT)
