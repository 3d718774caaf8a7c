"""Who passes when, in passes of trio's loop that the test counts."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from web.server.turnstile import Turnstile


class Passes(trio.abc.Instrument):
    """Counts the passes of the loop."""

    def __init__(self) -> None:
        self.number = 0

    def after_io_wait(self, timeout: float) -> None:
        self.number += 1


@pytest.fixture
async def passes() -> Passes:
    counted = Passes()
    trio.lowlevel.add_instrument(counted)
    return counted


@pytest.mark.proves("D2")
@pytest.mark.parametrize("most", [1, 3])
async def test_so_many_pass_in_one_pass_of_the_loop(
    most: int, nursery: trio.Nursery, passes: Passes
) -> None:
    """However many come, and however often each comes back."""
    turnstile = Turnstile(most)
    nursery.start_soon(turnstile.run)
    passed: Counter[int] = Counter()

    async def come(times: int) -> None:
        for _ in range(times):
            await turnstile.enter()
            passed[passes.number] += 1

    began = passes.number
    async with trio.open_nursery() as crowd:
        for _ in range(50):
            crowd.start_soon(come, 4)
    assert sum(passed.values()) == 200
    assert max(passed.values()) <= most
    assert 200 / most <= passes.number - began <= 200 / most + 10


async def test_who_stands_in_line_passes_in_order(nursery: trio.Nursery) -> None:
    """Nobody who comes later is before them, however empty the pass."""
    turnstile = Turnstile(1)
    order: list[int] = []

    async def come(number: int) -> None:
        await turnstile.enter()
        order.append(number)

    await turnstile.enter()
    for number in range(20):
        nursery.start_soon(come, number)
        await wait_all_tasks_blocked()
    assert turnstile.waiting == 20
    nursery.start_soon(turnstile.run)
    await wait_all_tasks_blocked()
    assert order == list(range(20))
    assert turnstile.waiting == 0


async def test_who_is_cancelled_in_line_takes_nobody_s_place(nursery: trio.Nursery) -> None:
    turnstile = Turnstile(1)
    await turnstile.enter()
    cancelled = trio.CancelScope()
    came: list[str] = []

    async def come(name: str, scope: trio.CancelScope) -> None:
        with scope:
            await turnstile.enter()
            came.append(name)

    nursery.start_soon(come, "gone", cancelled)
    await wait_all_tasks_blocked()
    nursery.start_soon(come, "there", trio.CancelScope())
    await wait_all_tasks_blocked()
    cancelled.cancel()
    nursery.start_soon(turnstile.run)
    await wait_all_tasks_blocked()
    assert came == ["there"]


async def test_alone_nobody_waits_and_without_anybody_nothing_runs(
    nursery: trio.Nursery, passes: Passes, autojump_clock: MockClock
) -> None:
    """Virtual time goes on only when no task has anything to do."""
    turnstile = Turnstile(1)
    nursery.start_soon(turnstile.run)
    await trio.sleep(1)
    for _ in range(3):
        number = passes.number
        await turnstile.enter()
        assert passes.number == number
        await trio.sleep(3600)
