"""Messages that are sent later: by an actor to itself, once or again and again, or to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .deadlines import Timer
from .events import CastToNobody

if TYPE_CHECKING:
    from .cell import Cell
    from .mailbox import Envelope
    from .system import System


class Tick:
    """A timer's place in the mailbox. It is read when its turn comes, so no cancel is too late."""

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


def send_to_name_after(system: System, name: str, delay: float, message: object) -> Timer:
    """Send to whoever has `name` when `delay` seconds are over; to nobody is told by an event."""
    if not delay >= 0:
        raise ValueError(f"{name}: a delay of {delay!r} s is not 0 or more")
    delay = float(delay)  # an int too large for one is refused before there is a timer

    def send() -> None:
        timer.retire()
        cell = system.names.get(name)
        if cell is None:
            system.casts_to_nobody += 1
            system.emit(CastToNobody(name, type(message)))
        else:
            cell.mailbox.signal(message)

    timer = Timer(system.deadlines, send, system.timers)
    system.deadlines.arm(timer, delay)
    return timer
