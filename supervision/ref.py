"""References to actors: how one sends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import trio

from .call import PendingCall
from .errors import CallingSelf, CallTimeout, NoProc, Overloaded, ServerExited
from .events import CastDropped, CastToNobody, KeyFailed
from .exits import NORMAL, ExitReason, NoProcess
from .monitor import watch
from .tick import send_to_name_after

if TYPE_CHECKING:
    from .cell import Cell
    from .deadlines import Timer
    from .messages import Request
    from .monitor import Monitor
    from .system import System

R = TypeVar("R")

CALL_TIMEOUT_SECONDS = 5.0


class ActorRef:
    """A name, looked up at each send, or one incarnation of an actor.

    Two refs are equal when they mean the same: the same name, or the same incarnation.
    """

    __slots__ = ("_cell", "_system", "path")

    def __init__(self, system: System, path: str, cell: Cell | None = None) -> None:
        self._system = system
        self._cell = cell
        self.path = path

    def cast(self, message: object) -> None:
        """Send and forget: never waits, never raises, tells nobody when there is nobody.

        Over the mailbox's bound the actor's overflow policy decides what is dropped.
        """
        cell = self._cell or self._system.names.get(self.path)
        if cell is None or cell.reason is not None:
            self._system.casts_to_nobody += 1
            self._system.emit(CastToNobody(self.path, type(message)))
            return
        mailbox = cell.mailbox
        try:
            accepted = mailbox.cast(message)
        except Exception as error:  # noqa: BLE001 - the key function is the actor's, not the sender's
            mailbox.dropped += 1
            self._system.emit(KeyFailed(cell.path, type(message), error))
            return
        if not accepted:
            self._system.emit(CastDropped(cell.path, type(message), mailbox.dropped))

    async def call(self, request: Request[R], *, timeout: float = CALL_TIMEOUT_SECONDS) -> R:
        """Send and wait for the reply, at most `timeout` seconds.

        Raises:
            NoProc: nobody has that name now.
            CallingSelf: the caller is that actor's own receive loop.
            Overloaded: its mailbox is at its bound.
            UnhandledRequest: it declares no handler for this request.
            CallTimeout: no reply in time; the request may still be processed.
            ServerExited: it ended first, for the error's `reason`.
        """
        cell = self._cell or self._system.names.get(self.path)
        task = trio.lowlevel.current_task()
        refused: Exception | None = None
        if cell is None or cell.ended:
            refused = NoProc(self.path)
        elif task is cell.task:
            refused = CallingSelf(self.path)
        elif not timeout >= 0:
            refused = ValueError(f"call to {self.path!r}: a timeout of {timeout!r} s")
        else:
            # A float here: an int too large for one would be refused after the call is queued.
            call = PendingCall(task, cell, self.path, float(timeout))
            if cell.mailbox.call(request, call):
                cell.calls.add(call)
                if timeout != math.inf:
                    self._system.deadlines.add(call)
                reply: R = await call.wait()
                return reply
            refused = Overloaded(self.path, cell.mailbox.bound)
        # Without it a caller that tries again and again would never let anybody else run.
        await trio.lowlevel.checkpoint()
        try:
            raise refused
        finally:
            del refused  # its traceback names this frame: a circle, with all that the frame holds

    def monitor(self) -> Monitor:
        """Watch the incarnation that is there now, from any task: `await monitor.wait()`.

        When there is none, it ended already, with noproc. Cancel it, or use it as a context
        manager, when the answer does not matter any more.
        """
        return self._monitor(None)

    def _monitor(self, watcher: Cell | None) -> Monitor:
        cell = self._cell or self._system.names.get(self.path)
        # Of one that ended before it was asked for, the reason is noproc, as in OTP.
        return watch(self, None if cell is None or cell.ended else cell, watcher)

    def stop(self, reason: ExitReason = NORMAL) -> None:
        """Ask the actor to end with `reason`: before its next message, after `terminate`."""
        cell = self._cell or self._system.names.get(self.path)
        if cell is not None and not cell.ended:
            cell.mailbox.stop(reason)

    async def stop_and_wait(
        self, reason: ExitReason = NORMAL, *, timeout: float = CALL_TIMEOUT_SECONDS
    ) -> None:
        """Ask the actor to end with `reason`, and wait until it has, `terminate` included.

        As `gen_server:stop`. Its supervisor then decides, as after any end.

        Raises:
            NoProc: nobody has that name now.
            CallingSelf: the caller is that actor's own receive loop, which would wait for itself.
            CallTimeout: it has not ended in time. It still will.
            ServerExited: it ended for another reason.
        """
        cell = self._cell or self._system.names.get(self.path)
        if cell is not None and trio.lowlevel.current_task() is cell.task:
            await trio.lowlevel.checkpoint()
            raise CallingSelf(self.path)
        with self.monitor() as monitor, trio.move_on_after(timeout):
            self.stop(reason)
            await monitor.wait()
        if monitor.reason is None:
            raise CallTimeout(self.path, timeout)
        if isinstance(monitor.reason, NoProcess):
            raise NoProc(self.path)
        if monitor.reason != reason:
            raise ServerExited(self.path, monitor.reason)

    def send_after(self, delay: float, message: object) -> Timer:
        """Send `message` after `delay` seconds, exempt from the bound, as `erlang:send_after`.

        The timer is the receiver's, whoever set it: it ends with the incarnation. A reference by
        name is looked up when the time has come.
        """
        if self._cell is not None:
            return self._cell.send_after(delay, message)
        return send_to_name_after(self._system, self.path, delay, message)

    def kill(self) -> bool:
        """Cancel the actor, and everything under it, at once; False when there is none."""
        cell = self._cell or self._system.names.get(self.path)
        if cell is None or cell.ended:
            return False
        cell.kill()
        return True

    @property
    def incarnation(self) -> Cell | None:
        """The incarnation that is meant; None for a reference by name."""
        return self._cell

    def locate(self) -> Cell | None:
        """The incarnation that is meant, or has the name now; it may have ended."""
        return self._cell or self._system.names.get(self.path)

    @property
    def alive(self) -> bool:
        """Whether the actor is there now."""
        cell = self._cell or self._system.names.get(self.path)
        return cell is not None and not cell.ended

    @property
    def generation(self) -> int | None:
        """How many times the path had been started when this incarnation was; None if unknown."""
        cell = self._cell or self._system.names.get(self.path)
        return None if cell is None else cell.generation

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ActorRef)
            and self._system is other._system
            and self._cell is other._cell
            and self.path == other.path
        )

    def __hash__(self) -> int:
        return hash((self.path, id(self._cell)))

    def __repr__(self) -> str:
        which = "" if self._cell is None else f"#{self._cell.generation}"
        return f"<ActorRef {self.path}{which}>"
