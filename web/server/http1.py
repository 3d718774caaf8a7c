"""Hypercorn's HTTP/1.1 protocol, reduced to the part that can share a socket with ready frames."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol.events import EndBody, Request, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, H11SendableEvent, TaskGroup

from .dates import DATE
from .http_stream import HttpStream
from .known_heads import REASONS, AnswerHead, answer_head
from .parser import RequestParser
from .requests import Accepted, Headers, Refusal, Refused, read_request
from .websocket_stream import WebSocketStream

if TYPE_CHECKING:
    from hypercorn.protocol.http_stream import HTTPStream

    from .app_tasks import AppTasks
    from .config import ServerConfig
    from .places import Place
    from .turnstile import Turnstile
    from .wire import Wire

__all__ = ["ConnectionFace", "Http1Protocol"]

_SPENT = RequestParser(1)  # takes the place of each parser that is not needed any more
_ADVERTISED = 0.9  # of the time that an idle connection is kept: a request needs time to get here
_JOINED = 16 * 1024  # bytes of a piece of a body that leave with the head in one write
_END_OF_REQUEST = EndBody(stream_id=STREAM_ID)
_PARSE_ERRORS = {431: "head_too_large", 501: "not_implemented"}


class ConnectionFace(Protocol):
    """The connection, as its protocols use it."""

    wire: "Wire"
    place: "Place"
    config: "ServerConfig"
    requests: "Turnstile"
    messages: "Turnstile"

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Write to the socket; `last` gives no other task a turn if the kernel takes all."""

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

    async def _handle_events(self) -> None:
        """Take what has come; a request whose head is known needs none of the loop."""
        request = self.parser.known_request()
        if request is None:
            await super()._handle_events()
            return
        await self.send(Updated(idle=False))
        await self._create_stream(request)
        if self.stream is not None:
            await self.stream.handle(_END_OF_REQUEST)

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
        stream = HttpStream(self)
        self.stream = cast("HTTPStream", stream)
        await stream.begin(accepted)
        self.keep_alive_requests += 1

    async def _create_websocket_stream(self, accepted: Accepted) -> None:
        self.stream = WebSocketStream(self._connection, self)
        self._is_http = False
        self.connection = H11WSConnection(cast("h11.Connection", self.connection))
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=accepted.headers,
                http_version=accepted.http_version,
                method=accepted.method,
                raw_path=accepted.target,
                state=self.connection_state,
            )
        )

    # Answers

    @property
    def can_answer(self) -> bool:
        """Whether no answer to the request under way has begun, nor failed as it began."""
        return self.parser.our_state is h11.SEND_RESPONSE

    async def send_answer(
        self, head: tuple[int, Headers] | None, body: bytes, *, ends: bool
    ) -> None:
        """Send the next part of an app's answer: its head, a piece of its body, its end.

        Behind the end the next request may come. A caller cancelled before any of it was sent
        may still give another answer; after that it has to cut the stream.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        answer = None if head is None else self._head(*head)
        if answer is not None and ends and await self._sent_as_before(answer, body):
            return
        data = b"" if answer is None else self._written(answer)
        if len(body) > _JOINED:  # to join it with its head would copy it
            await self._connection.write(data)
            data = b""
        if body:
            data += self._encoded(h11.Data(data=body))
        if ends:
            data += self._encoded(h11.EndOfMessage())
        if data or not ends:
            await self._connection.write(data, last=ends)
        if ends:
            await self._maybe_recycle()

    async def cut_stream(self) -> None:
        """End a request without its whole answer, and so its connection."""
        await self._close_stream()
        await self.can_read.set()
        await self.send(Closed())

    async def _sent_as_before(self, answer: AnswerHead, body: bytes) -> bool:
        """Send a whole answer that h11 need not frame; False if it has to."""
        written = answer.before(body)
        if not written or len(body) > _JOINED or not self.parser.skip_answer():
            return False
        await self._connection.write(written + body, last=True)
        await self._maybe_recycle()
        return True

    def _head(self, status: int, headers: Headers) -> AnswerHead:
        given = {name.lower() for name, _ in headers}
        own = self._own_headers(given)
        if b"date" not in given:
            own.append(DATE.header())
        return answer_head(status, (*headers, *own))

    def _written(self, answer: AnswerHead) -> bytes:
        data = self._encoded(answer.response)
        if self.parser.plain:
            answer.keep(data)
        return data

    def _encoded(self, event: H11SendableEvent) -> bytes:
        try:
            return self.parser.send(event) or b""
        except h11.LocalProtocolError:
            if self.parser.their_state is not h11.ERROR:
                raise
            return b""

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what a WebSocket's handshake says; an answer that is none gets our headers."""
        if isinstance(event, Response) and event.status_code >= 200:
            given = {name.lower() for name, _ in event.headers}
            event = replace(event, headers=[*event.headers, *self._own_headers(given)])
        await super().stream_send(event)

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        if isinstance(event, h11.Response | h11.InformationalResponse) and not event.reason:
            event = replace(event, reason=REASONS.get(event.status_code, b""))
        await super()._send_h11_event(event)

    def _own_headers(self, given: set[bytes]) -> Headers:
        """What an answer gets beside its own headers, whose names are `given`."""
        self._streams = b"content-length" not in given
        own = [pair for pair in self._connection.config.own_headers if pair[0] not in given]
        return own + self._connection_headers(given)

    def _connection_headers(self, given: set[bytes]) -> Headers:
        """How long the connection is kept."""
        if not self._is_http:
            return []
        # Behind an answer that comes before the end of a body, the connection is closed.
        unread = self.parser.their_state is h11.SEND_BODY
        spent = self.keep_alive_requests >= self.config.keep_alive_max_requests
        if self._closes or unread or spent or self.context.terminated.is_set():
            return [(b"connection", b"close")]
        if b"connection" in given or self.parser.their_state is h11.MUST_CLOSE:
            return []  # the app ends it, or the client does, to whom h11 says so
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
