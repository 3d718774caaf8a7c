"""Limits in real time are judged by the time that the product could use."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def shared_cpu() -> Iterator[None]:
    """This thread on one CPU, with another program that never lets go of it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        busy = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
        with subprocess.Popen(busy, stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout is not None
                other.stdout.readline()
                yield
            finally:
                other.kill()
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux to tell how long a thread waited")
async def test_time_of_other_programs_is_not_counted() -> None:
    """Only what this thread has run."""
    with shared_cpu():
        watch, ran = Stopwatch(), time.thread_time()
        while trio.current_time() - watch.at < (time.thread_time() - ran) + 0.1:
            pass
        used = time.thread_time() - ran
        assert used - 0.02 < watch.until() < used + 0.02


async def test_sleep_is_counted() -> None:
    """It is no wait for a CPU."""
    watch = Stopwatch()
    await trio.sleep(0.05)
    assert watch.until() > 0.03
