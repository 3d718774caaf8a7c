"""How the broadcaster and everybody else share a core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.delivery.turns import (
    IDLE_PASS,
    IDLE_PASSES,
    LONGEST_TURN,
    SHARE,
    SHORTEST_TURN,
    Turn,
    in_turns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Core:
    """A clock that runs while somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def burn(self, seconds: float) -> None:
        self.now += seconds


class Work:
    """Takes `seconds` in small steps, and notes how long each of its turns was."""

    def __init__(self, core: Core, seconds: float) -> None:
        self.turn = Turn(core)
        self.turns: list[float] = []
        self._core = core
        self._steps = round(seconds / 0.0001)

    def __iter__(self) -> Iterator[None]:
        began = self._core.now
        for _ in range(self._steps):
            self._core.burn(0.0001)
            if self.turn.over:
                self.turns.append(self._core.now - began)
                yield
                began = self._core.now


async def beside(work: Work, core: Core, step: float) -> float:
    """Do the work beside a task that always has something to do; how long that one worked."""
    return await beside_all([work], core, step)


async def beside_all(works: list[Work], core: Core, step: float) -> float:
    """The same with several works, one after another."""
    theirs = 0.0

    async def other() -> None:
        nonlocal theirs
        while True:
            core.burn(step)
            theirs += step
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for work in works:
            await in_turns(iter(work), work.turn)
        nursery.cancel_scope.cancel()
    return theirs


@pytest.mark.proves("D2")
async def test_alone_the_work_takes_no_longer_than_it_must() -> None:
    """Nobody else wants the core, so there is one pass of the loop between two turns."""
    core = Core()
    work = Work(core, 0.1)
    await in_turns(iter(work), work.turn)
    assert core.now == pytest.approx(0.1)
    assert work.turns == pytest.approx([SHORTEST_TURN] * len(work.turns), abs=0.0002)


@pytest.mark.proves("D2")
@pytest.mark.parametrize("step", [0.0003, 0.001, 0.003])
async def test_others_get_their_part_beside_the_work(step: float) -> None:
    """A quarter of the core, whether a turn of theirs is short or long.

    Now and then trio gives us some passes with nobody else in between, which looks idle; and a
    pass of theirs is never cut short.
    """
    core = Core()
    theirs = await beside(Work(core, 3.0), core, step)
    assert 0.6 < theirs / (3.0 / SHARE) < 1.6


async def test_small_steps_get_some_passes_in_each_turn() -> None:
    """They look like nothing, and may be a command on its way from actor to actor."""
    core = Core()
    work = Work(core, 1.0)
    step = IDLE_PASS / 10
    theirs = await beside(work, core, step)
    assert theirs / step >= 0.9 * IDLE_PASSES * len(work.turns)


async def test_two_works_in_a_row_are_not_one_turn() -> None:
    """Others have a pass between them, however short each was."""
    core = Core()
    works = [Work(core, 0.005) for _ in range(5)]
    assert await beside_all(works, core, 0.001) >= 4 * 0.001  # the first may have begun alone


async def test_a_turn_stays_within_its_limits() -> None:
    """Others that take very long get one pass at a time, and a turn is no longer for it."""
    core = Core()
    work = Work(core, 0.1)
    await beside(work, core, 0.06)
    assert work.turns[0] == pytest.approx(SHORTEST_TURN, abs=0.0002)
    assert max(work.turns) == pytest.approx(LONGEST_TURN, abs=0.0002)
