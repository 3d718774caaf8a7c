"""The image and docker-compose.yml, built and run with podman: minutes, so in `make test-deep`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scripts.rehearsal.engine import BASE, MOST_FILES, POSTGRES, Engine, RehearsalError, missing
from tests.integration.operations.charts import ROOT
from tests.support.deep import only_deep

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_SECONDS = 1500


@pytest.mark.container
@only_deep("builds the image and runs docker-compose.yml with podman")
@pytest.mark.skipif(missing() is not None, reason=f"no containers here: {missing()}")
def test_the_rehearsal_goes_well(tmp_path: Path) -> None:
    """Build, a hardened run, up, a price, an upstream killed and back, a clean stop."""
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.rehearsal"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert figures["server stopped in"] < 15
    assert figures["image megabytes"] < 500


def test_a_program_that_fails_or_hangs_is_told(tmp_path: Path) -> None:
    """With what it said."""
    engine = Engine(tmp_path / "engine")
    assert 0 < engine.files <= MOST_FILES
    assert engine.run("echo", "well") == "well\n"
    with pytest.raises(RehearsalError, match="exit code 3: said so"):
        engine.run("sh", "-c", "echo said so >&2; exit 3")
    with pytest.raises(RehearsalError, match=r"not done after 0\.1 s"):
        engine.run("sleep", "5", seconds=0.1)


def test_it_builds_on_the_images_that_the_files_name() -> None:
    """The stand-ins have their names, so neither file has to be changed."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"FROM {BASE.removeprefix('docker.io/library/')} AS build" in dockerfile
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"image: {POSTGRES.removeprefix('docker.io/library/')}\n" in compose
