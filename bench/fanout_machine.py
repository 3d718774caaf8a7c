"""What was measured on, and with which versions: the part of a result that makes it readable."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PACKAGES = (
    "trio",
    "hypercorn",
    "quart",
    "quart-trio",
    "msgspec",
    "asyncpg",
    "websockets",
    "starlette",
    "uvicorn",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine in one line, and in fields."""

    text: str
    fields: dict[str, object]


def describe_machine() -> Machine:
    """Processor, cores, kernel, Python, and how busy it was before we began."""
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    fields: dict[str, object] = {
        "processor": _processor(),
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(busy, 2),
        "commit": _commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = (
        f"{fields['processor']}, {cores} cores, Linux {fields['kernel']}, "
        f"Python {fields['python']}, load before: {busy:.1f}"
    )
    return Machine(text, fields)


def kept(name: str) -> dict[str, object]:
    """The report that is kept, if there is one."""
    file = RESULTS / f"{name}.json"
    found: dict[str, object] = json.loads(file.read_text()) if file.exists() else {}
    return found


def keep(name: str, report: Mapping[str, object]) -> None:
    """Write a report to the results that are kept."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """The commit, with `+` when files that count are changed."""
    try:
        commit = _output("git", "rev-parse", "--short", "HEAD")
        sources = ("stockstream", "supervision", "web", "bench/*.py", "bench/peers")
        changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", *sources)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def describe_versions() -> dict[str, str]:
    """The versions of what was measured; what is not installed is left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    node = shutil.which("node")
    if node is not None:
        found["node"] = _output(node, "--version").removeprefix("v")
    manifest = HERE / "peers/node_modules/ws/package.json"
    if manifest.is_file():
        found["ws"] = json.loads(manifest.read_text())["version"]
    return found
