"""A folder of backups: what is one, what is needed, what may go. And its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.database.backups import manifest as manifests
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.keeping import Keep, first_log_needed, may_go, read_keep
from stockstream.database.backups.making import Target, newest_physical, remove_drafts
from stockstream.database.backups.manifest import DATA, MANIFEST, Manifest
from stockstream.database.backups.restoring import checked_chain, chosen
from stockstream.history.backing_up import BackingUp, BackupSettings
from stockstream.jobs.schedule import Every
from stockstream.times import DAY_MS

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.database.backups.manifest import Kind

NOW = 1_795_348_800_000


def a_manifest(
    name: str,
    began: int,
    kind: Kind = "full",
    parent: str | None = None,
    major: int = 18,
) -> Manifest:
    return Manifest(
        name=name,
        kind=kind,
        parent=parent,
        began=began,
        ended=began + 1000,
        program="1",
        server="18.4",
        major=major,
        schema="0017",
        system="7",
        first_log=f"00000001000000000000{began % 10_000:04}",
        last_tick=None,
        rows={"ticks": (1, 2)},
        bytes=3,
        files={},
    )


def put(directory: Path, name: str, began: int, **more: str | int) -> Manifest:
    """A whole backup with one file."""
    data = directory / name / DATA
    data.mkdir(parents=True)
    (data / "one").write_bytes(b"one")
    made = a_manifest(name, began, **more)  # type: ignore[arg-type]
    from_disk = Manifest(
        **{field: getattr(made, field) for field in made.__struct_fields__ if field != "files"},
        files=manifests.entries(data),
    )
    manifests.write(directory / name, from_disk)
    return from_disk


def test_what_was_changed_or_never_finished_is_found(tmp_path: Path) -> None:
    """By name: of a file, a manifest, a folder that is none."""
    made = put(tmp_path, "a", NOW)
    assert manifests.read(tmp_path / "a") == made
    assert manifests.verify(tmp_path, made) == []
    (tmp_path / "a" / DATA / "one").write_bytes(b"two")
    (tmp_path / "a" / DATA / "more").touch()
    changed, extra = manifests.verify(tmp_path, made)
    assert "one is damaged" in changed
    assert "more was not there" in extra
    (tmp_path / "a" / DATA / "one").unlink()
    assert "is gone" in manifests.verify(tmp_path, made)[0]

    (tmp_path / manifests.LOG).mkdir()
    (tmp_path / f"{manifests.DRAFT}b").mkdir()
    (tmp_path / "mine").mkdir()
    file = tmp_path / "a" / MANIFEST
    file.write_bytes(file.read_bytes().replace(b"18.4", b"18.5"))
    damaged, none = manifests.listed(tmp_path)
    assert "is damaged: its checksum is another one" in str(damaged.trouble)
    assert "is no whole backup" in str(none.trouble)
    with pytest.raises(BackupFailed, match="has no good backup"):
        chosen(Target(tmp_path), None)
    with pytest.raises(BackupFailed, match="is damaged"):
        chosen(Target(tmp_path), "a")
    with pytest.raises(BackupFailed, match="No such file"):
        manifests.listed(tmp_path / "nowhere")


def test_a_backup_needs_those_that_it_goes_on_from(tmp_path: Path) -> None:
    """Where one is gone, that is named; the newest by a time is one that had ended by then."""
    full = put(tmp_path, "a-full", NOW)
    second = put(tmp_path, "b-incremental", NOW + 5000, kind="incremental", parent="a-full")
    dump = put(tmp_path, "c-dump", NOW + 9000, kind="dump")
    every = [full, second, dump]
    assert [one.name for one in manifests.chain(every, "b-incremental")] == [
        "a-full",
        "b-incremental",
    ]
    with pytest.raises(BackupFailed, match="'a-full'; b-incremental needs it"):
        manifests.chain([second, dump], "b-incremental")
    target = Target(tmp_path)
    assert chosen(target, None).name == "c-dump"
    assert chosen(target, None, NOW + 20_000).name == "b-incremental"
    assert chosen(target, None, NOW + 5500).name == "a-full"
    with pytest.raises(BackupFailed, match="that ended by"):
        chosen(target, None, NOW)


def test_what_is_of_another_server_or_from_before_a_restore_is_not_gone_on_from(
    tmp_path: Path,
) -> None:
    """The server would have no summary of what was written since."""
    assert newest_physical(tmp_path, "7-00000001") is None
    put(tmp_path, "a-full", NOW)
    put(tmp_path, "b-incremental", NOW + 1, kind="incremental", parent="a-full")
    put(tmp_path, "c-incremental", NOW + 2, kind="incremental", parent="gone")
    found = newest_physical(tmp_path, "7-00000001")
    assert found is not None
    assert found.name == "b-incremental"
    assert newest_physical(tmp_path, "7-00000002") is None
    assert newest_physical(tmp_path, "8-00000001") is None


@pytest.mark.parametrize(
    ("text", "keep"),
    [("14", Keep(14)), ("30d", Keep(1, 30)), ("3, 7d", Keep(3, 7)), ("7d,3", Keep(3, 7))],
)
def test_how_many_are_kept_is_read_and_told(text: str, keep: Keep) -> None:
    """By count, by age, or by both."""
    assert read_keep(text) == keep
    assert read_keep(str(keep)) == keep


@pytest.mark.parametrize("text", ["", "0", "x", "0d", "-3", "3w", "3,,4d"])
def test_what_keeps_nothing_is_refused(text: str) -> None:
    """With what may be written."""
    with pytest.raises(ValueError, match=r"kept"):
        read_keep(text)


@st.composite
def folders(draw: st.DrawFn) -> list[Manifest]:
    """Backups at any times, each incremental one with a parent before it."""
    made: list[Manifest] = []
    for number in range(draw(st.integers(0, 12))):
        began = NOW + draw(st.integers(-60, 60)) * DAY_MS
        parents = [one for one in made if one.kind != "dump"]
        kind = draw(st.sampled_from(["full", "dump", "incremental"] if parents else ["full"]))
        parent = draw(st.sampled_from(parents)).name if kind == "incremental" else None
        made.append(a_manifest(f"{number:02}", began, kind, parent))
    return made


@given(folders(), st.integers(1, 5), st.sampled_from([0.0, 7.0, 30.0]), st.integers(-400, 400))
def test_no_clock_has_one_removed_that_is_needed(
    backups: list[Manifest], count: int, days: float, clock: int
) -> None:
    """The newest stay, the young stay, and what they go on from; the rest goes."""
    now = NOW + clock * DAY_MS
    gone = may_go(backups, Keep(count, days), now)
    left = [one for one in backups if one not in gone]
    names = {one.name for one in left}
    assert len(left) >= min(count, len(backups))
    assert all(one.parent is None or one.parent in names for one in left)
    assert all(one.began <= now - days * DAY_MS for one in gone)
    if left and (first := first_log_needed(left)) is not None:
        assert all(one.first_log is None or one.first_log >= first for one in left)


async def test_files_of_another_version_of_postgresql_are_refused(tmp_path: Path) -> None:
    """By both versions: no server here could be started on them."""
    put(tmp_path, "a-full", NOW, major=17)
    target = Target(tmp_path)
    with pytest.raises(BackupFailed, match="is of PostgreSQL 17, and 18 is here"):
        await checked_chain(target, chosen(target, None))
    put(tmp_path, "b-dump", NOW + 1, major=17, kind="dump")
    assert len(await checked_chain(target, chosen(target, None))) == 1


def test_backups_of_a_clock_that_was_ahead_push_out_no_others() -> None:
    """Once it is right, the ones of today are the newest; those of the year ahead stay."""
    ahead = [a_manifest(f"{n}-ahead", NOW + (365 + n) * DAY_MS) for n in range(3)]
    today = [a_manifest(f"{n}-today", NOW - n * DAY_MS) for n in range(3)]
    gone = may_go([*ahead, *today], Keep(2), NOW)
    assert [one.name for one in gone] == ["2-today"]


def test_what_an_incremental_one_goes_on_from_is_last_in_the_log(tmp_path: Path) -> None:
    """Whatever the clock said when it was made."""
    put(tmp_path, "a-ahead", NOW + 365 * DAY_MS + 1)
    put(tmp_path, "b-today", NOW + 2)
    found = newest_physical(tmp_path, "7-00000001")
    assert found is not None
    assert found.name == "b-today"


def test_what_is_not_ours_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    """A file or link by the name of a draft stops no backup; a linked backup is not emptied."""
    folder, elsewhere = tmp_path / "backups", tmp_path / "elsewhere"
    for n in range(4):
        put(folder, f"{n}-full", n * DAY_MS)
    elsewhere.mkdir()
    (folder / "0-full").rename(elsewhere / "0-full")
    (folder / "0-full").symlink_to(elsewhere / "0-full")
    (folder / ".partial-note").write_text("mine")
    (folder / ".partial-link").symlink_to(elsewhere)
    settings = BackupSettings(Every(3600), folder, "full", Keep(2), str, tmp_path)
    assert BackingUp(settings).prune() == ["1-full"]
    assert (elsewhere / "0-full" / MANIFEST).exists()
    left = {one.name for one in folder.iterdir()} - {".lock"}
    assert left == {"0-full", "2-full", "3-full", ".partial-note", ".partial-link"}
    (folder / ".partial-1-full" / DATA).mkdir(parents=True)  # a removal that was cut off
    remove_drafts(folder)
    assert not (folder / ".partial-1-full").exists()
    assert (folder / ".partial-note").exists()
    assert elsewhere.exists()


async def test_a_backup_that_is_made_is_not_made_again_for_what_comes_after(tmp_path: Path) -> None:
    """What cannot be noted or removed is told; a run that failed would be tried again soon."""
    notes = tmp_path / "notes"
    notes.write_text("a file where the data directory should be")
    folder = tmp_path / "backups"
    made = put(folder, "0-full", 0)
    settings = BackupSettings(Every(3600), folder, "full", Keep(2), str, notes)
    told = await BackingUp(settings).tidied(made)
    assert told.startswith("; but then: ")
    assert str(notes) in told
