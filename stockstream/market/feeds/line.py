"""A line to a provider that pushes: one socket, and the codec that talks on it.

It reads, sends what the codec has to send as fast as the provider allows, and ends the connection
when the other side is gone: pings of the transport that are not answered, or silence longer than
the provider is ever silent. What it is told goes to its feed, which owns it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from stockstream.http_client import parse_date
from stockstream.market.feeds.push_socket import Ended, closed, push_socket
from stockstream.market.feeds.web_socket import Disconnected
from stockstream.market.feeds.web_socket_frames import BadFrame
from stockstream.market.providers.push import (
    Event,
    Prices,
    Refused,
    Replace,
    Subscribed,
    Trouble,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stockstream.market.feeds.allowance import Tokens
    from stockstream.market.feeds.web_socket import WebSocket
    from stockstream.market.providers.push import Access, PushProvider
    from stockstream.quotes import Observation, Symbol

SEND_SECONDS = 5.0
"""A frame that takes longer is not read by anybody at the other end."""
FIRST_ANSWER_SECONDS = 15.0
"""A provider that has us in and tells nothing at all: longer than a codec waits for an answer."""


@dataclass(frozen=True, slots=True)
class LineTimes:
    """When the other side counts as gone, in seconds."""

    ping: float = 10.0
    pong: float = 5.0
    tick: float = 1.0


class Line:
    """See the module. `heard` is told each event and the time; it must not wait."""

    def __init__(
        self,
        provider: PushProvider,
        access: Access,
        messages: Tokens,
        heard: Callable[[Line, Event], None],
        wall: Callable[[], int],
        times: LineTimes | None = None,
    ) -> None:
        self._provider = provider
        self._secrets = access.secrets
        self._verify_tls = access.verify_tls
        self._endpoint = provider.endpoint(access)
        self._codec = provider.codec(access)
        self._messages = messages
        self._heard = heard
        self._wall = wall
        self._times = times or LineTimes()
        self._outgoing: deque[str] = deque()
        self._to_send = trio.Event()
        self._hung_up = trio.CancelScope()
        self._wanted: frozenset[Symbol] = frozenset()
        self.subscribed: frozenset[Symbol] = frozenset()
        self.refused: dict[Symbol, Refused] = {}
        self.opened: float | None = None
        self.last_frame: float | None = None
        self.heard: float | None = None
        """When a frame came last: a sign of life that was asked for is none."""
        self.frame: str | bytes = ""
        """The last one that came, its keys masked."""
        self.dated: int | None = None
        """By how much the date of the handshake was ahead of the monotonic clock, in ms."""
        self.end: Ended | None = None
        self.answered = trio.Event()
        """Set by the first acknowledgement, and by the end."""
        self.leaving = trio.Event()
        """Set when another line is to take its place, and by the end."""
        self.settled = trio.Event()
        """Set when all that was wanted is acknowledged or refused, and by the end."""

    def want(self, symbols: frozenset[Symbol]) -> None:
        """From now on prices of these are wanted."""
        if symbols == self._wanted:
            return
        self._wanted = symbols
        self.subscribed &= symbols
        self.refused = {name: why for name, why in self.refused.items() if name in symbols}
        self._take(self._codec.want(symbols, trio.current_time()))

    def hang_up(self, end: Ended) -> None:
        """End the connection for a reason of ours."""
        if self.end is None:
            self.end = end
            self._hung_up.cancel()

    def refuse(self, refused: Refused) -> None:
        """The provider tells nothing of a symbol, by its socket or by REST."""
        self.refused[refused.symbol] = refused
        self.subscribed -= {refused.symbol}

    async def run(self) -> None:
        """Connect and talk until the end, which is in `end` then."""
        try:
            with self._hung_up:
                await self._talk()
        except Ended as end:
            self.end = self.end or end
        finally:
            self.end = self.end or Ended("left", "the connection was ended here")
            for event in (self.answered, self.leaving, self.settled):
                event.set()

    async def _talk(self) -> None:
        verify = self._verify_tls
        async with push_socket(self._endpoint, self._secrets, verify_tls=verify) as socket:
            now = trio.current_time()
            self.opened = self.last_frame = now
            date = parse_date(socket.date)
            self.dated = None if date is None else date - round(now * 1000)
            self._take(self._codec.opened(now))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, socket)
                nursery.start_soon(self._send, socket)
                nursery.start_soon(self._ping, socket)
                nursery.start_soon(self._watch)

    async def _read(self, socket: WebSocket) -> None:
        codec = self._codec
        while True:
            try:
                frames = await socket.receive()
            except (Disconnected, BadFrame) as error:
                raise closed(error, self._secrets) from None
            self.last_frame = now = trio.current_time()
            # Nobody beyond here has to think of a key that the provider tells back.
            masked = [self._secrets.masked_frame(frame) for frame in frames]
            self.heard, self.frame = now, masked[-1]
            self._take(codec.received_all(masked, now, self._wall()))
            if not self._wanted:
                self.answered.set()

    async def _send(self, socket: WebSocket) -> None:
        while True:
            while not self._outgoing:
                self._to_send = trio.Event()
                await self._to_send.wait()
            wait = self._messages.wait(trio.current_time())
            if wait > 0:
                await trio.sleep(wait)
            self._messages.take(trio.current_time())
            with trio.move_on_after(SEND_SECONDS) as limit:
                try:
                    await socket.send(self._outgoing.popleft())
                except Disconnected as error:
                    raise closed(error, self._secrets) from None
            if limit.cancelled_caught:
                raise Ended("not_read", f"a message could not be sent within {SEND_SECONDS:g} s")

    async def _ping(self, socket: WebSocket) -> None:
        while True:
            await trio.sleep(self._times.ping)
            sent = trio.current_time()
            with trio.move_on_after(self._times.pong) as limit:
                try:
                    await socket.ping()
                except Disconnected as error:
                    raise closed(error, self._secrets) from None
            if limit.cancelled_caught:
                # All that came may wait to be read: a server short of CPU is no fault of theirs.
                await trio.lowlevel.checkpoint()
                if socket.last_received <= sent:
                    raise Ended("ping_unanswered", f"no pong within {self._times.pong:g} s")
            if self._provider.silence is None:
                # It has no heartbeat of its own, so that this is the sign of life.
                self.last_frame = trio.current_time()

    async def _watch(self) -> None:
        """What is due by time alone."""
        silence, lifetime = self._provider.silence, self._provider.lifetime
        assert self.opened is not None  # noqa: S101 - it is open
        while True:
            await trio.sleep(self._times.tick)
            now = trio.current_time()
            self._take(self._codec.due(now))
            quiet = now - (self.last_frame or now)
            if silence is not None and quiet > silence:
                await trio.lowlevel.checkpoint()  # what has come is read first
                quiet = now - (self.last_frame or now)
            if silence is not None and quiet > silence:
                raise Ended("silent", f"nothing came for {quiet:.0f} s, not even a heartbeat")
            if not self.answered.is_set() and now - self.opened > FIRST_ANSWER_SECONDS:
                raise Ended("unanswered", f"no answer within {FIRST_ANSWER_SECONDS:g} s")
            if lifetime is not None and now - self.opened > lifetime:
                self.leaving.set()

    def _take(self, turn: Turn) -> None:
        if turn.frames:
            self._outgoing.extend(turn.frames)
            self._to_send.set()
        for event in turn.events:
            match event:
                case Prices(observations):
                    self.answered.set()
                    if self.refused:
                        self._told_after_all(observations)
                case Subscribed(symbols):
                    self.subscribed |= symbols
                    self.answered.set()
                case Refused():
                    self.refuse(event)
                    self.answered.set()
                case Replace():
                    self.leaving.set()
                case Trouble():
                    self.hang_up(Ended.by(event))
                case _:
                    pass
            self._heard(self, event)
        if self.opened is not None and self._wanted <= self.subscribed | self.refused.keys():
            self.settled.set()

    def _told_after_all(self, observations: Iterable[Observation]) -> None:
        """What was refused by REST may be told by the socket."""
        for seen in observations:
            if self.refused.pop(seen.symbol, None) is not None:
                self.subscribed |= {seen.symbol}
