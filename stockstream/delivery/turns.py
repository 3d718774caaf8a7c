"""Long work beside other tasks: each side gets its part of the core, by time.

To yield after so many steps is not enough: a turn of other tasks may be a single handshake or two
hundred floods of messages, and a step of ours anything from a `send` to a frame of its own.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARE = 3
"""So many times as long as the others the work may go on, while there is more to do than the core
can. Prices come first; who asks for something else gets it from a quarter of the core."""
SHORTEST_TURN = 0.02
"""Two thousand frames: a flush to a thousand is over before anybody else has a turn."""
LONGEST_TURN = 0.03
"""However long the others took: half of what a person might notice in a page that opens."""
IDLE_PASS = 0.00005
"""A pass of trio's loop that is over so soon ran nobody else, or nothing to speak of."""
IDLE_PASSES = 8
"""So many in a row, and nobody else has anything to do. The order in a pass is random: we may come
last in one and first in the next, with nobody in between. And what goes from task to task in small
steps is short passes. (trio could say whether a task can run, and counts all sockets for that.)"""


class Turn:
    """How long the work may go on now. Over from the start, until it is begun."""

    __slots__ = ("_ends", "clock")

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self._ends = -math.inf

    def begin(self, seconds: float) -> None:
        """Have a turn of so many seconds begin now."""
        self._ends = self.clock() + seconds

    @property
    def over(self) -> bool:
        """Whether others should get theirs."""
        return self.clock() >= self._ends


async def in_turns(work: Iterator[None], turn: Turn) -> None:
    """Do the work to its end; it yields when `turn` is over.

    The others get their part of the time that the work had, unless they have nothing to do; then
    the work gets its part for what they took, within limits.
    """
    ours = SHORTEST_TURN
    turn.begin(ours)
    for _ in work:
        theirs = await _let_others_run(ours / SHARE, turn.clock)
        ours = min(max(SHORTEST_TURN, SHARE * theirs), LONGEST_TURN)
        turn.begin(ours)
    await trio.lowlevel.checkpoint()  # or what comes next would have a turn right after ours


async def _let_others_run(seconds: float, clock: Callable[[], float]) -> float:
    began = clock()
    taken = 0.0
    idle = 0
    while taken < seconds and idle < IDLE_PASSES:
        before = taken
        await trio.lowlevel.checkpoint()
        taken = clock() - began
        idle = idle + 1 if taken - before < IDLE_PASS else 0
    return taken
