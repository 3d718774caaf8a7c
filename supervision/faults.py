"""Injected faults: an actor hangs, or is slow, until a deadline.

A fault is kept in the record of the actor's path, and the receive loop of each incarnation reads
it. So it ends at its deadline by itself, although whoever injected it has ended, and a restart does
not remove it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from .errors import NoProc

if TYPE_CHECKING:
    from .mailbox import Envelope
    from .system import System


@dataclass(eq=False, slots=True)
class Fault:
    """`delay` seconds before each message; None hangs. Until `until`, on trio's clock.

    `felt` is set when a receive loop has met it, `lifted` when it was ended before its time.
    """

    until: float
    delay: float | None
    felt: trio.Event = field(default_factory=trio.Event)
    lifted: trio.Event = field(default_factory=trio.Event)

    @property
    def over(self) -> bool:
        """Whether its deadline has passed, or it was lifted."""
        return self.lifted.is_set() or trio.current_time() >= self.until

    async def suffer(self) -> None:
        """Wait, as the receive loop does before a message."""
        self.felt.set()
        until = self.until
        if self.delay is not None:
            until = min(until, trio.current_time() + self.delay)
        with trio.move_on_at(until):
            await self.lifted.wait()


class _Nothing:
    """Wakes a receive loop that waits, so that it looks at its fault at once."""

    def redeem(self) -> Envelope | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class InjectedCrash:
    """A message no actor handles: the receive loop raises `error` in its place."""

    error: Exception


def inject_fault(system: System, path: str, *, seconds: float, delay: float | None) -> Fault:
    """Have the actor at `path` hang (`delay` None) or be slow, for at most `seconds`.

    Takes the place of an earlier fault.

    Raises:
        NoProc: nothing runs there.
        ValueError: a time is not above 0.
    """
    if not seconds > 0 or (delay is not None and not delay > 0):
        raise ValueError(f"a fault needs times above 0, not {seconds} s and a delay of {delay}")
    cell = system.names.get(path)
    if cell is None:
        raise NoProc(path)
    lift_fault(system, cell.path)
    fault = Fault(trio.current_time() + seconds, delay)
    system.paths[cell.path].fault = fault
    cell.mailbox.signal_token(_Nothing())
    return fault


def lift_fault(system: System, path: str) -> bool:
    """End the fault at `path` now; False when there is none."""
    record = system.paths.get(path)
    if record is None or record.fault is None:
        return False
    fault, record.fault = record.fault, None
    fault.lifted.set()
    return True


def inject_crash(system: System, path: str, error: Exception) -> None:
    """Have the actor at `path` raise `error`, in its turn among its messages.

    Raises:
        NoProc: nothing runs there.
    """
    cell = system.names.get(path)
    if cell is None:
        raise NoProc(path)
    cell.mailbox.signal(InjectedCrash(error))
