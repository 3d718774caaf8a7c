"""A client: owns its socket and outlives its session; the broadcaster writes to it."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

import trio

from stockstream.delivery.limits import Strikes
from stockstream.delivery.messages import Close, Command, Served
from supervision import CallError, CallTimeout, correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision import ActorRef
    from web.server import ServerSocket

SESSIONLESS_SECONDS = 5.0
"""Without a session for so long, the client is told to come back."""
COMMAND_SECONDS = 10.0
"""The limit for one command, over all sessions that it was given to. A session may wait for
partners that restart; beyond this it hangs."""
RETRY_SECONDS = 0.02
CRASHES = 5
CRASH_SECONDS = 10.0

CODE_INTERNAL = 1011
CODE_LOST = 4000


class Client:
    """See the module; implements `stockstream.delivery.lanes.Client`.

    Its handler's task reads and closes; `session` is set by `Clients`, which starts its sessions.
    """

    __slots__ = (
        "_closing",
        "_commands",
        "_crashes",
        "_drained",
        "_heard",
        "_is_behind",
        "_reading",
        "_serving",
        "_session",
        "_session_changed",
        "_socket",
        "_wire",
        "address",
        "name",
        "number",
        "try_send",
    )

    def __init__(
        self,
        number: int,
        socket: ServerSocket,
        address: str,
        is_behind: Callable[[int], bool],
    ) -> None:
        """`is_behind` says whether answers to this connection wait to be sent.

        `number` names it inside this process, `name` to its client and in the log. `address`
        is whom it comes from, behind proxies of ours too.
        """
        self.number = number
        self.address = address
        self.name = secrets.token_urlsafe(12)
        self._socket = socket
        self._wire = socket.wire
        self.try_send = socket.wire.try_send
        self._is_behind = is_behind
        self._reading = trio.CancelScope()
        self._closing: Close | None = None
        self._commands = 0
        self._serving = False
        self._heard = 0.0
        self._crashes = Strikes(CRASHES, CRASH_SECONDS)
        self._session: ActorRef | None = None
        self._session_changed: trio.Event | None = None
        self._drained: trio.Event | None = None

    # For the broadcaster.

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._wire.closed

    @property
    def ready(self) -> bool:
        """Whether `try_send` may take a frame: none is on its way."""
        return self._wire.pending == 0

    @property
    def last_received(self) -> float:
        """When it was last heard, on trio's clock: now, while something it said is being served.

        Later messages, above all a pong, may wait unread behind that one. The same holds while the
        client has to read answers first; its lag with those is judged elsewhere.
        """
        if self._serving or self._drained is not None:
            return trio.current_time()
        return max(self._wire.last_received, self._heard)

    @property
    def last_progress(self) -> float:
        """When the kernel last took bytes, on trio's clock."""
        return self._wire.last_progress

    def drained(self) -> None:
        """No message waits for this client any more: read on."""
        if self._drained is not None:
            self._heard = trio.current_time()
            self._drained.set()
            self._drained = None

    def ask_to_close(self, code: int, reason: str) -> None:
        """Have the handler's task close the connection; the first code counts."""
        if self._closing is None:
            self._closing = Close(code, reason)
            self._reading.cancel()

    def abort(self) -> None:
        """Reset the connection now."""
        self._wire.abort()

    # For `Clients`, which keeps its session.

    @property
    def session(self) -> ActorRef | None:
        """The session that serves it, or None between two."""
        return self._session

    @session.setter
    def session(self, session: ActorRef | None) -> None:
        self._session = session
        if session is not None and self._session_changed is not None:
            self._session_changed.set()
            self._session_changed = None

    def session_crashed(self) -> None:
        """Count a crash of its own session; after too many, this client is the cause."""
        if self._crashes.add(trio.current_time()):
            self.ask_to_close(CODE_INTERNAL, "your messages crash the server's session")

    # For its handler.

    async def serve(self) -> None:
        """Read messages and have them served, until the client leaves or is to be closed.

        Raises Disconnected when the client leaves.
        """
        with self._reading:
            while self._closing is None:
                # Not in a variable: it would keep the message while we wait for a slow client.
                answer = await self._deliver(await self._socket.receive())
                if isinstance(answer, Close):
                    self._closing = answer
                elif self._is_behind(self.number):
                    await self._wait_until_drained()
        if self._closing is not None:
            await self._socket.close(self._closing.code, self._closing.reason)

    async def _deliver(self, message: str | bytes) -> Served | Close:
        self._serving = True
        try:
            return await self._have_it_served(message)
        finally:
            self._serving = False
            self._heard = trio.current_time()

    async def _have_it_served(self, message: str | bytes) -> Served | Close:
        """Give a message to the session, and to its successors until one has dealt with it."""
        self._commands += 1
        # Log lines of all actors that work for this command carry it (R62).
        correlation_id.set(f"{self.name}-{self._commands}")
        # The time of arrival: a flood is a flood even if we serve it slowly.
        command = Command(self._commands, message, self._wire.last_received)
        give_up_at = trio.current_time() + COMMAND_SECONDS
        while (left := give_up_at - trio.current_time()) > 0:
            with trio.move_on_after(SESSIONLESS_SECONDS) as limit:
                session = await self._living_session()
            if limit.cancelled_caught:
                break
            try:
                # Whole seconds: the runtime keeps a queue for each different timeout.
                return await session.call(command, timeout=max(1, math.floor(left)))
            except CallTimeout:
                break
            except CallError:
                # The session ended, or is flooded: its successor, or a retry, gets the command.
                await trio.sleep(RETRY_SECONDS)
        return Close(CODE_LOST, "no session could serve you; come back")

    async def _living_session(self) -> ActorRef:
        while self._session is None or not self._session.alive:
            if self._session_changed is None:
                self._session_changed = trio.Event()
            await self._session_changed.wait()
        return self._session

    async def _wait_until_drained(self) -> None:
        if self._drained is None:
            self._drained = trio.Event()
        await self._drained.wait()
