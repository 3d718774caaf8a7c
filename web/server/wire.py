"""One accepted socket, and its two kinds of writers.

Two kinds of writer share a socket: the HTTP and WebSocket protocol (`Wire.write`, awaited) and the
sender of ready frames (`Wire.try_send`, never waits). Their bytes must not mix inside a frame, even
if a writer is cancelled or killed in between. So the bytes of a begun write belong to the wire: a
task of the connection finishes the rest that the kernel did not take, and until then `try_send`
refuses.
"""

import errno
import socket
import struct
from contextlib import suppress
from enum import IntEnum
from typing import Final

import trio

__all__ = ["Sent", "Wire"]

_NOTHING: Final = memoryview(b"")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST
# The errors that end a connection whose peer acknowledges nothing (TCP_USER_TIMEOUT, tcp(7)). Linux
# reports the reason that a router or a neighbour gave, if there is one.
_TIMED_OUT = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}
_TLS_RECORD = 16 * 1024  # the unit of progress under TLS: the most one record carries


class Sent(IntEnum):
    """The result of sending a frame. An int, so that layers below `web` can compare it."""

    SENT = 0
    """The kernel has all of it."""
    BEGUN = 1
    """Taken; the connection finishes it. More is refused until then."""
    REFUSED = 2
    """Nothing was taken: an earlier write is unfinished, the socket is full, or not yet open."""
    CLOSED = 3
    """Nothing was taken and nothing ever will be."""


_SENT: Final = Sent.SENT
_REFUSED: Final = Sent.REFUSED  # a lookup in an enum's class costs as much as reading a clock


class Wire:
    """An accepted socket: ready frames at once, other writes in turn, all with a limit.

    Owned by its connection, which reads from the socket; anyone in the same trio run may call
    `try_send`, `abort` and the attributes.
    """

    __slots__ = (
        "_closed_event",
        "_finished",
        "_free",
        "_lock",
        "_nursery",
        "_open_for_frames",
        "_progress_timeout",
        "_rest",
        "_send",
        "_socket",
        "_tls",
        "closed",
        "last_progress",
        "last_received",
        "peer",
        "timed_out",
    )

    closed: bool
    """No frame can be sent any more: a close was sent or received, or the socket is gone."""
    last_received: float
    """Trio time of the last byte received."""
    timed_out: bool
    """It ended because the peer took, or acknowledged, nothing for too long."""
    last_progress: float
    """Trio time at which the kernel last took bytes from us."""
    peer: tuple[str, int] | None
    """The other side's address and port; None for a socket without."""

    def __init__(
        self,
        sock: socket.socket,
        peer: tuple[str, int] | None,
        *,
        progress_timeout: float,
        tls: "trio.SSLStream[trio.SocketStream] | None" = None,
    ) -> None:
        self.peer = peer
        self.closed = self.timed_out = False
        self.last_received = self.last_progress = trio.current_time()
        self._socket = sock
        self._send = sock.send
        self._tls = tls
        self._progress_timeout = progress_timeout
        self._open_for_frames = False
        self._free = False  # open for frames, no TLS, and nothing on its way
        self._finished = False  # FIN was sent, or the socket is closed
        self._rest = _NOTHING
        self._lock = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._closed_event: trio.Event | None = None

    @property
    def pending(self) -> int:
        """Bytes of a begun write that the kernel has not taken yet."""
        return len(self._rest)

    @property
    def gone(self) -> bool:
        """Whether the socket is closed: nothing that the peer sent matters any more."""
        return self._socket.fileno() == -1

    # Ready frames

    def try_send(self, frame: bytes, now: float | None = None) -> Sent:
        """Send a whole frame at once, begin it, or refuse it; never wait.

        `now` is trio's clock, for a caller that has looked at it already.

        A write that only waits for its turn is no reason to refuse: it has no bytes on the way.

        Under TLS a frame is always begun, since only a task can encrypt and wait.
        """
        if not self._free:
            return self._begin_under_tls(frame)
        try:
            taken = self._send(frame)
        except BlockingIOError:
            return _REFUSED
        except OSError as error:
            self.fail(error)
            return Sent.CLOSED
        self.last_progress = trio.current_time() if now is None else now
        if taken == len(frame):
            return _SENT
        self._hold(memoryview(frame)[taken:])
        self._start_finishing()
        return Sent.BEGUN

    def _begin_under_tls(self, frame: bytes) -> Sent:
        if not self._open_for_frames or self._rest:
            return Sent.CLOSED if self.closed else _REFUSED
        self._hold(memoryview(frame))
        self._start_finishing()
        return Sent.BEGUN

    def _hold(self, rest: memoryview) -> None:
        """Keep these bytes as the rest of the begun write."""
        # An empty slice would keep its frame alive.
        self._rest = rest or _NOTHING
        self._free = self._open_for_frames and not self._rest and self._tls is None

    # Writes of the protocol

    async def write(self, data: bytes) -> None:
        """Write `data` after everything begun before it; return when the kernel has all of it.

        A caller cancelled in the middle leaves the rest to the connection. Raises
        trio.BrokenResourceError when the peer is gone or takes nothing for `progress_timeout`
        (then the socket has been reset), trio.ClosedResourceError when it was closed here.
        """
        try:
            async with self._lock:
                await self._flush()
                self._hold(memoryview(data))  # from here on `data` is written whole or never
                await self._flush()
        finally:
            if self._rest:  # cancelled
                self._start_finishing()

    async def write_last(self, data: bytes) -> None:
        """As `write`, but what the kernel takes at once gives no other task a turn.

        For what ends an answer. A task that writes in a loop would keep all others waiting.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._begin(data):
            await self.write(data)
        elif self._rest:
            try:
                async with self._lock:
                    await self._flush()
            finally:
                if self._rest:  # cancelled
                    self._start_finishing()

    def _begin(self, data: bytes) -> bool:
        """Have the kernel take what it can of `data`; False if others come first."""
        if self._rest or self._finished or self._tls is not None or self._lock.locked():
            return False
        try:
            taken = self._send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self.fail(error)
            raise trio.BrokenResourceError(f"the peer is gone: {error}") from error
        else:
            self.last_progress = trio.current_time()
        if taken < len(data):
            self._hold(memoryview(data)[taken:])
        return True

    async def written(self) -> None:
        """Wait until the writes that have begun are done, or have failed."""
        async with self._lock:
            pass

    async def wait_room(self) -> None:
        """Wait until the kernel has room for an answer, all of which `write` then takes at once.

        Raises as `write` does.
        """
        async with self._lock:
            await self._flush()
            if self._finished:
                raise trio.ClosedResourceError("this connection was closed")
            with trio.move_on_after(self._progress_timeout) as limit:
                await trio.lowlevel.wait_writable(self._socket)
            if limit.cancelled_caught:
                self._give_up()

    def _start_finishing(self) -> None:
        if self._nursery is not None and not self._finished:
            self._nursery.start_soon(self._finish)

    async def _finish(self) -> None:
        try:
            async with self._lock:
                await self._flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.abort()  # the reader sees the closed socket and ends the connection

    async def _flush(self) -> None:
        while self._rest:
            if self._finished:
                self._hold(_NOTHING)
                raise trio.ClosedResourceError("this connection was closed")
            if self._tls is None:
                await self._flush_some()
            else:
                await self._flush_record(self._tls)

    async def _flush_some(self) -> None:
        try:
            taken = self._send(self._rest)
        except BlockingIOError:
            with trio.move_on_after(self._progress_timeout) as limit:
                await trio.lowlevel.wait_writable(self._socket)
            if limit.cancelled_caught:
                self._give_up()
        except OSError as error:
            self.fail(error)
            raise trio.BrokenResourceError(f"the peer is gone: {error}") from error
        else:
            self._advance(taken)

    async def _flush_record(self, tls: "trio.SSLStream[trio.SocketStream]") -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        record = self._rest[:_TLS_RECORD]
        # Cancelling send_all halfway would break the TLS stream for every later write.
        with trio.move_on_after(self._progress_timeout, shield=True) as limit:
            await tls.send_all(record)
        if limit.cancelled_caught:
            self._give_up()
        self._advance(len(record))

    def _advance(self, taken: int) -> None:
        self.last_progress = trio.current_time()
        self._hold(self._rest[taken:])

    def _give_up(self) -> None:
        self.timed_out = True
        self.abort()
        raise trio.BrokenResourceError(
            f"the peer took nothing for {self._progress_timeout} s; the connection was reset"
        )

    # The end

    def fail(self, error: OSError) -> None:
        """Reset the connection after an error of its socket."""
        if error.errno in _TIMED_OUT:
            self.timed_out = True
        self.abort()

    def abort(self) -> None:
        """Reset the connection (RST) now. Idempotent; tasks waiting on the socket are woken."""
        if self._socket.fileno() != -1:
            with suppress(OSError):  # reset by the peer already: nothing is left to cut short
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close_socket()

    def close(self) -> None:
        """Close the socket now (FIN), or reset it when a write is unfinished. Idempotent."""
        if self._rest:
            self.abort()
        else:
            self._close_socket()

    def _close_socket(self) -> None:
        self._finished = True
        self._hold(_NOTHING)
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        self.seal()

    async def wait_closed(self) -> None:
        """Wait until `closed` is true."""
        if self._closed_event is None:
            self._closed_event = trio.Event()
            if self.closed:
                self._closed_event.set()
        await self._closed_event.wait()

    # For the connection that owns this wire

    def attach(self, nursery: trio.Nursery) -> None:
        """Say which nursery finishes begun writes: the connection's own."""
        self._nursery = nursery

    def detach(self) -> None:
        """Forget the nursery: the connection has ended."""
        self._nursery = None

    def open_for_frames(self) -> None:
        """From now on ready frames are legal: the WebSocket handshake was answered."""
        self._open_for_frames = not self.closed
        self._hold(self._rest)

    def seal(self) -> None:
        """From now on no frame may follow: a close frame was sent or received."""
        self.closed = True
        self._open_for_frames = self._free = False
        if self._closed_event is not None:
            self._closed_event.set()

    def shutdown_write(self) -> None:
        """Send FIN after what was written and write no more, but go on reading."""
        self.seal()
        if self._rest:
            self.abort()
        elif not self._finished:
            self._finished = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:  # not connected any more
                self._close_socket()
