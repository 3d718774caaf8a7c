"""A backup in its folder: what it is, what it holds, and the checksum of each of its files.

A folder of backups has one folder for each, with `manifest.json` and its checksum in
`manifest.sha256`; the files stand in `data`. What has no whole manifest is no backup: it was
interrupted, or is somebody else's.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Literal

import msgspec

from stockstream.database.backups.errors import BackupFailed
from stockstream.decoding import from_json

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["full", "incremental", "dump"]
FORMAT = 1
MANIFEST, CHECKSUM, DATA, LOG = "manifest.json", "manifest.sha256", "data", "wal"
DRAFT = ".partial-"
DUMP = "stockstream.dump"
CHUNK = 1 << 20


class FileEntry(msgspec.Struct, frozen=True):
    """A file of a backup: its size in bytes, its SHA-256."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """A backup. Times in ms since 1970; `rows` by table, at its beginning and at its end.

    An incremental backup needs its `parent`. `first_log` is the first file of the write-ahead log
    that is needed to go on from a physical one.
    """

    name: str
    kind: Kind
    parent: str | None
    began: int
    ended: int
    program: str
    server: str
    major: int
    schema: str | None
    system: str | None
    first_log: str | None
    last_tick: int | None
    rows: dict[str, tuple[int, int]]
    bytes: int
    files: dict[str, FileEntry]
    format: int = FORMAT


class Found(msgspec.Struct, frozen=True):
    """A folder that is a backup, or why it is none."""

    name: str
    manifest: Manifest | None
    trouble: str | None = None


def digest(file: Path) -> str:
    """The SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def entries(data: Path) -> dict[str, FileEntry]:
    """All files below `data`, in order.

    Raises:
        OSError: one cannot be read.
    """
    files = sorted(file for file in data.rglob("*") if file.is_file() and not file.is_symlink())
    return {
        str(file.relative_to(data)): FileEntry(file.stat().st_size, digest(file)) for file in files
    }


def write(folder: Path, manifest: Manifest) -> None:
    """Write both files, and have the disk take them.

    Raises:
        OSError: it does not.
    """
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    for name, text in (
        (MANIFEST, content),
        (CHECKSUM, f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode()),
    ):
        with (folder / name).open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def read(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupFailed: it is not there, or not as it was written.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        said = (folder / CHECKSUM).read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError as error:
        raise BackupFailed(f"{error.filename} is not there: {folder} is no whole backup") from None
    except OSError as error:
        raise BackupFailed(f"{folder}: {error.strerror}") from error
    if not said or hashlib.sha256(content).hexdigest() != said[0]:
        raise BackupFailed(f"{folder / MANIFEST} is damaged: its checksum is another one")
    try:
        manifest = from_json(content, Manifest)
    except msgspec.MsgspecError as error:
        raise BackupFailed(f"{folder / MANIFEST}: {error}; a newer program made it?") from error
    if manifest.name != folder.name:
        raise BackupFailed(f"{folder} was {manifest.name}: give it its name back")
    return manifest


def listed(directory: Path) -> list[Found]:
    """All folders that are backups or look like one, the oldest first.

    Raises:
        BackupFailed: the folder cannot be read.
    """
    try:
        folders = sorted(
            folder
            for folder in directory.iterdir()
            if folder.is_dir() and folder.name != LOG and not folder.name.startswith(".")
        )
    except OSError as error:
        raise BackupFailed(f"{directory}: {error.strerror}") from error
    found = []
    for folder in folders:
        try:
            found.append(Found(folder.name, read(folder)))
        except BackupFailed as error:
            found.append(Found(folder.name, None, str(error)))
    return found


def good(directory: Path) -> list[Manifest]:
    """The backups whose manifest is whole, the oldest first.

    Raises:
        BackupFailed: the folder cannot be read.
    """
    manifests = [one.manifest for one in listed(directory) if one.manifest is not None]
    return sorted(manifests, key=lambda one: (one.began, one.name))


def chain(manifests: list[Manifest], name: str) -> list[Manifest]:
    """A backup and those that it needs, the full one first.

    Raises:
        BackupFailed: one is missing.
    """
    by_name = {one.name: one for one in manifests}
    found: list[Manifest] = []
    wanted: str | None = name
    while wanted is not None:
        one = by_name.get(wanted)
        if one is None:
            needs = f"; {found[-1].name} needs it" if found else ""
            raise BackupFailed(f"there is no whole backup {wanted!r}{needs}")
        found.append(one)
        if len(found) > len(by_name):
            raise BackupFailed(f"{name} needs itself: its manifests are damaged")
        wanted = one.parent
    return found[::-1]


def verify(directory: Path, manifest: Manifest) -> list[str]:
    """What is wrong with the files of a backup; nothing where each is as it was written."""
    data = directory / manifest.name / DATA
    wrong = []
    for name, entry in manifest.files.items():
        file = data / name
        try:
            size = file.stat().st_size
            if size != entry.bytes:
                wrong.append(f"{file} has {size:,} bytes and had {entry.bytes:,}")
            elif digest(file) != entry.sha256:
                wrong.append(f"{file} is damaged: its checksum is another one")
        except FileNotFoundError:
            wrong.append(f"{file} is gone")
        except OSError as error:
            wrong.append(f"{file}: {error.strerror}")
    known = set(manifest.files)
    extra = [str(f.relative_to(data)) for f in data.rglob("*") if f.is_file()]
    wrong += [f"{data / name} was not there" for name in extra if name not in known]
    return wrong
