"""The output of a command: a file that is whole or not there, or a pipe or device."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stockstream.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, TextIO

MOST_LINKS = 40
"""As many as Linux follows."""


@contextmanager
def written(path: Path, permissions: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write, for the time of a `with`.

    It gets its name when all of it is written. Links are followed, so their target is replaced. A
    pipe, a device, or a descriptor of ours (`/dev/stdout`) is written into.

    Raises:
        StartError: it cannot be written; the text names it.
    """
    try:
        found = _followed(path)
        if isinstance(found, int):
            with os.fdopen(found, "wb") as file:
                yield file
            return
        draft = found.with_name(f"{found.name}.part")
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(draft, flags, permissions), "wb") as file:
                yield file
            draft.replace(found)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error


def told_on(path: Path) -> TextIO:
    """Where to say what was written: standard output, unless that may be what was written to."""
    return sys.stdout if path.is_file() else sys.stderr


def _followed(path: Path) -> Path | int:
    """The file that a path leads to, or an open descriptor of what is no regular file.

    Raises:
        OSError: it leads nowhere.
    """
    for _ in range(MOST_LINKS):
        # What stands there reads as a link to a file, or to the name of a pipe, which is none.
        if path.name.isdecimal() and path.parent.resolve() == Path(f"/proc/{os.getpid()}/fd"):
            return os.dup(int(path.name))
        if not path.is_symlink():
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
