"""Who may run beside whom when the suite runs in several processes."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from tests.support.alone import room

if TYPE_CHECKING:
    from pathlib import Path


def may_enter(folder: Path, how: int) -> bool:
    with (folder / "room").open("w") as hall:
        try:
            fcntl.flock(hall, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_who_is_alone_lets_nobody_in_and_others_let_in_others(tmp_path: Path) -> None:
    with room(tmp_path, alone=True):
        assert not may_enter(tmp_path, fcntl.LOCK_SH)
        assert not may_enter(tmp_path, fcntl.LOCK_EX)
    with room(tmp_path, alone=False):
        assert may_enter(tmp_path, fcntl.LOCK_SH)
        assert not may_enter(tmp_path, fcntl.LOCK_EX)
    assert may_enter(tmp_path, fcntl.LOCK_EX)
