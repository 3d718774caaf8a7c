"""Limits how many messages of clients begin in one pass of trio's loop."""

from typing import Never

import trio

__all__ = ["Turnstile"]


class Turnstile:
    """Lets a few tasks through in each pass of trio's loop; the others wait in line.

    In one pass trio gives a step to every task that can run. With two hundred clients that flood
    us, each step of the price delivery would wait for two hundred steps of others. Here the flood
    waits for the prices instead, and as much of it gets done.

    It counts tasks that begin, not those under way: a task that hangs behind it blocks no other.
    """

    __slots__ = ("_line", "_most", "_passed", "_rest")

    def __init__(self, most: int) -> None:
        """`most` tasks pass in one pass of the loop."""
        self._most = most
        self._passed = 0
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
            self._rest.unpark()
        else:
            await self._line.park()

    async def run(self) -> Never:
        """Begin a count with each pass; run by the owner of the tasks that enter."""
        while True:
            if not self._passed and not self._line:
                await self._rest.park()  # a task that is woken runs in the next pass
            else:
                await trio.lowlevel.checkpoint()
            self._passed = len(self._line.unpark(count=self._most))
