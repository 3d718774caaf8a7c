"""Epochs rise from life to life, though the wall clock is set back."""

from __future__ import annotations

import multiprocessing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from stockstream.epochs import FILE, claim_epoch, keep_epoch

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000_000


def claim_at(folder: Path, now: int) -> int:
    return claim_epoch(folder, lambda: now)


@pytest.mark.proves("W1")
def test_a_clock_that_goes_on_is_the_epoch(tmp_path: Path) -> None:
    assert claim_at(tmp_path / "new", NOW) == NOW
    assert claim_at(tmp_path / "new", NOW + 5) == NOW + 5


@pytest.mark.proves("W1")
def test_a_clock_set_back_does_not_lower_it(tmp_path: Path) -> None:
    """One more than the highest seen, each time."""
    assert claim_at(tmp_path, NOW) == NOW
    assert claim_at(tmp_path, NOW - 3_600_000) == NOW + 1
    assert claim_at(tmp_path, NOW + 1) == NOW + 2
    assert claim_at(tmp_path, NOW + 9) == NOW + 9


@pytest.mark.proves("W1")
@pytest.mark.parametrize("text", ["", "yesterday", "12.5", "-7", "\x00" * 16, "٣"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert claim_at(tmp_path, NOW) == NOW
    assert claim_at(tmp_path, NOW) == NOW + 1


@pytest.mark.proves("W1")
def test_a_folder_that_cannot_be_used_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock has to do, and the log names the setting."""
    (tmp_path / "file").write_text("in the way")
    assert claim_at(tmp_path / "file", NOW) == NOW
    assert "DATA_DIRECTORY" in capsys.readouterr().out


@pytest.mark.proves("W1", "H1")
def test_nodes_that_share_a_folder_never_claim_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        claimed = pool.map(partial(_claim, tmp_path), range(60), chunksize=1)
    assert sorted(claimed) == list(range(NOW, NOW + 60))


def _claim(folder: Path, _number: int) -> int:
    return claim_at(folder, NOW)


def test_an_epoch_that_was_heard_of_is_kept_too(tmp_path: Path):
    """The next start is above it; a lower one changes nothing."""
    first = claim_epoch(tmp_path, lambda: 1_000)
    keep_epoch(tmp_path, first + 500)
    keep_epoch(tmp_path, first + 100)
    assert claim_epoch(tmp_path, lambda: 900) == first + 501
