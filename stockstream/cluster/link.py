"""The way to NATS for the bus: one connection after another, for ever.

It is the only place where trio and the asyncio thread meet for NATS. What is said without a
connection is dropped, never kept: it would only come late.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from stockstream.cluster.connection import (
    PATIENCE_SECONDS,
    ConnectionLost,
    NatsConnection,
    Outgoing,
)
from stockstream.pauses import Pauses
from supervision import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ssl import SSLContext

    from structlog.stdlib import BoundLogger

    from stockstream.asyncio_thread import AsyncioLoop
    from stockstream.cluster.nats_access import NatsAccess

RETRIES = Backoff(first=0.1, longest=1.0)
GOOD_SECONDS = 5.0
"""A connection that lived so long was a good one: the next pause is the shortest again."""
MOST_INBOX_BYTES = 64_000_000

_log: BoundLogger = structlog.get_logger("bus")
_readers = trio.CapacityLimiter(4)
"""Threads of its own: a disk that hangs must not block those of others, nor the first that it holds
those of a later life, whose certificates may be elsewhere."""


class Silence(Enum):
    """Why there is no answer: nobody listens there; or none came, as far as is known."""

    NOBODY = "nobody"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Up:
    """There is a connection to that server, which takes messages of `most_bytes`."""

    server: str
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Down:
    """There is none any more, or again none; `reason` holds no secret."""

    server: str
    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came; a question where there is a `reply` to answer to."""

    subject: str
    reply: str
    data: bytes


class Link:
    """See the module. What happens comes in order from `next`."""

    def __init__(
        self,
        access: NatsAccess,
        name: str,
        inbox: str,
        subjects: Iterable[str],
        dropped: Callable[[], None],
    ) -> None:
        """As for `NatsConnection`; `dropped` is called, by trio, for each message that is lost."""
        self._access = access
        self._name = name
        self._inbox = inbox
        self._always = frozenset(subjects)
        self._subjects = self._always
        self._dropped = dropped
        self._loop: AsyncioLoop | None = None
        self._connection: NatsConnection | None = None
        self._happened: deque[Up | Down | Arrived] = deque()
        self._bytes = 0
        self._some = trio.Event()

    def renew(self, access: NatsAccess) -> None:
        """Make the next connection in this way."""
        self._access = access

    async def run(self, loop: AsyncioLoop) -> NoReturn:
        """Connect, again and again, to one server after another."""
        tls = await self._tls_context()
        pauses, number = Pauses(RETRIES), 0
        self._loop = loop
        while True:
            server = self._access.servers[number % len(self._access.servers)]
            connection = NatsConnection(
                server,
                self._access,
                self._name,
                self._inbox,
                self._subjects,
                partial(self._deliver, loop),
            )
            begun = trio.current_time()
            try:
                up = partial(self._connected, loop, connection, server.shown)
                await loop.run(connection.run, tls, up)
            except ConnectionLost as error:
                reason = str(error)
            finally:
                self._connection = None
            self._put(Down(server.shown, reason))
            if trio.current_time() - begun > GOOD_SECONDS:
                pauses.reset()
            number += 1
            await trio.sleep(pauses.take())

    async def _tls_context(self) -> SSLContext:
        """What certificates are checked against. On a disk that stalls the wait for it is as good
        as an attempt that fails.
        """
        async with trio.open_nursery() as waiting:
            waiting.start_soon(self._say_late)
            made = await trio.to_thread.run_sync(
                self._access.tls_context, abandon_on_cancel=True, limiter=_readers
            )
            waiting.cancel_scope.cancel()
        return made

    async def _say_late(self) -> None:
        await trio.sleep(PATIENCE_SECONDS)
        reason = f"the certificates are not read within {PATIENCE_SECONDS:g} s"
        self._put(Down(self._access.servers[0].shown, reason))

    async def next(self) -> Up | Down | Arrived:
        """What happened next."""
        while not self._happened:
            self._some = trio.Event()
            await self._some.wait()
        happened = self._happened.popleft()
        if isinstance(happened, Arrived):
            self._bytes -= len(happened.data)
        return happened

    def listen_to(self, subjects: Iterable[str]) -> None:
        """Hear what comes to these too, on this connection and each later one."""
        self._subjects = self._always.union(subjects)
        if self._loop is not None and self._connection is not None:
            self._loop.post(self._connection.listen_to, self._subjects)

    def say(self, subject: str, data: bytes) -> bool:
        """Send it, without a wait; False where there is no connection."""
        loop, connection = self._loop, self._connection
        if loop is None or connection is None:
            return False
        dropped = partial(loop.tell, self._dropped)
        loop.post(connection.put, Outgoing(subject, data), dropped)
        return True

    async def say_and_wait(self, subject: str, data: bytes) -> bool:
        """Send it; whether the server has it."""
        loop, connection = self._loop, self._connection
        if loop is None or connection is None:
            return False
        return await loop.run(connection.written, Outgoing(subject, data))

    async def ask(self, subject: str, data: bytes, seconds: float) -> bytes | Silence:
        """The answer of who listens to the subject."""
        loop, connection = self._loop, self._connection
        if loop is None or connection is None:
            return Silence.NO_ANSWER
        try:
            answer = await loop.run(connection.ask, subject, data, seconds)
        except (ConnectionLost, TimeoutError):
            return Silence.NO_ANSWER
        return Silence.NOBODY if answer is None else answer

    # These two are called in the asyncio thread, unlike all else here.

    def _connected(
        self, loop: AsyncioLoop, connection: NatsConnection, server: str, most_bytes: int
    ) -> None:
        loop.tell(self._up, connection, server, most_bytes)

    def _deliver(self, loop: AsyncioLoop, subject: str, reply: str, data: bytes) -> None:
        loop.tell(self._arrived, subject, reply, data)

    # In trio's again.

    def _up(self, connection: NatsConnection, server: str, most_bytes: int) -> None:
        self._connection = connection
        self.listen_to(self._subjects)  # of whom it was heard while the connection was made
        self._put(Up(server, most_bytes))

    def _arrived(self, subject: str, reply: str, data: bytes) -> None:
        if self._bytes + len(data) > MOST_INBOX_BYTES:
            self._dropped()
            return
        self._bytes += len(data)
        self._put(Arrived(subject, reply, data))

    def _put(self, happened: Up | Down | Arrived) -> None:
        self._happened.append(happened)
        self._some.set()
