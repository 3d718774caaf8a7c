"""Long work beside other tasks: each side gets its part of the core, by time.

Yielding after a fixed number of steps is not enough. A turn of other tasks may be a single
handshake or two hundred floods of messages; a step of ours may be one `send` or the encoding of a
whole frame.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARE = 3
"""The work may run so many times as long as the other tasks while the core is overloaded. Prices
come first; all other requests share a quarter of the core."""
SHORTEST_TURN = 0.02
"""Two thousand frames: a flush to a thousand is over before anybody else has a turn."""
LONGEST_TURN = 0.03
"""However long the others took: half the delay that a person might notice in a page that opens."""
IDLE_PASS = 0.00005
"""A pass of trio's loop that is this short ran no other task, or hardly any."""
IDLE_PASSES = 8
"""After so many short passes in a row, no other task has work. One is not enough: the order in a
pass is random, so we may run last in one and first in the next. Work that goes from task to task in
small steps makes short passes, too. (trio's statistics could tell, but they count all sockets.)"""


class Turn:
    """How long the work may go on now. It counts as over until it is begun."""

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

    After each turn the other tasks get their part of its time, unless they have nothing to do. The
    next turn is as long as their time allows, within limits.
    """
    ours = SHORTEST_TURN
    turn.begin(ours)
    for _ in work:
        theirs = await _let_others_run(ours / SHARE, turn.clock)
        ours = min(max(SHORTEST_TURN, SHARE * theirs), LONGEST_TURN)
        turn.begin(ours)
    await trio.lowlevel.checkpoint()  # else the caller would have a turn right after ours


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
