"""Figures of this process: memory, files, threads, processor, tasks, lag of the run loop."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections import deque
from pathlib import Path

import msgspec
import trio

from stockstream import paths
from stockstream.histogram import Histogram
from stockstream.times import now_ms
from supervision import Ownership

KEPT_SAMPLES = 300
"""Five minutes, at one a second."""
LATE_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The buckets of how long a task that was due waited for its turn."""
_STATM = Path("/proc/self/statm")
_FILES = next((p for p in map(Path, ("/proc/self/fd", "/dev/fd")) if p.is_dir()), None)
_PAGE = resource.getpagesize()


class ProcessSample(msgspec.Struct, frozen=True):
    """One second. `at` in ms since 1970, memory in bytes, `cpu` in percent of one processor.

    `lag_ms` is the longest wait of a due task for its turn; `threads` are
    Python's.
    """

    at: int
    memory: int
    files: int | None
    threads: int
    tasks: int
    cpu: float
    lag_ms: float


class ProcessHistory:
    """The samples of the last five minutes. Written by the telemetry actor, read by anyone."""

    def __init__(self) -> None:
        self.started = now_ms()
        """When this was made, in ms since 1970: about the start of the process."""
        self.waits = Histogram(LATE_SECONDS)
        """How many seconds a task that was due waited; measured ten times a second."""
        self._owner = Ownership("process", paths.TELEMETRY)
        self._samples: deque[ProcessSample] = deque(maxlen=KEPT_SAMPLES)

    def add(self, sample: ProcessSample) -> None:
        """Keep a sample, in place of the oldest when there are enough."""
        self._owner.check()
        self._samples.append(sample)

    def late(self, seconds: float) -> None:
        """Count how long a due task waited for its turn."""
        self._owner.check()
        self.waits.add(seconds)

    def samples(self) -> list[ProcessSample]:
        """All samples, oldest first."""
        return list(self._samples)


class Sampler:
    """Takes samples; rates per second are those since the sample before."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._cpu = time.process_time()

    def sample(self, lag_seconds: float) -> ProcessSample:
        """The figures of the process now. Reads /proc, which is memory and does not block."""
        now, cpu = time.perf_counter(), time.process_time()
        passed, used = now - self._last, cpu - self._cpu
        self._last, self._cpu = now, cpu
        return ProcessSample(
            at=now_ms(),
            memory=_memory(),
            files=_open_files(),
            threads=threading.active_count(),
            tasks=trio.lowlevel.current_statistics().tasks_living,
            cpu=round(100 * used / passed, 1) if passed > 0 else 0.0,
            lag_ms=round(lag_seconds * 1000, 3),
        )


def _memory() -> int:
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except OSError:
        # Not Linux: the peak so far, in bytes on macOS and in KB elsewhere.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _open_files() -> int | None:
    if _FILES is None:
        return None
    # Since 6.2, Linux reports the number as the directory's size. Listing the directory instead
    # blocks the run loop, longer with more sockets.
    return _FILES.stat().st_size or sum(1 for _ in _FILES.iterdir())
