"""Checks of what is installed: the interpreter, and the packages beside their lock file."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import stockstream
from stockstream.cli.doctor.findings import Finding, info, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST, NEWEST = (3, 11), (3, 14)
"""The versions of Python that the tests are run on."""
_PINNED = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(;.*)?")
_SHOWN = 3


async def look_at_python() -> Finding:
    """The interpreter that runs this."""
    return judge_python(sys.version_info[:3])


def judge_python(version: tuple[int, ...]) -> Finding:
    """Whether it is one that is tried."""
    text = f"Python {'.'.join(map(str, version))}"
    if version[:2] > NEWEST:
        tried = ".".join(map(str, NEWEST))
        return info(f"{text} is newer than what is tried, {tried}", f"use Python {tried}")
    return ok(text)


async def look_at_packages() -> Finding:
    """The installed packages, where this runs from a checkout with a lock file."""
    lock = Path(stockstream.__file__).parents[1] / "requirements.lock"
    return await trio.to_thread.run_sync(_packages, lock, abandon_on_cancel=True)


def _packages(lock: Path) -> Finding:
    try:
        wanted = read_lock(lock.read_text(encoding="utf-8"))
    except OSError:
        return skipped("there is no requirements.lock beside the program to compare with")
    installed = {_plain(one.name): one.version for one in metadata.distributions()}
    return judge_packages(wanted, installed)


def read_lock(text: str) -> dict[str, dict[str, bool]]:
    """The versions that a lock file allows of each package; of some, only for some machines."""
    wanted: dict[str, dict[str, bool]] = {}
    for line in text.splitlines():
        pinned = _PINNED.match(line.strip())
        if pinned is not None:
            name, version, marker = pinned.groups()
            wanted.setdefault(_plain(name), {})[version] = marker is None
    return wanted


def judge_packages(
    wanted: Mapping[str, Mapping[str, bool]], installed: Mapping[str, str]
) -> Finding:
    """Whether what is installed is what is locked; what is locked for some machines may lack."""
    wrong = [
        f"{name} {installed[name]}, not {' or '.join(versions)}"
        if name in installed
        else f"{name} is missing"
        for name, versions in wanted.items()
        if (installed[name] not in versions if name in installed else all(versions.values()))
    ]
    if not wrong:
        return ok(f"{len(wanted)} packages as requirements.lock has them")
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return warning(
        f"other packages than requirements.lock has: {', '.join(wrong[:_SHOWN])}{more}",
        "scripts/bootstrap run installs what is locked",
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
