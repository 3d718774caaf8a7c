"""Hypercorn's HTTP/1.1 protocol, reduced to the part that can share a socket with ready frames."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

import h11
from hypercorn.config import Config
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, TaskGroup

from .parser import RequestParser
from .requests import Accepted, Refusal, Refused, read_request
from .websocket_stream import WebSocketStream

if TYPE_CHECKING:
    from .app_tasks import AppTasks
    from .config import ServerConfig
    from .places import Place
    from .turnstile import Turnstile
    from .wire import Wire

__all__ = ["ConnectionFace", "Http1Protocol"]

_SPENT = RequestParser(1)  # takes the place of each parser that is not needed any more
_ADVERTISED = 0.9  # of the time that an idle connection is kept: a request needs time to get here
_PARSE_ERRORS = {431: "head_too_large", 501: "not_implemented"}


class ConnectionFace(Protocol):
    """The connection, as its protocols use it."""

    wire: "Wire"
    place: "Place"
    config: "ServerConfig"
    requests: "Turnstile"
    messages: "Turnstile"

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
        self.parser = RequestParser(connection.config.max_head_size)
        self.connection = cast("h11.Connection", self.parser)
        self._is_http = True  # until an upgrade to a WebSocket
        self._closes = False  # this request is the last on its connection
        self._is_head = False
        self._streams = False  # an answer without a length has begun

    def forget_http(self) -> None:
        """Drop the HTTP parser: from here on the bytes are a WebSocket's."""
        self.parser = _SPENT
        cast("H11WSConnection", self.connection).h11_connection = cast("h11.Connection", _SPENT)

    @property
    def idle(self) -> bool:
        """Whether a request may come, and nothing of it has."""
        return self._is_http and self.parser.idle

    @property
    def answering(self) -> bool:
        """Whether a whole HTTP request has come whose answer will end by itself.

        One that has begun without a length may be a stream, which only its client's end ends.
        """
        has_request = self._is_http and self.stream is not None and self.parser.answering
        return has_request and not self._streams

    # Requests

    async def _check_protocol(self, event: h11.Request) -> None:
        """Accept no other protocol than HTTP/1.1 on this socket."""

    async def _create_stream(self, request: h11.Request) -> None:
        await self._connection.requests.enter()
        self._is_head = request.method == b"HEAD"
        self._streams = False
        try:
            accepted = read_request(request)
        except Refused as refused:
            await self._answer(refused.refusal)
            return
        place = self._connection.place
        if place.refusal is not None:
            if accepted.path not in self._connection.config.vital_paths:
                await self._answer(place.refusal)
                return
            place.busy()
            self._closes = True
        elif (refusal := self._over_limit(accepted)) is not None:
            await self._answer(refusal)
            return
        if accepted.target == b"*":
            await self._answer(None)
        elif accepted.websocket:
            await self._create_websocket_stream(accepted)
        else:
            await self._create_http_stream(accepted)

    def _over_limit(self, accepted: Accepted) -> Refusal | None:
        """Why a client of a proxy may not have this request under way; it is counted for it."""
        place, config = self._connection.place, self._connection.config
        if place.holder is not None or config.request_holder is None:
            return None
        if accepted.path in config.vital_paths:
            return None
        peer = "" if self.client is None else self.client[0]
        return place.begin(config.request_holder(peer, accepted.headers))

    async def _create_http_stream(self, accepted: Accepted) -> None:
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(self._event(accepted))
        self.keep_alive_requests += 1

    async def _create_websocket_stream(self, accepted: Accepted) -> None:
        self.stream = WebSocketStream(self._connection, self)
        self._is_http = False
        self.connection = H11WSConnection(cast("h11.Connection", self.connection))
        await self.stream.handle(self._event(accepted))

    def _event(self, accepted: Accepted) -> Request:
        return Request(
            stream_id=STREAM_ID,
            headers=accepted.headers,
            http_version=accepted.http_version,
            method=accepted.method,
            raw_path=accepted.target,
            state=self.connection_state,
        )

    # Answers

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what the app's side says; a final answer tells how long the connection is kept."""
        if isinstance(event, Response) and event.status_code >= 200:
            given = {name.lower() for name, _ in event.headers}
            self._streams = b"content-length" not in given
            # Hypercorn answers too, when the app fails or a handshake is none.
            own = [pair for pair in self._connection.config.own_headers if pair[0] not in given]
            event = replace(event, headers=[*event.headers, *own, *self._connection_headers()])
        await super().stream_send(event)

    def _connection_headers(self) -> list[tuple[bytes, bytes]]:
        if not self._is_http:
            return []
        # Behind an answer that comes before the end of a body, the connection is closed.
        unread = self.parser.their_state is h11.SEND_BODY
        if self._closes or unread or self.context.terminated.is_set():
            return [(b"connection", b"close")]
        seconds = int(self._connection.config.keep_alive_timeout * _ADVERTISED)
        # Not every client reads it, but a client that does never loses a request to the close.
        return [(b"keep-alive", b"timeout=%d" % seconds)] if seconds else []

    async def _answer(self, refusal: Refusal | None) -> None:
        """Answer without the app, and close. None is a plain success."""
        await self._respond(refusal)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        """Called by Hypercorn when a request could not be read; it then closes."""
        code = _PARSE_ERRORS.get(status_code, "bad_request")
        await self._respond(Refusal(status_code, code, self.parser.error))

    async def _respond(self, refusal: Refusal | None) -> None:
        status, body = 200, b""
        headers = [(b"connection", b"close"), *self._connection.config.own_headers]
        if refusal is not None:
            status = refusal.status
            told = {"code": refusal.code, "reason": refusal.reason}
            body = json.dumps({"error": told}).encode()
            headers += [(b"content-type", b"application/json"), *refusal.headers]
        headers.append((b"content-length", b"%d" % len(body)))
        headers += self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=status, headers=headers))
        if body and not self._is_head:
            await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())
