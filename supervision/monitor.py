"""Monitors: being told, exactly once, that an actor ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import trio

from .errors import MonitorCancelled
from .exits import NOPROC
from .messages import Down

if TYPE_CHECKING:
    from .cell import Cell
    from .exits import ExitReason
    from .mailbox import Envelope
    from .ref import ActorRef


def watch(ref: ActorRef, cell: Cell | None, watcher: Cell | None) -> Monitor:
    """A monitor of `cell`, which `ref` names: for the actor `watcher`, or for any task.

    Of an incarnation that has just ended the reason is told at once, as long as it is known, and
    otherwise noproc.
    """
    if cell is None or cell.reason is not None:
        monitor = Monitor(ref, None, watcher)
        monitor.fire(NOPROC if cell is None else cell.reason or NOPROC)
        return monitor
    monitor = Monitor(ref, cell, watcher)
    cell.monitors.add(monitor)
    if watcher is not None:
        watcher.watching.add(monitor)
    return monitor


class Monitor:
    """Watches one incarnation for an actor (`watcher`, told by `Down`) or for any task (`wait`)."""

    __slots__ = ("_ended", "_target", "cancelled", "reason", "ref", "watcher")

    def __init__(self, ref: ActorRef, target: Cell | None, watcher: Cell | None) -> None:
        self.ref = ref
        self.reason: ExitReason | None = None
        self.cancelled = False
        self.watcher = watcher
        self._target = target
        self._ended: trio.Event | None = None

    def cancel(self) -> None:
        """Stop watching: no DOWN arrives after this, also not one that is queued already."""
        self.cancelled = True
        if self._target is not None:
            self._target.monitors.discard(self)
        if self.watcher is not None:
            self.watcher.watching.discard(self)
        if self._ended is not None:
            self._ended.set()

    def fire(self, reason: ExitReason) -> None:
        """Called by the ending cell, or at once when there was none to watch."""
        self.reason = reason
        self._target = None
        if self.watcher is not None:
            self.watcher.watching.discard(self)
            if not self.watcher.ended:
                self.watcher.mailbox.signal_token(self)
        if self._ended is not None:
            self._ended.set()

    async def wait(self) -> ExitReason:
        """The reason, as soon as the actor has ended. For tasks; an actor handles `Down`.

        Raises:
            MonitorCancelled: the monitor was taken off before the actor ended.
        """
        if self.reason is None and not self.cancelled:
            if self._ended is None:
                self._ended = trio.Event()
            await self._ended.wait()
        else:
            await trio.lowlevel.checkpoint()
        if self.reason is None:
            raise MonitorCancelled(self.ref.path)
        return self.reason

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.cancel()

    def redeem(self) -> Envelope | None:
        """The queued DOWN, unless the monitor was cancelled meanwhile."""
        if self.cancelled or self.reason is None:
            return None
        return (Down(self.ref, self.reason, self), None, None, False)
