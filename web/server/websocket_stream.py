"""Hypercorn's WebSocket protocol, made to deliver close codes and to bound its memory."""

from typing import TYPE_CHECKING, cast

from hypercorn.protocol.events import Body, Data, Event, Response, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID
from hypercorn.protocol.ws_stream import ASGIWebsocketState, Handshake, WSStream
from hypercorn.typing import (
    ASGIReceiveEvent,
    ASGISendEvent,
    WebsocketAcceptEvent,
    WebsocketCloseEvent,
)
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol

from .app_tasks import UTF8_MESSAGE

if TYPE_CHECKING:
    from .http1 import ConnectionFace, Http1Protocol

__all__ = ["WebSocketStream"]

_CHEAP_FRAMES = 16
"""So many frames that cost almost nothing count as one at the turnstile."""
_ACCEPTED = Handshake([], "1.1")
_ACCEPTED.accepted = True
_NO_HEADERS: tuple[tuple[bytes, bytes], ...] = ()
_BAD_GATEWAY = 1014
"""Registered with IANA after RFC 6455, and not known to wsproto."""


class _Frames(FrameProtocol):
    """wsproto's frames, with every registered close code."""

    def _process_close(self, frame: Frame) -> Frame:
        payload = cast("bytes", frame.payload)
        if payload[:2] != _BAD_GATEWAY.to_bytes(2):
            return super()._process_close(frame)
        known = CloseReason.TRY_AGAIN_LATER.to_bytes(2) + payload[2:]
        read = super()._process_close(frame._replace(payload=known))
        _, reason = cast("tuple[int, str]", read.payload)
        return read._replace(payload=(_BAD_GATEWAY, reason))


class WebSocketStream(WSStream):
    """One upgraded connection, from the handshake to the end of the close handshake.

    What differs from Hypercorn's: protocol errors and bad UTF-8 are answered with 1002 and 1007
    (it sends nothing), the connection stays until the peer has answered our close, the size
    limit counts bytes, and after a close no more input is kept.
    """

    def __init__(self, connection: "ConnectionFace", protocol: "Http1Protocol") -> None:
        super().__init__(
            protocol.app,
            protocol.config,
            protocol.context,
            protocol.task_group,
            protocol.ssl,
            protocol.client,
            protocol.server,
            protocol.stream_send,
            STREAM_ID,
        )
        self._owner = connection
        self._http = protocol
        self._parts = bytearray()
        self._answering = False  # a rejection has begun

    # From the client

    async def handle(self, event: Event) -> None:
        """Take an event of the HTTP protocol below: the request, bytes, or the end."""
        if self.closed:
            return
        if isinstance(event, Body | Data) and self.handshake.accepted:
            if self.connection.state is not ConnectionState.CLOSED:
                self.connection.receive_data(event.data)
                await self._handle_events()
        elif isinstance(event, Body | Data):
            if self._answering or self.state is not ASGIWebsocketState.HANDSHAKE:
                return  # rejected already
            # The client must wait for our answer (RFC 6455, section 4.1), so this is no
            # WebSocket client. Stock Hypercorn leaves the app running for ever here.
            await self._tell_app(CloseReason.ABNORMAL_CLOSURE, "")
            self.closed = True
            await self._send_error_response(400)
            await self.send(StreamClosed(stream_id=self.stream_id))
        elif isinstance(event, StreamClosed):
            self.closed = True
            self._owner.wire.seal()
            self._end_parser()
            await self._tell_app(CloseReason.ABNORMAL_CLOSURE, "")
        else:
            await self._begin(event)

    async def _begin(self, request: Event) -> None:
        await super().handle(request)
        if self.closed:  # no valid handshake; Hypercorn answers, and leaves the socket open
            await self.send(StreamClosed(stream_id=self.stream_id))

    def _end_parser(self) -> None:
        """End wsproto's parser, which waits for a close frame that will not come.

        It is a generator that refers to itself. The garbage collector would find it, but it stops
        all tasks while it searches. A close frame cannot be fed instead: the parser would first
        parse all earlier data of the client at once.
        """
        if self.handshake.accepted:
            self.connection._proto._parse_more.close()  # noqa: SLF001 - wsproto has no way to say it

    async def _handle_events(self) -> None:
        cheap = 0
        for event in self.connection.events():
            cheap += self._is_cheap(event)
            # A client that only answers our ping need not wait for a flood.
            if not self._is_cheap(event) or cheap % _CHEAP_FRAMES == 2:
                await self._owner.messages.enter()
                if self.closed or self._owner.wire.gone:
                    return
            if isinstance(event, TextMessage | BytesMessage):
                await self._on_message(event)
            elif isinstance(event, Ping) and self.state is ASGIWebsocketState.CONNECTED:
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                await self._on_close(event)

    def _is_cheap(self, event: object) -> bool:
        """Whether nothing follows from a frame: a pong, part of a message, one after our close."""
        if isinstance(event, Pong) or self.state is not ASGIWebsocketState.CONNECTED:
            return not isinstance(event, CloseConnection)
        return isinstance(event, TextMessage | BytesMessage) and not event.message_finished

    async def _on_message(self, event: TextMessage | BytesMessage) -> None:
        if self.state is not ASGIWebsocketState.CONNECTED:
            return  # we have sent our close: later messages are dropped
        is_text = isinstance(event, TextMessage)
        data = event.data.encode() if isinstance(event, TextMessage) else event.data
        if len(self._parts) + len(data) > self._owner.config.max_message_size:
            self._parts = bytearray()
            await self._begin_close(CloseReason.MESSAGE_TOO_BIG, "")
            return
        self._parts += data
        if event.message_finished:
            whole, self._parts = bytes(self._parts), bytearray()
            message = {"type": UTF8_MESSAGE if is_text else "websocket.receive", "bytes": whole}
            await self._put(cast("ASGIReceiveEvent", message))

    async def _on_close(self, event: CloseConnection) -> None:
        code, reason = int(event.code), event.reason or ""
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            self.state = ASGIWebsocketState.CLOSED
            self._owner.wire.seal()
            await self._tell_app(code, reason)
            await self._send_wsproto_event(event.response())
        elif self.connection.state is not ConnectionState.CLOSED:
            # No frame of the peer's: wsproto's way to say that it could not parse.
            await self._begin_close(code, reason)
        else:
            # Ours crossed it, and may still be on its way: the end of the stream would cut it off.
            await self._owner.wire.written()
        await self.send(StreamClosed(stream_id=self.stream_id))

    # From the app

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Do what the app asks; None says that the app has ended."""
        if self.closed or self.state is ASGIWebsocketState.CLOSED:
            return  # our close is under way, and the reader waits for its answer
        kind = "" if message is None else message["type"]
        if self.state is ASGIWebsocketState.CONNECTED:
            await self._app_send_connected(kind, message)
        elif kind != "websocket.close" or self.state is ASGIWebsocketState.HANDSHAKE:
            self._answering = kind != "websocket.accept"
            await super().app_send(message)
            if kind == "websocket.accept" and not self.closed:
                self._forget_handshake()
                self._owner.wire.open_for_frames()

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        self.state = ASGIWebsocketState.CONNECTED
        status, headers, self.connection = self.handshake.accept(
            message.get("subprotocol"), message.get("headers", [])
        )
        # Before the answer: the client's first frame may come while that is sent.
        self.connection._proto._parse_more.close()  # noqa: SLF001 - else it is left as a cycle
        self.connection._proto = _Frames(client=False, extensions=[])  # noqa: SLF001 - no other way
        await self.send(Response(stream_id=self.stream_id, status_code=status, headers=headers))

    def _forget_handshake(self) -> None:
        """Drop the data of the handshake: 4 KB of a browser's connection."""
        self.scope["headers"] = _NO_HEADERS
        self.handshake = _ACCEPTED
        self._http.forget_http()

    async def _app_send_connected(self, kind: str, message: ASGISendEvent | None) -> None:
        if message is None:
            await self._begin_close(CloseReason.INTERNAL_ERROR, "")
        elif kind == "websocket.close":
            close = cast("WebsocketCloseEvent", message)
            await self._begin_close(close.get("code", 1000), close.get("reason") or "")
        else:
            await super().app_send(message)

    # Closing

    async def _begin_close(self, code: int, reason: str) -> None:
        """Send our close frame; the reader ends the connection when the peer has answered."""
        if self.state is not ASGIWebsocketState.CONNECTED:
            return
        self.state = ASGIWebsocketState.CLOSED
        self._owner.wire.seal()
        self._owner.close_soon()
        await self._tell_app(code, reason)
        await self._send_wsproto_event(CloseConnection(code=code, reason=reason))

    async def _tell_app(self, code: int, reason: str) -> None:
        message = {"type": "websocket.disconnect", "code": code, "reason": reason}
        await self._put(cast("ASGIReceiveEvent", message))  # `reason`: ASGI 2.3, Hypercorn's lacks

    async def _put(self, message: ASGIReceiveEvent) -> None:
        if self.app_put is not None:
            await self.app_put(message)
