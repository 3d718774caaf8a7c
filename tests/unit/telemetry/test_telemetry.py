"""The telemetry actor and the figures of the process."""

from __future__ import annotations

import tempfile
import time

import pytest
import trio
import trio.testing

from stockstream import paths
from stockstream.telemetry.event_log import EventLog
from stockstream.telemetry.process import KEPT_SAMPLES, ProcessHistory, Sampler
from stockstream.telemetry.stories import BURST, BURST_SECONDS
from stockstream.telemetry.telemetry import SAMPLE_SECONDS, Telemetry, TelemetryActor
from supervision import CastDropped, ChildSpec, NotTheWriter, System, supervisor


async def run_tree(system: System, telemetry: Telemetry, nursery: trio.Nursery) -> None:
    """Run the actor as the first child of a root, until the nursery is cancelled."""
    up = trio.Event()
    root = supervisor("root", [ChildSpec(paths.TELEMETRY, TelemetryActor, (telemetry,))])

    async def run() -> None:
        await system.run(root, on_start=lambda _system: up.set())

    nursery.start_soon(run)
    with trio.fail_after(5):
        await up.wait()


async def test_a_sample_a_second_also_beyond_the_actors_death(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The history goes on where a killed actor left it, and the log listens once, not twice."""
    telemetry, system = Telemetry(), System()
    await run_tree(system, telemetry, nursery)
    await trio.sleep(3.5)
    assert len(telemetry.process.samples()) == 4
    assert system.ref(paths.TELEMETRY).kill()
    await trio.sleep(2.5)
    assert len(telemetry.process.samples()) == 7
    told = [
        (entry.kind.value, entry.path, entry.generation) for entry in telemetry.events.entries(0)
    ]
    assert told == [
        ("started", "telemetry", 1),
        ("started", "root", 1),
        ("exited", "telemetry", 1),
        ("started", "telemetry", 2),
    ]
    nursery.cancel_scope.cancel()


async def test_a_stall_of_the_run_loop_is_measured(nursery: trio.Nursery) -> None:
    """Code that holds the loop for a quarter of a second shows as at least half of it."""
    telemetry, system = Telemetry(), System()
    await run_tree(system, telemetry, nursery)
    await trio.sleep(0.12)
    time.sleep(0.25)  # noqa: ASYNC251 - the stall itself
    with trio.fail_after(5):
        while len(telemetry.process.samples()) < 2:  # noqa: ASYNC110 - nobody can wait on memory
            await trio.sleep(0.05)
    assert telemetry.process.samples()[-1].lag_ms >= 125
    nursery.cancel_scope.cancel()


async def test_a_sample_tells_open_files_and_tasks() -> None:
    """A file that is opened, and a task that is started, are seen in the next sample."""
    sampler = Sampler()
    before = sampler.sample(0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        with tempfile.TemporaryFile():
            after = sampler.sample(0.0)
        nursery.cancel_scope.cancel()
    assert after.tasks == before.tasks + 1
    assert before.files is not None
    assert after.files == before.files + 1
    assert after.memory > 5_000_000
    assert after.threads >= 1


async def test_the_processors_share_is_since_the_sample_before() -> None:
    """A busy stretch shows as a busy processor, an idle one after it does not."""
    sampler = Sampler()
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
    busy = sampler.sample(0.0)
    await trio.sleep(0.2)
    idle = sampler.sample(0.0)
    assert busy.cpu > idle.cpu


def test_only_the_telemetry_actor_writes_samples() -> None:
    """A write from elsewhere is refused, and nothing is kept."""
    history = ProcessHistory()

    async def write() -> None:
        history.add(Sampler().sample(0.0))

    with pytest.raises(NotTheWriter):
        trio.run(write)
    assert history.samples() == []


async def test_what_a_flood_left_untold_is_told_within_seconds(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The count of what got no line of its own does not wait for the next flood."""
    moment = trio.current_time
    telemetry, system = Telemetry(events=EventLog(monotonic=moment)), System()
    await run_tree(system, telemetry, nursery)
    for dropped in range(100):
        system.emit(CastDropped("pubsub", int, dropped))
    await trio.sleep(BURST_SECONDS + SAMPLE_SECONDS)
    assert telemetry.events.entries(0)[-1].more == 100 - BURST
    nursery.cancel_scope.cancel()


async def test_samples_are_bounded(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Five minutes are kept, however long it runs."""
    telemetry, system = Telemetry(), System()
    await run_tree(system, telemetry, nursery)
    await trio.sleep(KEPT_SAMPLES + 20)
    assert len(telemetry.process.samples()) == KEPT_SAMPLES
    nursery.cancel_scope.cancel()
