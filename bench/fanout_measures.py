"""What the load clients are told to do and tell of it, and what Linux tells of a process.

A process's CPU is its CPU clock (clock_getcpuclockid(3)): user and system time of all its threads,
in nanoseconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

COUNTING = "counting"
"""Written to stderr by the load clients when their first window begins."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to connect to, and how long to count. `set_size` is (least, most) symbols of a client.

    With `speaks_stockstream` each client subscribes and waits for the answer; else a client is
    connected once the handshake was answered, and takes whatever comes. `different` gives each
    client a random set of its own, otherwise all have the same. `stamped` asks the kernel when a
    frame arrived. `token` is shown in the handshakes, if there is one.
    """

    pid: int
    port: int
    clients: int
    windows: int
    window_seconds: float
    symbols: list[str] = field(default_factory=list)
    set_size: tuple[int, int] = (0, 0)
    different: bool = False
    stuck: int = 0
    speaks_stockstream: bool = True
    stamped: bool = True
    token: str = ""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in one window. Times in seconds, latencies in ms, shares from 0 to 1.

    `frames` and `updates` are of prices; `other_frames` are those beside them: a status, a ping, a
    heartbeat. `server_cpu` and `client_cpu` are seconds of the whole
    window. `server_waited` and `client_waited` are the shares of the window in which the
    process's main thread wanted its core and something else had it: how much others disturbed the
    measurement.
    """

    seconds: float
    frames: int
    updates: int
    other_frames: int
    bytes: int
    server_cpu: float
    server_waited: float
    client_cpu: float
    client_waited: float
    frames_per_client: tuple[int, int]
    latency_p50: float
    latency_p99: float
    latency_max: float


@dataclass(frozen=True, slots=True)
class Result:
    """Connecting, and the windows after it. `memory` is in bytes per client."""

    connect_seconds: float
    connect_cpu: float
    memory: float
    checked: int
    other_frames: dict[str, int]
    sample: str
    windows: list[Window]


class Broken(Exception):
    """The server did not do what it should; the measurement is void."""


def process_cpu(pid: int) -> float:
    """User and system time of all threads of a process, seconds."""
    return time.clock_gettime((~pid << 3) | 2)  # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)


def waited(pid: int) -> float:
    """How long the main thread was runnable and did not run, seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def resident_bytes(pid: int) -> int:
    """The resident set of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise Broken(f"no Rss in /proc/{pid}/smaps_rollup")
