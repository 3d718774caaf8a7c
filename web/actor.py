"""The actor `web`: one life of the HTTP server, on duplicates of the listening sockets."""

from __future__ import annotations

import logging
import socket
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import trio

from stockstream import paths
from stockstream.delivery.messages import Farewell
from stockstream.messages import (
    CloseClient,
    CredentialsChanged,
    CredentialsEnded,
    DrainClients,
    EndDrain,
    TokensChanged,
)
from supervision import Actor, CallError, Down, ExitReason, handles
from web.admin.stream import EventStreams
from web.app import create_app
from web.audited import Audit
from web.callers import request_holder, socket_holder
from web.identity import learn_instance
from web.live.clients import Clients
from web.live.draining import return_seconds
from web.nodes import other_nodes
from web.parts import Parts, WebSettings
from web.security import PRIVATE_HEADERS
from web.server import Server, ServerConfig, ServerStatistics, serve
from web.users.principal import Principals

if TYPE_CHECKING:
    from stockstream.chaos.records import ChaosRecords
    from stockstream.delivery.lanes import Connections
    from stockstream.statuses import DrainStatus
    from stockstream.tables import Tables
    from stockstream.telemetry.telemetry import Telemetry

FAREWELL_SECONDS = 1.0

REQUESTS = 1_000
"""HTTP connections beside the WebSockets, which have a limit of their own."""
LOCAL_RESERVE = 64
"""HTTP connections beyond all limits for programs on this machine, as `stockstream tree`."""
VITAL_PATHS = ("/health/live", "/health/ready", "/health/traffic")
"""Answered under any load: an orchestrator restarts a node that does not answer."""
UNACKNOWLEDGED_SECONDS = 30.0
"""A machine that acknowledges nothing of what was sent to it for so long is gone (W17). Shorter,
and a client that only reads slowly would be cut off before it may be (W16)."""

_INTERNET = {socket.AF_INET, socket.AF_INET6}

_log = logging.getLogger("web")


class Web(Actor):
    """Serves pages, API and WebSockets. Killed, it drops its clients; they come back."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(
        self,
        settings: WebSettings,
        tables: Tables,
        connections: Connections,
        chaos: ChaosRecords,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._connections = connections
        self._chaos = chaos
        self._telemetry = telemetry

    async def init(self) -> None:
        """Accept connections."""
        settings = self._settings
        parts = self._parts = Parts(
            settings=settings,
            tables=self._tables,
            connections=self._connections,
            chaos=self._chaos,
            telemetry=self._telemetry,
            system=self.system,
            principals=Principals(settings, self._tables, self.system),
            audit=Audit(self._tables.audit_inbox, self.system.ref(paths.AUDIT), settings.node),
            broadcaster=self.system.ref(paths.BROADCASTER),
            manager=self.system.ref(paths.SUBSCRIPTION_MANAGER),
            sessions=self.system.ref(paths.SESSIONS),
            database=self.system.ref(paths.DATABASE),
            alerts=self.system.ref(paths.ALERTS),
            webhooks=self.system.ref(paths.WEBHOOKS),
        )
        self.clients = Clients(self, parts)
        config = _server_config(settings)
        listeners = [listener.dup() for listener in settings.sockets]
        for listener in listeners:
            _limit_unacknowledged(listener)
        self._streams = EventStreams(self._telemetry.events, settings.wall_clock_ms)
        app = create_app(parts, self.clients, self._streams, self._statistics)
        self.tasks.start_soon(
            learn_instance, settings.instance, parts.database, settings.data_directory
        )
        self.tasks.start_soon(self.clients.watch_credentials)
        settings.traffic.begin()
        self._server: Server = await self.tasks.start(self._run, app, listeners, config)

    def _statistics(self) -> ServerStatistics:
        return self._server.statistics()

    async def _run(
        self,
        app: object,
        listeners: list[object],
        config: ServerConfig,
        task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        await serve(app, listeners, config=config, task_status=task_status)  # type: ignore[arg-type]

    async def terminate(self, reason: ExitReason) -> None:
        """Drain: accept no more, finish answers, tell clients when to come back, close with 1012.

        Its tasks are cancelled after this, and with them every connection that is left.
        """
        _log.info("draining %d clients (%s)", len(self.clients), reason)
        self._settings.traffic.drain()
        self._server.drain(self._settings.drain_timeout)
        self._streams.close()
        nodes = tuple(other_nodes(self._tables.members.value))
        farewell = Farewell(*return_seconds(self._parts), nodes)
        try:
            broadcaster = self.system.ref(paths.BROADCASTER)
            await broadcaster.call(farewell, timeout=FAREWELL_SECONDS)
        except CallError as error:
            _log.warning("clients could not be told to come back: %s", error)
        self.clients.close_all()
        cut = await self._server.wait_drained()
        if cut:
            _log.warning("%d connections did not end in time and are cut off", cut)

    @handles(TokensChanged)
    def _on_tokens(self, _message: TokensChanged) -> None:
        # They were opened by the token of before.
        self._streams.end()

    @handles(CredentialsEnded)
    def _on_ended(self, message: CredentialsEnded) -> None:
        self.clients.credentials.ended(message.keys)
        self._streams.end()  # whoever still may comes back

    @handles(CredentialsChanged)
    def _on_changed(self, message: CredentialsChanged) -> None:
        self.clients.credentials.changed(message.keys)
        self._streams.end()

    @handles(DrainClients)
    def _on_drain(self, request: DrainClients) -> DrainStatus:
        return self.clients.draining.begin(request, self.tasks.start_soon)

    @handles(CloseClient)
    def _on_close_client(self, request: CloseClient) -> bool:
        return self.clients.close(request.number, request.reason)

    @handles(EndDrain)
    def _on_end_drain(self, _request: EndDrain) -> DrainStatus | None:
        return self.clients.draining.end()

    @handles(Down)
    def _on_session_down(self, message: Down) -> None:
        self.clients.session_down(message)


def _server_config(settings: WebSettings) -> ServerConfig:
    vital = [base + path for base in {"", settings.base_path} for path in VITAL_PATHS]
    return ServerConfig(
        max_message_size=settings.limits.message_size,
        max_connections=settings.max_connections + REQUESTS,
        max_connections_per_address=(
            settings.max_connections_per_address + settings.max_http_connections_per_address
        ),
        holder=partial(socket_holder, settings.trusted_proxies),
        request_holder=partial(request_holder, settings.trusted_proxies),
        local_reserve=LOCAL_RESERVE,
        vital_paths=frozenset(path.encode() for path in vital),
        own_headers=tuple(
            (name.lower().encode(), value.encode()) for name, value in PRIVATE_HEADERS.items()
        ),
        keep_alive_timeout=settings.keep_alive_timeout,
    )


def _limit_unacknowledged(listener: socket.socket) -> None:
    """Have the kernel reset connections whose peer has vanished (Linux, tcp(7)).

    Prices that are sent to a vanished peer count as progress while its buffer has room, so the
    broadcaster's signs of life come too late. Accepted sockets inherit the setting.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT") and listener.family in _INTERNET:
        milliseconds = round(UNACKNOWLEDGED_SECONDS * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
