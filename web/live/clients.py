"""All WebSocket clients of this life of `web`: their admission, their sessions, their farewell."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING

import trio
from msgspec import UNSET
from werkzeug.exceptions import ServiceUnavailable

from stockstream.delivery.messages import Attach, Detach, Forget
from stockstream.delivery.protocol import PROTOCOL_VERSION, Limits, Welcome, encode
from stockstream.delivery.session import Session
from stockstream.quotes import iso_utc
from stockstream.statuses import SocketFacts
from stockstream.times import Moment
from stockstream.users.roles import Scope
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
from web.live.admission import Admission, Refusal
from web.live.client import CODE_INTERNAL, CODE_LOST, SESSIONLESS_SECONDS, Client
from web.live.credentials import CODE_ENDED, LOOK_SECONDS, ClientCredentials
from web.live.draining import CODE_RESTART, Draining
from web.nodes import other_nodes
from web.request_caller import WRONG_HOST, WrongHostError, why_wrong_host
from web.security import PRIVATE_HEADERS, transport_headers
from web.users.gate import HOW_TO_LOG_IN, LoginNeededError

if TYPE_CHECKING:
    from supervision import Actor, ActorRef
    from web.callers import Caller
    from web.parts import Parts
    from web.server import ServerSocket
    from web.users.principal import Principal

CODE_BAD_VERSION = 4501
CODE_BY_OPERATOR = 4001
LONGEST_AGENT = 200
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
        self._clients: dict[int, Client] = {}
        self._watched: dict[Monitor, Client] = {}
        self._monitors: dict[int, Monitor] = {}
        self._leaving = False
        for number in list(parts.tables.sockets.rows):  # of clients that went with the life before
            parts.tables.sockets.delete(number)
        self.draining = Draining(parts, self._clients)
        self.credentials = ClientCredentials(parts.tables, parts.broadcaster)
        self.admission = Admission(
            most=parts.settings.max_connections,
            most_per_address=parts.settings.max_connections_per_address,
            handshakes=(
                parts.settings.throttles.handshakes,
                parts.settings.throttles.user_handshakes,
            ),
        )

    def __len__(self) -> int:
        return len(self._clients)

    # One client.

    async def handle(self, socket: ServerSocket) -> None:
        """Serve one WebSocket from its handshake to its end; the handler of `/ws`."""
        caller = self._caller(socket)
        refusal = self._refusal(socket, caller)
        if refusal is not None:
            await self._refuse(socket, refusal, caller)
            return
        with self.admission.admitted(caller.holder):
            # Before the handshake is answered: the headers are not kept after that.
            principal = await self._principal(socket, caller)
            if Scope.LOAD in principal.scopes:
                socket.spare_holder()
                self._parts.audit.note_load(principal, caller, trio.current_time())
            elif principal.owner is not None:
                refusal = self.admission.user_refusal(principal.owner, trio.current_time())
            if refusal is not None:
                await self._refuse(socket, refusal, caller)
            elif Scope.PRICES_READ in principal.scopes:
                await self._serve(socket, caller, principal)
            else:
                await self._turn_away(socket, caller, principal)

    async def _principal(self, socket: ServerSocket, caller: Caller) -> Principal:
        ticket = socket.query.get("ticket")
        if ticket is not None:
            return await self._parts.principals.of_ticket(ticket)
        return await self._parts.principals.of(socket.headers, caller)

    async def _serve(self, socket: ServerSocket, caller: Caller, principal: Principal) -> None:
        number = next(self._parts.settings.numbers)
        client = Client(number, socket, caller.address, self._is_behind)
        self._clients[number] = client
        facts = SocketFacts(Moment.now(), principal.name, _agent(socket))
        self._parts.tables.sockets.put(number, facts)
        try:
            self.credentials.hold(client, principal)
            await socket.wait_room()  # after admission, so that others do not wait for this client
            async with self.admission.door:
                if not await self._let_in(socket, caller, client, principal.owner):
                    return
            if self._leaving:
                client.ask_to_close(CODE_RESTART, "the server restarts")
            await client.serve()
        finally:
            self._forget(client)

    async def _turn_away(self, socket: ServerSocket, caller: Caller, principal: Principal) -> None:
        """Answer who may not see prices. A page learns nothing of a handshake that is refused by a
        status, so it is told by a code; not where it may come back unchanged in a moment.
        """
        error = principal.refusal or LoginNeededError(HOW_TO_LOG_IN)
        waits = isinstance(error, ServiceUnavailable)
        if caller.origin is not None and not waits and not self._leaving:
            await socket.accept()
            await socket.close(CODE_ENDED, "log in to see prices")
            return
        word = getattr(error, "word", "forbidden")
        refusal = Refusal(error.code or 403, word, error.description or "", 1 if waits else None)
        await self._refuse(socket, refusal, caller)

    async def _let_in(
        self, socket: ServerSocket, caller: Caller, client: Client, user: str | None
    ) -> bool:
        """Answer the handshake, and set up everything that a client needs."""
        if self._leaving:
            await self._refuse(socket, RESTARTING, caller)
            return False
        await socket.accept()
        version = socket.query.get("protocol", str(PROTOCOL_VERSION))
        if version != str(PROTOCOL_VERSION):
            await socket.close(CODE_BAD_VERSION, f"supported protocols: {PROTOCOL_VERSION}")
            return False
        if await self._attach(client, user) and await self._start_session(client):
            return True
        await socket.close(CODE_LOST, "the server is not ready; come back")
        return False

    async def _attach(self, client: Client, user: str | None) -> bool:
        """Have the broadcaster write to it from now on, waiting for one that restarts."""
        parts = self._parts
        welcome = Welcome(
            session=client.name,
            node=parts.settings.node,
            server_time=iso_utc(parts.settings.wall_clock_ms()),
            steady=Moment.now().milliseconds,
            heartbeat=parts.settings.heartbeat,
            limits=Limits(
                parts.settings.limits.message_size,
                parts.settings.limits.rate,
                parts.settings.limits.burst,
                parts.settings.limits.symbols,
            ),
            nodes=other_nodes(parts.tables.members.value) or UNSET,
        )
        request = Attach(client.number, client, encode(welcome), user)
        with trio.move_on_after(SESSIONLESS_SECONDS):
            while True:
                try:
                    await parts.broadcaster.call(request, timeout=ATTACH_SECONDS)
                except CallError:
                    await trio.sleep(RETRY_SECONDS)
                else:
                    return True
        return False

    def _forget(self, client: Client) -> None:
        number = client.number
        del self._clients[number]
        if number in self._parts.tables.sockets:
            self._parts.tables.sockets.delete(number)
        self.credentials.forget(number)
        monitor = self._monitors.pop(number, None)
        if monitor is not None:
            self._watched.pop(monitor, None)
            monitor.cancel()
        if client.session is not None:
            client.session.stop(SHUTDOWN)
            client.session = None  # which refers to this connection in its spec
        self._parts.manager.cast(Forget(number))
        self._parts.broadcaster.cast(Detach(number))

    def _is_behind(self, number: int) -> bool:
        lane = self._parts.connections.get(number)
        return lane is not None and bool(lane.operations)

    def _refusal(self, socket: ServerSocket, caller: Caller) -> Refusal | None:
        settings = self._parts.settings
        if not settings.hosts.allow(caller.host):
            return Refusal(WrongHostError.code, WRONG_HOST, why_wrong_host(caller.host))
        if not caller.of_page(settings.allowed_origins):
            return Refusal(403, "forbidden_origin", caller.why_foreign)
        if self._leaving:
            return RESTARTING
        may_load = self._parts.principals.may_load(socket.headers)
        return self.admission.refusal(caller.holder, trio.current_time(), unlimited=may_load)

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

    async def _start_session(self, client: Client) -> bool:
        """Start a session for it, waiting for the supervisor of sessions if that restarts."""
        settings = self._parts.settings
        spec = ChildSpec(
            "session",
            Session,
            (
                client.number,
                settings.limits,
                settings.wall_clock_ms,
                self._parts.connections,
                partial(self._adopt, client),
                settings.sharding,
            ),
            restart=Restart.TEMPORARY,
            shutdown=SESSION_STOP_SECONDS,
        )
        with trio.move_on_after(SESSIONLESS_SECONDS):
            while client.session is None and client.number in self._clients:
                try:
                    await start_child(self._parts.sessions, spec)
                except (CallError, ManagementError):
                    await trio.sleep(RETRY_SECONDS)
        return client.session is not None

    def _adopt(self, client: Client, session: ActorRef) -> bool:
        """Take a session that starts, if its client is still there and has none."""
        if client.session is not None or client.number not in self._clients:
            return False
        monitor = self._owner.monitor(session)
        self._watched[monitor] = client
        self._monitors[client.number] = monitor
        client.session = session
        return True

    def session_down(self, down: Down) -> None:
        """A session ended: replace it while its client is there."""
        client = self._watched.pop(down.monitor, None)
        if client is None or client.number not in self._clients:
            return
        del self._monitors[client.number]
        client.session = None
        if isinstance(down.reason, Crash):
            client.session_crashed()
        self._owner.tasks.start_soon(self._replace_session, client)

    async def _replace_session(self, client: Client) -> None:
        if not await self._start_session(client) and client.number in self._clients:
            client.ask_to_close(CODE_LOST, "no session could be started for you; come back")

    # All of them.

    async def watch_credentials(self) -> None:
        """Warn clients whose credential ends soon, and close those whose has; without an end."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.credentials.look(Moment.now())

    def close(self, number: int, reason: str) -> bool:
        """Close one, as an operator wants; whether it was there. It may come back."""
        client = self._clients.get(number)
        if client is not None:
            client.ask_to_close(CODE_BY_OPERATOR, reason)
        return client is not None

    def close_all(self) -> None:
        """Ask every client to leave, with 1012; no new one is let in."""
        self._leaving = True
        for client in list(self._clients.values()):
            client.ask_to_close(CODE_RESTART, "the server restarts")


def _agent(socket: ServerSocket) -> str:
    """What the client calls itself, as far as an operator needs it."""
    text = socket.headers.get("user-agent", "")
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_AGENT]


__all__ = ["CODE_INTERNAL", "CODE_RESTART", "Clients"]
