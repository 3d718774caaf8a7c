"""The lock on a folder of backups, whose disk may hang."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stockstream.database.backups.folder_lock import FolderLock

if TYPE_CHECKING:
    import pytest

DESCRIPTORS = Path("/proc/self/fd")


def test_one_has_it_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


def test_a_thread_that_was_given_up_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk answers only after the lock was given back."""
    late = FolderLock(tmp_path)
    opened, files = os.open, len([*DESCRIPTORS.iterdir()])

    def hangs(path: Path, flags: int, mode: int) -> int:
        monkeypatch.undo()
        late.release()
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", hangs)
    assert not late.take()
    assert len([*DESCRIPTORS.iterdir()]) == files
    assert FolderLock(tmp_path).take()
