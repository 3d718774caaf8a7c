"""When an experiment ends by itself, whatever the wall clock does."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from stockstream import paths
from stockstream.chaos.controller import ChaosController
from stockstream.chaos.messages import Begin, Experiment
from stockstream.chaos.records import ChaosRecords
from supervision import ChildSpec, System, supervisor

HOUR = 3_600_000


@pytest.mark.parametrize("step", [-HOUR, 0, HOUR])
async def test_a_deadline_is_kept_by_a_successor_and_not_moved_by_a_clock(
    step: int, autojump_clock: trio.testing.MockClock
) -> None:
    """The controller dies half way, and the wall clock is set meanwhile: the minute is a minute."""
    ahead = 0
    records = ChaosRecords()

    def wall() -> int:
        return 1_795_348_800_000 + ahead + round(trio.current_time() * 1000)

    controller = partial(
        ChaosController,
        records,
        [],
        wall_clock_ms=wall,
    )
    system = System()
    async with trio.open_nursery() as nursery:
        up = trio.Event()
        root = supervisor("root", [ChildSpec("chaos", controller)])
        nursery.start_soon(partial(system.run, root, on_start=lambda _: up.set()))
        await up.wait()
        begun = await system.ref(paths.CHAOS).call(Begin("a drill", 60.0, "me"))
        assert isinstance(begun, Experiment)
        await trio.sleep(30)
        ahead = step
        first = system.whereis(paths.CHAOS)
        assert first is not None
        with first.monitor() as monitor:
            first.kill()
            await monitor.wait()
        await trio.sleep(29)
        assert records.experiment == begun
        await trio.sleep(2)
        assert records.experiment is None
        assert len(records.deadlines) == 0
        system.stop()
