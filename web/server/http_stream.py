"""One HTTP request: what the app is told of it, and its answer on the way to the parser."""

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

import trio
from hypercorn.protocol.events import Body, EndBody, Event, StreamClosed
from hypercorn.typing import (
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .http1 import Http1Protocol
    from .requests import Accepted, Headers

__all__ = ["HttpStream"]

_NO_CONTENT: Final = 204
_WITHOUT_BODY: Final = frozenset({_NO_CONTENT, 304})
_END_OF_BODY: Final[ASGIReceiveEvent] = {"type": "http.request", "body": b"", "more_body": False}
_DISCONNECT: Final[ASGIReceiveEvent] = {"type": "http.disconnect"}


class _State(Enum):
    REQUEST = auto()
    HELD = auto()  # the app has given the head of its answer, which waits here for the body
    ANSWER = auto()
    BROKEN = auto()  # a part of the answer was refused or cancelled, and may be missing
    DONE = auto()

    @property
    def answering(self) -> bool:
        """Whether a piece of the body may come."""
        return self in {_State.HELD, _State.ANSWER}


class HttpStream:
    """From a request to the end of its answer; takes the place of Hypercorn's.

    The head of an answer waits for the first piece of its body, as ASGI allows, and leaves with it
    in one write. Until then a failing app is answered with a 500. But the head of an answer without
    a length leaves at once: it may be a stream whose first piece comes much later.

    Behind an answer of which a part may be missing, nothing follows: the client would take the next
    answer for the rest, or for this one.
    """

    __slots__ = (
        "_app_put",
        "_closed",
        "_headers",
        "_left",
        "_protocol",
        "_sends_body",
        "_state",
        "_status",
    )

    def __init__(self, protocol: "Http1Protocol") -> None:
        self._protocol = protocol
        self._state = _State.REQUEST
        self._closed = False
        self._app_put: Callable[[ASGIReceiveEvent], Awaitable[None]] | None = None
        self._sends_body = True
        self._status = 0
        self._headers: Headers = []
        self._left: int | None = None  # bytes of the announced length that have not come

    async def begin(self, accepted: "Accepted") -> None:
        """Start the app."""
        protocol = self._protocol
        self._sends_body = accepted.method != "HEAD"
        path, _, query = accepted.target.partition(b"?")
        scope: HTTPScope = {
            "type": "http",
            "http_version": accepted.http_version,
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": accepted.method,
            "scheme": "https" if protocol.ssl else "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": accepted.headers,
            "client": protocol.client,
            "server": protocol.server,
            "state": cast("ConnectionState", protocol.connection_state.copy()),
            "extensions": {},
        }
        self._app_put = await protocol.task_group.spawn_app(
            protocol.app, protocol.config, scope, self.app_send
        )

    async def handle(self, event: Event) -> None:
        """Take an event of the parser: a piece of the request's body, its end, or the client's."""
        if self._closed or self._app_put is None:
            return
        if isinstance(event, Body):
            await self._app_put(
                {"type": "http.request", "body": bytes(event.data), "more_body": True}
            )
        elif isinstance(event, EndBody):
            await self._app_put(_END_OF_BODY)
        elif isinstance(event, StreamClosed):
            self._closed = True
            await self._app_put(_DISCONNECT)

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Do what the app asks; None says that the app has ended.

        Raises ValueError for what the app may not say now.
        """
        if message is None:
            await self._end()
        elif self._closed and self._state is not _State.DONE:
            await trio.lowlevel.checkpoint()  # the client has left; the app hears it by `receive`
        elif message["type"] == "http.response.start" and self._state is _State.REQUEST:
            await self._begin_answer(message)
        elif message["type"] == "http.response.body" and self._state.answering:
            await self._answer(message)
        else:
            raise ValueError(f"an app may not send {message['type']} now")

    async def _begin_answer(self, message: HTTPResponseStartEvent) -> None:
        self._status = int(message["status"])
        if self._status < 200 or self._status in _WITHOUT_BODY:
            self._sends_body = False
        headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        if lengths and self._status == _NO_CONTENT:  # may have none (RFC 9110, section 8.6)
            headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
            lengths = []
        if lengths and self._sends_body and lengths[0].isdigit():  # the rest is h11's to refuse
            self._left = int(lengths[0])
        self._headers = headers
        self._state = _State.HELD
        if not lengths or not self._sends_body:
            await self._send(b"", ends=False)

    async def _answer(self, message: HTTPResponseBodyEvent) -> None:
        body = bytes(message.get("body", b"")) if self._sends_body else b""
        ends = not message.get("more_body", False)
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (ends and self._left):
                more = "short" if self._left > 0 else "long"
                raise ValueError(f"the body is {abs(self._left)} bytes too {more} for its length")
        await self._send(body, ends=ends)

    async def _send(self, body: bytes, *, ends: bool) -> None:
        head = (self._status, self._headers) if self._state is _State.HELD else None
        self._state = _State.DONE if ends else _State.ANSWER
        try:
            await self._protocol.send_answer(head, body, ends=ends)
        except BaseException:
            self._state = _State.BROKEN
            raise

    async def _end(self) -> None:
        """The app has ended: with a whole answer, or without one, or in the middle of it."""
        if self._closed:
            return
        if self._protocol.can_answer:
            self._status, self._left = 500, None
            self._headers = [(b"content-length", b"0"), (b"connection", b"close")]
            self._state = _State.HELD
            await self._send(b"", ends=True)
        else:
            await self._protocol.cut_stream()
