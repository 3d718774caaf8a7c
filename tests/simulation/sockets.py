"""A WebSocket without a network: the server's side, as the product's own client code uses it.

What crosses takes time, in order; the client may stop reading, and then the kernel takes so many
bytes and no more. A connection ends by a close, by a reset, or without a word.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio
from werkzeug.datastructures import Headers, MultiDict

from stockstream.delivery.lanes import BEGUN, CLOSED, REFUSED, SENT
from web.server import Disconnected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.simulation.agenda import Agenda

KERNEL_BYTES = 4_096
UNACKNOWLEDGED_SECONDS = 30.0
"""As the product has the kernel reset connections whose peer has vanished."""
ABNORMAL = 1006
_PING = 0x89


class Link:
    """What is between a client and its node. Both sides see it through their own methods."""

    def __init__(
        self,
        agenda: Agenda,
        delay: float,
        heard: Callable[[bytes], None],
        cut: Callable[[int, str], None],
        ended: Callable[[int, str], None],
    ) -> None:
        """`heard` gets each message. `cut` is called when the server ends the connection, `ended`
        when the client learns of its end, both once.
        """
        self.agenda = agenda
        self.delay = delay
        self.reading = True
        self.vanished = False
        self._heard = heard
        self._cut = cut
        self._ended = ended
        self._over = False
        self._down_at = self._up_at = 0.0
        self._kernel: deque[tuple[bytes, Callable[[], None] | None]] = deque()
        self.bytes = 0
        self._unacknowledged = False
        self.socket = MemorySocket(self)

    # From the server

    def down(self, frames: bytes, act: Callable[[], None] | None = None) -> None:
        """Carry frames to the client, and then act, in the order of the calls."""
        if not self.reading:
            if self.vanished and not self._unacknowledged:
                self._unacknowledged = True
                self.agenda.after(UNACKNOWLEDGED_SECONDS, self.socket.wire.abort)
            self._kernel.append((frames, act))
            self.bytes += len(frames)
            return
        now = trio.current_time()
        self._down_at = max(self._down_at, now + self.delay)
        if self._down_at <= now:
            self._arrive(frames, act)
        else:
            self.agenda.at(self._down_at, lambda: self._arrive(frames, act))

    def _arrive(self, frames: bytes, act: Callable[[], None] | None) -> None:
        if self.vanished or self._over:
            return
        at, size = 0, len(frames)
        while at < size:
            first, length = frames[at], frames[at + 1]
            at += 2
            if length >= 126:
                wide = 2 if length == 126 else 8
                length = int.from_bytes(frames[at : at + wide], "big")
                at += wide
            if first == _PING:
                self.up(None)
            else:
                self._heard(frames[at : at + length])
            at += length
        if act is not None:
            act()

    def end(self, code: int, reason: str) -> None:
        """Tell the client that it is over; what was sent before comes before."""
        if not self._over:
            self._cut(code, reason)
        self.down(b"", lambda: self.over(code, reason))

    def over(self, code: int, reason: str) -> None:
        """The client learns of the end."""
        if not self._over:
            self._over = True
            self._ended(code, reason)

    # From the client

    def up(self, message: str | None) -> None:
        """Carry a message to the server; None is a pong."""
        now = trio.current_time()
        self._up_at = max(self._up_at, now + self.delay)
        if self._up_at <= now:
            self.socket.arrived(message)
        else:
            self.agenda.at(self._up_at, lambda: self.socket.arrived(message))

    def read_on(self) -> None:
        """Read again what the kernel holds, and all that comes."""
        self.reading = True
        kernel, self._kernel, self.bytes = self._kernel, deque(), 0
        self.socket.wire.room()
        for frames, act in kernel:
            self.down(frames, act)

    def reset(self) -> None:
        """The network resets it: both sides are told, each at once."""
        self._over = True
        self.socket.wire.abort()
        self._ended(ABNORMAL, "reset")

    def vanish(self, *, taken: bool) -> None:
        """The client is gone without a word. The server is told nothing; where what it sends is
        `taken` all the same, as by a proxy, its kernel does not notice either.
        """
        self.vanished = True
        self.reading = taken
        self.over(ABNORMAL, "vanished")


class MemoryWire:
    """Stands for `web.server.Wire`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open = False
        self.closed = False
        self.pending = 0
        self.peer = ("127.0.0.1", 1)
        self.last_received = self.last_progress = trio.current_time()
        self.incoming: deque[str] = deque()
        self.wake = trio.Event()

    def try_send(self, frame: bytes, now: float, /) -> int:
        """As `Wire.try_send`."""
        if self.closed:
            return CLOSED
        link = self._link
        if not self._open or self.pending or (not link.reading and link.bytes >= KERNEL_BYTES):
            return REFUSED
        self.last_progress = now
        link.down(frame)
        if not link.reading and link.bytes > KERNEL_BYTES:
            self.pending = link.bytes - KERNEL_BYTES
            return BEGUN
        return SENT

    def room(self) -> None:
        """The client has read what was sent."""
        if self.pending:
            self.pending = 0
        self.last_progress = trio.current_time()

    def open_for_frames(self) -> None:
        """The handshake was answered."""
        self._open = True

    def seal(self) -> None:
        """Nothing can be sent or received any more."""
        self.closed = True
        self.pending = 0
        self.wake.set()

    def abort(self) -> None:
        """Reset it."""
        if not self.closed:
            self.seal()
            self._link.end(ABNORMAL, "reset by the server")


class MemorySocket:
    """Stands for `web.server.ServerSocket`: the handler's end of a link."""

    secure = False
    path = "/ws"
    client = ("127.0.0.1", 1)

    def __init__(self, link: Link) -> None:
        self._link = link
        self.wire = MemoryWire(link)
        self.headers = Headers({"host": "localhost"})
        self.query: MultiDict[str, str] = MultiDict()

    def arrived(self, message: str | None) -> None:
        """Something came from the client."""
        wire = self.wire
        if wire.closed:
            return
        wire.last_received = trio.current_time()
        if message is not None:
            wire.incoming.append(message)
            wire.wake.set()

    async def accept(self, subprotocol: str | None = None) -> None:
        """Answer the handshake."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        self.wire.open_for_frames()

    async def wait_room(self) -> None:
        """There is room before anything was sent."""
        await trio.lowlevel.checkpoint()
        self._check_open()

    async def reject(
        self, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        """Answer with an HTTP response."""
        await trio.lowlevel.checkpoint()
        self.wire.seal()
        self._link.end(status, body.decode())

    async def receive(self) -> str:
        """The next message. Raises Disconnected."""
        wire = self.wire
        await trio.lowlevel.checkpoint()
        while not wire.incoming:
            self._check_open()
            wire.wake = trio.Event()
            await wire.wake.wait()
        return wire.incoming.popleft()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame."""
        await trio.lowlevel.checkpoint()
        if not self.wire.closed:
            self.wire.seal()
            self._link.end(code, reason)

    def hang_up(self) -> None:
        """The handler has ended, or was killed: the socket is closed with it."""
        self.wire.abort()

    def _check_open(self) -> None:
        if self.wire.closed:
            raise Disconnected(ABNORMAL)
