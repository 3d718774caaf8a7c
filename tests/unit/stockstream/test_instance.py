"""The id of this instance, on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from stockstream.instance import FILE, keep_instance, kept_instance

if TYPE_CHECKING:
    from pathlib import Path


def test_an_id_is_made_once_and_kept(tmp_path: Path) -> None:
    """In a directory that need not be there yet, until another is told."""
    directory = tmp_path / "new"
    first = kept_instance(directory)
    assert kept_instance(directory) == first != kept_instance(tmp_path)
    keep_instance(directory, "0123456789ab")
    assert kept_instance(directory) == "0123456789ab"
    assert [path.name for path in directory.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"x", b"\xff\xfe", b"0123456789AB", b"../../etc/passwd"])
def test_what_is_no_id_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """It would stand in a cookie's name."""
    (tmp_path / FILE).write_bytes(content)
    made = kept_instance(tmp_path)
    assert len(made) == 12
    assert kept_instance(tmp_path) == made


def test_a_disk_that_takes_nothing_is_told_and_stops_nothing(tmp_path: Path) -> None:
    """The database knows the id; the file is a copy."""
    (tmp_path / "file").write_text("no directory")
    with capture_logs() as logs:
        assert len(kept_instance(tmp_path / "file")) == 12
    assert any("DATA_DIRECTORY" in line.get("reason", "") for line in logs)
