"""A call in flight: the task that waits, and the one answer it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import outcome
import trio

from .errors import CallTimeout

if TYPE_CHECKING:
    from .cell import Cell


class PendingCall:
    """One unanswered request. Held by the server's cell until it is settled, by whoever is first.

    It is what a handler declared with `@replies_later` gets as its caller.
    """

    __slots__ = ("cell", "done", "kept", "target", "task", "timeout")

    def __init__(self, task: trio.lowlevel.Task, cell: Cell, target: str, timeout: float) -> None:
        self.task = task
        self.cell = cell
        self.target = target
        self.timeout = timeout
        self.done = False
        self.kept = False
        """Whether a handler has it, to answer later: also while the actor terminates."""

    def reply(self, value: Any, /) -> None:  # noqa: ANN401 - typed as Caller[R] where it is used
        """Answer; a no-op when the call is settled already."""
        if not self.done:
            self._settle(outcome.Value(value))

    def fail(self, error: Exception, /) -> None:
        """End the call with `error`; a no-op when it is settled already.

        Raises:
            TypeError: it is no exception; the call is still to be answered then.
        """
        if not isinstance(error, Exception):
            raise TypeError(f"a call fails with an exception, not with {error!r}")
        if not self.done:
            self._settle(outcome.Error(error))

    def expire(self) -> None:
        """The timeout is over. The request stays queued: it will still be processed."""
        if not self.done:
            self._settle(outcome.Error(CallTimeout(self.target, self.timeout)))

    async def wait(self) -> Any:  # noqa: ANN401 - typed by ActorRef.call
        """The reply; to be awaited once, by the task the call was made for."""
        return await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _settle(self, result: outcome.Outcome[Any]) -> None:
        self._leave()
        trio.lowlevel.reschedule(self.task, result)

    def _leave(self) -> None:
        self.done = True
        self.cell.calls.discard(self)
        self.cell.system.deadlines.discard(self)

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._leave()
        return trio.lowlevel.Abort.SUCCEEDED


class Nobody:
    """The caller of a request that was cast: nobody waits, so the answer is dropped."""

    __slots__ = ()

    def reply(self, value: Any, /) -> None:  # noqa: ANN401 - as PendingCall.reply
        """Drop the answer."""

    def fail(self, error: Exception, /) -> None:
        """Drop the error."""


NOBODY = Nobody()
