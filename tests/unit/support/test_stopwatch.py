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
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            try:
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
        while time.thread_time() - ran < 0.2:
            pass
        assert watch.until() < 0.3 < trio.current_time() - watch.at


async def test_sleep_is_counted() -> None:
    """It is no wait for a CPU."""
    watch = Stopwatch()
    await trio.sleep(0.05)
    assert watch.until() > 0.03
