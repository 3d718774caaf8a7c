"""A command that is forked from a process that has imported it, beside one that Python starts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.commands import command, run_command
from tests.support.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "77", "PORT": "4567"}


def test_it_says_and_ends_with_what_one_of_its_own_does(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """By its environment and its folder, on both outputs."""
    (tmp_path / ".env").write_text("FLUSH_INTERVAL=many\n")
    alone = subprocess.run(
        [sys.executable, "-m", "stockstream", "config"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    forked = command(["config"], environment, tmp_path)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        alone.returncode,
        alone.stdout,
        alone.stderr,
    )
    assert b"FLUSH_INTERVAL" in forked.stderr
    (tmp_path / ".env").unlink()
    assert b"4567" in command(["config"], environment, tmp_path).stdout
    assert b"4567" not in command(["config"], {"PATH": "/usr/bin"}, tmp_path).stdout


async def test_several_run_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    """Each hears its own."""
    said: dict[str, bytes] = {}

    async def one(name: str) -> None:
        said[name] = (await run_command([name, "--help"], environment, tmp_path)).stdout

    names = ("config", "watch", "tree", "db")
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(one, name)
    for name in names:
        assert f"stockstream {name} ".encode() in said[name].partition(b"\n")[0]


def test_one_that_takes_too_long_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        command(["mock", "--port", "0"], environment, tmp_path, 0.5)
