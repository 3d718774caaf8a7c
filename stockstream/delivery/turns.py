"""Long work beside other tasks: both get their part of the core, by time.

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

SHORTEST_TURN = 0.001
"""Some 150 frames. Shorter, and the loop's own work between turns would count."""
LONGEST_TURN = 0.02
"""However long the others took: half of what a person might notice in a page that opens."""
IDLE_PASS = 0.00005
"""A pass of trio's loop that is over so soon ran nobody else, or nothing to speak of."""


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

    The others get as much time as the work had, unless they have nothing to do; then the work
    gets as much as the others took, within limits.
    """
    ours = SHORTEST_TURN
    turn.begin(ours)
    for _ in work:
        theirs = await _let_others_run(ours, turn.clock)
        ours = min(max(SHORTEST_TURN, theirs), LONGEST_TURN)
        turn.begin(ours)


async def _let_others_run(seconds: float, clock: Callable[[], float]) -> float:
    began = clock()
    taken = 0.0
    while taken < seconds:
        before = taken
        await trio.lowlevel.checkpoint()
        taken = clock() - began
        if taken - before < IDLE_PASS:
            break
    return taken
