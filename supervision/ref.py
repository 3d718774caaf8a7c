"""References to actors: how one sends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import trio

from .call import PendingCall
from .errors import CallingSelf, NoProc, Overloaded
from .events import CastDropped, CastToNobody, KeyFailed
from .exits import NOPROC, NORMAL, ExitReason
from .monitor import Monitor

if TYPE_CHECKING:
    from .cell import Cell
    from .messages import Request
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
        if cell is None or cell.ended:
            monitor = Monitor(self, None, watcher)
            monitor.fire(NOPROC)
            return monitor
        monitor = Monitor(self, cell, watcher)
        cell.monitors.add(monitor)
        if watcher is not None:
            watcher.watching.add(monitor)
        return monitor

    def stop(self, reason: ExitReason = NORMAL) -> None:
        """Ask the actor to end with `reason`: before its next message, after `terminate`."""
        cell = self._cell or self._system.names.get(self.path)
        if cell is not None and not cell.ended:
            cell.mailbox.stop(reason)

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
