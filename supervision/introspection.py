"""Looking into one actor: its state, and holding it. As OTP's `sys`; for people and tests.

Each is a message to the receive loop, handled in its turn; nothing is there when nobody looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .errors import CallingSelf, CallTimeout, NoProc
from .ref import CALL_TIMEOUT_SECONDS
from .replay import Inspection, LeaveBatch, Wake

if TYPE_CHECKING:
    from .cell import Cell
    from .mailbox import Envelope
    from .ref import ActorRef

_INTERNAL = frozenset({"_cell", "_tasks"})


class _Look(Inspection):
    """Copies the actor's attributes when its turn comes."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.state: dict[str, object] | None = None
        self.done = trio.Event()

    def redeem(self) -> Envelope | None:
        if not self.cell.ended:  # else the mailbox is closed, and the actor gone
            self.state = state_of(self.cell.actor)
        self.done.set()
        return None


class _Hold(Inspection):
    """Suspends the actor when its turn comes, and ends the batch it stands in."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.done = trio.Event()

    def redeem(self) -> Envelope | None:
        self.done.set()
        if self.cell.ended or self.cell.is_suspended:  # by somebody else, who asked before
            return None
        self.cell.replay.suspended = True
        raise LeaveBatch


def state_of(actor: object) -> dict[str, object]:
    """The actor's attributes by name, those of its class and of the runtime left out."""
    return {name: value for name, value in vars(actor).items() if name not in _INTERNAL}


async def get_state(ref: ActorRef, *, timeout: float = CALL_TIMEOUT_SECONDS) -> dict[str, object]:
    """The actor's attributes, between two messages: `sys:get_state`. The values are not copied.

    Raises:
        NoProc: nobody has that name, or the actor ended before its turn came.
        CallingSelf: the caller is that actor's own receive loop.
        CallTimeout: it did not come to it in time.
    """
    cell = await _reached(ref)
    look = _Look(cell)
    with trio.move_on_after(timeout):  # refuses a wrong timeout, before anything is asked for
        cell.mailbox.signal_token(look)
        await look.done.wait()
    if not look.done.is_set():
        raise CallTimeout(ref.path, timeout)
    if look.state is None:
        raise NoProc(ref.path)
    return look.state


async def suspend(ref: ActorRef, *, timeout: float = CALL_TIMEOUT_SECONDS) -> None:
    """Have the actor handle no message until `resume`: `sys:suspend`. Returns when it holds.

    Messages wait in their order, and count against its bound. A stop and a kill reach it all the
    same, `get_state` works, its own tasks run. Its successor is not suspended. Suspended twice, one
    `resume` lets it go on.

    Raises:
        NoProc: nobody has that name, or the actor ended before its turn came.
        CallingSelf: the caller is that actor's own receive loop.
        CallTimeout: it did not come to it in time. It will be suspended when it does.
    """
    cell = await _reached(ref)
    hold = _Hold(cell)
    with trio.move_on_after(timeout):  # refuses a wrong timeout, before anything is asked for
        cell.mailbox.signal_token(hold)
        await hold.done.wait()
    if not hold.done.is_set():
        raise CallTimeout(ref.path, timeout)
    if cell.ended:
        raise NoProc(ref.path)


def resume(ref: ActorRef) -> None:
    """Let the actor go on: `sys:resume`. A no-op when it is not suspended.

    Raises:
        NoProc: nobody has that name.
    """
    cell = ref.locate()
    if cell is None or cell.ended:
        raise NoProc(ref.path)
    if cell.is_suspended:
        cell.replay.suspended = False
        cell.mailbox.signal_token(Wake())


async def _reached(ref: ActorRef) -> Cell:
    cell = ref.locate()
    if cell is None or cell.ended:
        await trio.lowlevel.checkpoint()
        raise NoProc(ref.path)
    if cell.task is trio.lowlevel.current_task():
        await trio.lowlevel.checkpoint()
        raise CallingSelf(ref.path)
    return cell
