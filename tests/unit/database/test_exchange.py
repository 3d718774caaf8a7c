"""A restore that is interrupted at each of its steps leaves one database, and it is known which."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from stockstream.database.embedded.exchange import (
    BEFORE,
    RESTORED,
    exchange,
    forget,
    left_by,
    settle,
)
from stockstream.database.embedded.files import Layout, prepare
from stockstream.database.embedded.programs import EmbeddedFailed, programs
from stockstream.database.embedded.user import ServerUser

if TYPE_CHECKING:
    from pathlib import Path


def cluster(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "rows").write_text(text)
    return folder


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    cluster(found.data, "old")
    return found


@pytest.fixture
def whole(layout: Layout) -> Path:
    return cluster(layout.home / "restoring" / "postgres" / "data", "new")


def rows(layout: Layout) -> str:
    return (layout.data / "rows").read_text()


def test_the_new_one_is_there_and_the_old_one_is_kept(layout: Layout, whole: Path) -> None:
    """Also when something was left of an earlier one."""
    cluster(layout.home / RESTORED, "left by another one")
    kept = exchange(layout, whole)
    assert kept is not None
    assert (rows(layout), (kept / "rows").read_text()) == ("new", "old")
    assert settle(layout) is None
    assert not (layout.home / RESTORED).exists()


@pytest.mark.parametrize(
    ("synced", "left", "there"),
    [
        (0, None, "old"),
        (2, "the restore is not complete yet", "new"),
        (3, "restored, but it is not known", "new"),
    ],
)
def test_what_a_disk_that_fails_has_changed_is_said(
    layout: Layout,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    synced: int,
    left: str | None,
    there: str,
) -> None:
    """After so many folders that it took: nobody is told that nothing was restored when it was."""
    took = iter(range(synced))

    def fsync(_descriptor: int) -> None:
        if next(took, None) is None:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        exchange(layout, whole)
    told = left_by(layout, whole)
    assert told is None if left is None else told is not None and told.startswith(left)
    monkeypatch.undo()
    settle(layout)
    assert rows(layout) == there


def test_there_need_be_no_old_one(layout: Layout, whole: Path) -> None:
    """On another machine."""
    shutil.rmtree(layout.data)
    assert exchange(layout, whole) is None
    assert rows(layout) == "new"


def test_before_the_old_one_has_stepped_aside_nothing_is_changed(
    layout: Layout, whole: Path
) -> None:
    """Which is said, as often as it is so; what was restored goes with the next restore."""
    whole.rename(layout.home / RESTORED)
    for _start in range(2):
        told = settle(layout)
        assert told is not None
        assert "before it changed anything" in told
        assert str(layout.home / RESTORED) in told
    assert rows(layout) == "old"
    forget(layout)
    assert settle(layout) is None


def test_after_that_it_is_completed(layout: Layout, whole: Path) -> None:
    """The old one had gone for it, so it was meant; what is said names where that is."""
    whole.rename(layout.home / RESTORED)
    kept = layout.data.rename(layout.home / f"{BEFORE}20261130T120000Z")
    told = settle(layout)
    assert told is not None
    assert "is complete now" in told
    assert str(kept) in told
    assert rows(layout) == "new"
    assert settle(layout) is None


async def test_no_empty_database_is_made_in_place_of_one_that_stepped_aside(
    layout: Layout,
) -> None:
    """Somebody removed the restored one: a start with an empty one would look like a loss."""
    owner = layout.home.stat().st_uid
    user = ServerUser("us", owner, owner, programs())
    layout.data.rename(layout.home / f"{BEFORE}20261129T120000Z")
    kept = cluster(layout.home / f"{BEFORE}20261130T120000Z", "newer")
    with pytest.raises(EmbeddedFailed, match="begin anew") as refused:
        await prepare(layout, user)
    assert str(kept) in str(refused.value)
    assert not layout.data.exists()
