"""Limits how many messages of clients begin in one pass of trio's loop."""

from typing import Never

import trio

__all__ = ["Turnstile"]


class Turnstile(trio.abc.Instrument):
    """Lets a few tasks through in each pass of trio's loop; the others wait in line.

    In one pass trio gives a step to every task that can run. With two hundred clients that flood
    us, each step of the price delivery would wait for two hundred steps of others. Here the flood
    waits for the prices instead, and as much of it gets done.

    It counts tasks that begin, not those under way: a task that hangs behind it blocks no other.

    trio itself tells it of each pass. So only a line costs the step of a task, and who finds room
    costs nothing.
    """

    __slots__ = ("_line", "_most", "_passed", "_released", "_rest")

    def __init__(self, most: int) -> None:
        """`most` tasks pass in one pass of the loop."""
        self._most = most
        self._passed = 0
        self._released = 0  # from the line; they go on in the next pass
        self._line = trio.lowlevel.ParkingLot()
        self._rest = trio.lowlevel.ParkingLot()

    @property
    def waiting(self) -> int:
        """How many tasks stand in line."""
        return len(self._line)

    async def enter(self) -> None:
        """Go on at once while there is room in this pass; else in a later one, in order."""
        if self._passed < self._most and not self._line:
            self._passed += 1
        else:
            self._rest.unpark()
            await self._line.park()

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """Begin a count: trio calls it before each pass."""
        self._passed, self._released = self._released, 0

    async def run(self) -> Never:
        """Have passes counted and the line go on; run by the owner of the tasks that enter."""
        trio.lowlevel.add_instrument(self)
        try:
            while True:
                if self._line or self._released:
                    await trio.lowlevel.checkpoint()
                else:
                    await self._rest.park()
                self._released = len(self._line.unpark(count=self._most))
        finally:
            trio.lowlevel.remove_instrument(self)
