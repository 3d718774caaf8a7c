"""The two clocks: ages by the monotonic one, wall time only told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from stockstream.times import STEP_MS, Moment, WallClock

ROOT = Path(__file__).resolve().parents[3]
NOON = 1_795_348_800_000


class Wall:
    """A wall clock that a test sets."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return NOON + self.ahead + round(trio.current_time() * 1000)


@pytest.mark.proves("W23")
async def test_an_age_is_not_changed_by_a_step_of_the_wall_clock(autojump_clock):
    """It is the time that passed."""
    moment = Moment.now()
    await trio.sleep(90)
    assert moment.age == 90
    assert (Moment.now() - moment) == 90
    assert moment < Moment.now()


async def test_a_moment_is_told_in_the_wall_time_of_now(autojump_clock):
    """Before and after a step, each time the same; what the clocks differ a little is no step."""
    wall = Wall()
    clock = WallClock(wall)
    moment = Moment.now()
    told = clock.tell(moment)
    assert told == NOON + round(moment.seconds * 1000)
    await trio.sleep(3)
    wall.ahead = STEP_MS - 1
    assert clock.tell(moment) == told
    assert clock.step() == 0
    wall.ahead = -600_000
    assert clock.tell(moment) == told - 600_000


async def test_a_moment_and_its_whole_milliseconds_are_told_alike(autojump_clock):
    """Whatever the clocks have behind their milliseconds: one answer may hold both."""
    for tenths in range(40):
        await trio.sleep(0.0001 * tenths)
        clock = WallClock(Wall())
        for part in range(40):
            moment = Moment.now().after(part / 40_000)
            assert clock.tell(moment) == clock.tell(Moment(moment.milliseconds / 1000))


async def test_a_step_of_the_wall_clock_is_noticed_once(autojump_clock):
    """By how much, and in which direction."""
    wall = Wall()
    clock = WallClock(wall)
    assert clock.step() == 0
    for step in (-600_000, 3_600_000, STEP_MS):
        wall.ahead += step
        await trio.sleep(1)
        assert clock.step() == step
        assert clock.step() == 0


@pytest.mark.parametrize(
    "code",
    [
        "import time\nt = time.time()\n",
        "import datetime\nd = datetime.datetime.now(datetime.UTC)\n",
    ],
)
def test_nobody_else_reads_the_wall_clock(code):
    """`make check` refuses it."""
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251"]
    command += ["--stdin-filename", str(ROOT / "stockstream" / "market" / "some.py"), "-"]
    done = subprocess.run(
        command, cwd=ROOT, input=code, text=True, capture_output=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "TID251" in done.stdout
