"""One connection to one server, from its name to its end."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, get_args

import msgspec
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from stockstream.cli.watch.printable import printable
from stockstream.decoding import from_json
from stockstream.delivery.protocol import PROTOCOL_VERSION, ServerMessage, Welcome
from stockstream.error_groups import first_of
from stockstream.http_client import open_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.cli.watch.nodes import Address

CONNECT_SECONDS = 10.0
"""A handshake on a dead network would hang for minutes; the welcome is part of it."""
CLOSE_SECONDS = 0.2
"""For the other side's close frame: who moves to another server does not wait for a dead one."""
LARGEST_MESSAGE = 64 * 2**20
"""A snapshot of a hundred thousand symbols comes in eight parts of some 6 MB."""
LONGEST_REASON = 200
NO_SERVER = "no StockStream server is reached under this address"

_FOR_NOW = {429, 503}
_NOBODY = {"login_needed", "unknown_token", "missing_scope"}
"""Code words of a server that wants to know who we are, or another."""


class Lost(Exception):
    """A connection ended, or never came about; `reason` is for people.

    `for_good`: this server does not want us back unchanged. `retry_after` are the seconds that it
    asked for; None when it did not. A server that is `there` may serve us later. `code` is the
    server's word for a refused handshake, "" where it has none.
    """

    def __init__(
        self,
        reason: str,
        *,
        for_good: bool = False,
        retry_after: float | None = None,
        there: bool = False,
        code: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_good = for_good
        self.retry_after = retry_after
        self.there = there
        self.code = code


class _Typed(msgspec.Struct):
    type: str


class _Reason(msgspec.Struct):
    reason: str
    code: str = ""


class _Refusal(msgspec.Struct):
    error: _Reason


class Unreadable(Exception):
    """A message is none that this client knows, though it should be."""


def read(text: str | bytes) -> ServerMessage | None:
    """A message; None for one of a kind that is not known: a newer server may send such.

    Raises:
        Unreadable: it is no message of the protocol.
    """
    try:
        return from_json(text, ServerMessage)  # type: ignore[arg-type]
    except msgspec.MsgspecError as error:
        try:
            kind = from_json(text, _Typed).type
        except msgspec.MsgspecError:
            raise Unreadable(str(error)) from error
        if kind in _KINDS:
            raise Unreadable(f"{kind}: {error}") from error
        return None


_KINDS = {kind.__struct_config__.tag for kind in get_args(ServerMessage)}


class Socket:
    """An open connection whose welcome has come. Texts go out, messages come in."""

    def __init__(
        self, socket: WebSocketConnection, welcome: Welcome, stream: trio.abc.Stream
    ) -> None:
        self._socket = socket
        self.welcome = welcome
        self.stream = stream

    async def send(self, message: msgspec.Struct) -> None:
        """Send a message of a client.

        Raises:
            Lost: the connection ended.
        """
        try:
            await self._socket.send_message(msgspec.json.encode(message).decode())
        except ConnectionClosed as closed:
            raise _lost(closed) from closed

    async def receive(self) -> ServerMessage | None:
        """The next message; see `read`.

        Raises:
            Lost: the connection ended.
            Unreadable: see `read`.
        """
        try:
            return read(await self._socket.get_message())
        except ConnectionClosed as closed:
            raise _lost(closed) from closed


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Socket]:
    """A connection for the time of a `with`.

    Raises:
        Lost: it could not be made.
    """
    with trio.CancelScope(deadline=trio.current_time() + CONNECT_SECONDS) as limit:
        stream = await _stream(address)
    if limit.cancelled_caught:
        raise Lost(f"no answer within {CONNECT_SECONDS:g} s")
    try:
        async with stream, trio.open_nursery() as nursery:
            with trio.CancelScope(deadline=limit.deadline) as limit:
                connection, welcome = await _greet(address, stream, nursery)
            if limit.cancelled_caught:
                raise Lost(f"no answer within {CONNECT_SECONDS:g} s")
            try:
                yield Socket(connection, welcome, stream)
            finally:
                with trio.move_on_after(CLOSE_SECONDS, shield=True):
                    await connection.aclose()
                nursery.cancel_scope.cancel()
    except* HandshakeError as group:  # from the library's reader, a task of the nursery
        raise _refused(group) from group


async def _stream(address: Address) -> trio.abc.Stream:
    try:
        return await open_stream(address.host, address.port, secure=address.secure)
    except trio.BrokenResourceError as error:
        raise Lost(f"TLS: {_why(error.__cause__ or error)}") from error
    except (OSError, ValueError) as error:  # a ValueError for a name that no host can have
        raise Lost(_why(error)) from error


async def _greet(
    address: Address, stream: trio.abc.Stream, nursery: trio.Nursery
) -> tuple[WebSocketConnection, Welcome]:
    try:
        connection = await wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]
            address.netloc,
            f"{address.path}/ws?protocol={PROTOCOL_VERSION}",
            extra_headers=address.headers,
            max_message_size=LARGEST_MESSAGE,
        )
    except (trio.BrokenResourceError, OSError) as error:
        raise Lost(NO_SERVER) from error
    try:
        welcome = read(await connection.get_message())
    except ConnectionClosed as closed:
        raise _lost(closed) from closed
    except Unreadable as error:
        raise Lost(f"it is no StockStream server: {printable(str(error))}") from error
    if not isinstance(welcome, Welcome):
        raise Lost("it is no StockStream server: no welcome came")
    return connection, welcome


def _refused(group: BaseExceptionGroup[HandshakeError]) -> Lost:
    rejected = first_of(group)
    if not isinstance(rejected, ConnectionRejected):
        return Lost(NO_SERVER)
    status = rejected.status_code
    try:
        said = from_json(rejected.body or b"", _Refusal).error
    except msgspec.MsgspecError:
        said = _Reason(NO_SERVER)
    reason = f"{_shown(said.reason)} (it answered {status})"
    if said.code in _NOBODY:
        how = "give an API token with the scope prices:read by --token or STOCKSTREAM_TOKEN"
        return Lost(f"{reason}; {how}", for_good=True, there=True, code=said.code)
    if status not in _FOR_NOW:
        return Lost(reason, code=said.code)
    return Lost(reason, retry_after=_retry_after(rejected), there=True, code=said.code)


def _retry_after(rejected: ConnectionRejected) -> float | None:
    for name, value in rejected.headers or ():
        if name.lower() == b"retry-after" and value.isdigit():
            return float(value)
    return None


def _lost(closed: ConnectionClosed) -> Lost:
    """A connection that ended; without a reason it was cut."""
    if closed.reason is None:
        return Lost("the connection was lost", there=True)
    code, text = closed.reason.code, _shown(closed.reason.reason or "")
    for_good = 4500 <= code <= 4999
    return Lost(text or f"the connection was lost ({code})", for_good=for_good, there=True)


def _shown(text: str) -> str:
    return printable(text[:LONGEST_REASON])


def _why(error: BaseException) -> str:
    """What the system says, without numbers and without names of Python."""
    if isinstance(error, BaseExceptionGroup):
        return _why(error.exceptions[0])
    if isinstance(error.__cause__, BaseExceptionGroup):  # one for each address of a name
        return _why(error.__cause__)
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return _shown(str(error) or type(error).__name__)
