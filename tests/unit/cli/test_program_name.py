"""How the program is called here, in all that it tells people to type."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from stockstream import program
from stockstream.cli import build
from stockstream.program import as_typed, program_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    program_name.cache_clear()
    yield
    program_name.cache_clear()


def installed(folder: Path) -> Path:
    """A program of ours in an environment there."""
    (folder / "bin").mkdir(parents=True)
    path = folder / "bin" / program.NAME
    path.touch(mode=0o755)
    return path


def test_it_is_its_name_where_that_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = installed(tmp_path / "environment")
    monkeypatch.setenv("PATH", str(path.parent))
    assert program_name() == "stockstream"


def test_in_an_environment_of_uv_for_one_run_it_is_typed_with_uvx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next command of the same person does not find it on its PATH."""
    path = installed(tmp_path / "uv/archive-v0/xqgKC85G")
    monkeypatch.setattr(sys, "prefix", str(path.parents[1]))
    monkeypatch.setenv("PATH", str(path.parent))
    assert program_name() == "uvx stockstream"
    assert as_typed("`stockstream tree` shows it") == "`uvx stockstream tree` shows it"
    program_name.cache_clear()
    monkeypatch.setenv("PATH", str(installed(tmp_path / "elsewhere").parent))
    assert program_name() == "stockstream"  # another one is installed for good


def test_every_command_is_told_as_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "program_name", lambda: "./here")
    for name in build():
        if name not in {"-h", "--version"}:
            assert as_typed(f"say `stockstream {name} x`") == f"say `./here {name} x`"
