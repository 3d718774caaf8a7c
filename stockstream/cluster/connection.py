"""One connection to a NATS server, from its making to its end. Runs under asyncio.

nats-py does the protocol and nothing else. Its own reconnecting may hang for as long as a dead
server has data under way, its buffer sends late what nobody wants any more, and its reading may end
without a word. So a client lives as long as one connection. Writes are followed by pings, and where
the answer takes longer than `PATIENCE_SECONDS`, the socket is cut (ADR 0213, 0231).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import nats.errors
import structlog
from nats.aio.client import Client

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from nats.aio.subscription import Subscription
    from structlog.stdlib import BoundLogger

    from stockstream.cluster.nats_access import NatsAccess, Server

PATIENCE_SECONDS = 2.0
PING_SECONDS = 1.0
"""How long nothing is written before there is a ping all the same."""
UNANSWERED_SECONDS = 0.25
UNANSWERED_BYTES = 1_000_000
"""Within this time of an answer, so much may be written without another ping: each one wakes the
thread once more, and ten fetches a second need no ten answers."""
CLOSE_SECONDS = 0.5
MOST_WAITING_BYTES = 8_000_000
"""What may wait for the writes before it: beyond this the server is too slow to be kept up with."""
NEVER = 3_600
"""For waits of nats-py that this module does itself, in seconds."""

_log: BoundLogger = structlog.get_logger("bus")


class ConnectionLost(Exception):
    """The connection ended, or was not made; the text says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for a subject, or, where that is a question's `reply`, an answer."""

    subject: str
    data: bytes


class NatsConnection:
    """See the module. Everything here is called in the loop."""

    def __init__(
        self,
        server: Server,
        access: NatsAccess,
        name: str,
        inbox: str,
        subjects: AbstractSet[str],
        deliver: Callable[[str, str, bytes], None],
    ) -> None:
        """`name` is shown by the server's monitoring; answers come to subjects below `inbox`.

        What comes to `subjects` is passed to `deliver`, in the order in which it came over the
        connection, with the subject and where to answer.
        """
        self._server = server
        self._access = access
        self._name = name
        self._inbox = inbox
        self._subjects = subjects
        self._subscriptions: dict[str, Subscription] = {}
        self._deliver = deliver
        self._client: Client | None = None
        self._waiting: deque[tuple[Outgoing, asyncio.Future[bool] | None]] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._trouble: Exception | None = None
        self._gone = asyncio.Event()

    async def run(self, tls: ssl.SSLContext, up: Callable[[int], None]) -> NoReturn:
        """Connect, call `up` with the bytes of the largest message that the server takes, and live
        until the connection is gone.

        Raises:
            ConnectionLost: it is.
        """
        must_be_tls = self._server.tls or self._access.ca is not None
        client = _Client(self._deliver, f"{self._inbox}.".encode(), must_be_tls=must_be_tls)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._open(client, tls)
            self._client = client
            up(client.max_payload)
            await self._work(client)
        # nats-py raises whatever a strange answer of a server comes to, such as a KeyError.
        except Exception as error:  # noqa: BLE001
            raise ConnectionLost(self._why(error)) from None
        finally:
            self._client = None
            for _, written in self._waiting:
                _settle(written, done=False)
            self._waiting.clear()
            self._subscriptions.clear()
            await _end(client)

    def put(self, outgoing: Outgoing, dropped: Callable[[], None]) -> None:
        """Write it soon, in order; where that cannot be, call `dropped`."""
        if not self._put(outgoing, None):
            dropped()

    def listen_to(self, subjects: AbstractSet[str]) -> None:
        """From soon on, hear what comes to these, and to no others."""
        self._subjects = subjects
        self._wake.set()

    async def written(self, outgoing: Outgoing) -> bool:
        """Write it, and wait until the server has answered a ping that came after it."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        return self._put(outgoing, written) and await written

    async def ask(self, subject: str, data: bytes, seconds: float) -> bytes | None:
        """The answer of who listens to the subject; None where nobody does.

        Raises:
            ConnectionLost: there is no connection.
            TimeoutError: no answer came.
        """
        client = self._client
        if client is None:
            raise ConnectionLost("there is no connection")
        try:
            answer = await client.request(subject, data, timeout=seconds)
        except nats.errors.NoRespondersError:
            return None
        except nats.errors.TimeoutError:
            raise TimeoutError from None
        except (nats.errors.Error, OSError) as error:
            raise ConnectionLost(self._why(error)) from None
        return answer.data

    def _put(self, outgoing: Outgoing, written: asyncio.Future[bool] | None) -> bool:
        size = len(outgoing.data)
        client = self._client
        if client is None or size > client.max_payload:
            return False
        if self._waiting and self._waiting_bytes + size > MOST_WAITING_BYTES:
            return False
        self._waiting.append((outgoing, written))
        self._waiting_bytes += size
        self._wake.set()
        return True

    async def _open(self, client: Client, tls: ssl.SSLContext) -> None:
        server, credentials = self._server, self._access.credentials
        has_password = server.password is not None
        await client.connect(
            f"nats://{server.shown}",
            error_cb=self._on_error,
            disconnected_cb=self._on_gone,
            closed_cb=self._on_gone,
            name=self._name,
            allow_reconnect=False,
            # Two attempts at once: with fewer it would try for ever.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=NEVER,
            ping_interval=NEVER,
            tls=tls,
            user=server.user if has_password else None,
            password=server.password,
            token=None if has_password else server.user,
            user_credentials=None if credentials is None else str(credentials),
            inbox_prefix=self._inbox,
            pending_size=-1,
        )
        await self._subscribe(client)
        await self._flush(client)  # a subscription that is refused is told before the answer
        if self._trouble is not None:
            raise self._trouble

    async def _work(self, client: Client) -> NoReturn:
        writing = asyncio.ensure_future(self._write(client))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({writing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
            raise self._trouble or ConnectionLost("the server has closed the connection")
        finally:
            for task in (writing, gone):
                task.cancel()
            await asyncio.wait({writing, gone}, timeout=CLOSE_SECONDS)

    async def _subscribe(self, client: Client) -> None:
        wanted, has = self._subjects, self._subscriptions
        for subject in has.keys() - wanted:
            await has.pop(subject).unsubscribe()
        for subject in sorted(wanted - has.keys()):
            has[subject] = await client.subscribe(subject)

    async def _write(self, client: Client) -> NoReturn:
        loop = asyncio.get_running_loop()
        answered, unanswered = loop.time(), 0
        while True:
            woken = True
            if not self._waiting:
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    woken = False
            self._wake.clear()
            taken, self._waiting = self._waiting, deque()
            unanswered += self._waiting_bytes
            self._waiting_bytes = 0
            try:
                await self._subscribe(client)
                for outgoing, _ in taken:
                    await client.publish(outgoing.subject, outgoing.data)
                if (
                    not woken
                    or any(written is not None for _, written in taken)
                    or unanswered > UNANSWERED_BYTES
                    or loop.time() >= answered + UNANSWERED_SECONDS
                ):
                    await self._flush(client)
                    answered, unanswered = loop.time(), 0
            except BaseException:
                for _, written in taken:
                    _settle(written, done=False)
                raise
            for _, written in taken:
                _settle(written, done=True)

    async def _flush(self, client: Client) -> None:
        # The library's own task writes what was published; before that, a ping would overtake it.
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.flush(timeout=NEVER)

    def _why(self, error: Exception) -> str:
        # What the library raises in the end says less than what it has reported before.
        cause = self._trouble or error
        if isinstance(cause, TimeoutError):
            return f"no answer within {PATIENCE_SECONDS:g} s"
        return str(cause) or type(cause).__name__

    async def _on_error(self, error: Exception) -> None:
        if self._trouble is None:
            self._trouble = error
        if self._client is not None:
            self._gone.set()

    async def _on_gone(self) -> None:
        self._gone.set()


class _Client(Client):
    def __init__(
        self, deliver: Callable[[str, str, bytes], None], inbox: bytes, *, must_be_tls: bool
    ) -> None:
        super().__init__()
        self._deliver = deliver
        self._inbox = inbox
        self._must_be_tls = must_be_tls

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        # The library has a queue and a task for each subscription: what came to two of them would
        # be told in the order of the tasks, and a heartbeat before the prices that it counts.
        if subject.startswith(self._inbox):
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            # A server takes any bytes for a subject.
            self._deliver(subject.decode(errors="replace"), reply.decode(errors="replace"), data)

    def _connect_command(self) -> bytes:
        # It holds the password. The library asks the server whether to encrypt, and nobody else.
        writer = getattr(self._transport, "_io_writer", None)
        if self._must_be_tls and (writer is None or not writer.get_extra_info("ssl_object")):
            raise nats.errors.SecureConnWantedError
        return super()._connect_command()


def _settle(written: asyncio.Future[bool] | None, *, done: bool) -> None:
    if written is not None and not written.done():
        written.set_result(done)


async def _end(client: Client) -> None:
    """Cut the connection, and leave none of the client's tasks behind."""
    transport = client._transport  # noqa: SLF001 - there is no public way to cut it
    # First, and without a wait: `close` waits for bytes that a dead server never takes.
    for name in ("_io_writer", "_bare_io_writer"):
        writer = getattr(transport, name, None)
        if writer is not None:
            writer.transport.abort()
    tasks = [
        client._reading_task,  # noqa: SLF001
        client._ping_interval_task,  # noqa: SLF001
        client._flusher_task,  # noqa: SLF001
        *(sub._wait_for_msgs_task for sub in client._subs.values()),  # noqa: SLF001
    ]
    left = {task for task in tasks if task is not None and not task.done()}
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    except Exception as error:  # noqa: BLE001 - the socket is gone, which is all that matters
        _log.debug("a NATS client did not close", error=repr(error))
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=CLOSE_SECONDS)
    # The library's objects hold each other, their buffers with half a message, and a megabyte of
    # certificates. Only a full collection would free them, which is rare (`garbage.py`).
    vars(client).clear()
