"""Runs the ASGI app for one connection: its tasks, and the message they have not received yet."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast

import trio
from hypercorn.config import Config
from hypercorn.typing import (
    AppWrapper,
    ASGIFramework,
    ASGIReceiveEvent,
    ASGISendEvent,
    Scope,
)

__all__ = ["UTF8_MESSAGE", "AppErrors", "AppQueue", "AppTasks", "split_error"]

logger = logging.getLogger("web.server")

UTF8_MESSAGE = "websocket.receive.utf8"
"""A text message as bytes. As a str, one emoji makes it four times as large while it waits."""

_ABNORMAL = 1006  # RFC 6455, section 7.4.1: the connection ended without a close frame
_LARGE = 4 * 1024  # bytes; far above what clients of this product have to say, and still little
_PEER_CHECK_PERIOD = 1.0  # how soon a full queue notices, in seconds, that its client has left


class AppErrors(Protocol):
    """Where the errors of an app's handlers are counted."""

    handler_errors: int


def split_error(error: BaseException) -> tuple[Exception | None, BaseException | None]:
    """Split `error` into the real errors, and the cancellations and exits."""
    if isinstance(error, Exception):
        return error, None
    if isinstance(error, BaseExceptionGroup):
        return error.split(Exception)
    return None, error


class AppQueue:
    """At most one message that the app has not received yet, and the news that its client left.

    The reader of a connection waits in `put` until the app has taken the message before; with a
    large message it waits until the app has taken that one, too. So a client's unread data, here
    and in the reader, is bounded by one large message. Behind a small message the reader goes on,
    to see pings and the end. The disconnect never waits, and ends a waiting `put`. In Hypercorn's
    queue the disconnect waits behind the messages, so an app that stops receiving holds its
    connection for ever.
    """

    __slots__ = ("_disconnect", "_message", "_parked", "_peer_has_left")

    def __init__(self, peer_has_left: Callable[[], bool]) -> None:
        self._message: ASGIReceiveEvent | None = None
        self._disconnect: ASGIReceiveEvent | None = None
        self._parked = trio.lowlevel.ParkingLot()  # the app when empty, the reader when full
        self._peer_has_left = peer_has_left

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Hand over `message`, waiting for room; after a disconnect it is dropped.

        A disconnect is kept apart and never waits; the first one counts.
        """
        if message["type"] in {"websocket.disconnect", "http.disconnect"}:
            if self._disconnect is None:
                self._disconnect = message
                self._wake()
            return
        while self._message is not None and self._disconnect is None:
            await self._wait_for_app(message)
        if self._disconnect is None:
            self._message = message
            self._wake()
        if _is_large(message):
            while self._message is message and self._disconnect is None:
                await self._wait_for_app(message)

    def _wake(self) -> None:
        if self._parked:  # mostly nobody waits, and to wake nobody takes longer than to ask
            self._parked.unpark_all()

    async def _wait_for_app(self, message: ASGIReceiveEvent) -> None:
        with trio.move_on_after(_PEER_CHECK_PERIOD) as period:
            await self._parked.park()
        if period.cancelled_caught and _may_leave(message) and self._peer_has_left():
            # The reader waits behind this message and cannot see the end of the stream.
            self._disconnect = {"type": "websocket.disconnect", "code": _ABNORMAL}

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; after the last one the disconnect, every time."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            if (message := self._message) is not None:
                self._message = None
                self._wake()
                return _decoded(message) if message["type"] == UTF8_MESSAGE else message
            if self._disconnect is not None:
                await trio.lowlevel.cancel_shielded_checkpoint()  # it may be asked for in a loop
                return self._disconnect
            await self._parked.park()


def _is_large(message: ASGIReceiveEvent) -> bool:
    if not _may_leave(message):
        return False
    fields = cast("Mapping[str, bytes | None]", message)
    return len(fields.get("bytes") or b"") > _LARGE


def _may_leave(message: ASGIReceiveEvent) -> bool:
    """Whether the end of the client's stream is its end: an HTTP client may half-close."""
    return message["type"] in {UTF8_MESSAGE, "websocket.receive"}


def _decoded(message: ASGIReceiveEvent) -> ASGIReceiveEvent:
    text = cast("Mapping[str, bytes]", message)["bytes"].decode()
    return {"type": "websocket.receive", "bytes": None, "text": text}


class AppTasks:
    """What Hypercorn's protocols call a task group: it starts the app for a request.

    An error of the app is logged and counted, and ends that request only.
    """

    __slots__ = ("_app", "_errors", "_nursery", "_peer_has_left")

    def __init__(
        self,
        app: ASGIFramework,
        nursery: trio.Nursery,
        errors: AppErrors,
        peer_has_left: Callable[[], bool],
    ) -> None:
        self._app = app
        self._nursery = nursery
        self._errors = errors
        self._peer_has_left = peer_has_left

    async def spawn_app(
        self,
        app: AppWrapper,  # noqa: ARG002 - Hypercorn's signature; its wrapper adds nothing here
        config: Config,  # noqa: ARG002
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the app on `scope`; return the function that hands it messages."""
        queue = AppQueue(self._peer_has_left)
        self._nursery.start_soon(self._run_app, scope, queue, send)
        return queue.put

    def spawn(self, func: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a task that ends with the connection."""
        self._nursery.start_soon(func, *args)

    async def _run_app(
        self,
        scope: Scope,
        queue: AppQueue,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> None:
        try:
            await self._app(scope, queue.receive, send)
        except BaseException as error:
            wrong, exit_ = split_error(error)
            if wrong is not None:
                self._errors.handler_errors += 1
                logger.exception("the app failed on %r", scope.get("path"), exc_info=wrong)
            if exit_ is not None:
                raise exit_ from None
        await send(None)
