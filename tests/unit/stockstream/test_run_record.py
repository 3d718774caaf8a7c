"""What the next run is told of the last one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stockstream.run_record import FOLDER, PastRun, RunRecord
from tests.support.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def record(folder: Path, at: int = 1_000, node: str = "a") -> RunRecord:
    return RunRecord(folder, node, lambda: at)


def test_the_first_run_knows_of_none(tmp_path: Path) -> None:
    assert record(tmp_path).before is None


@pytest.mark.parametrize("how", ["stopped", "gave_up", "crashed"])
def test_a_run_that_ended_says_how_and_when(tmp_path: Path, how: str) -> None:
    times = iter((1_000, 5_000))
    first = RunRecord(tmp_path, "a", lambda: next(times))
    first.begin()
    first.end(how)  # type: ignore[arg-type]
    assert record(tmp_path).before == PastRun(1_000, 5_000, how)  # type: ignore[arg-type]


def test_a_run_that_was_killed_left_no_end(tmp_path: Path) -> None:
    """Whatever the longer words of the run before it were."""
    first = record(tmp_path)
    first.begin()
    first.end("stopped")
    program = (
        "import os, pathlib, sys; from stockstream.run_record import RunRecord;"
        "RunRecord(pathlib.Path(sys.argv[1]), 'a', lambda: 2_000).begin(); os._exit(9)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert ended.returncode == 9
    assert record(tmp_path).before == PastRun(2_000)


def test_a_run_that_goes_on_is_not_taken_for_one_that_was_killed(tmp_path: Path) -> None:
    """A second one of the same name knows nothing of it, and writes nothing over it."""
    first = record(tmp_path)
    first.begin()
    second = record(tmp_path, 2_000)
    assert second.before is None
    second.begin()
    second.end("crashed")
    first.end("stopped")
    assert record(tmp_path).before == PastRun(1_000, 1_000, "stopped")


def test_nodes_of_one_directory_have_a_file_each(tmp_path: Path) -> None:
    """Also one whose name is no name of a file."""
    for at, node in enumerate(("a", "../b", ".")):
        run = record(tmp_path, at, node)
        run.begin()
        run.end("stopped")
    for at, node in enumerate(("a", "../b", ".")):
        assert record(tmp_path, node=node).before == PastRun(at, at, "stopped")
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / FOLDER}


@pytest.mark.parametrize("text", [b"nonsense", b'{"started": "x"}', b"\xff" * 9000])
def test_a_file_that_holds_something_else_is_no_run(tmp_path: Path, text: bytes) -> None:
    """It is logged, and written anew."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "a.json").write_bytes(text)
    run = record(tmp_path)
    assert run.before is None
    run.begin()
    run.end("stopped")
    assert record(tmp_path).before == PastRun(1_000, 1_000, "stopped")


def test_a_directory_that_cannot_be_written_stops_no_start(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file is in the way")
    run = record(tmp_path)
    run.begin()
    run.end("stopped")
    assert run.before is None
