"""All WebSocket clients of this life of `web`: their admission, their sessions, their farewell."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING

import trio

from stockstream.delivery.messages import Attach, Detach, Forget
from stockstream.delivery.protocol import PROTOCOL_VERSION, Limits, Welcome, encode
from stockstream.delivery.session import Session
from stockstream.quotes import iso_utc
from supervision import (
    SHUTDOWN,
    CallError,
    ChildSpec,
    Crash,
    Down,
    ManagementError,
    Monitor,
    Restart,
    start_child,
)
from web.callers import read_caller
from web.cookies import read_cookies
from web.live.admission import Admission, Refusal
from web.live.client import CODE_INTERNAL, CODE_LOST, SESSIONLESS_SECONDS, Connection
from web.request_caller import WRONG_HOST, WrongHostError, why_wrong_host
from web.security import PRIVATE_HEADERS, transport_headers

if TYPE_CHECKING:
    from supervision import Actor, ActorRef
    from web.callers import Caller
    from web.parts import Parts
    from web.server import ServerSocket

CODE_RESTART = 1012
CODE_BAD_VERSION = 4501
SESSION_STOP_SECONDS = 1.0
RETRY_SECONDS = 0.05
ATTACH_SECONDS = 2.0

RESTARTING = Refusal(503, "restarting", "the server restarts", 1)

_log = logging.getLogger("web.clients")


class Clients:
    """Runs in the actor `web`: handlers as tasks of its server, the rest in `owner`'s loop."""

    def __init__(self, owner: Actor, parts: Parts) -> None:
        self._owner = owner
        self._parts = parts
        self._connections: dict[int, Connection] = {}
        self._watched: dict[Monitor, Connection] = {}
        self._monitors: dict[int, Monitor] = {}
        self._gone = trio.Event()
        self._leaving = False
        self.admission = Admission(
            most=parts.settings.max_connections,
            most_per_address=parts.settings.max_connections_per_address,
        )

    def __len__(self) -> int:
        return len(self._connections)

    # One client.

    async def handle(self, socket: ServerSocket) -> None:
        """Serve one WebSocket from its handshake to its end; the handler of `/ws`."""
        caller = self._caller(socket)
        refusal = self._refusal(caller)
        if refusal is not None:
            await self._refuse(socket, refusal, caller)
            return
        with self.admission.admitted(caller.holder):
            await self._serve(socket, caller)

    async def _serve(self, socket: ServerSocket, caller: Caller) -> None:
        number = next(self._parts.settings.numbers)
        connection = Connection(number, socket, caller.address, self._is_behind)
        # Before the handshake is answered: the headers are not kept any longer.
        user = self._parts.settings.users.user_of(read_cookies(socket.headers))
        self._connections[number] = connection
        try:
            await socket.wait_room()  # not at the door, where others would wait for this client
            async with self.admission.door:
                if not await self._let_in(socket, caller, connection, user):
                    return
            if self._leaving:
                connection.ask_to_close(CODE_RESTART, "the server restarts")
            await connection.serve()
        finally:
            self._forget(connection)

    async def _let_in(
        self, socket: ServerSocket, caller: Caller, connection: Connection, user: str | None
    ) -> bool:
        """Answer the handshake, and have everything there that a client needs."""
        if self._leaving:
            await self._refuse(socket, RESTARTING, caller)
            return False
        await socket.accept()
        version = socket.query.get("protocol", str(PROTOCOL_VERSION))
        if version != str(PROTOCOL_VERSION):
            await socket.close(CODE_BAD_VERSION, f"supported protocols: {PROTOCOL_VERSION}")
            return False
        if await self._attach(connection, user) and await self._start_session(connection):
            return True
        await socket.close(CODE_LOST, "the server is not ready; come back")
        return False

    async def _attach(self, connection: Connection, user: str | None) -> bool:
        """Have the broadcaster write to it from now on, waiting for one that restarts."""
        parts = self._parts
        welcome = Welcome(
            session=connection.name,
            node=parts.settings.node,
            server_time=iso_utc(parts.settings.wall_clock_ms()),
            heartbeat=parts.settings.heartbeat,
            limits=Limits(
                parts.settings.limits.message_size,
                parts.settings.limits.rate,
                parts.settings.limits.burst,
                parts.settings.limits.symbols,
            ),
        )
        request = Attach(connection.number, connection, encode(welcome), user)
        with trio.move_on_after(SESSIONLESS_SECONDS):
            while True:
                try:
                    await parts.broadcaster.call(request, timeout=ATTACH_SECONDS)
                except CallError:
                    await trio.sleep(RETRY_SECONDS)
                else:
                    return True
        return False

    def _forget(self, connection: Connection) -> None:
        number = connection.number
        del self._connections[number]
        monitor = self._monitors.pop(number, None)
        if monitor is not None:
            self._watched.pop(monitor, None)
            monitor.cancel()
        if connection.session is not None:
            connection.session.stop(SHUTDOWN)
            connection.session = None  # which refers to this connection in its spec
        self._parts.manager.cast(Forget(number))
        self._parts.broadcaster.cast(Detach(number))
        if self._leaving and not self._connections:
            self._gone.set()

    def _is_behind(self, number: int) -> bool:
        lane = self._parts.connections.get(number)
        return lane is not None and bool(lane.operations)

    def _refusal(self, caller: Caller) -> Refusal | None:
        settings = self._parts.settings
        if not settings.hosts.allow(caller.host):
            return Refusal(WrongHostError.code, WRONG_HOST, why_wrong_host(caller.host))
        if not caller.of_page(settings.allowed_origins):
            return Refusal(403, "forbidden_origin", caller.why_foreign)
        if self._leaving:
            return RESTARTING
        return self.admission.refusal(caller.holder, trio.current_time())

    async def _refuse(self, socket: ServerSocket, refusal: Refusal, caller: Caller) -> None:
        self.admission.count_refusal(refusal)
        given = PRIVATE_HEADERS | transport_headers(caller)
        headers = [("content-type", "application/json"), *given.items()]
        if refusal.retry_after is not None:
            headers.append(("retry-after", str(refusal.retry_after)))
        body = json.dumps({"error": {"code": refusal.code, "reason": refusal.reason}}).encode()
        await socket.reject(refusal.status, headers, body)

    def _caller(self, socket: ServerSocket) -> Caller:
        trusted = self._parts.settings.trusted_proxies
        return read_caller(socket.client[0], socket.headers, trusted=trusted, secure=socket.secure)

    # Its session.

    async def _start_session(self, connection: Connection) -> bool:
        """Start a session for it, waiting for the supervisor of sessions if that restarts."""
        settings = self._parts.settings
        spec = ChildSpec(
            "session",
            Session,
            (
                connection.number,
                settings.limits,
                settings.wall_clock_ms,
                self._parts.connections,
                partial(self._adopt, connection),
            ),
            restart=Restart.TEMPORARY,
            shutdown=SESSION_STOP_SECONDS,
        )
        with trio.move_on_after(SESSIONLESS_SECONDS):
            while connection.session is None and connection.number in self._connections:
                try:
                    await start_child(self._parts.sessions, spec)
                except (CallError, ManagementError):
                    await trio.sleep(RETRY_SECONDS)
        return connection.session is not None

    def _adopt(self, connection: Connection, session: ActorRef) -> bool:
        """Take a session that starts, if its client is still there and has none."""
        if connection.session is not None or connection.number not in self._connections:
            return False
        monitor = self._owner.monitor(session)
        self._watched[monitor] = connection
        self._monitors[connection.number] = monitor
        connection.session = session
        return True

    def session_down(self, down: Down) -> None:
        """A session ended: replace it while its client is there."""
        connection = self._watched.pop(down.monitor, None)
        if connection is None or connection.number not in self._connections:
            return
        del self._monitors[connection.number]
        connection.session = None
        if isinstance(down.reason, Crash):
            connection.session_crashed()
        self._owner.tasks.start_soon(self._replace_session, connection)

    async def _replace_session(self, connection: Connection) -> None:
        if not await self._start_session(connection) and connection.number in self._connections:
            connection.ask_to_close(CODE_LOST, "no session could be started for you; come back")

    # All of them.

    def close_all(self) -> None:
        """Ask every client to leave, with 1012; no new one is let in."""
        self._leaving = True
        if not self._connections:
            self._gone.set()
        for connection in list(self._connections.values()):
            connection.ask_to_close(CODE_RESTART, "the server restarts")

    async def wait_until_gone(self) -> None:
        """Wait for the last handler's end, after `close_all`."""
        await self._gone.wait()


__all__ = ["CODE_INTERNAL", "CODE_RESTART", "Clients"]
