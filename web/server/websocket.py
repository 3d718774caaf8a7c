"""WebSocket handlers on plain ASGI, beside a Quart app.

Quart builds a request context, a second queue and a nursery with two tasks for each WebSocket.
A handler here runs in the one task that the server starts, and talks to the server directly.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from werkzeug.datastructures import Headers, MultiDict

from .serving import place_of, wire_of
from .wire import Wire

__all__ = ["Disconnected", "Handler", "ServerSocket", "websocket_class"]

logger = logging.getLogger("web.server")

_ABNORMAL = 1006  # RFC 6455, section 7.4.1: no close frame was received
_NORMAL = 1000
_SENDABLE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class Disconnected(Exception):
    """The WebSocket is closed; `code` is the peer's, ours if we closed, or 1006 for none."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"the WebSocket was closed with {code}{f' {reason}' if reason else ''}")


class ServerSocket:
    """One WebSocket, as its handler sees it. Only the handler's tasks use it.

    A reader runs all the time, also when nobody calls `receive`: it answers pings, and sees the
    client leave (`wire.wait_closed()`). It holds at most one message; after that the client
    has to wait.
    """

    __slots__ = ("_receive", "_scope", "_send", "wire")

    wire: Wire
    """The socket below, for ready frames; open for them after `accept`."""

    def __init__(
        self, scope: WebsocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = cast("Callable[[Mapping[str, Any]], Awaitable[None]]", send)
        self.wire = wire_of(scope)

    @property
    def path(self) -> str:
        """The request's path, decoded."""
        return self._scope["path"]

    @property
    def query(self) -> MultiDict[str, str]:
        """The query string's fields; blank values are kept."""
        raw = self._scope["query_string"].decode("latin-1")
        return MultiDict(parse_qsl(raw, keep_blank_values=True))

    @property
    def headers(self) -> Headers:
        """The request's headers, until `accept` forgets them; names in any case."""
        return Headers(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._scope["headers"]
        )

    @property
    def secure(self) -> bool:
        """Whether the connection itself is encrypted."""
        return self._scope["scheme"] == "wss"

    @property
    def client(self) -> tuple[str, int]:
        """Address and port of the peer of the TCP connection (a proxy's, behind one)."""
        return self.wire.peer or ("", 0)

    def spare_holder(self) -> None:
        """Do not count this connection among those of its address any more."""
        place_of(self._scope).spare_holder()

    async def accept(self, subprotocol: str | None = None) -> None:
        """Answer the handshake with 101. Raises Disconnected when the client has left.

        Raises ValueError for a subprotocol that the client did not offer.
        """
        if subprotocol is not None and subprotocol not in self._scope["subprotocols"]:
            raise ValueError(f"the client did not offer the subprotocol {subprotocol!r}")
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        self._check_open()

    async def wait_room(self) -> None:
        """Wait until `accept` need not wait for the client, who may not have read what came before.

        Raises Disconnected.
        """
        try:
            await self.wire.wait_room()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Disconnected(_ABNORMAL) from error

    async def reject(
        self, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        """Answer the handshake with an HTTP response instead, and close the connection."""
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        fields += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        await self._send(
            {"type": "websocket.http.response.start", "status": status, "headers": fields}
        )
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> str | bytes:
        """Return the next message. Raises Disconnected."""
        event = cast("Mapping[str, Any]", await self._receive())
        if event["type"] == "websocket.disconnect":
            raise Disconnected(event["code"], event.get("reason") or "")
        text: str | None = event.get("text")
        return event["bytes"] if text is None else text

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting for its turn and for room. Raises Disconnected.

        `wire.try_send` is the way that never waits.
        """
        self._check_open()
        key = "text" if isinstance(message, str) else "bytes"
        await self._send({"type": "websocket.send", key: message})
        self._check_open()

    async def close(self, code: int = _NORMAL, reason: str = "") -> None:
        """Send a close frame; no-op when closed, and 403 before `accept`.

        Returns when it is written; the server waits for the peer's answer on its own.
        `reason` is cut at 123 bytes. Raises ValueError for a code that may not be sent.
        """
        if code not in _SENDABLE_CODES:
            raise ValueError(f"{code} may not stand in a close frame")
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _check_open(self) -> None:
        if self.wire.closed:
            raise Disconnected(_ABNORMAL)


Handler = Callable[[ServerSocket], Awaitable[None]]


class _RoutedWebSocket:
    """What Quart makes for a WebSocket and calls: finds the handler of the path and runs it."""

    handlers: ClassVar[Mapping[str, Handler]]

    def __init__(self, app: object, scope: WebsocketScope) -> None:  # noqa: ARG002 - Quart's call
        self._scope = scope

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        connect = await receive()
        if connect["type"] != "websocket.connect":
            return  # the client left before the handler started
        sock = ServerSocket(self._scope, receive, send)
        handler = self.handlers.get(sock.path)
        if handler is None:
            await sock.reject(404, [("content-type", "text/plain")], b"no WebSocket here\n")
            return
        try:
            await handler(sock)
        except* Disconnected as left:
            # Its text: who keeps the record would keep the connection by the exception's frames.
            logger.debug("%s left: %s", sock.client, str(left.exceptions[0]))
        await sock.close()


def websocket_class(handlers: Mapping[str, Handler]) -> type[_RoutedWebSocket]:
    """Return an `asgi_websocket_class` that runs the handler of a path; others get 404.

    When a handler returns, its socket is closed with 1000 if it is still open; when it raises,
    with 1011, logged and counted. A Disconnected that it lets pass is no error. When its client
    has left and it goes on for `handler_grace`, it is cancelled.
    """
    return type("RoutedWebSocket", (_RoutedWebSocket,), {"handlers": dict(handlers)})
