"""A message that an actor sends itself later, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .deadlines import Timer

if TYPE_CHECKING:
    from .cell import Cell
    from .mailbox import Envelope


class Tick:
    """A timer's place in the mailbox; looked at when its turn comes, so no cancel is too late."""

    __slots__ = ("cell", "due", "interval", "message", "timer")

    def __init__(self, cell: Cell, message: object, delay: float, interval: float | None) -> None:
        self.cell = cell
        self.message = message
        self.interval = interval
        self.due = trio.current_time() + delay
        self.timer = Timer(cell.system.deadlines, self._fire, cell.timers)
        if cell.ended:
            self.timer.cancel()
        else:
            cell.system.deadlines.arm(self.timer, delay)

    def _fire(self) -> None:
        self.cell.mailbox.signal_token(self)

    def redeem(self) -> Envelope | None:
        """Answer the message, unless the timer was cancelled; an interval's next one is armed."""
        if self.timer.cancelled:
            return None
        if self.interval is None:
            self.timer.retire()
        else:
            now = trio.current_time()
            self.due = max(self.due + self.interval, now)
            self.cell.system.deadlines.arm(self.timer, self.due - now)
        return (self.message, None, None, False)
