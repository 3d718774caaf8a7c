"""`stockstream db export` as a process that a test watches while it runs."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def exporting(
    environment: dict[str, str], folder: Path, file: str, *arguments: str
) -> subprocess.Popen[str]:
    """Begin an export to a file of this folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "stockstream", "db", "export", "--output", file, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_begun(process: subprocess.Popen[str], draft: Path) -> None:
    """Wait until some of the ticks are in the file, and not all."""
    give_up = time.monotonic() + 30
    while not (draft.exists() and draft.stat().st_size > 100_000):
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.005)
