"""Where a server's CPU goes: py-spy's samples, summed up by function."""

from __future__ import annotations

import subprocess
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fanout_process import on_core

PROFILE_SECONDS = 8
SAMPLES_PER_SECOND = 250
SHOWN = 25


@dataclass(frozen=True, slots=True)
class Share:
    """A function's share of all samples, in percent: its own, and with what it called."""

    function: str
    own: float
    total: float


def profile(pid: int, raw: Path, core: int) -> None:
    """Sample a process with py-spy, running on `core`, into a file of stacks and counts."""
    command = [
        str(Path(sysconfig.get_path("scripts")) / "py-spy"),
        *("record", "--pid", str(pid), "--duration", str(PROFILE_SECONDS)),
        *("--rate", str(SAMPLES_PER_SECOND), "--format", "raw", "--function"),
        *("--output", str(raw)),
    ]
    with on_core(core):
        subprocess.run(command, check=True, capture_output=True)


def shares(raw: str) -> list[Share]:
    """The functions of most weight in py-spy's raw format: `a;b;c 17` per stack."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        functions = stack.split(";")
        own[functions[-1]] += int(count)
        for function in set(functions):
            total[function] += int(count)
    samples = sum(own.values())
    return [
        Share(function, 100 * own[function] / samples, 100 * count / samples)
        for function, count in sorted(
            total.items(), key=lambda item: (own[item[0]], item[1]), reverse=True
        )[:SHOWN]
    ]
