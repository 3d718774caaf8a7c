"""Run the program as users do: a process of its own, in an empty directory."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from stockstream.config import Settings
from tests.support.commands import command

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment without our variables; the sources are importable, the program is on PATH."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in Settings.model_fields and not name.startswith("STOCKSTREAM_")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "PATH": path}


@pytest.fixture
def stockstream(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Return a function that runs `stockstream ARGUMENTS` with more environment, to its end."""

    def run(*arguments: str, **more: str) -> Ended:
        ended = command(arguments, environment | more, tmp_path)
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run
