"""Hypercorn's HTTP/1.1 protocol, narrowed to what shares a socket with ready frames."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, cast

import h11
from hypercorn.config import Config
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, TaskGroup

from .websocket_stream import WebSocketStream

if TYPE_CHECKING:
    from .app_tasks import AppTasks
    from .turnstile import Turnstile
    from .wire import Wire

__all__ = ["ConnectionFace", "Http1Protocol"]

_SPENT = h11.Connection(h11.SERVER)  # stands for any that has done its work
_RETRY_AFTER = b"5"  # seconds until a client that met a full server should try again


class ConnectionFace(Protocol):
    """What the protocols ask of the connection they run on."""

    wire: "Wire"
    refuse: bool
    requests: "Turnstile"
    messages: "Turnstile"

    @property
    def max_message_size(self) -> int:
        """Bytes of one WebSocket message."""

    def close_soon(self) -> None:
        """Give the peer `close_timeout` to finish; then the connection ends."""


class Http1Protocol(H11Protocol):
    """HTTP/1.1 only, WebSocket upgrades without extensions, and nothing fatal in a request.

    No h2c upgrade: ready frames would corrupt HTTP/2. No compression: frames are shared, and it
    costs 256-316 KB and a deflate per client and frame.
    """

    def __init__(
        self,
        connection: ConnectionFace,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        tasks: "AppTasks",
        state: ConnectionState,
        *,
        tls: bool,
        client: tuple[str, int] | None,
        server: tuple[str, int] | None,
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        task_group = cast("TaskGroup", tasks)  # its context manager is the connection's nursery
        super().__init__(app, config, context, task_group, state, tls, client, server, send)
        self._connection = connection

    async def _check_protocol(self, event: h11.Request) -> None:
        """Accept no other protocol than HTTP/1.1 on this socket."""

    async def _create_stream(self, request: h11.Request) -> None:
        await self._connection.requests.enter()
        if self._connection.refuse:
            await self._answer(503, [(b"retry-after", _RETRY_AFTER)])
        elif not _is_servable(request.target):
            await self._answer(400, [])
        elif not _is_websocket_upgrade(request):
            await super()._create_stream(_without_upgrade(request))
        elif not _is_decodable(request):
            await self._answer(400, [])
        else:
            await self._create_websocket_stream(request)

    async def _create_websocket_stream(self, request: h11.Request) -> None:
        self.stream = WebSocketStream(self._connection, self)
        self.connection = H11WSConnection(cast("h11.Connection", self.connection))
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=[
                    (name, value)
                    for name, value in request.headers
                    if name != b"sec-websocket-extensions"
                ],
                http_version=request.http_version.decode(),
                method="GET",
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    def forget_http(self) -> None:
        """Let go of the HTTP parser: from here on its bytes are a WebSocket's."""
        cast("H11WSConnection", self.connection).h11_connection = _SPENT

    async def _answer(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer without the app, and close."""
        await self._send_h11_event(
            h11.Response(
                status_code=status,
                headers=[
                    (b"content-length", b"0"),
                    (b"connection", b"close"),
                    *headers,
                    *self.config.response_headers("h11"),
                ],
            )
        )
        await self._send_h11_event(h11.EndOfMessage())
        await self.send(Closed())


def _is_servable(target: bytes) -> bool:
    """Whether a request target has a path; frameworks fail on what has none."""
    return target.startswith((b"/", b"http://", b"https://")) and b"%00" not in target


def _is_decodable(request: h11.Request) -> bool:
    """Whether Hypercorn can read the handshake's fields: it fails on what is not ASCII."""
    return all(
        value.isascii()
        for name, value in request.headers
        if name in {b"connection", b"upgrade"} or name.startswith(b"sec-websocket-")
    )


def _without_upgrade(request: h11.Request) -> h11.Request:
    """The same request, in which nobody can see an upgrade.

    Hypercorn's rule is another than ours: `get` or a stray byte after `websocket` is an upgrade to
    it, and its own WebSocket has neither our limits nor a way for ready frames.
    """
    if all(name != b"upgrade" for name, _ in request.headers):
        return request
    return h11.Request(
        method=request.method,
        target=request.target,
        http_version=request.http_version,
        headers=[(name, value) for name, value in request.headers if name != b"upgrade"],
    )


def _is_websocket_upgrade(request: h11.Request) -> bool:
    tokens: dict[bytes, set[bytes]] = {b"upgrade": set(), b"connection": set()}
    for name, value in request.headers:
        if name in tokens:
            tokens[name].update(token.strip().lower() for token in value.split(b","))
    return (
        request.method == b"GET"
        and b"websocket" in tokens[b"upgrade"]
        and b"upgrade" in tokens[b"connection"]
    )
